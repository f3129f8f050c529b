"""The tokenizer: bytes first, lossless, the same whatever the order, and read by `tokenizers` and `transformers`."""

import gzip
import json
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tests.command_line import refused
from tests.paths import SHARED
from textmill.cli import main
from textmill.tokenizer.bpe import END_OF_TEXT, PATTERNS, TokenizerError, character_of_byte, token_bytes, tokenizer_json
from textmill.tokenizer.encoder import Encoder, compression
from textmill.tokenizer.settings import TokenizerSettings
from textmill.tokenizer.training import chosen, train, write_tokenizer

TEXTS = ["The miller grinds the corn, and the mill grinds on.\n" * 3, "Der Müller mahlt das Korn, 1234 Säcke.\n" * 3,
         "Мельник мелет зерно. " * 4, "粉屋は麦を挽く。" * 5, "  indented\n\n\tlines don't stop  \n" * 3]
TRAINING = TokenizerSettings(vocab_size=320, special_tokens=[END_OF_TEXT, "<|user|>"])
TRAINED = train([TEXTS], TRAINING)
ENCODER = Encoder(TRAINED)
GPT2 = SHARED / "gpt2"


def ids(text, encoder=ENCODER):
    return encoder.encode(pa.array([text]))[0].as_py()


def test_ids_0_to_255_are_the_bytes_then_merges_in_order_then_special_tokens():
    assert token_bytes(TRAINED)[:256] == [bytes([byte]) for byte in range(256)]
    vocabulary = json.loads(TRAINED)["model"]["vocab"]
    assert list(vocabulary.values()) == list(range(318))
    made = dict.fromkeys(left + right for left, right in json.loads(TRAINED)["model"]["merges"])
    assert list(vocabulary)[256:] == list(made)
    assert token_bytes(TRAINED)[318:] == [b"", b""] and ENCODER.end_of_text == 318
    bare = Encoder(tokenizer_json([], "qwen2", [END_OF_TEXT]))
    every = "".join(map(chr, [*range(0x800), 0xFFFD, 0x10FFFF]))
    assert bytes(ids(every, bare)) == every.encode()            # without merges the ids are the bytes


@given(st.text() | st.text("aâ€ \n\r\t'<|endoftext|>1٣漢ゞ́\u200d👩"))
def test_any_text_comes_back_byte_for_byte_and_never_has_a_special_id(text):
    assert ENCODER.decode(ids(text)) == text.encode()
    assert max(ids(text), default=0) < 318


def test_special_token_text_in_a_document_is_ordinary_bytes(tmp_path):
    text = f"before{END_OF_TEXT}<|user|>after"
    write_tokenizer(tmp_path, TRAINED)
    loaded = Encoder.load(tmp_path)
    assert loaded.decode(ids(text, loaded)) == text.encode() and max(ids(text, loaded)) < 318
    plain = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert 318 in plain.encode(text).ids and 319 in plain.encode(text).ids      # what the switch is for
    plain.encode_special_tokens = True
    assert plain.encode(text).ids == ids(text)


def test_the_same_file_whatever_the_order_of_texts_and_batches():
    for seed in range(3):
        texts = random.Random(seed).sample(TEXTS, len(TEXTS))
        assert train([texts[:2], texts[2:]], TRAINING) == TRAINED


def test_training_cuts_what_has_no_cut_and_says_when_there_is_too_little_text():
    capped = train([["ab" * 50_000]], TokenizerSettings(vocab_size=262, special_tokens=[END_OF_TEXT], max_pretoken_bytes=32))
    assert token_bytes(capped)[256:261] == [b"ab" * 2**n for n in range(5)]
    with pytest.raises(TokenizerError, match=r"give only 262 tokens \(5 merges\), vocab_size asks for 400; lower vocab_size to 262"):
        train([["ab" * 50_000]], TokenizerSettings(vocab_size=400, special_tokens=[END_OF_TEXT], max_pretoken_bytes=32))


@pytest.mark.parametrize(("values", "problem"), [
    ({"vocab_size": 256}, "already need 281"), ({"pattern": "mine"}, "llama.cpp knows gpt-2, llama-bpe, qwen2, gpt-4o"),
    ({"special_tokens": ["<|a|>"]}, "lacks <|endoftext|>"), ({"special_tokens": [END_OF_TEXT] * 2}, "a token twice"),
    ({"max_pretoken_bytes": 8}, "give 16 to 4096"), ({"sample_bytes": 0}, "give at least 1"),
    ({"special_tokens": [END_OF_TEXT, "a"]}, "fewer than two characters"),
    ({"special_tokens": [END_OF_TEXT, " \n"]}, "' \\\\n', which is white space"),
    ({"special_tokens": [END_OF_TEXT, "<\u200b|x|>"]}, r"with U\+200B, by which spelled tokens are told"),
    ({"special_tokens": [END_OF_TEXT, "||x||"]}, "has '||x||', which overlaps with itself"),
    ({"special_tokens": [END_OF_TEXT, "DAB", "BAD"]}, "has 'DAB', which overlaps with 'BAD'"),
    ({"special_tokens": [END_OF_TEXT, "<<|endoftext|>>"]}, "overlaps with '<|endoftext|>'; write special tokens as <|name|>")])
def test_settings_that_cannot_be(values, problem):
    with pytest.raises(TokenizerError, match=problem.replace("|", r"\|")):
        train([TEXTS], TokenizerSettings(**values))


def test_a_special_token_that_text_spells_as_a_learned_one_is_refused():
    texts = ["PAD PAD the PAD " * 9, "Müller " * 9]
    for token in ("PAD", "Müller"):
        with pytest.raises(TokenizerError, match=f"the special token '{token}' is also a token learned from the text"):
            train(texts, TokenizerSettings(vocab_size=271, special_tokens=[END_OF_TEXT, token]))
    train(texts, TokenizerSettings(vocab_size=271, special_tokens=[END_OF_TEXT, "PADDING"]))


@pytest.mark.parametrize(("added", "problem"), [
    ({"id": 65}, "'<|user|>' has the id 65 of the ordinary token 'A'; give it an id of its own"),
    ({"content": "the"}, r"'the' has the id 319 and is an ordinary token of id \d+ too"),
    ({"content": "  "}, r"'  ' has the id 319 and is an ordinary token of id \d+ too")])
def test_an_added_token_that_disagrees_with_the_vocabulary_is_refused(added, problem):
    read = json.loads(train(["the  mill  the  "] * 9, TokenizerSettings(vocab_size=264, special_tokens=[END_OF_TEXT, "<|user|>"])))
    read["added_tokens"][1].update(added)
    with pytest.raises(TokenizerError, match="disagrees with itself: the added token " + problem.replace("|", r"\|").replace("319", "263")):
        Encoder(json.dumps(read))


def test_an_added_token_that_is_not_special_is_text():
    read = json.loads(TRAINED)
    read["added_tokens"][1].update(content="naïve mill", special=False)
    encoder = Encoder(json.dumps(read))
    assert encoder.special == {END_OF_TEXT: 318} and 319 in ids("a naïve mill", encoder)
    assert encoder.decode(ids("a naïve mill", encoder)) == "a naïve mill".encode()


def test_transformers_loads_the_folder_unchanged(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    write_tokenizer(tmp_path, TRAINED)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "generation_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"]
    for cls in (transformers.AutoTokenizer, transformers.PreTrainedTokenizerFast):
        loaded = cls.from_pretrained(str(tmp_path))
        assert (loaded.eos_token_id, loaded.bos_token_id, len(loaded)) == (318, 318, 320)
        assert [loaded(text)["input_ids"] for text in TEXTS] == [ids(text) for text in TEXTS]
        assert [loaded.decode(ids(text)) for text in TEXTS] == TEXTS


def test_arrays_keep_nulls_and_empty_texts_and_the_type_follows_the_vocabulary():
    encoded = ENCODER.encode(pa.array(["ab", None, ""])[0:3])
    assert encoded.type == pa.list_(pa.uint16()) and encoded.is_null().to_pylist() == [False, True, False]
    assert encoded[2].as_py() == []
    many = [(character_of_byte[a], character_of_byte[b]) for a in range(256) for b in range(256)]
    assert Encoder(tokenizer_json(many[:-257], "gpt-2", [END_OF_TEXT])).dtype == np.uint16
    assert Encoder(tokenizer_json(many[:-256], "gpt-2", [END_OF_TEXT])).dtype == np.uint32


def test_a_sample_depends_on_the_id_alone_and_grows():
    names = [f"{n:032x}" for n in range(4000)]
    small, large = ({n for n in names if chosen(n, share)} for share in (0.1, 0.3))
    assert small < large and 340 < len(small) < 460 and all(chosen(n, 1.0) for n in names)


def test_compression_is_told_per_language():
    texts = pa.array(["one two", "粉屋は", "three", "..."])
    bare = Encoder(tokenizer_json([], "qwen2", [END_OF_TEXT]))
    table = compression(texts, ["en", "ja", "en", "und"], bare.encode(texts)).to_pylist()
    assert [tuple(row.values()) for row in table] == [
        ("en", 2, 12, 12, 3, 1.0, 4.0), ("ja", 1, 9, 9, 3, 1.0, 3.0), ("und", 1, 3, 3, 0, 1.0, None)]


@pytest.mark.parametrize("damage", [
    lambda read: read["model"].update(continuing_subword_prefix="###"), lambda read: read["added_tokens"][0].pop("content"),
    lambda read: read["model"].update(vocab=[1]), lambda read: read["added_tokens"][0].update(id="x"),
    lambda read: read["pre_tokenizer"]["pretokenizers"][0]["pattern"].update(Regex="\\x{ffffffffff}"), lambda read: read.update(model="BPE")])
def test_a_damaged_tokenizer_is_a_sentence_even_where_the_library_panics(damage):
    read = json.loads(TRAINED)
    damage(read)
    with pytest.raises(TokenizerError):
        Encoder(json.dumps(read))
    with pytest.raises(TokenizerError):
        Encoder("[" * 100_000)


def test_token_bytes_refuses_what_is_no_byte_level_bpe(tmp_path):
    for content, problem in (("{}", "has no BPE"), ('{"model": {"type": "BPE", "vocab": {"▁a": 0}}}', "not a byte-level BPE"),
                             ('{"model": {"type": "BPE", "vocab": {"a": 1}}}', "have gaps")):
        with pytest.raises(TokenizerError, match=problem):
            token_bytes(content)
    with pytest.raises(TokenizerError, match="there is no such file"):
        token_bytes(tmp_path / "tokenizer.json")


@pytest.mark.skipif(not GPT2.is_dir(), reason="no folder `shared` beside the checkout")
def test_with_the_merges_of_gpt2_texts_are_cut_as_gpt2_cuts_them():
    merges = [tuple(line.split(" ")) for line in (GPT2 / "vocab.bpe").read_text("utf-8").splitlines()[1:]]
    of_gpt2 = {number: token for token, number in json.loads((GPT2 / "encoder.json").read_text("utf-8")).items()}
    encoder = Encoder(tokenizer_json(merges, "gpt-2", [END_OF_TEXT]))
    byte = {character: number for number, character in enumerate(character_of_byte)}
    expected = [bytes(byte[c] for c in of_gpt2[number]) for number in (1212, 318, 617, 2420)]
    assert [encoder.bytes[number] for number in ids("This is some text", encoder)] == expected
    assert encoder.vocab_size == 50257 and PATTERNS["gpt-2"]


def test_the_command_trains_from_files_in_any_order_and_reports_bad_input(tmp_path, capsys):
    (tmp_path / "a.txt").write_text(TEXTS[0])
    with gzip.open(tmp_path / "b.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(json.dumps({"body": TEXTS[1]}) + "\n")
    with pa.CompressedOutputStream(str(tmp_path / "c.jsonl.zst"), "zstd") as out:
        out.write(b"".join(json.dumps({"body": text}).encode() + b"\n" for text in TEXTS[2:4]))
    pq.write_table(pa.table({"body": [TEXTS[4], None]}), tmp_path / "d.parquet", write_page_checksum=True)
    files = [str(tmp_path / name) for name in ("a.txt", "b.jsonl.gz", "c.jsonl.zst", "d.parquet")]
    shared = ["--vocab-size", "320", "--text-column", "body", "--special", "<|user|>"]
    assert main(["train-tokenizer", *files, "--to", str(tmp_path / "one"), *shared]) == 0
    assert main(["train-tokenizer", *files[::-1], "--to", str(tmp_path / "two"), *shared]) == 0
    assert "320 tokens" in capsys.readouterr().out
    assert (tmp_path / "one/tokenizer.json").read_text("utf-8") == (tmp_path / "two/tokenizer.json").read_text("utf-8") == TRAINED
    for name, content, problem in (
            ("e.jsonl.gz", (tmp_path / "b.jsonl.gz").read_bytes()[:-9], "cannot be read"),
            ("e.jsonl.zst", (tmp_path / "c.jsonl.zst").read_bytes()[:-9], "cannot be read"),
            ("e.jsonl", b'{"text": "x"}\n', "line 1: has no 'body' (it has text)"),
            ("f.jsonl", b'{"body": "x"\n', "line 1: is not JSON"), ("e.txt", b"\xff", "cannot be read"),
            ("e.txt", b"", "hold no text"), ("e.doc", b"", "is not .txt"), ("e.parquet", b"PAR1", "cannot be read")):
        (tmp_path / name).write_bytes(content)
        assert problem in refused(capsys, "train-tokenizer", str(tmp_path / name), "--to", str(tmp_path / "no"), *shared)
    assert "no such file" in refused(capsys, "train-tokenizer", str(tmp_path / "g.txt"), "--to", str(tmp_path / "no"))
    assert not (tmp_path / "no").exists()
