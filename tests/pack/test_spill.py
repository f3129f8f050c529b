"""Planning in files: the same blocks and counts whatever lies in memory, and nothing left behind."""

import random

import numpy as np
import pyarrow as pa
import pytest

from tests.pack.test_packing import SCHEMA, Kinship, World, indexed, name, recipe
from textmill.pipelines.pack import layout, spill
from textmill.pipelines.pack.documents import Index
from textmill.pipelines.pack.mixture import Entry, MixtureError, Phase, Spread
from textmill.pipelines.pack.plan import outcome, plan_blocks
from textmill.pipelines.pack.spill import Buckets, Sequence, by_hash


def world():
    dice = random.Random(4)
    documents = {n: [[dice.randrange(9000) for _ in range(dice.randrange(14))] for _ in range(dice.randrange(1, 4))] for n in range(300)}
    return World(documents, lambda n: "abc"[n % 3], parts=3, cluster_size=lambda n: [None, 2, 12][n % 7 % 3])


def plan_in(world, mixture, folder):
    index = Index(mixture, folder)
    for number, rows in enumerate(world.parts):
        index.add(pa.RecordBatch.from_pylist([{k: v for k, v in row.items() if k != "tokens"} for row in rows], SCHEMA), number, Kinship())
    return plan_blocks(index)


@pytest.mark.parametrize("way", ["fit", "concat"])
@pytest.mark.parametrize(("most", "chunk"), [(5, 3), (40, 64), (299, 1 << 16), (10**6, 7)])
def test_the_same_blocks_and_counts_with_any_number_of_buckets(tmp_path, monkeypatch, most, chunk, way):
    entries = {"a": Entry({"source": "a"}, 0.3, 3, {2: 2, 10: 3}), "b": Entry({"source": "b"}, Spread("source"), 9), "c": Entry({"source": "c"}, 0.3)}
    mixture = recipe(3600, entries, validation=0.1, fill=way)
    held = plan_in(world(), mixture, None)
    monkeypatch.setattr(spill, "MOST", most)
    monkeypatch.setattr(layout, "CHUNK", chunk)
    filed = plan_in(world(), mixture, tmp_path)
    assert outcome(filed) == outcome(held)
    for one, other in ((held.train, filed.train), (held.validation, filed.validation)):
        assert one.blocks.num_rows > 0 and one.blocks.equals(other.blocks)
        for size in (1, 7, 1000):
            shards = list(other.shards(size))
            assert pa.concat_tables(shards).equals(one.blocks) and all(shard.num_rows == size for shard in shards[:-1])
    assert bool(list(tmp_path.iterdir())) == (most < 600)


def test_a_schedule_in_files(tmp_path, monkeypatch):
    entries = {name: Entry({"source": name}, repeat=9) for name in "abc"}
    mixture = recipe(4000, entries, schedule=[Phase(0.5, {"a": 1.0}), Phase(0.5, {"b": 0.2, "c": 0.8})])
    held = plan_in(world(), mixture, None)
    monkeypatch.setattr(spill, "MOST", 16)
    assert plan_in(world(), mixture, tmp_path).train.blocks.equals(held.train.blocks)


def test_a_document_given_twice_is_noticed_in_files_too(tmp_path, monkeypatch):
    monkeypatch.setattr(spill, "MOST", 4)
    rows = [{"id": name(n), "piece": 0, "pieces": 1, "token_count": 5, "source": "s"} for n in range(40)]
    index = Index(recipe(280), tmp_path)
    for part in ([*rows], [rows[17]]):
        index.add(pa.RecordBatch.from_pylist(part, SCHEMA), len(index.part_rows), Kinship())
    with pytest.raises(MixtureError, match=f"document {name(17)} .piece 0 of 1. is given twice"):
        plan_blocks(index)
    assert indexed(recipe(64), [rows]).rows.rows == 40


@pytest.mark.parametrize("most", [1, 10, 1000])
def test_rows_come_back_as_they_went(tmp_path, monkeypatch, most):
    monkeypatch.setattr(spill, "MOST", most)
    dice = np.random.default_rng(1)
    sequence, buckets = Sequence(np.dtype("<u8"), tmp_path), Buckets(np.dtype("<u8"), 300, tmp_path)
    parts = [dice.integers(0, 1 << 63, size, np.uint64) * 2 for size in (0, 7, 100, 1, 192)]
    for part in parts:
        sequence.append(part)
        buckets.add(part, by_hash(part, buckets.count))
    together = np.concatenate(parts)
    assert np.array_equal(np.concatenate(list(sequence.read())), together)
    assert np.array_equal(np.concatenate(list(sequence.read(50, 130))), together[50:130])
    assert buckets.count == max(1, -(-300 // most)) and len(list(buckets)) == buckets.count
    assert np.array_equal(np.concatenate([np.sort(one) for one in buckets]), np.sort(together))
    for rows in (sequence, buckets):
        rows.delete()
    assert list(tmp_path.iterdir()) == []
