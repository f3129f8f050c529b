"""Dialogues and compared pairs through every stage: what is removed and why, what is learned, and what a takedown leaves."""

import json

import numpy as np
import pytest

import textmill
from tests.command_line import ROOT, SETTINGS, manifest, run, run_all, table
from textmill.base.sealed import unseal
from textmill.cli import main
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.ledger.blocks import shards
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.settings import TokenizerSettings
from textmill.tokenizer.training import train, write_tokenizer

pytestmark = pytest.mark.slow

MIXTURE = """name: chat
block: 256
tokens: 6_000
seed: 3
validation: 0.1
tokenizer: chat-1k
entries:
  chats: {where: {source: chats, turns: {low: 1}}, share: 0.6, repeat: 9}
  pairs: {where: {source: [pairs, again]}, share: 0.3, repeat: 9, learn: [assistant, system]}
  pages: {where: {not: {turns: {low: 1}}}, share: 0.1, repeat: 99}
"""
WORDS = ["rye", "oats", "barley", "stone", "wheel", "water", "sack", "flour", "sieve", "miller", "river", "weir", "gear", "shaft", "hopper", "bran", "dust", "loft", "rope", "cart"]
SIZE = ("--set", "tokenizer.vocab_size=400")
MADE = np.random.default_rng(4)


def words(count):
    return " ".join(MADE.choice(WORDS, count))


def written(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def milled_chats(tmp_path_factory):
    """(data folder, mixture, summary lines) of a run on some dialogues, pairs and pages."""
    folder = tmp_path_factory.mktemp("chats")
    data, prompt = folder / "data", f"SECRETUSER what of {words(60)}?"
    chats = [{"messages": [{"role": role, "content": f"{role.upper()}SAYS {n} {words(9)}"} for role in ("user", "assistant") * 2]} for n in range(40)]
    chats.append({"prompt": "Mail erika@mail.harbour.example and", "response": f"No, not to erika@mail.harbour.example: {words(20)}."})
    chats.append({"messages": [{"role": "user", "content": "Hi!"}, {"role": "assistant", "content": "Hello."}]})
    chats.append({"messages": [{"role": role, "content": f"long {words(25)}"} for role in ("user", "assistant") * 20]})
    chats += [{"messages": [{"role": "user", "content": "x"}]}, {"text": f"A page among them. {words(80)}. The end of it. So it was."}]
    written(data / "raw/chats/a.jsonl", chats)
    written(data / "raw/chats/b.jsonl", [chats[3]])
    pairs = [{"system": "Be brief.", "prompt": prompt, "chosen": f"GOOD {words(8)} {n}", "rejected": f"WORSE {words(8)} {n}"} for n in range(20)]
    pairs += [pairs[0] | {"rejected": "WORSE by far."}]         # the preferred answer beside another one
    written(data / "raw/pairs/p.jsonl", pairs)
    written(data / "raw/again/q.jsonl", [pairs[5]])
    written(data / "raw/web/w.jsonl", [{"text": f"Page number {n}. {words(70)}. It says {words(40)}. And {words(9)}."} for n in range(9)])
    (folder / "chat.yaml").write_text(MIXTURE)
    said = run_all(data, 1, "--mixture", str(folder / "chat.yaml"), *SIZE)
    return data, folder / "chat.yaml", {line.split(":")[0]: line for line in said}


def turns(row):
    return [(turn["role"], row["text"][turn["start"]:turn["end"]]) for turn in row["turns"]]


def test_each_stage_says_what_it_did_with_dialogues(milled_chats):
    _, _, said = milled_chats
    assert ("99 records, 98 kept, 1 rejected (no_answer 1); 88 dialogues (messages 43, prompt + response 1, "
            "system + prompt + chosen + rejected 44), of these 22 compared pairs; ") in said["extract"]
    assert "; 88 of 88 dialogues kept; " in said["screen"]
    assert ", 85 of them dialogues, " in said["curate"] and " texts, 85 of them dialogues, " in said["tokenize"]
    assert "turns of long dialogues lost" in said["pack"]


def test_a_pair_is_never_taken_for_copies_and_a_repeated_one_goes_whole(milled_chats):
    data, _, _ = milled_chats
    documents = {row["id"]: row for row in table(data, "documents").to_pylist()}
    removed = [(documents[row["id"]], documents[row["kept_id"]], row["kind"]) for row in table(data, "duplicates").to_pylist() if row["kind"]]
    dialogues = [(one, kept, kind) for one, kept, kind in removed if one["turns"]]
    assert sorted((one["pair"] is None, one["preferred"], kind) for one, _, kind in dialogues if one["pair"] or kind == "record") == [
        (False, False, "exact"), (False, True, "exact"), (True, None, "record")]
    assert all((one["pair"], one["preferred"], one["text"]) == (kept["pair"], kept["preferred"], kept["text"]) for one, kept, _ in dialogues if one["pair"])
    halves = [row for row in table(data, "curated").to_pylist() if row["pair"]]
    assert len(halves) == 42 and len({row["pair"] for row in halves}) == 21


def test_personal_data_goes_and_the_turns_move(milled_chats):
    data, _, _ = milled_chats
    (row,) = [row for row in table(data, "curated").to_pylist() if row["text"].startswith("Mail ")]
    said = turns(row)
    assert said[0] == ("user", "Mail <EMAIL> and") and said[1][0] == "assistant" and said[1][1].startswith("No, not to <EMAIL>: ")
    assert any(turns(row) == [("user", "Hi!"), ("assistant", "Hello.")] for row in table(data, "curated").to_pylist() if row["turns"])
    assert max(len(row["text"]) for row in table(data, "curated").to_pylist() if row["turns"] and row["pieces"] == 1) > 4000


def test_no_token_of_a_user_ever_carries_loss(milled_chats):
    """By the markers in the blocks alone, whatever turns and spans say."""
    data, _, _ = milled_chats
    encoder = Encoder.load(data / "tokenizers/chat-1k")
    special = {number: token for token, number in encoder.special.items()}
    seen = {"user": 0, "assistant": 0, "system": 0}
    text = ""
    for split in ("train", "validation"):
        blocks = textmill.load_blocks(data / "blocks/chat" / split)
        assert blocks.has_learn
        for number in range(len(blocks)):
            batch = blocks.read([number])
            (entry,) = batch.entries
            tokens, targets = batch.tokens[0].tolist(), batch.targets[0].tolist()
            role = None
            for place, token in enumerate(tokens):
                learned = place > 0 and targets[place - 1] != -100
                name = special.get(token, "")
                if entry == "pages":
                    continue
                if name in ("<|user|>", "<|assistant|>", "<|system|>", "<|endoftext|>"):
                    assert not learned
                    role = name.strip("<|>") if name != "<|endoftext|>" else None
                    continue
                may = {"assistant"} | ({"system"} if entry == "pairs" else set())
                assert learned == (role in may), (entry, place, role)
                seen[role] = seen.get(role, 0) + 1
            text += encoder.decode(tokens).decode(errors="replace")
    assert min(seen[role] for role in ("user", "assistant", "system")) > 50
    assert "GOOD" in text and "SECRETUSER" in text and "WORSE" not in text


def test_the_counts_balance_and_name_what_was_left_out(milled_chats):
    data, _, _ = milled_chats
    counts = unseal((data / "blocks/chat/_stats.json").read_bytes())
    assert counts["read"] == counts["kept"] + sum(counts["rejected"].values()) and counts["rejected"]["not_preferred"] == 21
    assert counts["tokens"]["read"] == sum(counts["tokens"][name] for name in ("packed", "left_out", "no_entry", "lost"))
    assert counts["dialogues"]["chats"]["turns_lost"] > 20 and counts["dialogues"]["pairs"] == {"dialogues": 21, "turns_lost": 0, "too_long": 0}
    with open(data / "blocks/chat" / manifest(data, "blocks/chat")["parts"][0]["path"], "rb") as file:
        import pyarrow as pa
        assert pa.ipc.open_stream(file).schema.metadata[b"schema"] == b"4"


def test_a_tokenizer_without_chat_tokens_is_refused_before_work(milled_chats):
    data, mixture, _ = milled_chats
    write_tokenizer(data / "tokenizers/plain", train(["the mill grinds"] * 9, TokenizerSettings(vocab_size=258, special_tokens=["<|endoftext|>"])))
    ran = run("tokenize", data, 1, "--mixture", str(mixture), "--tokenizer", "plain", *SIZE)
    assert ran.returncode == 1 and ran.stderr.count("\n") == 1
    assert ran.stderr.startswith("tokenize: tokenizers/plain: this tokenizer has no <|system|>, <|developer|>, ")
    assert not (data / "tokens/plain").exists()


def test_why_and_takedown(milled_chats, capsys):
    data, mixture, _ = milled_chats
    documents = table(data, "documents").to_pylist()
    (half,) = [row for row in documents if row["preferred"] and row["text"].endswith(" 7") and row["source"] == "pairs"]
    options = ["--data", str(data), "--config", str(SETTINGS), "--rules", str(ROOT / "rules.yaml"), "--mixture", str(mixture), *SIZE]
    assert main(["why", half["id"], *options]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"a dialogue of 3 turns, from system, prompt, chosen, rejected; preferred of the pair {half['pair']}" in said
    assert "no bound for dialogues" in said and "dialogues" in said and "block " in said
    (data / "takedown.txt").write_text(f"id:{half['id']}\n")
    assert main(["takedown", "--carry-out", *options, "--workers", "1"]) == 0
    capsys.readouterr()
    (left,) = [row for row in table(data, "documents").to_pylist() if row["id"] == half["id"]]
    assert (left["text"], left["turns"], left["pair"], left["preferred"]) == ("", None, None, None)
    assert half["id"] not in {row["id"] for row in table(data, "curated").to_pylist()}
    assert all(span["id"] != half["id"] for shard in shards(Folder(str(data)) / "blocks/chat") for spans in shard.rows["spans"].to_pylist() for span in spans)
    blocks = textmill.load_blocks(data / "blocks/chat")
    assert blocks.train.read(range(len(blocks.train))).target_count > 1000


def test_what_a_page_must_not_say_a_program_and_a_sum_may(tmp_path):
    """Messages of a missing file, dummy text to be counted and a shop's offer are tasks; an answer that sells is none."""
    asked = [("Write a shell script that counts the lines of a file.\n\nnotes.txt",
              '#!/bin/sh\nif [ -f "$1" ]; then\n  wc -l < "$1"\nelse\n  echo "File not found."\nfi'),
             ("Count the words of a text in Python.\n\nLorem ipsum dolor sit amet, consectetur adipiscing elit.",
              'text = "Lorem ipsum dolor sit amet, consectetur adipiscing elit."\nprint(len(text.split()))'),
             ("A shop gives free shipping above 30 dollars. Rita has two brushes at 8 dollars each. How much more must she buy?",
              "She has 2 * 8 = 16 dollars, so 30 - 16 = 14 are left."),
             ("What helps against a cold?", "Buy viagra! Cheap viagra, viagra online, canadian pharmacy, no prescription needed.")]
    written(tmp_path / "raw/asked/a.jsonl", [{"prompt": prompt, "response": response} for prompt, response in asked])
    for stage in ("extract", "measure", "screen"):
        assert run(stage, tmp_path).returncode == 0
    texts, verdicts = (table(tmp_path, dataset).to_pylist() for dataset in ("documents", "verdicts"))
    broken = {row["text"][:20]: [each["rule"] for each in verdict["broken"]] for row, verdict in zip(texts, verdicts, strict=True)}
    assert broken == {prompt[:20]: ["spam_phrases"] if prompt.startswith("What helps") else [] for prompt, _ in asked}
