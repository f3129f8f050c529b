"""Origins: the suffix array against sorting itself, runs against looking at every place, and an index that is refused."""

import random
import time

import numpy as np
import pytest

from tests.command_line import refused
from tests.model.test_blocks import LENGTH, write_mixture
from textmill.cli import main
from textmill.model import ModelError
from textmill.model.data.blocks import PackedMixture
from textmill.model.evaluation import suffixes
from textmill.model.evaluation.origins import Origins, share_in_runs
from textmill.model.evaluation.origins_index import FACTS, SUFFIXES, build_index, index_folder, is_current
from textmill.model.evaluation.suffixes import suffix_array


def sorted_by_hand(tokens, starts, ends):
    return [place for _, place in sorted((tokens[place:end].tobytes(), place) for start, end in zip(starts, ends, strict=True)
                                         for place in range(start, end))]


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("part", [1, 8, 1 << 22])
def test_suffixes_are_sorted_whatever_is_sorted_at_a_time(seed, part, monkeypatch):
    monkeypatch.setattr(suffixes, "PART", part)
    draw = np.random.default_rng(seed)
    size = int(draw.integers(1, 120))
    dtype = (np.uint16, np.uint32)[seed % 2]
    tokens = draw.integers(0, draw.integers(1, 4), size).astype(dtype) * dtype(draw.choice([1, 255, 257]))
    cuts = np.unique(draw.integers(0, size + 1, 6))
    kept = draw.random(len(cuts) - 1) < 0.8
    starts, ends = cuts[:-1][kept], cuts[1:][kept]
    assert suffix_array(tokens, starts, ends).tolist() == sorted_by_hand(tokens, starts, ends)


def test_one_text_over_and_over_is_sorted_in_reasonable_time():
    """Every suffix is the beginning of another: what a sort by comparing would take hours for."""
    tokens, starts = np.tile(np.arange(5, 1005, dtype=np.uint16), 1000), np.arange(0, 1_000_000, 1000)
    begin = time.process_time()
    order = suffix_array(tokens, starts, starts + 1000)
    assert time.process_time() - begin < 120
    assert order[:3].tolist() == [251, 1251, 2251]          # 256 is the smallest by its bytes: 00 01


def world(folder, seed=0, blocks=30):
    """Blocks of three letters, two documents and a rest of padding each, and all their stretches."""
    draw = random.Random(seed)
    rows, stretches = [], []
    for n in range(blocks):
        cut, end = draw.randrange(4, 20), draw.randrange(21, LENGTH)
        tokens = [299, *(draw.randrange(40, 43) for _ in range(end - 1)), *[299] * (LENGTH - end)]
        rows.append((tokens, "web", [(0, cut, f"{n}-a"), (cut, end, f"{n}-b")]))
        stretches += [(n, 0, tokens[:cut], f"{n}-a"), (n, cut, tokens[cut:end], f"{n}-b")]
    return PackedMixture(write_mixture(folder / "blocks/small", [rows[:7], rows[7:]], [rows[:2]])), stretches


@pytest.fixture
def origins(tmp_path):
    mixture, stretches = world(tmp_path)
    build_index(mixture, index_folder(mixture.folder))
    return Origins(mixture, index_folder(mixture.folder)), stretches


def longest_by_hand(ids, start, stretches):
    return max((n for n in range(len(ids) - start + 1) for *_, tokens, _ in stretches
                if any(tokens[at:at + n] == ids[start:start + n] for at in range(len(tokens) - n + 1))), default=0)


@pytest.mark.parametrize("seed", range(5))
def test_the_longest_runs_are_those_that_looking_everywhere_finds(origins, seed):
    looked_up, stretches = origins
    draw = random.Random(seed)
    planted = draw.choice(stretches)[2][1:]
    ids = [draw.randrange(40, 44) for _ in range(15)] + planted + [draw.randrange(40, 44) for _ in range(10)]
    lengths = looked_up.lengths(ids)
    assert lengths.tolist() == [longest_by_hand(ids, start, stretches) for start in range(len(ids))]
    runs = looked_up.runs(ids, 5)
    assert runs and all(len(run) == lengths[run.start] >= 5 for run in runs)
    assert any(run.start <= 15 and run.end >= 15 + len(planted) for run in runs) == (len(planted) >= 5)
    for run in runs:
        held = [(block, start + at, id_) for block, start, tokens, id_ in stretches for at in range(len(tokens))
                if tokens[at:at + len(run)] == ids[run.start:run.end]]
        assert run.count == len(held) and {place.document for place in run.places} <= {id_ for *_, id_ in held}
        assert (run.places[0].block, run.places[0].start) == held[0][:2]
        assert all(place.end - place.start == len(run) and place.entry == "web" for place in run.places)


def test_no_run_crosses_two_documents_and_what_is_absent_is_not_found(origins):
    looked_up, stretches = origins
    (block, _, first, _), (_, at, second, other) = stretches[:2]
    run, = [run for run in looked_up.runs(first[1:] + second, 1) if run.end == len(first) - 1 + len(second)]
    assert len(run) >= len(second) and run.start >= len(first) - 1 - 3
    assert looked_up.runs([60, 61, 62] * 10, 1) == [] and looked_up.lengths([]).tolist() == []
    assert share_in_runs(looked_up.lengths([60] * 9)) == 0.0
    assert share_in_runs(np.array([3, 2, 1, 0, 0]), 3) == 0.6 and share_in_runs(np.array([], np.int64)) == 0.0
    place = next(place for run in looked_up.runs(second, len(second)) for place in run.places if place.document == other)
    assert (place.block, place.start, place.end, place.token) == (block, at, at + len(second), 0)


def test_an_index_has_the_same_bytes_and_one_of_other_blocks_is_refused(tmp_path):
    mixture, _ = world(tmp_path)
    folder = index_folder(mixture.folder)
    assert folder == tmp_path / "origins/small" and not is_current(folder, mixture)
    with pytest.raises(ModelError, match="there is no index of origins"):
        Origins(mixture, folder)
    build_index(mixture, folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(files) == {FACTS, SUFFIXES}
    build_index(mixture, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    other, _ = world(tmp_path / "other", seed=1)
    assert not is_current(folder, other)
    with pytest.raises(ModelError, match="is of other blocks than those in"):
        Origins(other, folder)
    damaged = bytearray(files[SUFFIXES])
    damaged[-1] ^= 1
    (folder / SUFFIXES).write_bytes(damaged)
    with pytest.raises(ModelError, match=r"suffixes.npy is damaged; delete"):
        Origins(mixture, folder)
    (folder / SUFFIXES).unlink()
    with pytest.raises(ModelError, match=r"suffixes.npy is damaged; delete"):
        Origins(mixture, folder)
    for facts in (b"[", b"{}", files[FACTS].replace(b"1", b"2")):
        (folder / FACTS).write_bytes(facts)
        assert not is_current(folder, mixture)


def test_the_word_lists_runs_with_documents_and_writes_the_index_anew(tmp_path, capsys):
    mixture = PackedMixture(write_mixture(tmp_path / "blocks/small", [[block(tmp_path, "the river runs through a green valley")]], [
        [block(tmp_path, "the hare")]]))
    asked = ["origins", "--blocks", str(mixture.folder), "--data", str(tmp_path), "--least", "4"]
    assert main([*asked, "so the river runs through a green town"]) == 0
    said, told = capsys.readouterr()
    lines = said.splitlines()
    assert "indexing" in told and lines[1].endswith("1 time: river runs through a green") and len(lines) == 3
    assert lines[2] == "  page  piece 0 from token 2, block 0 at 2"
    write_mixture(tmp_path / "blocks/small", [[block(tmp_path, "a road and a train")]], [[block(tmp_path, "the hare")]])
    assert main([*asked, "zzz"]) == 0
    said, told = capsys.readouterr()
    assert "indexing" in told and said.startswith("0.0% of 3 tokens stand in runs of 4 or more")
    assert "there is no folder" in refused(capsys, "origins", "--blocks", str(tmp_path / "none"), "x")


def block(folder, text, id_="page"):
    from tokenizers import Tokenizer

    from tests.model.test_blocks import write_tokenizer

    end, _ = write_tokenizer(folder / "spelled")
    ids = [end, *Tokenizer.from_file(str(folder / "spelled/tokenizer.json")).encode(text).ids, end]
    assert len(ids) <= LENGTH
    return ids + [end] * (LENGTH - len(ids)), "web", [(0, len(ids), id_)]
