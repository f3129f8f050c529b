"""Dialogues in blocks: the template's tokens and mask, token by token; whole turns only; never a user's token with loss."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import textmill
from tests.tokenizer.test_chat import ENCODER, TRAINED, by_template, theirs  # noqa: F401  (a fixture)
from tests.tokens.conversations import conversations, curated_rows
from textmill.base.strict import SettingsError, parse
from textmill.pipelines.extract.rows import TURNS
from textmill.pipelines.pack.dialogues import fitting
from textmill.pipelines.pack.documents import Index
from textmill.pipelines.pack.fill import Learning, blocks_schema, fill
from textmill.pipelines.pack.mixture import Entry, Mixture, MixtureError
from textmill.pipelines.pack.packers import Concatenation
from textmill.pipelines.pack.plan import outcome, plan_blocks
from textmill.pipelines.pack.split import Kinship
from textmill.pipelines.tokens.encode import encoded

END = ENCODER.end_of_text


def token_rows(curated):
    """The rows of tokens/<name> of a batch of curated, as the index takes them up, with their ids."""
    tokens, turns = encoded(curated, ENCODER)
    columns = {name: curated[name] for name in ("id", "piece", "pieces", "source", "language", "cluster_size", "pair", "preferred")}
    return pa.RecordBatch.from_pydict(columns | {
        "token_count": tokens.value_lengths().cast(pa.int32()), "dialogue": turns, "turns": turns.value_lengths(), "tokens": tokens})


def planned(rows, mixture):
    index = Index(mixture)
    index.add(rows, 0, Kinship())
    return index, plan_blocks(index)


def filled(rows, plan, split="train"):
    """The blocks of a plan, as pack writes them."""
    mixture = plan.mixture
    learning = Learning(lambda _, row: rows["dialogue"].take(pa.array(row)), {name: entry.learned for name, entry in mixture.entries.items()})
    return fill(getattr(plan, split).blocks, mixture.block, END, ENCODER.dtype, lambda _, row: rows["tokens"].take(pa.array(row)), learning)


def opened(batch, folder, mixture):
    """The blocks through a file, as the model reads them."""
    facts = {"schema": "4", "mixture": "m", "block": str(mixture.block), "vocab_size": str(ENCODER.vocab_size), "end_of_text": str(END),
             "tokenizer_sha256": hashlib.sha256(TRAINED.encode()).hexdigest()}
    with pa.ipc.new_stream(str(folder / "0.arrow"), blocks_schema(mixture.block, ENCODER.dtype, True).with_metadata(facts)) as stream:
        stream.write_batch(batch.replace_schema_metadata(facts))
    digest = hashlib.sha256((folder / "0.arrow").read_bytes()).hexdigest()
    (folder / "_manifest.json").write_text(json.dumps({"schema": 1, "parts": [{"path": "0.arrow", "rows": batch.num_rows, "sha256": digest}]}))
    return textmill.load_blocks(folder)


def recipe(block, tokens, entries, **more):
    return Mixture("m", block, tokens, 1, 0.0, "t", entries, **more)


@pytest.mark.parametrize(("way", "learn"), [("fit", None), ("concat", ("assistant", "system"))])
def test_a_thousand_conversations_carry_loss_where_transformers_mask_says_and_nowhere_else(theirs, tmp_path, way, learn):  # noqa: F811
    listed = conversations(1000, seed=2)
    curated = curated_rows(listed)
    rows = token_rows(curated)
    total = sum(rows["token_count"].to_pylist()) + 2 * len(rows)
    block = 128
    _, plan = planned(rows, recipe(block, total, {"chat": Entry({"any": [{"source": "chats"}, {"source": "pages"}]}, 1.0, 4, learn=learn)}, fill=way))
    blocks = opened(filled(rows, plan), tmp_path, plan.mixture)
    messages = dict(zip([one for one, turns in zip(curated["id"].to_pylist(), curated["turns"].to_pylist(), strict=True) if turns], listed, strict=True))
    batch, spans_of = blocks.read(range(len(blocks))), pa.ipc.open_stream((tmp_path / "0.arrow").read_bytes()).read_all()["spans"].to_pylist()
    seen, shortened = set(), 0
    for tokens, targets, spans in zip(batch.tokens.numpy(), batch.targets.numpy(), spans_of, strict=True):
        wanted = np.full(block, -100)
        for span in spans:
            here = tokens[span["start"]:span["end"]]
            if span["id"] not in messages:
                assert span["learn"] is None
                wanted[span["start"]:span["end"] - 1] = here[1:]
                continue
            ids, mask = map(np.array, by_template(theirs, messages[span["id"]]))
            if learn:       # the template has a mask for the assistant only: the system turn comes first
                mask[2:(ids == ENCODER.special["<|end|>"]).argmax() + 1] |= int(messages[span["id"]][0]["role"] == "system")
            size = len(here) - 1
            assert span["offset"] == 0 and here.tolist() == [*ids[:size], END] and (size == len(ids) or ids[size - 1] == ENCODER.special["<|end|>"])
            wanted[span["start"]:span["end"] - 2] = np.where(mask[1:size], ids[1:size], -100)
            seen.add(span["id"])
            shortened += size < len(ids)
        assert targets.tolist() == wanted.tolist()
    assert len(seen) + plan.dialogues["chat"].too_long == 1000 and len(seen) > 950 and shortened > 100


def chat(*sizes, roles=("user", "assistant"), last=None):
    """Turns of these many tokens, marker and end included."""
    ends = np.cumsum(sizes)
    return [{"role": role, "start": int(end - size) + 1, "end": int(end)}
            for size, end, role in zip(sizes, ends, [*(roles * len(sizes))[:len(sizes) - (last is not None)], *([last] if last else [])], strict=True)]


def test_of_a_long_dialogue_the_beginning_of_whole_turns_that_fits_is_taken():
    turns = pa.array([chat(3, 4), chat(3, 3), chat(5, 2), chat(6, 3), chat(2, 2, 2, 2), chat(2, 2, 3, 2), chat(7, 1), chat(2, last="user")], TURNS)
    fits = fitting(turns, 8, [("system",), ("assistant",)], np.ones(8, int))
    assert fits.tokens.tolist() == [3, 6, 5, 6, 6, 4, 0, 2]
    assert fits.lost.tolist() == [1, 0, 1, 1, 1, 2, 2, 0]
    assert fits.learns.tolist() == [False, True, False, False, True, True, False, False]
    system = pa.array([chat(3, 9, roles=("system", "assistant"))], TURNS)
    assert [fitting(system, 8, [roles], np.zeros(1, int)).learns.tolist() for roles in (("assistant",), ("assistant", "system"))] == [[False], [True]]


WORLD = [("c", chat(40, 40)), ("c", chat(40, 40, 40, 40)), ("c", chat(127, 3)), ("p", None), ("c", chat(60, 66)), ("c", chat(60, 67))]


def world(rows):
    """Token rows whose ids count up, of (source, turns or None for a page of 100 tokens)."""
    return pa.RecordBatch.from_pylist([
        {"id": f"{n:032x}", "piece": 0, "pieces": 1, "source": source, "token_count": turns[-1]["end"] if turns else 100, "dialogue": turns,
         "turns": turns and len(turns), "tokens": list(range(turns[-1]["end"] if turns else 100)), **dict(more)} for n, (source, turns, *more) in enumerate(rows)],
        pa.schema([("id", pa.string()), ("piece", pa.int32()), ("pieces", pa.int32()), ("source", pa.string()), ("language", pa.string()),
                   ("cluster_size", pa.int32()), ("pair", pa.string()), ("preferred", pa.bool_()), ("token_count", pa.int32()),
                   ("dialogue", TURNS), ("turns", pa.int32()), ("tokens", pa.list_(pa.from_numpy_dtype(ENCODER.dtype)))]))

@pytest.mark.parametrize("way", ["fit", "concat"])
def test_turns_lost_and_dialogues_left_out_are_counted(way):
    rows = world(WORLD)
    index, plan = planned(rows, recipe(128, 440, {"c": Entry({"source": "c"}, 0.75), "p": Entry({"source": "p"}, 0.25, 9)}, fill=way))
    assert outcome(plan)["dialogues"] == {"c": {"dialogues": 5, "turns_lost": 1, "too_long": 2}}
    assert index.lost_tokens == 40 + (130 + 2) + (127 + 2)
    assert index.read_tokens - index.lost_tokens == sum(packed.available for packed in plan.train.packed)
    rows_of = {span["id"][-1]: (block["entry"], span["end"] - span["start"], span["learn"]) for block in filled(rows, plan).to_pylist() for span in block["spans"]}
    assert rows_of == {"0": ("c", 82, [{"start": 42, "end": 81}]), "1": ("c", 122, [{"start": 42, "end": 81}]), "4": ("c", 128, [{"start": 62, "end": 127}]),
                       "3": ("p", 102, None)} or way == "concat"
    for block in filled(rows, plan).to_pylist():
        for span in block["spans"]:
            if block["entry"] == "c":
                assert block["tokens"][span["start"]] == END == block["tokens"][span["end"] - 1]
                assert block["tokens"][span["start"] + 1:span["end"] - 1] == list(range(span["end"] - span["start"] - 2))


def test_answers_that_were_not_preferred_are_taken_on_request_only():
    rows = world([("c", chat(9, 9), *{"pair": "x", "preferred": True}.items()), ("c", chat(9, 9), *{"pair": "x", "preferred": False}.items())] * 1
                 + [("c", chat(9, 9))] * 8)
    index, plan = planned(rows, recipe(128, 180, {"c": Entry({"source": "c"}, 1.0)}))
    assert (index.not_preferred, plan.train.packed[0].documents) == (1, 9)
    asked, plan = planned(rows, recipe(128, 20, {"c": Entry({"preferred": False}, 1.0)}))
    assert (asked.not_preferred, plan.train.packed[0].documents) == (0, 1)
    both = Index(Mixture("m", 128, 150, 1, 0.4, "t", {"c": Entry({"any": [{"preferred": [True, False]}, {"source": "c"}]}, 1.0)}))
    both.add(rows, 0, Kinship())
    held = np.concatenate(list(both.rows.read()))["held"]
    assert held[0] == held[1]


@given(st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=60), st.integers(1, 9), st.sampled_from([8, 20, 33]))
@settings(max_examples=200, deadline=None)
def test_end_to_end_a_dialogue_is_whole_and_nothing_else_changes(drawn, size, block):
    lengths, whole = np.array([min(length, block) if keep else 2 * length for length, keep in drawn]), np.array([keep for _, keep in drawn])
    packers = [Concatenation(block), Concatenation(block)]
    items = packers[0].add(lengths, whole)
    parts = [packers[1].add(lengths[at:at + size], whole[at:at + size]) for at in range(0, len(lengths), size)]
    assert np.concatenate([part.block for part in parts]).tolist() == items.block.tolist() and np.concatenate([part.at for part in parts]).tolist() == items.at.tolist()
    for packer in packers:
        packer.finish()
    assert np.bincount(items.document, items.length, minlength=len(lengths)).tolist() == lengths.tolist()
    assert (np.bincount(items.document, minlength=len(lengths))[whole] == 1).all()
    used = np.zeros((packers[0].opened, block), int)
    for begin, length, of in zip(items.at, items.length, items.block, strict=True):
        used[of, begin:begin + length] += 1
    assert used.max() == 1 and used.sum() == lengths.sum() == packers[0].tokens
    for packer in packers:
        assert np.concatenate(packer.closed).tolist() == list(range(packer.opened)) and np.concatenate(packer.sizes).tolist() == used.sum(axis=1).tolist()
    plain = Concatenation(block)
    assert [column.tolist() for column in plain.add(lengths)] == [column.tolist() for column in Concatenation(block).add(lengths, np.zeros(len(whole), bool))]


@pytest.mark.parametrize(("learn", "sentence"), [
    (["user"], "learn names user; what people ask is read and never learned, or the model would learn to ask: name assistant, system, developer"),
    (["assistant", "tool"], "learn names tool; what tools answer is read and never learned: name assistant, system, developer"),
    (["bot"], "learn names bot; no such role is learned: name assistant, system, developer"),
    ([], "learn is empty, so nothing would be learned; name assistant, system, developer, or leave it out for assistant")])
def test_what_must_not_be_learned_is_refused_in_words(learn, sentence):
    with pytest.raises(SettingsError) as refused:
        parse(Entry, {"where": {"source": "c"}, "share": 1.0, "learn": learn}, "mine.yaml: c")
    assert refused.value.problems == [f"mine.yaml: c: {sentence}"]


@pytest.mark.parametrize(("rows", "entry", "sentence"), [
    ([("p", None)] * 3, Entry({"source": "p"}, 1.0, learn=("assistant",)),
     "entry c says what to learn of dialogues and selects none; take `learn` out, or change its `where`"),
    ([("c", chat(127, 3))] * 3, Entry({"source": "c"}, 1.0), "entry c has 3 dialogues, and of none a turn of assistant fits a block of 128; raise block, "
     "or name a role in learn that they have")])
def test_recipes_that_dialogues_cannot_meet(rows, entry, sentence):
    with pytest.raises(MixtureError) as refused:
        planned(world(rows), recipe(128, 128, {"c": entry}))
    assert str(refused.value) == sentence
