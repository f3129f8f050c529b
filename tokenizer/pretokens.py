"""Counts of pre-tokens: all that training needs to know of a text.

Columns of a table of counts: `pretoken` (binary), `language` (null where unknown), `count` (int64), one row for each pair of
the first two, in their order. Tables add up: the counts of parts of a corpus, made anywhere, give the counts of the whole.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from textmill.tokenizer.patterns import cut

COUNTS = pa.schema([
    pa.field("pretoken", pa.large_binary(), nullable=False), pa.field("language", pa.string()),
    pa.field("count", pa.int64(), nullable=False)])

Weights = Mapping[str | None, float]        # of languages; 1 where one is not named

_BYTES_AT_ONCE = 4 << 20        # of text; cutting holds some ten times as much
_ROWS_AT_ONCE = 1 << 19         # of counts, before they are added up


def count_pretokens(batches: Iterable[tuple[pa.StringArray, pa.StringArray]], pattern: str, longest: int) -> pa.Table:
    """Counts of batches of texts and their languages.

    What is longer than `longest` bytes counts as several, cut after each so many. Memory: some 40 bytes for each row of the
    result, and 100 MB."""
    counted = COUNTS.empty_table()
    waiting: list[pa.Table] = []
    for texts, languages in _filled(batches):
        waiting.extend(_counted(texts, languages, pattern))
        if sum(map(len, waiting)) > max(_ROWS_AT_ONCE, len(counted)):
            counted, waiting = _sums([counted, *waiting]), []
    return in_order(_shortened(_sums([counted, *waiting]), longest))


def merged(tables: Sequence[Iterator[pa.RecordBatch]]) -> Iterator[pa.Table]:
    """The sum of tables of counts that are read in order, one batch of each at a time; pieces of it, in order."""
    filled = [(batch for batch in table if batch.num_rows) for table in tables]
    heads = [next(batches, None) for batches in filled]
    while any(heads):
        # All that comes up to the first of the last pre-tokens is in the heads, or follows them directly.
        last = min(head["pretoken"][-1].as_py() for head in heads if head)
        complete = []
        for number, batches in enumerate(filled):
            while (head := heads[number]) and (rows := _rows_up_to(head, last)):
                complete.append(head.slice(0, rows))
                heads[number] = head.slice(rows) if rows < head.num_rows else next(batches, None)
        yield in_order(_sums([pa.Table.from_batches(complete, COUNTS)]))


@dataclass(frozen=True)
class FrequentPretokens:
    """The counts of the most frequent pre-tokens, and how much was left out."""

    counts: pa.Table
    distinct: int
    """Pre-tokens in `counts`."""
    rarer: int
    """Pre-tokens left out."""
    occurrences: int
    """Of all pre-tokens, unweighted."""
    occurrences_left_out: int


def frequent(pieces: Iterable[pa.Table], most: int, weights: Weights) -> FrequentPretokens:
    """At most the `most` pre-tokens of highest weighted count: those as frequent as the first one too many go with it.

    `pieces` of a table in order: all rows of a pre-token are in one (`merged`). Memory: three times the result."""
    counts, distinct = COUNTS.empty_table(), 0
    seen = occurrences = 0
    waiting: list[pa.Table] = []
    for piece in chain(pieces, [None]):
        if piece is not None:
            waiting.append(piece)
            new = len(_totals(piece, {})[0])
            seen, distinct, occurrences = seen + new, distinct + new, occurrences + (pc.sum(piece["count"]).as_py() or 0)
        if piece is None or distinct > 2 * most:
            counts, waiting = pa.concat_tables([counts, *waiting]).combine_chunks(), []
            starts, totals = _totals(counts, weights)
            distinct = len(totals)
            if distinct > most:
                keep = totals > np.partition(totals, -most - 1)[-most - 1]
                rows = np.repeat(keep, np.diff(starts, append=len(counts)))
                counts, distinct = counts.filter(pa.array(rows)), int(keep.sum())
    kept = pc.sum(counts["count"]).as_py() or 0
    return FrequentPretokens(counts, distinct, seen - distinct, occurrences, occurrences - kept)


def weighted(counts: pa.Table, weights: Weights) -> tuple[pa.LargeBinaryArray, npt.NDArray[np.int64]]:
    """The distinct pre-tokens of a table in order, and of each the sum over languages of count times weight, rounded."""
    starts, totals = _totals(counts, weights)
    return pa.concat_arrays([*counts["pretoken"].chunks, pa.array([], pa.large_binary())]).take(pa.array(starts)), totals


def _totals(counts: pa.Table, weights: Weights) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The first row of each distinct pre-token, and its weighted total."""
    if not len(counts):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    pretokens = pa.concat_arrays(counts["pretoken"].chunks)
    differs = pc.not_equal(pretokens.slice(1), pretokens.slice(0, len(pretokens) - 1)).to_numpy(zero_copy_only=False)
    starts = np.flatnonzero(np.r_[True, differs])
    numbers = counts["count"].to_numpy()
    languages = pc.dictionary_encode(counts["language"].combine_chunks(), null_encoding="encode")
    factors = [weights.get(language, 1.0) for language in languages.dictionary.to_pylist()]
    if any(factor != 1 for factor in factors):
        numbers = np.rint(numbers * np.array(factors)[languages.indices.to_numpy()]).astype(np.int64)
    return starts, np.add.reduceat(numbers, starts)


def _rows_up_to(batch: pa.RecordBatch, last: bytes) -> int:
    """How many of the first rows have a pre-token that is not after `last`."""
    low, high = 0, batch.num_rows
    pretokens = batch["pretoken"]
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if pretokens[middle].as_py() <= last else (low, middle)
    return low


def in_order(counts: pa.Table) -> pa.Table:
    """A table of counts by pre-token and language; nulls come last."""
    return counts.sort_by([("pretoken", "ascending"), ("language", "ascending")]).combine_chunks()


def _counted(texts: pa.StringArray, languages: pa.StringArray, pattern: str) -> Iterator[pa.Table]:
    """Counts of the texts of each language."""
    order = pc.sort_indices(languages)
    runs = pc.run_end_encode(languages.take(order))
    pretokens = cut(texts.take(order), pattern)
    values, offsets, ends = pretokens.values.cast(pa.large_binary()), pretokens.offsets.to_numpy(), runs.run_ends.to_numpy()
    for language, start, end in zip(runs.values, offsets[[0, *ends[:-1]]], offsets[ends], strict=True):
        counted = pc.value_counts(values.slice(start, end - start))
        pretoken, count = counted.flatten()
        yield pa.table([pretoken, pa.repeat(language, len(counted)), count], schema=COUNTS)


def _sums(tables: Iterable[pa.Table]) -> pa.Table:
    together = pa.concat_tables([COUNTS.empty_table(), *tables])
    summed = together.group_by(["pretoken", "language"]).aggregate([("count", "sum")])
    return summed.rename_columns(COUNTS.names).cast(COUNTS).filter(pc.greater(pc.binary_length(summed["pretoken"]), 0))


def _filled(batches: Iterable[tuple[pa.StringArray, pa.StringArray]]) -> Iterator[tuple[pa.StringArray, pa.StringArray]]:
    """The batches cut or put together to some megabytes each; a longer text stands alone."""
    texts: list[pa.StringArray] = []
    languages: list[pa.StringArray] = []
    size = 0
    for batch, of in batches:
        ends = pc.cumulative_sum(pc.cast(pc.fill_null(pc.binary_length(batch), 0), pa.int64())).to_numpy()
        start, before = 0, 0
        while start < len(batch):
            end = max(start + (size == 0), int(ends.searchsorted(before + _BYTES_AT_ONCE - size, "right")))
            texts.append(batch.slice(start, end - start))
            languages.append(of.slice(start, end - start))
            if end == len(batch):
                size += int(ends[-1]) - before
                break
            yield pa.concat_arrays(texts), pa.concat_arrays(languages)
            texts, languages, size, start, before = [], [], 0, end, int(ends[end - 1]) if end else 0
    if texts:
        yield pa.concat_arrays(texts), pa.concat_arrays(languages)


def _shortened(counts: pa.Table, longest: int) -> pa.Table:
    long = pc.greater(pc.binary_length(counts["pretoken"]), longest)
    if not pc.any(long).as_py():
        return counts
    rows = [{"language": row["language"], "pretoken": row["pretoken"][start:start + longest], "count": row["count"]}
            for row in counts.filter(long).to_pylist() for start in range(0, len(row["pretoken"]), longest)]
    return _sums([counts.filter(pc.invert(long)), pa.Table.from_pylist(rows, COUNTS)])
