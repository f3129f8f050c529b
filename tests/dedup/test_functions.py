"""The functions of dedup, each on a case small enough to read."""

import doctest
import random
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest

from textmill.base.strict import SettingsError, parse
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.dedup import estimate as estimates
from textmill.pipelines.dedup import settings
from textmill.pipelines.dedup.bands import BAND, band_hashes, band_rows, signature_matrix
from textmill.pipelines.dedup.buckets import LINK, buckets, by_smallest, candidates
from textmill.pipelines.dedup.clusters import SpanningForest
from textmill.pipelines.dedup.estimate import estimate
from textmill.pipelines.dedup.exact import KEYED, keyed_rows, member_rows, resolve
from textmill.pipelines.dedup.forest import TREE, forest, root_of
from textmill.pipelines.dedup.jaccard import Jaccards, shared_bits
from textmill.pipelines.dedup.kinds import EXACT, RECORD, URL
from textmill.pipelines.dedup.packed import (
    MEMBER,
    NO_DATE,
    Pass,
    ids_to_words,
    in_order,
    joined,
    partitions_for,
    passes_for,
    split,
    words_to_ids,
)
from textmill.pipelines.dedup.settings import DedupSettings, probability_found, recall_line
from textmill.pipelines.dedup.shingle_sets import ShingleSets, write_sets
from textmill.pipelines.dedup.verify import compared


def test_settings_are_refused_all_at_once():
    with pytest.raises(SettingsError) as refused:
        parse(DedupSettings, {"bands": 20, "rows": 7, "threshold": 1.5, "order": ["oldest", "newest", "oldest"],
                      "source_priority": ["a", "a"], "passes": 0, "min_containment": 0}, "dedup")
    assert refused.value.problems == [
        "dedup: 20 bands of 7 rows need 140 permutations, and a signature has 120; make their product 120 or less",
        "dedup: threshold: 1.5 must be above 0 and at most 1",
        "dedup: min_containment: 0.0 must be above 0 and at most 1",
        "dedup: order: oldest, newest, oldest names one twice; name each at most once",
        "dedup: order: oldest and newest contradict each other; name one of them",
        "dedup: source_priority is given but order does not name source; add it to order",
        "dedup: source_priority names a source twice; name each at most once",
        "dedup: passes: 0 must be at least 1"]
    assert parse(DedupSettings, {"order": ["newest"]}, "dedup").order == ("newest",)


def test_the_banding_is_chosen_by_recall_at_the_threshold():
    assert [DedupSettings(threshold=t, recall=r).banding() for t, r in ((0.8, 0.99), (0.8, 0.9), (0.6, 0.99), (1, 0.99))] == [
        (20, 6), (15, 8), (40, 3), (1, 120)]
    assert DedupSettings(bands=14, rows=8).banding() == (14, 8)
    with pytest.raises(SettingsError) as refused:
        parse(DedupSettings, {"bands": 14, "threshold": 0.01, "recall": 0.9}, "dedup")
    assert refused.value.problems == [
        "dedup: of bands and rows one is given; give both, or neither to have them chosen by recall",
        "dedup: recall: 0.9 of the pairs at threshold 0.01 cannot be found with 120 permutations; ask for 0.7006 or less"]


def test_the_estimate_is_arithmetic():
    one, more, tight = (estimate(n, 400, DedupSettings(), memory, 2) for n, memory in ((10 ** 6, 1e10), (10 ** 7, 1e10), (10 ** 6, 1e8)))
    assert (one.passes, more.passes, tight.passes) == (1, 2, 20)            # 320 bytes of bands a document, six-fold
    assert more.disk == 10 * one.disk and more.seconds < 10 * one.seconds < tight.seconds * 10
    assert tight.memory < one.memory < 3e9
    assert estimate(10 ** 6, 400, DedupSettings(passes=3), 1e10, 2).passes == 3
    for module in (estimates, settings):
        assert doctest.testmod(module).failed == 0 < doctest.testmod(module).attempted


def test_chance_of_finding_a_pair():
    assert probability_found(0.5, 1, 1) == 0.5
    assert round(probability_found(0.8, 14, 8), 3) == 0.924        # FineWeb's
    assert recall_line(20, 6).startswith("with 20 bands × 6 rows, 91.8 % of pairs at Jaccard 0.7 become candidates, 99.8 % at 0.8")


@pytest.mark.parametrize(("count", "lanes"), [(1, 3), (2, 3), (4, 20), (7, 3), (45, 20)])
def test_passes_own_every_key_once(count, lanes):
    owned = sorted(r for n in range(count) for r in Pass(n, count).ranges(lanes))
    end = (0, 0)
    for lane, low, high in owned:
        assert (lane, low) == end
        end = (lane, high + 1) if high + 1 < 1 << 64 else (lane + 1, 0)
    assert end == (lanes, 0)


def test_passes_and_partitions_from_bytes():
    assert [passes_for(n, 600) for n in (0, 100, 101, 1000)] == [1, 1, 2, 10]
    assert [partitions_for(n) for n in (0, 1 << 20, 1 << 30)] == [16, 16, 64]


def test_ids_as_numbers_and_back():
    ids = pa.array(["00" * 15 + "01", "ff" * 16, "0123456789abcdef" * 2])
    words = ids_to_words(ids.slice(1))
    assert words.tolist() == [[2 ** 64 - 1] * 2, [0x0123456789ABCDEF] * 2]
    assert words_to_ids(words[:, 0], words[:, 1]).to_pylist() == ids[1:].to_pylist()
    with pytest.raises(ValueError, match="32 hex digits"):
        ids_to_words(pa.array(["0" * 31, "0" * 33]))


def test_a_half_of_a_compared_pair_is_a_copy_only_of_the_same_half():
    rows = [("a", None, None), ("a", "1" * 32, True), ("a", "1" * 32, False), ("a", "1" * 32, True), ("a", "2" * 32, True), ("b", "2" * 32, False)]
    documents = pa.RecordBatch.from_pylist(
        [{"id": f"{n:032x}", "source": "s", "url": "https://a.example/", "pair": pair, "preferred": preferred}
         for n, (_, pair, preferred) in enumerate(rows)],
        pa.schema([("id", pa.string()), ("date", pa.string()), ("source", pa.string()), ("url", pa.string()), ("pair", pa.string()),
                   ("preferred", pa.bool_())]))
    hashes = pa.array([text.encode() * 16 for text, _, _ in rows], pa.binary(16))
    for newest in (False, True):
        members = member_rows(documents, np.full(len(rows), 9), 0, ())
        keyed = joined([packed for _, packed in keyed_rows(members, documents, hashes, np.full(len(rows), True), [RECORD, URL, EXACT], Pass(), 4)], KEYED)
        removed = resolve(keyed, ("first",), newest).removed
        assert removed[["ref", "kept", "kind"]].tolist() == [(3, 1, EXACT.code)]


def test_members_in_the_declared_order():
    rows = np.zeros(5, MEMBER)
    rows["id_low"] = [5, 4, 3, 2, 1]
    rows["priority"], rows["length"], rows["date"] = [1, 0, 0, 0, 0], [9, 7, 7, 7, 8], [0, 10, 5, NO_DATE, 99]
    assert in_order(rows, ("source", "longest", "oldest")).tolist() == [4, 2, 1, 3, 0]
    assert in_order(rows, ("newest",)).tolist() == [4, 1, 2, 0, 3]
    assert in_order(rows, ()).tolist() == [4, 3, 2, 1, 0]


def test_bands_of_equal_rows_are_equal_and_stay_apart_from_other_bands():
    signatures = np.random.default_rng(1).integers(0, 2 ** 32, (50, 12), dtype=np.uint32)
    signatures[1, 3:6] = signatures[0, 3:6]
    signatures[2, 0:3] = signatures[0, 3:6]            # the same values, in another band
    hashes = np.stack([band_hashes(signatures, band, 3) for band in range(4)])
    assert len(np.unique(hashes)) == 4 * 50 - 1
    assert hashes[1, 0] == hashes[1, 1]
    whole = np.concatenate([np.frombuffer(p, BAND) for _, p in band_rows(signatures, np.arange(50, dtype=np.uint64), 4, 3, Pass(), 8)])
    pieces = np.concatenate([np.frombuffer(p, BAND) for n in range(6) for _, p in
                             band_rows(signatures, np.arange(50, dtype=np.uint64), 4, 3, Pass(n, 6), 8)])
    assert np.array_equal(np.sort(whole), np.sort(pieces)) and len(whole) == 200


def test_a_signature_that_is_missing_is_an_error():
    column = pa.array([[1, 2], None], pa.list_(pa.uint32(), 2))
    with pytest.raises(ValueError, match="reshape"):
        signature_matrix(column)
    assert signature_matrix(pa.array([[1, 2], [3, 4]], pa.list_(pa.uint32(), 2)).slice(1)).tolist() == [[3, 4]]


def test_buckets_with_the_same_members_become_one():
    bands = np.array([(7, 1), (7, 2), (8, 2), (8, 1), (9, 1), (9, 2), (9, 3), (10, 4), (11, 1 << 32), (11, 3)], BAND)
    links = buckets(bands)
    lists = sorted(rows["ref"].tolist() for _, rows in split(links, np.unique(links["bucket"], return_inverse=True)[1]))
    assert lists == [[1, 2], [1, 2, 3], [3, 1 << 32]]
    assert sorted((n, np.frombuffer(p, "<u8").tolist()) for n, p in candidates(links)) == [(0, [1, 2, 3]), (1, [1 << 32])]
    homes = {n: {int(ref) for ref in np.frombuffer(p, LINK)["ref"]} for n, p in by_smallest(links, Pass(), 1 << 16)}
    assert sorted(homes.values(), key=len) == [{3, 1 << 32}, {1, 2, 3}]      # both lists that begin with 1 together
    assert len(buckets(np.zeros(0, BAND))) == 0


def test_buckets_with_other_members_stay_apart():
    links = buckets(np.array([(7, 1), (7, 4), (8, 2), (8, 3)], BAND))
    assert len(np.unique(links["bucket"])) == 2


def stored(folder, sets, ids=None):
    """Stores sets of numbers as documents 0, 1, … of part 0."""
    members = np.zeros(len(sets), MEMBER)
    members["ref"] = np.arange(len(sets))
    members["id_low"] = np.arange(len(sets)) if ids is None else ids
    arrays = [np.array(sorted(s), np.uint64) for s in sets]
    write_sets(Folder(str(folder)), 0, [(members, np.cumsum([0, *map(len, arrays)]), np.concatenate(arrays))])
    return ShingleSets(Folder(str(folder)))


def test_jaccard_is_exact(tmp_path):
    rng = random.Random(3)
    drawn = [set(rng.sample(range(60), rng.randint(1, 50))) | {2 ** 64 - 1} for _ in range(30)]
    sets = stored(tmp_path, drawn)
    index = sets.index(np.arange(30, dtype=np.uint64))
    pairs = list(combinations(range(30), 2))
    for groups in (np.zeros(30, int), np.arange(30)):       # by bits, and looked up
        found = Jaccards(sets, index, groups).similarity(*np.array(pairs).T, threshold=0.01)
        assert found.tolist() == [len(drawn[a] & drawn[b]) / len(drawn[a] | drawn[b]) for a, b in pairs]
    with pytest.raises(KeyError, match="no shingle set is stored"):
        sets.index(np.array([30], np.uint64))


def test_bits_are_of_what_two_sets_share():
    sets = [{1, 2, 2 ** 64 - 1}, {1, 2, 5}, {9}, {1, 2 ** 64 - 1}, set(range(200, 400)), set(range(200, 400))]
    hashes = np.concatenate([np.array(sorted(s), np.uint64) for s in sets])
    bits = shared_bits(hashes, np.array([len(s) for s in sets]))
    assert np.bitwise_count(bits).sum(axis=1).tolist() == [3, 2, 0, 2, 200, 200] and bits.shape == (6, 4)
    assert np.bitwise_count(bits[0] & bits[3]).sum() == 2 and np.bitwise_count(bits[1] & bits[4]).sum() == 0
    assert shared_bits(np.arange(4, dtype=np.uint64), np.array([2, 2])).shape == (2, 0)


def test_four_fifths_is_at_the_threshold_of_four_fifths(tmp_path):
    sets = stored(tmp_path, [range(5), range(4), range(1, 5)])
    links = np.array([(1, 0), (1, 1), (1, 2)], LINK)
    assert compared(links, sets, DedupSettings(max_rounds=8)).edges.tolist() == [(0, 1, 0.8), (0, 2, 0.8)]


def test_a_bucket_of_thousands_costs_linear_work(tmp_path, monkeypatch):
    asked = []
    real = Jaccards.common
    monkeypatch.setattr(Jaccards, "common", lambda self, a, b: asked.append(len(a)) or real(self, a, b))
    base = set(range(100))
    sets = stored(tmp_path, [base | {1000 + n} for n in range(3000)] + [set(range(2000 + 50 * n, 2100 + 50 * n)) for n in range(30)])
    links = np.array([(bucket, ref) for bucket in (1, 2) for ref in range(3030 - bucket)], LINK)     # two buckets, nearly equal
    edges = compared(links, sets, DedupSettings(max_rounds=8)).edges
    assert len(edges) == 2999 and set(edges["a"].tolist()) == {0}
    assert sum(asked) == 3028 + 7 * 30 - sum(range(2, 9))      # the second bucket asks for nothing new


def test_the_first_of_a_bucket_is_its_smallest_id_not_its_first_row(tmp_path):
    sets = stored(tmp_path, [range(100), range(5, 105), range(10, 110)], ids=[9, 8, 7])
    links = np.array([(1, 0), (1, 1), (1, 2)], LINK)
    assert [tuple(e)[:2] for e in compared(links, sets, DedupSettings(max_rounds=1)).edges.tolist()] == [(2, 1), (2, 0)]


def test_a_small_bucket_has_all_its_pairs_compared(tmp_path):
    sets = stored(tmp_path, [range(100), range(8, 108), range(16, 116)])        # neighbours 92/108, ends 84/116
    links = np.array([(1, 0), (1, 1), (1, 2)], LINK)
    assert [tuple(e)[:2] for e in compared(links, sets, DedupSettings(max_rounds=2)).edges.tolist()] == [(0, 1), (1, 2)]
    assert [tuple(e)[:2] for e in compared(links, sets, DedupSettings(max_rounds=1)).edges.tolist()] == [(0, 1)]


def trees_of(edges, rng):
    """The forest by the CombineFn, the edges dealt out and merged at random."""
    combine = SpanningForest()
    edges = [edge if rng.random() < .5 else edge[::-1] for edge in rng.sample(edges, len(edges))]
    accumulators = [combine.create_accumulator() for _ in range(rng.randint(1, 6))]
    for edge in edges:
        n = rng.randrange(len(accumulators))
        accumulators[n] = combine.add_input(accumulators[n], np.array([edge], TREE).tobytes())
        if rng.random() < .2:
            accumulators[n] = combine.compact(accumulators[n])
    while len(accumulators) > 1:
        rng.shuffle(accumulators)
        accumulators = [combine.merge_accumulators(accumulators[:2]), *accumulators[2:]]
    return combine.extract_output(accumulators[0])


@pytest.mark.parametrize("seed", range(5))
def test_forest_is_the_same_in_any_order(seed, monkeypatch):
    monkeypatch.setattr("textmill.pipelines.dedup.clusters.COMPACT_BYTES", 64)
    rng = random.Random(seed)
    edges = [(rng.randrange(150), rng.randrange(150)) for _ in range(90)]
    parent = list(range(150))

    def top(n):
        while parent[n] != n:
            n = parent[n]
        return n

    for a, b in edges:
        low, high = sorted((top(a), top(b)))
        parent[high] = low
    truth = [(n, top(n)) for n in sorted({n for edge in edges for n in edge})]
    results = {trees_of(edges, random.Random(n)) for n in range(6)}
    assert [np.frombuffer(r, TREE).tolist() for r in results] == [truth]


def test_forest_of_a_long_path_and_of_nothing():
    n = 20_000
    path = np.random.default_rng(1).permutation(n).astype(np.uint64)
    trees = forest(path[:-1], path[1:])
    assert (trees["root"] == 0).all() and np.array_equal(trees["ref"], np.arange(n))
    assert root_of(trees, np.array([5, 19_999], np.uint64)).tolist() == [0, 0]
    assert SpanningForest().extract_output([]) == b""
