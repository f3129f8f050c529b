"""Rows of `curated` and of curate's rejected rows: every document becomes one or more of the first or one of the second."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.curate.edits import Edit, apply_edits, edits_for, moved, too_many
from textmill.pipelines.curate.evaluation import Evaluation, overlaps
from textmill.pipelines.curate.extra import clean_extra
from textmill.pipelines.curate.leftovers import leftovers
from textmill.pipelines.curate.pieces import cut
from textmill.pipelines.curate.settings import CurateSettings
from textmill.pipelines.extract.rows import TURNS
from textmill.pipelines.screen.policies import PersonalDataPolicy
from textmill.pipelines.text.slices import slices

EDITS = pa.list_(pa.struct([("kind", pa.string()), ("start", pa.int32()), ("end", pa.int32())]))
# Items of evaluation sets that the document contains, with the share of each: the largest first, five at most.
ITEMS = pa.list_(pa.struct([("item", pa.string()), ("overlap", pa.float32())]))
_SHOWN = 5
_BARS = r"\|[ \t:-]*\|"           # what a text with leftovers has at least
# FineWeb's columns first and in its order, so that what reads FineWeb reads this.
CURATED = pa.schema([
    ("text", pa.string()), ("id", pa.string()), ("dump", pa.string()), ("url", pa.string()), ("date", pa.string()),
    ("file_path", pa.string()), ("language", pa.string()), ("language_score", pa.float32()),
    ("piece", pa.int32()), ("pieces", pa.int32()), ("start", pa.int32()), ("end", pa.int32()), ("source", pa.string()),
    ("edits", EDITS), ("evaluation_items", ITEMS), ("cluster_size", pa.int32()), ("extra", pa.string()),
    ("turns", TURNS), ("pair", pa.string()), ("preferred", pa.bool_())])
REJECTED = pa.schema([
    ("file", pa.string()), ("offset", pa.int64()), ("length", pa.int64()), ("record_id", pa.string()), ("url", pa.string()),
    ("id", pa.string()), ("outcome", pa.string()), ("rule", pa.string()), ("value", pa.string()), ("bound", pa.string()),
    ("detail", pa.string())])
_CRAWL = r"(?P<dump>CC-MAIN-\d{4}-\d{2})"


def curate_batch(documents: pa.RecordBatch, signals: pa.RecordBatch, verdicts: pa.RecordBatch, duplicates: pa.RecordBatch,
                 settings: CurateSettings, policy: PersonalDataPolicy, threshold: float | None = None,
                 evaluation: Evaluation | None = None) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """(curated, rejected) of aligned batches: documents with a row in the first and rows of the second add up to all.

    A document is rejected by the first rule that screen found broken, else as the copy of another, else by the
    personal-data policy, else because it contains an item of `evaluation` whose policy is to drop it. `threshold` is the
    similarity that dedup asked of near copies, for the `bound` of those rows.
    Raises ValueError where the batches are not aligned or a document was not kept without a rule.
    """
    for name, other in (("signals", signals), ("verdicts", verdicts), ("duplicates", duplicates)):
        if not other.column("id").equals(documents.column("id")):
            raise ValueError(f"{name} and documents are not aligned: their ids differ; run measure, screen and dedup again")
    kept = verdicts.column("kept")
    copies = pc.and_(kept, pc.is_valid(duplicates.column("kind")))
    stays = pc.and_not(kept, copies)
    findings = signals.column("findings")
    troubled = pc.fill_null(pc.greater(pc.list_value_length(findings), 0), False)
    drops = {row: broken for row in _rows(pc.and_(stays, troubled)) if (broken := too_many(_edits(findings[row]), policy))}
    staying = [row for row in _rows(stays) if row not in drops]
    held = _held(documents, staying, evaluation) if evaluation else {}
    known = held if evaluation and evaluation.policy.action == "drop" else {}
    staying = [row for row in staying if row not in known]
    rejected = pa.concat_tables([
        _rejected(documents, _rows(pc.invert(kept)), *_broken_rules(verdicts)),
        _rejected(documents, _rows(copies), *_copied(duplicates, copies, threshold)),
        _rejected(documents, list(drops), *_dropped(list(drops.values()))),
        _rejected(documents, list(known), *_contaminated(list(known.values()), evaluation))])
    order = [*_rows(pc.invert(kept)), *_rows(copies), *drops, *known]
    rejected = rejected.take(pc.sort_indices(pa.array(order, pa.int64())))
    return _curated(documents, signals, duplicates, staying, troubled, settings, policy, held), _one_batch(rejected)


def _held(documents: pa.RecordBatch, rows: list[int], evaluation: Evaluation) -> dict[int, list[tuple[str, float]]]:
    """Of each document that contains enough of an item: its items and their overlaps."""
    at = pa.array(rows, pa.int64())
    texts = documents.column("text").take(at)
    found = [items for start, end in slices(texts)
             for items in overlaps(texts.slice(start, end - start).to_pylist(), evaluation)]
    return {row: items for row, items in zip(rows, found, strict=True) if items}


def _curated(documents: pa.RecordBatch, signals: pa.RecordBatch, duplicates: pa.RecordBatch, staying: list[int],
             troubled: pa.Array, settings: CurateSettings, policy: PersonalDataPolicy,
             held: dict[int, list[tuple[str, float]]]) -> pa.RecordBatch:
    """Rows of `curated`. A text without findings and short enough is taken as it is; the others go one by one.

    A dialogue is one piece, however long: pack leaves out turns where it must, and a piece of one would begin without its
    question."""
    texts, turns = documents.column("text"), documents.column("turns")
    slow = pc.or_(troubled, pc.greater(pc.binary_length(texts), settings.max_piece_bytes))
    if settings.clean_tables:
        slow = pc.or_(slow, pc.match_substring_regex(texts, _BARS))
    slow = slow.to_pylist()
    of_row: list[int] = []                                # the document of each row of curated
    source: list[int] = []                                # its text: a document's, or one of `made` behind them
    made: list[str] = []
    made_turns: list[list[dict[str, Any]] | None] = []
    piece, pieces, starts, ends, edits = [], [], [], [], []
    lengths = pc.utf8_length(texts).to_pylist()
    for row in staying:
        places, changes = [(0, lengths[row])], []
        if slow[row]:
            text = texts[row].as_py()
            changes = edits_for(_edits(signals.column("findings")[row]), policy)
            if settings.clean_tables:
                changes = sorted(changes + leftovers(text), key=lambda edit: edit[1:])
            places = places if turns[row].is_valid else cut(text, changes, settings.max_piece_bytes)
        for number, (start, end) in enumerate(places):
            inside = [change for change in changes if start <= change[1] < end]
            if slow[row]:
                source.append(len(texts) + len(made))
                made.append(apply_edits(text, inside, start, end))
                made_turns.append(moved(turns[row].as_py(), text, inside) if turns[row].is_valid else None)
            else:
                source.append(row)
            of_row.append(row)
            piece.append(number)
            pieces.append(len(places))
            starts.append(start)
            ends.append(end)
            edits.append([{"kind": kind, "start": first, "end": last} for kind, first, last in inside])
    rows = pa.array(of_row, pa.int64())
    carried = {name: documents.column(name).take(rows) for name in (
        "id", "url", "date", "source", "extra", "pair", "preferred")}
    carried["extra"] = clean_extra(carried["extra"], signals.column("language").take(rows), policy)
    file = documents.column("file").take(rows)
    crawl = pc.struct_field(pc.extract_regex(file, _CRAWL), "dump")
    taken = pa.array(source, pa.int64())
    columns = carried | {
        "text": pa.chunked_array([texts, pa.array(made, pa.string())]).take(taken),
        "turns": pa.chunked_array([turns, pa.array(made_turns, TURNS)]).take(taken),
        "dump": pc.coalesce(crawl, carried["source"]), "file_path": file,
        "language": signals.column("language").take(rows), "language_score": signals.column("language_score").take(rows),
        "piece": piece, "pieces": pieces, "start": starts, "end": ends, "edits": edits,
        "evaluation_items": [[{"item": item, "overlap": share} for item, share in held.get(row, ())[:_SHOWN]]
                             for row in of_row],
        "cluster_size": duplicates.column("cluster_size").take(rows)}
    return _one_batch(pa.table({name: columns[name] for name in CURATED.names}, schema=CURATED))


def _rejected(documents: pa.RecordBatch, rows: list[int], rule: pa.Array, value: pa.Array, bound: pa.Array,
              detail: pa.Array) -> pa.Table:
    at = pa.array(rows, pa.int64())
    columns = {name: documents.column(name).take(at) for name in ("file", "offset", "length", "record_id", "url", "id")}
    columns |= {"outcome": pa.repeat(pa.scalar("rejected"), len(rows)), "rule": rule, "value": value, "bound": bound,
                "detail": detail}
    return pa.table(columns, schema=REJECTED)


def _broken_rules(verdicts: pa.RecordBatch) -> tuple[pa.Array, ...]:
    """Of each document that is not kept: its first rule, value, bound, and the names of the others."""
    broken = verdicts.column("broken").filter(pc.invert(verdicts.column("kept")))
    if pc.any(pc.fill_null(pc.less(pc.list_value_length(broken), 1), True)).as_py():
        raise ValueError("verdicts has a document that is not kept and has broken no rule; run screen again")
    first = pc.list_element(broken, 0)
    others = pc.list_slice(broken, 1)
    names = pa.ListArray.from_arrays(others.offsets, pc.struct_field(others.values, "rule"))
    detail = pc.binary_join(names, ", ")
    return (pc.struct_field(first, "rule"), pc.cast(pc.struct_field(first, "value"), pa.string()),
            pc.cast(pc.struct_field(first, "bound"), pa.string()), pc.if_else(pc.equal(detail, ""), None, detail))


def _copied(duplicates: pa.RecordBatch, copies: pa.Array, threshold: float | None) -> tuple[pa.Array, ...]:
    """Of each copy: "duplicate_<kind>", the id that is kept, the threshold for near ones, and its cluster."""
    taken = duplicates.filter(copies)
    kind = taken.column("kind")
    bound = pa.scalar(None if threshold is None else str(threshold), pa.string())
    cluster = pc.binary_join_element_wise("cluster", taken.column("cluster"), " ")
    return (pc.binary_join_element_wise("duplicate", kind, "_"), taken.column("kept_id"),
            pc.if_else(pc.equal(kind, "near"), bound, pa.scalar(None, pa.string())), cluster)


def _dropped(drops: list[list[tuple[str, int, int]]]) -> tuple[pa.Array, ...]:
    """Of each document with too much personal data: the first kind over its bound, and the other kinds."""
    columns = (["personal_data"] * len(drops), [f"{first[0]} {first[1]}" for first, *_ in drops],
               [str(first[2]) for first, *_ in drops],
               [", ".join(f"{kind} {count} above {bound}" for kind, count, bound in rest) or None for _, *rest in drops])
    return tuple(pa.array(column, pa.string()) for column in columns)


def _contaminated(known: list[list[tuple[str, float]]], evaluation: Evaluation | None) -> tuple[pa.Array, ...]:
    """Of each document that contains items of an evaluation set: the largest overlap, the bound, and the items."""
    bound = [str(evaluation.policy.overlap)] if evaluation else []
    columns = (["evaluation"] * len(known), [f"{items[0][1]:.3f}" for items in known], bound * len(known),
               [", ".join(f"{item} {share:.3f}" for item, share in items[:_SHOWN]) for items in known])
    return tuple(pa.array(column, pa.string()) for column in columns)


def _rows(mask: pa.Array) -> list[int]:
    return pc.indices_nonzero(mask).to_pylist()


def _edits(findings: pa.Scalar) -> list[Edit]:
    return [(found["kind"], found["start"], found["end"]) for found in findings.as_py() or ()]


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)
