"""The funnel of each source and language: what became of its documents, and the rules that most of them broke.

Memory: one row group, and a count for each source, language and reason.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.dedup.kinds import BY_NAME
from textmill.pipelines.report.dataset import Datasets, StoredDataset, side_by_side
from textmill.pipelines.report.tables import Column, Table, table

REASONS = 3             # named of each group
BATCHES = 32            # added up at a time


@dataclass(frozen=True)
class GroupFunnel:
    """The documents of one source and language: rejected by a rule, copies, rejected by curate (None: it has not run), kept.

    `reasons` are rules and kinds of copy with their documents, the most frequent first.
    """

    source: str
    language: str
    documents: int
    broke: int
    copies: int
    curated: int | None
    kept: int | None
    reasons: tuple[tuple[str, int], ...]

    @property
    def keep_rate(self) -> float | None:
        return None if self.kept is None or not self.documents else self.kept / self.documents


def group_funnels(datasets: Datasets) -> list[GroupFunnel] | None:
    """A funnel for each source and language, the largest source first, then the largest language; None before dedup."""
    documents, signals, verdicts, duplicates = datasets.documents, datasets.signals, datasets.verdicts, datasets.duplicates
    if not (documents and signals and verdicts and duplicates):
        return None
    added: list[pa.Table] = []
    for rows in side_by_side((documents, ["source"]), (signals, ["language"]), (verdicts, ["kept", "broken"]),
                             (duplicates, ["kind"])):
        added.append(_outcomes(*rows))
        if len(added) == BATCHES:
            added = [_counted(added)]
    outcomes = {(row["source"], row["language"], row["outcome"], row["reason"]): row["documents"]
                for row in (_counted(added).to_pylist() if added else [])}
    kept = _kept(datasets.curated) if datasets.curated else None
    by_group: dict[tuple[str, str], Counter[tuple[str, str]]] = {}
    for (source, language, outcome, reason), count in outcomes.items():
        by_group.setdefault((source, language), Counter())[outcome, reason] += count
    funnels = [_funnel(*group, counts, kept) for group, counts in by_group.items()]
    sizes = Counter[str]()
    for funnel in funnels:
        sizes[funnel.source] += funnel.documents
    return sorted(funnels, key=lambda one: (-sizes[one.source], one.source, -one.documents, one.language))


def merged(funnels: list[GroupFunnel], by: str) -> list[GroupFunnel]:
    """The funnels added up by `source` or by `language`, the one with most documents first; the other is empty."""
    groups: dict[str, list[GroupFunnel]] = {}
    for one in funnels:
        groups.setdefault(getattr(one, by), []).append(one)
    added = [_added(name, of, by) for name, of in groups.items()]
    return sorted(added, key=lambda one: (-one.documents, getattr(one, by)))


def _added(name: str, of: list[GroupFunnel], by: str) -> GroupFunnel:
    reasons: Counter[str] = Counter()
    for one in of:
        reasons.update(dict(one.reasons))
    curated, kept = (None if any(value is None for value in values) else sum(value or 0 for value in values)
                     for values in ([one.curated for one in of], [one.kept for one in of]))
    names = (name, "") if by == "source" else ("", name)
    return GroupFunnel(*names, sum(one.documents for one in of), sum(one.broke for one in of), sum(one.copies for one in of),
                       curated, kept,
                       tuple(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))))


def _outcomes(document: pa.RecordBatch, signal: pa.RecordBatch, verdict: pa.RecordBatch, duplicate: pa.RecordBatch) -> pa.Table:
    """A row for each document: its source, language, outcome (broke, copy, passed) and the rule or kind of copy."""
    broken, kind = verdict["broken"], duplicate["kind"]
    none = pa.array([None] * len(kind), pa.string())
    # The rule that it is counted under is the first one that it breaks.
    has_rule = pc.greater(pc.list_value_length(broken), 0)
    starts = broken.offsets[:-1].filter(has_rule)
    rules = pc.replace_with_mask(none, has_rule, pc.struct_field(broken.values, "rule").take(starts))
    outcome = pc.if_else(verdict["kept"], pc.if_else(pc.is_valid(kind), "copy", "passed"), "broke")
    reason = pc.if_else(verdict["kept"], pc.fill_null(kind, ""), pc.fill_null(rules, ""))
    return pa.table({"source": document["source"], "language": signal["language"], "outcome": outcome, "reason": reason,
                     "documents": pa.array(np.ones(len(kind), np.int64))})


def _counted(tables: list[pa.Table]) -> pa.Table:
    """The rows of all, equal ones as one with their documents added up."""
    whole = pa.concat_tables(tables)
    sums = whole.group_by(["source", "language", "outcome", "reason"], use_threads=False).aggregate([("documents", "sum")])
    return sums.rename_columns([name.removesuffix("_sum") for name in sums.column_names]).select(whole.column_names)


def _kept(curated: StoredDataset) -> Counter[tuple[str, str]]:
    """Documents in `curated` by source and language: their first pieces."""
    kept: Counter[tuple[str, str]] = Counter()
    for batch in curated.batches(["source", "language", "piece"]):
        first = pa.Table.from_batches([batch.filter(pc.equal(batch["piece"], 0))])
        for row in first.group_by(["source", "language"], use_threads=False).aggregate([([], "count_all")]).to_pylist():
            kept[row["source"], row["language"]] += row["count_all"]
    return kept


def _funnel(source: str, language: str, counts: Counter[tuple[str, str]], kept: Counter[tuple[str, str]] | None) -> GroupFunnel:
    of = {outcome: sum(n for (what, _), n in counts.items() if what == outcome) for outcome in ("broke", "copy", "passed")}
    stays = None if kept is None else kept[source, language]
    named = [(BY_NAME[reason].label if outcome == "copy" and reason in BY_NAME else reason, n)
             for (outcome, reason), n in counts.items() if outcome != "passed"]
    return GroupFunnel(source, language, sum(of.values()), of["broke"], of["copy"],
                       None if stays is None else of["passed"] - stays,
                       stays, tuple(sorted(named, key=lambda item: (-item[1], item[0]))))


def funnel_table(funnels: list[GroupFunnel]) -> Table:
    """One row for each source and language."""
    columns = [
        Column("source", "folder under raw/"), Column("language", "as measured; und is unknown"),
        Column("documents", "with text", "count", bar="plain"),
        Column("broke_a_rule", "rejected by screen", "count", "broke a rule"),
        Column("copies", "removed by dedup", "count"),
        Column("rejected_by_curate", "personal data beyond the policy, or an item of an evaluation set", "count",
               "rejected later"),
        Column("kept", "in curated", "count"), Column("keep_rate", "kept of documents", "share", "keep rate", "kept"),
        Column("reasons", f"the {REASONS} rules or kinds of copy that most are rejected by, with their documents",
               label="most frequent reasons", long=True)]
    return table("funnel_by_group", "By source and language", "the documents of one source and language", columns, (
        (one.source, one.language, one.documents, one.broke, one.copies, one.curated, one.kept, one.keep_rate,
         ", ".join(f"{name} {count:,}" for name, count in one.reasons[:REASONS])) for one in funnels))


def reason_table(funnels: list[GroupFunnel]) -> Table:
    """One row for each source, language and reason."""
    columns = [Column("source", "folder under raw/"), Column("language", "as measured"),
               Column("reason", "the rule it is counted under, or the kind of copy"),
               Column("documents", "rejected for it", "count")]
    return table("reasons_by_group", "Reasons by source and language",
                 "the documents of one source and language with one reason",
                 columns, ((one.source, one.language, name, count) for one in funnels for name, count in one.reasons))
