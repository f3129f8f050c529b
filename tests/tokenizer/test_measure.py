"""Figures of a tokenizer, counted by hand."""

import json

import numpy as np
import pyarrow as pa
import pytest

from tests.paths import SHARED
from textmill.tokenizer import measure
from textmill.tokenizer.bpe import END_OF_TEXT, TokenizerError, tokenizer_json
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.settings import TokenizerSettings
from textmill.tokenizer.training import train

# `ab` and `abab` are learned, and the first two bytes of é's character twice over.
SMALL = tokenizer_json([("a", "b"), ("ab", "ab"), ("Ã", "©")], "gpt-4o", [END_OF_TEXT])
ENCODER = Encoder(SMALL)


def test_by_group():
    texts = pa.array(["abab ab", "é", "ü", "ab"])
    rows = measure.by_group(ENCODER, texts, ENCODER.encode(texts), pa.array(["x", "y", "z", "x"]))
    assert [row["group"] for row in rows] == ["x", "y", "z"]
    x, y, z = rows
    assert (x["documents"], x["bytes"], x["tokens"], x["words"]) == (2, 9, 4, 3)        # abab, space, ab, ab
    assert (x["bytes_per_token"], x["tokens_per_word"]) == (2.25, 4 / 3)
    assert (x["single_bytes"], x["fragments"]) == (0.25, 0.0)
    assert x["words_in"] == {"2048": 1536.0, "4096": 3072.0, "8192": 6144.0}
    assert (y["tokens"], y["fragments"]) == (1, 0.0)
    assert (z["tokens"], z["fragments"], z["single_bytes"]) == (2, 1.0, 1.0)            # two bytes that are no character


def test_premiums():
    parallel = {"en": pa.array(["ab", "abab"]), "de": pa.array(["ü", "ab ab"])}
    assert measure.premiums(ENCODER, parallel) == {"de": {"tokens": 2.5, "premium": 2.5}, "en": {"tokens": 1.0, "premium": 1.0}}
    with pytest.raises(TokenizerError, match="the parallel text has no 'fr'; it has de, en"):
        measure.premiums(ENCODER, parallel, "fr")


def test_the_curve_is_what_training_with_that_size_gives():
    texts = ["the mill grinds on and on, and the miller sings of mills and millers " * 3, "grinding stones, singing stones " * 4]
    sizes = (265, 275, 290)
    whole = train([texts], TokenizerSettings(290, "gpt-4o", [END_OF_TEXT]))
    content = sum(len(text.encode()) for text in texts)
    expected = {str(size): content / len(Encoder(train([texts], TokenizerSettings(size, "gpt-4o", [END_OF_TEXT]))).encode(
        pa.array(texts)).values) for size in sizes}
    assert measure.curve(whole, pa.array(texts), (*sizes, 5000)) == expected


def test_the_vocabulary():
    counts = measure.emitted(ENCODER, ENCODER.encode(pa.array(["abab ab abab"])))
    assert counts[ENCODER.bytes.index(b"abab")] == 2 and counts.sum() == 5
    of = measure.vocabulary(ENCODER, counts)
    assert (of["tokens"], of["special"], of["never"], of["hardly"]) == (260, 1, 1, 1)
    assert of["never_examples"] == ["é"] and of["longest"][0] == {"text": "abab", "count": 2}
    assert measure.vocabulary(ENCODER, np.zeros(260, np.int64))["never"] == 3


def test_probes_add_up_to_their_texts():
    for name, of in measure.probes(ENCODER).items():
        assert of["tokens"] == len(of["cut"]) and of["bytes"] == len(measure.PROBES[name].encode())
    assert "".join(measure.probes(ENCODER)["Python"]["cut"]) == measure.PROBES["Python"]


def test_the_share_of_the_embedding():
    assert measure.embedding_share(1000, 10, True, 10_000) == 0.5
    assert measure.embedding_share(1000, 10, False, 20_000) == 0.5


def test_foreign_files(tmp_path):
    bare = json.loads(SMALL) | {"added_tokens": []}
    (tmp_path / "tokenizer.json").write_text(json.dumps(bare))
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        assert Encoder(measure.load_any(path)).end_of_text == 259
    assert measure.load_any(tmp_path) != json.dumps(bare)
    (tmp_path / "two").mkdir()
    (tmp_path / "two/merges.txt").write_text("#version: 0.2\na b\nab ab\n")
    assert Encoder(measure.load_any(tmp_path / "two")).bytes[256:] == [b"ab", b"abab", b""]
    (tmp_path / "none").mkdir()
    (tmp_path / "damaged.json").write_text("{")
    for name, problem in (("none", "has neither tokenizer.json nor GPT-2's merges"), ("damaged.json", "cannot be read as"),
                          ("nothing", "there is no such file")):
        with pytest.raises(TokenizerError, match=problem):
            measure.load_any(tmp_path / name)


@pytest.mark.skipif(not (SHARED / "gpt2").is_dir(), reason="no folder `shared` beside the checkout")
def test_gpt2():
    encoder = Encoder(measure.load_any(SHARED / "gpt2"))
    assert encoder.vocab_size == 50257
    assert encoder.encode(pa.array(["This is some text"]))[0].as_py().__len__() == 4
