"""A document's whole story, as a page shows it: record, verdict with every bound, copies, pieces with edits, tokens, blocks.

Read from the stored datasets; personal data is masked, its kinds in its place.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from textmill.pipelines.browse.asked import NO_TERMS, items_of
from textmill.pipelines.browse.indexes import Indexes
from textmill.pipelines.browse.passages import MOST, Segment, segments
from textmill.pipelines.browse.search import Found, by_id, copies_of
from textmill.pipelines.browse.snapshot import ALIGNED, interval
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.dedup.kinds import BY_NAME
from textmill.pipelines.display.lines import shown
from textmill.pipelines.ledger.blocks import datasets_under, spans_of
from textmill.pipelines.ledger.history import Row, measurements, rejection, rows_with_id
from textmill.pipelines.screen.rules import Rules
from textmill.pipelines.takedown.emptying import RULE

LEGAL = ("robots", "tdm_reservation", "tdm_policy", "license", "paywalled", "copyright")
LISTED = 20             # copies, and edits of a piece


def document_of(indexes: Indexes, id_: str, number: int | None = None) -> tuple[Found, list[Found]]:
    """The document of an id, and all that have it. StageError where there is none."""
    found = by_id(indexes, id_)
    if not found:
        raise StageError(f"there is no document {shown(id_)} in {indexes.snapshot.data.uri}; search for its address")
    return next((each for each in found if each.number == number), found[0]), found


def story(context: RunContext, indexes: Indexes, found: Found) -> dict[str, Any]:
    """What is shown of a document; blocks and the raw page take longer and are shown when they are asked for."""
    row, signals, verdict, duplicate = (_row(indexes, name, found) for name in ALIGNED)
    language, host = signals.get("language") or "und", row["host"]
    name = {column: shown(row[column], language, host) if row.get(column) else "" for column in (
        "title", "url", "record_id", "content_type", "file")}
    findings = signals.get("findings") or []
    table = measurements(signals, {each["rule"]: each for each in verdict["broken"]}, verdict["tags"],
                         context.config[Rules].rules, bool(row.get("turns")),
                         row.get("page_kind")) if signals and verdict else []
    return {
        "id": row["id"], "name": name, "row": row, "emptied": not row["payload_digest"], "language": language,
        "legal": [(column, shown(", ".join(value) if isinstance(value, list) else str(value))) for column in LEGAL
                  if (value := row.get(column)) not in (None, [])],
        "signals": signals, "personal": sorted(Counter(each["kind"] for each in findings).items()),
        "verdict": verdict, "taken": any(each["rule"] == RULE for each in verdict.get("broken", ())),
        "broken": [each for each in table if each.is_broken], "measured": [each for each in table if not each.is_broken],
        "duplicate": duplicate, "copies": _copies(indexes, found, duplicate),
        "kind": BY_NAME[duplicate["kind"]].phrase if duplicate.get("kind") else "",
        "curated": _curated(context, found, row, findings),
        "text": segments(row["text"], findings, 0, MOST), "cut": len(row["text"]) > MOST, "turns": _turns(row, findings),
        "characters": len(row["text"])}


def _row(indexes: Indexes, dataset: str, found: Found) -> Row:
    return indexes.snapshot.rows(dataset, [found.row], [])[0]


def _turns(row: Row, findings: Sequence[Row]) -> list[tuple[str, list[Segment]]]:
    """Of a dialogue: who says what."""
    return [(turn["role"], segments(row["text"], findings, *interval(turn))) for turn in row.get("turns") or ()]


def _copies(indexes: Indexes, found: Found, duplicate: Row) -> list[dict[str, Any]]:
    """The document kept in its place, or those removed in its favour or contained in it."""
    if duplicate.get("kind"):
        others = by_id(indexes, duplicate["kept_id"])[:1]
    else:
        others = copies_of(indexes, found.facts["id"])
        others += by_id(indexes, duplicate["contained_in"])[:1] if duplicate.get("contained_in") else []
    return items_of(indexes, [each for each in others if each.number != found.number][:LISTED], NO_TERMS)


def _curated(context: RunContext, found: Found, row: Row, findings: Sequence[Row]) -> dict[str, Any]:
    """What curate has made of it: pieces, each with its edits, or why it was rejected."""
    if Manifest.read(context.data / "curated") is None:
        return {"made": False, "rejected": None, "pieces": []}
    if rejected := rejection(context, found.row):
        return {"made": True, "pieces": [], "rejected": rejected["rule"], "why": [
            (name, shown(rejected[name])) for name in ("value", "bound", "detail") if rejected[name]]}
    pieces = []
    for piece in rows_with_id(context, "curated", found.row, []):
        start, end = interval(piece)
        edits = Counter(edit["kind"] for edit in piece["edits"])
        pieces.append({"number": piece["piece"], "of": piece["pieces"], "start": start, "end": end,
                       "edits": sorted(edits.items()), "begins": segments(row["text"], findings, start, min(start + 120, end)),
                       "items": [(shown(each["item"]), each["overlap"]) for each in piece.get("evaluation_items") or ()]})
    return {"made": True, "rejected": None, "pieces": pieces}


def blocks_of(context: RunContext, found: Found) -> dict[str, Any]:
    """Tokens of a document's pieces by tokenizer, and the spans that hold them, by mixture."""
    spans = spans_of(context.data, [found.facts["id"]])
    made = []
    for name in datasets_under(context.data, "tokens"):
        rows = rows_with_id(context, f"tokens/{name}", found.row, ["piece", "token_count"])
        made.append((name, sorted((row["piece"], row["token_count"]) for row in rows)))
    return {"tokens": made, "spans": spans}

