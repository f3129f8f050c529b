"""Registered domains and public suffixes: where documents come from, and the share of each that is kept.

Memory: one row group and a row for each distinct domain of a pass. Passes are as many as there are PASS documents, and a
domain belongs to one of them, by hash: the counts are exact, whatever the number of passes.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.report.dataset import StoredDataset, side_by_side
from textmill.pipelines.report.tables import Column, Table, table

PASS = 1_000_000        # documents; measured: 0.44 GB where no two have the same domain
MERGED = 1 << 18        # rows that wait to be added up
LARGEST = 12            # domains shown by documents, as many by words, and as many suffixes
NUMBERS = pa.schema([("name", pa.string()), ("domains", pa.int64()), ("documents", pa.int64()), ("words", pa.int64()),
                     ("passed", pa.int64()), ("kept", pa.int64())])


@dataclass(frozen=True)
class DomainRow:
    """Counts of a domain, or of a suffix with the number of domains registered below it.

    Documents, their words, how many of the documents are within every bound, and how many of these are no copy."""

    name: str
    domains: int
    documents: int
    words: int
    passed: int
    kept: int


@dataclass(frozen=True)
class Domains:
    """All domains in numbers, the largest by documents or by words, and the largest suffixes.

    `without` counts documents without a registered domain: no address, an IP address, a name that is itself a suffix.
    """

    count: int
    single: int             # domains with one document
    documents: int
    words: int
    without: int
    largest: tuple[DomainRow, ...]
    suffix_count: int
    suffixes: tuple[DomainRow, ...]


def domains(documents: StoredDataset, signals: StoredDataset, verdicts: StoredDataset, duplicates: StoredDataset,
            most: int = LARGEST, per_pass: int = PASS) -> Domains:
    """Counted from every row of the four datasets."""
    passes = max(1, -(-documents.counts["kept"] // per_pass))
    count = single = without = 0
    largest: dict[str, DomainRow] = {}
    suffixes = _added([])
    for number in range(passes):
        found = _counted(documents, signals, verdicts, duplicates, number, passes)
        nameless = pc.equal(found["name"], "")
        without += pc.sum(found.filter(nameless)["documents"]).as_py() or 0
        found = found.filter(pc.invert(nameless))
        found = found.set_column(1, "domains", pa.array([1] * found.num_rows, pa.int64()))
        count += found.num_rows
        single += pc.sum(pc.equal(found["documents"], 1)).as_py() or 0
        for by in ("documents", "words"):
            largest |= {row.name: row for row in _most(found, by, most)}
        below = pc.replace_substring_regex(found["name"], r"^[^.]*\.", "")
        suffixes = _added([suffixes, found.set_column(0, "name", below)])
    shown = {row.name: row for by in ("documents", "words")
             for row in sorted(largest.values(), key=lambda row: (-getattr(row, by), row.name))[:most]}
    return Domains(count, single, pc.sum(suffixes["documents"]).as_py() or 0, pc.sum(suffixes["words"]).as_py() or 0, without,
                   tuple(sorted(shown.values(), key=lambda row: (-row.documents, -row.words, row.name))), suffixes.num_rows,
                   tuple(_most(suffixes, "documents", most)))


def _counted(documents: StoredDataset, signals: StoredDataset, verdicts: StoredDataset, duplicates: StoredDataset, number: int,
             passes: int) -> pa.Table:
    """A row for each domain of one pass, in no order; "" is the documents without one."""
    waiting, size, limit = [], 0, MERGED
    for rows in side_by_side((documents, ["domain"]), (signals, ["word_count"]), (verdicts, ["kept"]), (duplicates, ["kind"])):
        table = _rows(*rows)
        if passes > 1:
            mine = [name for name in pc.unique(table["name"]).to_pylist() if zlib.crc32(name.encode()) % passes == number]
            table = table.filter(pc.is_in(table["name"], value_set=pa.array(mine, pa.string())))
        waiting.append(table)
        size += table.num_rows
        if size > limit:                        # twice what is there already, so that adding up stays linear
            waiting = [_added(waiting)]
            size = waiting[0].num_rows
            limit = max(MERGED, 2 * size)
    return _added(waiting)


def _rows(document: pa.RecordBatch, signal: pa.RecordBatch, verdict: pa.RecordBatch, duplicate: pa.RecordBatch) -> pa.Table:
    """A row for each document, in the columns of NUMBERS."""
    passed, ones = verdict["kept"], pa.array([1] * len(document), pa.int64())
    return pa.table({"name": pc.fill_null(document["domain"], ""), "domains": ones, "documents": ones,
                     "words": pc.fill_null(signal["word_count"], 0), "passed": passed,
                     "kept": pc.and_(passed, pc.is_null(duplicate["kind"]))}).cast(NUMBERS)


def _added(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of all, those of one name as one."""
    whole = pa.concat_tables([NUMBERS.empty_table(), *(table.cast(NUMBERS) for table in tables)])
    sums = whole.group_by("name", use_threads=False).aggregate([(name, "sum") for name in NUMBERS.names[1:]])
    return pa.table([sums["name"], *(sums[f"{name}_sum"] for name in NUMBERS.names[1:])], schema=NUMBERS)


def _most(table: pa.Table, by: str, most: int) -> list[DomainRow]:
    """The rows with most of one count, equal ones by name."""
    order = pc.sort_indices(table, [(by, "descending"), ("name", "ascending")])
    return [DomainRow(**row) for row in table.take(order[:most]).to_pylist()]


def domain_table(name: str, title: str, of: Domains) -> Table:
    """One row for each domain or public suffix shown; shares are of the documents that have a domain."""
    is_suffix = name == "suffixes"
    columns = [
        Column("suffix" if is_suffix else "domain",
               "public suffix" if is_suffix else "a public suffix and the label before it", long=True),
        Column("domains", "registered below it", "count", shown=is_suffix),
        Column("documents", "with text", "count", bar="plain"),
        Column("kept", "documents within every bound that are no copy", "count"),
        Column("keep_rate", "kept of documents", "share", "keep rate", "kept"),
        Column("of_documents", "of all documents with a domain", "share", "of documents"),
        Column("words", "of its documents", "count"),
        Column("of_words", "of the words of all documents with a domain", "share", "of words")]
    return table(name, title, f"a {'public suffix' if is_suffix else 'registered domain'}, of the largest", columns, (
        (row.name, row.domains, row.documents, row.kept, row.kept / (row.documents or 1), row.documents / (of.documents or 1),
         row.words, row.words / (of.words or 1)) for row in (of.suffixes if is_suffix else of.largest)))
