"""Blocks for other trainers: what each of them opens has the tokens of the blocks, in order, and nothing else."""

import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

import textmill
from tests.model.test_blocks import dialogue_blocks, small_mixture
from tests.paths import ROOT
from textmill.base.blocks_format import NO_TARGET
from textmill.model import ModelError
from textmill.model.export.other_trainers import Split, convert
from textmill.tokenizer.bpe import token_bytes


@pytest.fixture
def blocks(milled):
    return milled[0] / "blocks/mixture"


def expected(folder):
    """Per stretch of the split: its tokens, and whether end-of-text is missing in front and behind."""
    loaded, stretches = textmill.load_blocks(folder), []
    batch = loaded.read(range(len(loaded)))
    flat, targets, at = batch.tokens.numpy().ravel(), batch.targets.numpy().ravel(), 0
    for length in batch.lengths:
        tokens, wanted = flat[at:at + length], targets[at:at + length]
        at += length
        if (wanted != NO_TARGET).any() or not (tokens == loaded.end_of_text).all():        # else padding
            stretches.append(tokens.tolist())
    return stretches, loaded.end_of_text


def closed(stretches, end):
    return [[end] * (tokens[0] != end) + tokens + [end] * (tokens[-1] != end) for tokens in stretches]


def read_idx(prefix):
    """Megatron's indexed dataset, read by its published layout."""
    raw = prefix.with_suffix(".idx").read_bytes()
    assert raw[:9] == b"MMIDIDX\x00\x00" and int.from_bytes(raw[9:17], "little") == 1
    dtype = {8: np.uint16, 4: np.int32}[raw[17]]
    count, documents = (int.from_bytes(raw[at:at + 8], "little") for at in (18, 26))
    sizes = np.frombuffer(raw, "<i4", count, 34)
    places = np.frombuffer(raw, "<i8", count, 34 + 4 * count)
    assert np.frombuffer(raw, "<i8", documents, 34 + 12 * count).tolist() == list(range(count + 1))
    ids = np.fromfile(prefix.with_suffix(".bin"), dtype)
    return [ids[place // dtype().itemsize:][:size].tolist() for place, size in zip(places, sizes, strict=True)]


@pytest.mark.parametrize(("split", "file"), [("train", "train"), ("validation", "val")])
def test_megatron_nanogpt_and_jsonl_have_every_stretch_in_order(blocks, tmp_path, split, file):
    for format_ in ("megatron", "nanogpt", "jsonl"):
        line = convert(blocks, format_, tmp_path / format_)
        assert (tmp_path / format_ / "tokenizer.json").read_bytes() == (blocks / "tokenizer.json").read_bytes()
    stretches, end = expected(blocks / split)
    whole = closed(stretches, end)
    assert read_idx(tmp_path / "megatron" / split) == whole
    assert np.fromfile(tmp_path / "nanogpt" / f"{file}.bin", np.uint16).tolist() == [token for tokens in whole for token in tokens]
    rows = [json.loads(text) for text in (tmp_path / "jsonl" / f"{split}.jsonl").read_text("utf-8").splitlines()]
    assert [row["tokens"] for row in rows] == stretches
    assert {row["entry"] for row in rows} <= set(textmill.load_blocks(blocks / split).shares)
    table = token_bytes((blocks / "tokenizer.json").read_text("utf-8"))
    assert [row["text"] for row in rows] == [b"".join(table[token] for token in tokens if token != end).decode("utf-8", "replace")
                                             for tokens in stretches]
    tokens = sum(map(len, stretches))
    assert f"{split}: {len(rows):,} sequences, {tokens:,} tokens" in line


def test_a_cut_document_is_closed_and_what_was_added_is_counted(tmp_path):
    folder = small_mixture(tmp_path / "blocks", length=128)
    counts = [sum(added for _, added in Split(folder / "train").closed())]
    stretches, end = expected(folder / "train")
    assert counts == [sum(len(tokens) for tokens in closed(stretches, end)) - sum(map(len, stretches))]


def test_what_cannot_be_is_refused_in_a_sentence(blocks, tmp_path, monkeypatch):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("x")
    with pytest.raises(ModelError, match="is there already and not empty; name another folder with --to"):
        convert(blocks, "jsonl", tmp_path / "full")
    monkeypatch.setitem(sys.modules, "streaming", None)
    with pytest.raises(ModelError, match="mosaicml-streaming writes this format and is not installed"):
        convert(blocks, "mds", tmp_path / "mds")
    assert not (tmp_path / "mds").exists()
    ran = subprocess.run([sys.executable, "-m", "textmill", "blocks-to", "nanogpt", "--blocks", str(tmp_path), "--to", str(tmp_path / "to")],
                         capture_output=True, text=True, cwd=ROOT, env=os.environ)
    assert ran.returncode == 1 and ran.stderr.startswith("blocks-to: there is no ") and "Traceback" not in ran.stderr


def test_megatron_core_opens_it(blocks, tmp_path):
    pytest.importorskip("megatron.core", reason="megatron-core is not installed: pip install megatron-core")
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    convert(blocks, "megatron", tmp_path / "to")
    opened = IndexedDataset(str(tmp_path / "to/train"))
    stretches, end = expected(blocks / "train")
    assert [opened[n].tolist() for n in range(len(opened))] == closed(stretches, end)
    assert len(opened.document_indices) == len(opened) + 1


def test_mosaicml_streaming_opens_it(blocks, tmp_path):
    streaming = pytest.importorskip("streaming", reason="mosaicml-streaming is not installed: pip install mosaicml-streaming")
    convert(blocks, "mds", tmp_path / "to")
    opened = streaming.StreamingDataset(local=str(tmp_path / "to/train"), shuffle=False, batch_size=1)
    loaded = textmill.load_blocks(blocks / "train")
    rows = [opened[n] for n in range(len(opened))]
    assert np.array_equal(np.stack([row["tokens"] for row in rows]), loaded.read(range(len(loaded))).tokens.numpy())
    streams = [pa.ipc.open_stream(pa.memory_map(str(path))).read_all() for path in sorted((blocks / "train").glob("*.arrow"))]
    assert [row["spans"] for row in rows] == pa.concat_tables(streams)["spans"].to_pylist()


def test_what_is_learned_of_a_dialogue_goes_along_or_is_refused(tmp_path):
    folder = tmp_path / "blocks"
    dialogue_blocks(folder, [("p", 0, 6, None), ("d", 6, 16, [(8, 11), (13, 15)])])
    convert(folder, "jsonl", tmp_path / "jsonl")
    rows = [json.loads(line) for line in (tmp_path / "jsonl/train.jsonl").read_text("utf-8").splitlines()]
    assert [(row["id"], row.get("learn")) for row in rows] == [("p", None), ("d", [{"start": 2, "end": 5}, {"start": 7, "end": 9}])]
    for format_ in ("megatron", "nanogpt"):
        with pytest.raises(ModelError, match="only some turns are to be learned, and this format has no place that says which"):
            convert(folder, format_, tmp_path / format_)
        assert not (tmp_path / format_).exists()
