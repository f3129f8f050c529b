"""Tokens by shard: a shard gets the same rows as from the parts, and notices damage."""

import numpy as np
import pyarrow as pa
import pytest

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.parts import Part
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.pack.scatter import NEED, SLICE, bucket_of, fetch_scattered, needs_path, scattered, write_needs
from textmill.pipelines.pack.spill import Buckets

SHARDS = 5


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_a_shard_gets_its_rows_of_every_part(tmp_path, dtype):
    dice = np.random.default_rng(2)
    folder, parts = Folder(str(tmp_path)), []
    lists = [[dice.integers(0, 60_000, dice.integers(0, 9)).astype(dtype) for _ in range(30)] for _ in range(3)]
    wanted = {(part, shard): np.unique(dice.integers(0, 30, 12)) for part in range(3) for shard in range(SHARDS) if (part + shard) % 4}
    for part in range(3):
        needed = [(part, shard, row) for shard in range(SHARDS) for row in wanted.get((part, shard), [])]
        content = scattered(pa.array(lists[part], pa.list_(pa.from_numpy_dtype(dtype))), np.array(needed, NEED), SHARDS)
        folder.write(f"{part}.tokens", content)
        parts.append(Part("", f"{part}.tokens", 0, len(content), ""))
    for shard in range(SHARDS):
        places = [(part, row) for part in range(3) for row in wanted.get((part, shard), [])]
        part, row = (np.array(column, np.int32) for column in zip(*places, strict=True))
        fetched = fetch_scattered(folder, tuple(parts), shard, np.dtype(dtype), part, row)
        assert fetched.type == pa.list_(pa.from_numpy_dtype(dtype))
        assert fetched.to_pylist() == [lists[number][place].tolist() for number, place in places]
    assert len(fetch_scattered(folder, tuple(parts), 0, np.dtype(dtype), np.zeros(0, np.int32), np.zeros(0, np.int32))) == 0
    damaged = bytearray(folder.read("1.tokens"))
    damaged[SHARDS * SLICE.itemsize + 3] ^= 1
    folder.write("1.tokens", bytes(damaged))
    first = next(shard for shard in range(SHARDS) if len(wanted.get((1, shard), [])))
    with pytest.raises(StageError, match=r"1\.tokens is damaged; delete it and run pack again"):
        fetch_scattered(folder, tuple(parts), first, np.dtype(dtype), np.ones(1, np.int32), wanted[1, first][:1].astype(np.int32))


@pytest.mark.parametrize("buckets", [1, 3, 40])
def test_what_each_part_is_asked_for_is_sorted_and_whole(tmp_path, monkeypatch, buckets):
    from textmill.pipelines.pack import spill
    monkeypatch.setattr(spill, "MOST", -(-300 // buckets))
    (tmp_path / "spill").mkdir()
    dice, needs = np.random.default_rng(3), Buckets(NEED, 300, tmp_path / "spill")
    rows = np.unique(np.array([(part, shard, row) for part, shard, row in dice.integers(0, [7, SHARDS, 50], (300, 3)).tolist()], NEED))
    shuffled = rows[dice.permutation(len(rows))]
    for some in (shuffled[:100], shuffled[100:]):
        needs.add(some, bucket_of(some, 7, needs.count))
    write_needs(needs, 7, Folder(str(tmp_path)))
    for part in range(7):
        own = np.frombuffer((tmp_path / needs_path(part)).read_bytes(), NEED)
        assert own.tolist() == sorted(rows[rows["part"] == part].tolist(), key=lambda row: (row[1], row[2])) and len(own)
