"""Which copy is kept: a document is removed only if it is similar to a kept one, never transitively.

So each removed document has a kept one whose Jaccard similarity with it was computed and is at least the threshold, and
no two kept documents of a cluster are copies of each other: a chain of copies removes no dissimilar document.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.dedup.jaccard import Jaccards
from textmill.pipelines.dedup.kinds import EXACT, KINDS, NEAR, URL
from textmill.pipelines.dedup.packed import MEMBER_FIELDS, in_order, run_starts, words_to_ids
from textmill.pipelines.dedup.shingle_sets import ShingleSets
from textmill.pipelines.dedup.verify import chunks, in_rounds

# A member of a cluster: `kind` 0 takes part in the choice; others were removed earlier as copies of `kept`.
CLUSTERED = np.dtype([("root", "<u8"), *MEMBER_FIELDS, ("kind", "u1"), ("kept", "<u8"), ("address", "<u8"), ("older", "u1")])
DECISION = np.dtype([("ref", "<u8"), ("cluster_high", "<u8"), ("cluster_low", "<u8"), ("kept_high", "<u8"),
                     ("kept_low", "<u8"), ("kind", "u1"), ("similarity", "<f8"), ("cluster_size", "<u4")])

DUPLICATES = pa.schema([("id", pa.string()), ("cluster", pa.string()), ("kept_id", pa.string()), ("kind", pa.string()),
                        ("similarity", pa.float64()), ("cluster_size", pa.int32()),
                        ("contained_in", pa.string()), ("containment", pa.float64())])


def decisions(clustered: np.ndarray, sets: ShingleSets, threshold: float, order: tuple[str, ...],
              all_pairs: int) -> np.ndarray:
    """DECISION rows of all members of some whole clusters, sorted by reference.

    `similarity` is that with the kept document; NaN where it was never computed: kept documents, records stored twice, and
    older captures of an address that went whatever their text. An older capture is kept only where no newer one is like it.
    """
    rows = clustered[np.lexsort((-clustered["kind"].astype(np.int8), clustered["ref"]))]
    rows = rows[run_starts(rows["ref"])]
    rows = rows[in_order(rows, order, (rows["root"], rows["older"]))]
    kept, similarity = _choice(rows, sets, threshold, all_pairs)
    by_ref = np.argsort(rows["ref"])
    earlier = np.flatnonzero(rows["kind"])
    target = np.arange(len(rows))
    target[earlier] = by_ref[rows["ref"][by_ref].searchsorted(rows["kept"][earlier])]
    while not np.array_equal(target, target[target]):           # a copy of a copy, up to three kinds deep
        target = target[target]
    # One text, one set: a copy's similarity with the kept one is that of the document whose text it shares.
    similarity[earlier] = np.where(rows["kind"][earlier] != EXACT.code, np.nan,
                                   np.where(kept[target[earlier]] == target[earlier], 1.0, similarity[target[earlier]]))
    kept = kept[target]
    kinds = np.where(rows["kind"] > 0, rows["kind"], np.where(kept == np.arange(len(rows)), 0, NEAR.code))
    again = np.isin(kinds, (EXACT.code, NEAR.code)) & (rows["address"] > 0) & (rows["address"] == rows["address"][kept])
    kinds[again] = URL.code
    starts = run_starts(rows["root"])
    sizes = np.diff(starts, append=len(rows))
    by_id = np.lexsort((rows["id_low"], rows["id_high"], rows["root"]))
    smallest = np.repeat(by_id[starts], sizes)
    result = np.zeros(len(rows), DECISION)
    result["ref"], result["kind"], result["similarity"] = rows["ref"], kinds, similarity
    result["cluster_high"], result["cluster_low"] = rows["id_high"][smallest], rows["id_low"][smallest]
    result["kept_high"], result["kept_low"] = rows["id_high"][kept], rows["id_low"][kept]
    result["cluster_size"] = np.repeat(sizes, sizes)
    return result[by_ref]


def _choice(rows: np.ndarray, sets: ShingleSets, threshold: float, all_pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """For each row the row kept in its place (itself where kept) and their Jaccard (NaN where kept).

    `rows` are sorted by cluster and declared order. Rows removed earlier are left out (they map to themselves).
    """
    kept, similarity = np.arange(len(rows)), np.full(len(rows), np.nan)
    part = np.flatnonzero(rows["kind"] == 0)
    starts = run_starts(rows["root"][part])
    sizes = np.diff(starts, append=len(part))
    number = np.repeat(np.arange(len(starts)), sizes)
    contested = np.repeat(sizes, sizes) > 1
    part, number = part[contested], number[contested]
    index = sets.index(rows["ref"][part])
    for start, end in chunks(number, index["count"]):
        some = part[start:end]
        found = _cover(rows[some], index[start:end], number[start:end], sets, threshold, all_pairs)
        kept[some], similarity[some] = some[found[0]], found[1]
    return kept, similarity


def _cover(rows: np.ndarray, index: np.ndarray, number: np.ndarray, sets: ShingleSets, threshold: float,
           all_pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """As `_choice`, of some whole clusters without the rows that were removed before; `number` is a row's cluster."""
    jaccards = Jaccards(sets, index, number)

    def compare(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return jaccards.similarity(a, b, threshold)

    kept, similarity = np.arange(len(rows)), np.full(len(rows), np.nan)
    for first, other, found in in_rounds(number, np.arange(len(rows)), compare, lambda s, _: s < threshold):
        goes = found >= threshold
        kept[other[goes]], similarity[other[goes]] = first[goes], found[goes]
    first, other = _not_compared(number, kept, all_pairs)
    _prefer_closest(rows, kept, similarity, first, other, compare(first, other), threshold)
    return kept, similarity


def _not_compared(number: np.ndarray, remover: np.ndarray, all_pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (kept, removed) that the choice did not have to compare, of clusters of at most `all_pairs` members.

    The kept one comes later in the order than the one that removed the other. Kept ones ascend."""
    where = np.arange(len(number))
    sizes = np.bincount(number)[number]
    keepers, removed = where[remover == where], where[(remover != where) & (sizes <= all_pairs)]
    begin = keepers.searchsorted(remover[removed], side="right")
    counts = number[keepers].searchsorted(number[removed], side="right") - begin
    second = np.repeat(removed, counts)
    first = keepers[np.arange(len(second)) + np.repeat(begin - (np.cumsum(counts) - counts), counts)]
    order = np.argsort(first, kind="stable")
    return first[order], second[order]


def _prefer_closest(rows: np.ndarray, kept: np.ndarray, similarity: np.ndarray, first: np.ndarray, other: np.ndarray,
                    found: np.ndarray, threshold: float) -> None:
    """Let removed rows name the kept one with the highest Jaccard; of equal ones the smallest id."""
    close = found >= threshold
    first, other, found = first[close], other[close], found[close]
    first = np.concatenate([kept[other], first])
    other, found = np.concatenate([other, other]), np.concatenate([similarity[other], found])
    order = np.lexsort((rows["id_low"][first], rows["id_high"][first], -found, other))
    best = order[run_starts(other[order])]
    kept[other[best]], similarity[other[best]] = first[best], found[best]


def duplicates_table(ids: pa.Array, first_ref: int, decided: np.ndarray, held: np.ndarray) -> pa.RecordBatch:
    """Rows of `duplicates`, aligned with the documents of these ids; all null where a document has no duplicate.

    `decided` are the DECISION rows of these documents and `held` the HELD rows, each once, sorted by reference; document
    n has reference first_ref + n. A removed document is not reported as contained in another.
    """
    take = _places(decided, first_ref, len(ids))
    names = {kind.code: kind.name for kind in KINDS}
    by_code = pa.array([names.get(code) for code in range(max(names) + 1)], pa.string())
    kind = by_code.take(pa.array(decided["kind"])).take(take)
    columns = {
        "cluster": words_to_ids(decided["cluster_high"], decided["cluster_low"]).take(take),
        "kept_id": words_to_ids(decided["kept_high"], decided["kept_low"]).take(take),
        "kind": kind,
        "similarity": pa.array(decided["similarity"], from_pandas=True).take(take),
        "cluster_size": pa.array(decided["cluster_size"].astype(np.int32)).take(take),
    }
    inside = pc.if_else(pc.is_null(kind), _places(held, first_ref, len(ids)), None)
    columns |= {"contained_in": words_to_ids(held["in_high"], held["in_low"]).take(inside),
                "containment": pa.array(held["share"]).take(inside)}
    return pa.record_batch([ids, *columns.values()], schema=DUPLICATES)


def _places(rows: np.ndarray, first_ref: int, count: int) -> pa.Array:
    """For each of `count` documents the place of its row, null where it has none."""
    place = np.full(count, -1)
    place[(rows["ref"] - np.uint64(first_ref)).astype(np.int64)] = np.arange(len(rows))
    return pa.array(np.maximum(place, 0), mask=place < 0)
