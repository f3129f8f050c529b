"""The steps of dedup through Beam, on parts of real datasets: the same decisions as the plain functions give."""

import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from tests.dedup_world import deduplicate, page
from textmill.pipelines.contract.part_files import PartWriter
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task
from textmill.pipelines.dedup.keep import duplicates_table
from textmill.pipelines.dedup.search import decisions_of, find_copies, held_of
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.engines.engine import BeamEngine
from textmill.pipelines.text.shingles import content_hashes, minhash, shingle_hashes
from textmill.pipelines.text.words import read_words

pytestmark = pytest.mark.slow

SETTINGS = DedupSettings(source_priority=("books",))
DOCUMENTS = pa.schema([(name, pa.string()) for name in ("id", "url", "date", "source", "text", "pair")]
                      + [("preferred", pa.bool_())])


def written_world(seed):
    """Documents with texts: (row of `documents`, Page with the same shingles)."""
    rng = random.Random(seed)
    vocabulary = ["".join(rng.choices("abcdefghijklmnop", k=6)) for _ in range(3000)]
    world = []
    for _ in range(60):
        words, url = rng.choices(vocabulary, k=rng.randint(60, 150)), None
        for _ in range(rng.choice([1, 1, 2, 5])):
            text = " ".join(words)
            source, date = rng.choice(["web", "books"]), f"2024-0{rng.randint(1, 9)}-01T00:00:00Z"
            if url is None or rng.random() < .6:
                url = f"https://site{rng.randint(0, 60)}.example/" if rng.random() < .8 else None
            made = page([], rng.random(), url=url, date=date, source=source, length=len(words),
                        content=content_hashes([text])[0], kept=rng.random() < .9)
            _, hashes = shingle_hashes(read_words([text]))
            object.__setattr__(made, "shingles", frozenset(hashes.tolist()))
            world.append(({"id": made.id, "url": url, "date": date, "source": source, "text": text}, made))
            if rng.random() < .15:
                words = words[:int(len(words) * .78)]       # most of it lies within the one before
            elif rng.random() < .7:
                words = list(words)
                words[rng.randrange(len(words))] = rng.choice(vocabulary)
    rng.shuffle(world)
    return world


def stored(world, parts, folder):
    """Writes documents, signals and verdicts in so many parts; the tasks over them, and the pages by part."""
    data = Folder(str(folder))
    size, tasks, pages = -(-len(world) // parts), [], []
    for n in range(parts):
        mine = world[n * size:(n + 1) * size]
        documents = pa.RecordBatch.from_pylist([row for row, _ in mine], DOCUMENTS)
        offsets, hashes = shingle_hashes(read_words([row["text"] for row, _ in mine]))
        signals = pa.record_batch({
            "content_hash": pa.array([p.content for _, p in mine], pa.binary(16)),
            "word_count": pa.array([float(p.length) for _, p in mine], pa.float64()),
            "shingles": pa.array(np.diff(offsets).astype(np.int32)),
            "minhash": pa.FixedSizeListArray.from_arrays(pa.array(minhash(offsets, hashes).ravel()), 120)})
        verdicts = pa.record_batch({"kept": pa.array([p.kept for _, p in mine], pa.bool_())})
        inputs = []
        for name, batch in (("documents", documents), ("signals", signals), ("verdicts", verdicts)):
            with PartWriter(data / name, f"{n:03d}", f"{n:03d}.parquet", batch.schema) as writer:
                for start in range(0, len(mine), 3):
                    writer.write(batch[start:start + 3])
            inputs.append((name, writer.part))
        tasks.append(Task(f"{n:03d}", f"f{n}", tuple(inputs)))
        pages.append([p for _, p in mine])
    return data, tasks, pages


def decided(tasks, pages, work):
    return [duplicates_table(pa.array([p.id for p in part], pa.string()), n << 32, decisions_of(work, n), held_of(work, n))
            for n, (_, part) in enumerate(zip(tasks, pages, strict=True))]


@pytest.fixture(autouse=True)
def small_row_groups(monkeypatch):
    monkeypatch.setattr("textmill.pipelines.contract.part_files.ROW_GROUP_ROWS", 5)


@pytest.fixture(params=["on an engine", "here"])
def place(request, monkeypatch):
    """Where the steps run: so few documents would not be given to an engine."""
    if request.param == "on an engine":
        monkeypatch.setattr("textmill.pipelines.dedup.search.FEW", 0)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(("parts", "passes"), [(8, 4), (3, None)])
def test_the_steps_decide_as_their_functions_do(parts, passes, tmp_path):
    data, tasks, pages = stored(written_world(1), parts, tmp_path / "data")
    settings = DedupSettings(source_priority=("books",), passes=passes)
    find_copies(BeamEngine(), data, Folder(str(tmp_path / "work")), tasks, settings)
    truth, _, _ = deduplicate(pages, settings, str(tmp_path / "plain"))
    found = decided(tasks, pages, Folder(str(tmp_path / "work")))
    assert found == truth
    kinds = [kind for table in found for kind in table["kind"].to_pylist()]
    assert {kind: kinds.count(kind) > 3 for kind in ("url", "exact", "near", None)} == dict.fromkeys(("url", "exact", "near", None), True)


def test_order_part_sizes_and_passes_change_no_decision(tmp_path):
    world = written_world(5)
    found = []
    for n, (parts, passes, memory) in enumerate([(1, None, None), (7, 3, None), (2, None, 1e-4)]):
        shuffled = random.Random(n).sample(world, len(world))
        data, tasks, pages = stored(shuffled, parts, tmp_path / f"data{n}")
        work = Folder(str(tmp_path / f"work{n}"))
        find_copies(BeamEngine(), data, work, tasks, DedupSettings(passes=passes, max_memory_gb=memory))
        found.append(Counter(tuple(row.values()) for table in decided(tasks, pages, work) for row in table.to_pylist()))
    assert found[0] == found[1] == found[2]
    assert len({row[1] for row in found[0]}) > 15 and any(row[6] for row in found[0])      # clusters, and a contained page


def test_a_run_that_was_stopped_goes_on_and_ends_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("textmill.pipelines.dedup.search.FEW", 0)
    data, tasks, pages = stored(written_world(2), 3, tmp_path / "data")
    settings = DedupSettings(passes=2)

    class Stopping(BeamEngine):
        left = 0
        ran = 0

        def run(self, build, parallel=1):
            if Stopping.left == 0:
                raise KeyboardInterrupt
            Stopping.left -= 1
            Stopping.ran += 1
            super().run(build, parallel)

    work = Folder(str(tmp_path / "work"))
    for _ in range(4):
        Stopping.left = 3
        with pytest.raises(KeyboardInterrupt):
            find_copies(Stopping(), data, work, tasks, settings)
            raise KeyboardInterrupt
    assert Stopping.ran == 2 + 1 + 2 + 2 + 1 + 1 + 2        # exact, resolve, bands, buckets, sets, forest, decisions
    assert decided(tasks, pages, work) == deduplicate(pages, settings, str(tmp_path / "plain"))[0]


def test_texts_without_words_meet_nowhere(tmp_path):
    world = [(row | {"text": "..."}, p) for row, p in written_world(3)[:6]]
    data, tasks, _ = stored(world, 1, tmp_path / "data")
    work = Folder(str(tmp_path / "work"))
    find_copies(BeamEngine(), data, work, tasks, DedupSettings())
    assert [entry.path for entry in work.entries() if entry.path.startswith("bands")] == [
        "bands-1-16/000000.done", "bands.done"]


def test_nothing_at_all(tmp_path):
    data, tasks, pages = stored([], 1, tmp_path / "data")
    find_copies(BeamEngine(), data, Folder(str(tmp_path / "work")), tasks, DedupSettings())
    assert decided(tasks, pages, Folder(str(tmp_path / "work")))[0].num_rows == 0


def test_two_workers_decide_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr("textmill.pipelines.dedup.search.WORTH_A_WORKER", 10)
    monkeypatch.setattr("textmill.pipelines.dedup.search.FEW", 0)
    data, tasks, pages = stored(written_world(4), 4, tmp_path / "data")
    found = []
    for workers in (1, 2):
        work = Folder(str(tmp_path / f"work{workers}"))
        find_copies(BeamEngine(workers=workers), data, work, tasks, DedupSettings())
        found.append(decided(tasks, pages, work))
    assert found[0] == found[1]
