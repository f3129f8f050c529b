"""`why`: the history of a page, from the record in a raw file to the blocks it is in, a section for each stage.

Every section is read from the dataset of its stage, and says so where that is missing or stale.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow.compute as pc

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.row_groups import DocumentRow, find_ids, row_groups, rows_of
from textmill.pipelines.contract.stage import RunContext, Stage
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.curate.stage import CURATE
from textmill.pipelines.dedup.stage import DEDUP
from textmill.pipelines.display.lines import columns, labelled, number, shown
from textmill.pipelines.ledger.blocks import Span, datasets_under, spans_of
from textmill.pipelines.ledger.history import measurements, rejection, rows_with_id
from textmill.pipelines.ledger.lookup import Pages, RejectedRecord, find_pages
from textmill.pipelines.ledger.status import is_stale
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS
from textmill.pipelines.measure.stage import MEASURE
from textmill.pipelines.pack.stage import PACK
from textmill.pipelines.screen.rules import Rule, Rules
from textmill.pipelines.screen.stage import SCREEN
from textmill.pipelines.takedown.emptying import RULE
from textmill.pipelines.takedown.entries import LIST, read_entries, takes
from textmill.pipelines.takedown.memory import read_memory
from textmill.pipelines.tokens.encode import TOKENIZE

_LEGAL = ("robots", "tdm_reservation", "tdm_policy", "license", "paywalled", "copyright")
_MOST = 10          # pages of a host, copies of a page, edits of a piece that are listed
Row = dict[str, Any]


def why(context: RunContext, name: str) -> list[str]:
    """The history of every page that `name` matches, as lines. StageError where there is none."""
    pages = pages_of(context.data, name)
    count = len(pages.documents) + len(pages.lost)
    lines = [f"{count} pages go by this {pages.by}", ""] if count > 1 else []
    if count > _MOST:
        return [*lines, *_listed(pages), "", "ask for one of them by its id or URL"]
    for document in pages.documents:
        lines += [*_document(context, document), ""]
    for lost in pages.lost:
        lines += [*_lost(lost), ""]
    return lines[:-1]


def pages_of(data: Folder, name: str) -> Pages:
    """The pages that `name` matches. StageError where there is none, with the entry of takedown.txt that covers it."""
    try:
        return find_pages(data, name)
    except StageError as error:
        if lines := [str(entry.line) for entry in read_entries(data) if takes(entry, name)]:
            raise StageError(f"{error} (it is taken down: {LIST}, line {', '.join(lines)})") from None
        raise


def _listed(pages: Pages) -> Iterator[str]:
    for document in pages.documents:
        yield f"{document.id}  {shown(document.url or document.record_id)}"
    for lost in pages.lost:
        yield f"{lost.outcome + ': ' + lost.rule:<32}  {shown(lost.url)}"


def _lost(lost: RejectedRecord) -> Iterator[str]:
    """The section of a rejected record, which has no document and no further stages."""
    yield shown(lost.url)
    yield from labelled("record", f"{lost.file}, {_place(lost.offset, lost.length)}")
    yield from labelled("", f"record id {shown(lost.record_id)}")
    bound = f", value {shown(lost.value)}, bound {shown(lost.bound)}" if lost.value is not None else ""
    yield from labelled("extract", f"{lost.outcome} by {lost.rule}{bound}; it has no document")
    if lost.detail:
        yield from labelled("", shown(lost.detail))


def _document(context: RunContext, document: DocumentRow) -> Iterator[str]:
    data, one = context.data, [document]
    (row,), (signals,), (verdict,), (duplicate,) = (
        rows_of(data, dataset, one) for dataset in ("documents", "signals", "verdicts", "duplicates"))
    assert row is not None
    language = signals["language"] if signals else "und"
    yield shown(document.url or document.record_id)
    if not row["payload_digest"]:
        yield from _emptied(context, row)
        return
    yield from _extracted(row, language)
    yield from _section(context, MEASURE, signals, lambda found: _measured(found))
    yield from _section(context, SCREEN, verdict, lambda found: _judged(
        found, signals, context.config[Rules].rules, bool(row.get("turns")), row.get("page_kind")))
    yield from _section(context, DEDUP, duplicate, lambda found: _compared(context, document, found, verdict))
    yield from _curated(context, document)


def _emptied(context: RunContext, row: Row) -> Iterator[str]:
    """A document that was taken down: its row exists, without its content."""
    yield from labelled("id", row["id"])
    yield from labelled("record", f"{row['file']}, {_place(row['offset'], row['length'])}; source {row['source']}")
    memory, entries = read_memory(context.data), {entry.name: entry for entry in read_entries(context.data)}
    names = [name for one in memory.taken if one.id == row["id"] for name in one.entries]
    said = [f"{name} (line {entries[name].line})" if name in entries else f"{name} (no longer listed)"
            for name in dict.fromkeys(names)]
    yield from labelled("takedown", f"its text was taken down, by {', '.join(said) or 'an entry no longer on record'}")


def _extracted(row: Row, language: str) -> Iterator[str]:
    yield from labelled("id", row["id"])
    yield from labelled("record", f"{row['file']}, {_place(row['offset'], row['length'])}")
    yield from labelled("", f"record id {shown(row['record_id'])}; source {row['source']}")
    dates = [f"{what} {row[column]}" for what, column in (("captured", "date"), ("published", "published")) if row[column]]
    yield from labelled("extract", "; ".join([
        f"kept, {len(row['text']):,} characters of {row['payload_bytes']:,} bytes", *dates]))
    yield from labelled("", f"charset {row['charset'] or '-'} ({row['charset_from'] or '-'}), {row['replaced']:,} characters "
                            f"replaced; content type {shown(row['content_type'])}")
    if row.get("truncated"):          # a column that documents of an older version lack
        yield from labelled("", f"the archive has only its beginning ({row['truncated']})")
    yield from labelled("", f"title: {shown(row['title'], language, row['host'])}")
    if row.get("turns"):
        half = f"; {'preferred' if row['preferred'] else 'the other'} of the pair {row['pair']}" if row["pair"] else ""
        yield from labelled("", f"a dialogue of {_count(len(row['turns']), 'turn')}, from {shown(row['turns_from'])}{half}")
    said = [f"{name} {_legal(row[name])}" for name in _LEGAL if row[name] not in (None, [])]
    yield from labelled("", f"usage restrictions declared by the page: {'; '.join(said)}" if said
                        else "no usage restrictions declared")


def _legal(value: Any) -> str:
    return shown(", ".join(value) if isinstance(value, list) else str(value))


def _measured(signals: Row) -> Iterator[str]:
    kinds = Counter(finding["kind"] for finding in signals["findings"])
    found = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())) or "none"
    form = f"form {signals['form']}; " if signals.get("form") else ""
    yield f"language {signals['language']} ({number(signals['language_score'])}), script {signals['script']}; {form}" \
          f"{signals['shingles']:,} shingles; personal data found: {found}"


def _judged(verdict: Row, signals: Row | None, rules: Sequence[Rule], has_turns: bool,
            kind: str | None) -> Iterator[str]:
    broken = [entry["rule"] for entry in verdict["broken"]]
    tags = f"; tags: {', '.join(verdict['tags'])}" if verdict["tags"] else ""
    yield ("kept" if verdict["kept"] else f"rejected by {', '.join(broken)}") + tags
    stored = {entry["rule"]: entry for entry in verdict["broken"]}
    if RULE in stored:
        yield "its text is still stored; `textmill takedown --carry-out` takes it out"
    elif signals:
        yield from measurement_table(signals, stored, verdict["tags"], rules, has_turns, kind)


def measurement_table(signals: Row, broken: dict[str, Row], tags: Sequence[str], rules: Sequence[Rule],
                      has_turns: bool = False, kind: str | None = None) -> list[str]:
    """Every measurement of a document with value, bounds, who these are for (`Rule.origin`) and outcome, as a table.

    `broken` and `tags` are the stored verdict; `rules` may have changed since.
    """
    rows = [["measurement", "value", "low", "high", "for", ""]]
    rows += [[each.name, number(each.value), number(each.low), number(each.high), each.origin, each.outcome]
             for each in measurements(signals, broken, tags, rules, has_turns, kind)]
    return columns(rows, right=(1, 2, 3), indent=0)


def _compared(context: RunContext, document: DocumentRow, duplicate: Row, verdict: Row | None) -> Iterator[str]:
    if verdict and not verdict["kept"]:
        yield "not compared: screen rejected it"
    elif duplicate["cluster"] is None:
        yield "kept, it has no duplicate"
    elif duplicate["kind"]:
        likeness = "" if duplicate["similarity"] is None else f", similarity {number(duplicate['similarity'])}"
        yield f"a copy ({duplicate['kind']}{likeness}) in a cluster of {duplicate['cluster_size']}"
        yield from _twins(context, [duplicate["kept_id"]], "kept instead:")
    else:
        yield f"kept, of a cluster of {duplicate['cluster_size']}"
        copies = copies_of(context, document.id)
        yield from _twins(context, copies[:_MOST], "stands for:")
        if len(copies) > _MOST:
            yield f"and {len(copies) - _MOST:,} more"


def copies_of(context: RunContext, id_: str) -> list[str]:
    """The ids of the copies removed in favour of this document, sorted."""
    copies: list[str] = []
    manifest = Manifest.read(context.data / "duplicates")
    for part in manifest.parts if manifest else ():
        for _, read in row_groups(context.data / "duplicates", part, {"kept_id": id_}):
            batch = read(["id", "kept_id", "kind"])
            goes = pc.and_(pc.equal(batch["kept_id"], id_), pc.is_valid(batch["kind"]))
            copies += batch["id"].filter(goes).to_pylist()
    return sorted(copies)


def _twins(context: RunContext, ids: Sequence[str], label: str) -> Iterator[str]:
    found = find_ids(context.data, ids)
    for id_ in ids:
        yield f"{label} {id_}"
        yield from (f"  {shown(document.url or document.record_id)}" for document in found[id_][:1])


def _curated(context: RunContext, document: DocumentRow) -> Iterator[str]:
    """The sections of curate, tokenize and pack: the document's pieces with their edits, tokens and blocks."""
    pieces = rows_with_id(context, "curated", document, ["piece", "pieces", "start", "end", "edits", "evaluation_items"])
    if (missing := _absent(context, CURATE, "curated")) is not None:
        yield from labelled("curate", missing)
        return
    stale = _stale(context, CURATE)
    if rejected := rejection(context, document):
        value = f", value {shown(rejected['value'])}" if rejected["value"] is not None else ""
        bound = f", bound {shown(rejected['bound'])}" if rejected["bound"] is not None else ""
        more = "" if not rejected["detail"] or rejected["rule"].startswith("dup") else (
            f"; {'it contains' if rejected['rule'] == 'evaluation' else 'also'} {shown(rejected['detail'])}")
        yield from labelled("curate", f"rejected by {rejected['rule']}{value}{bound}{more}{stale}")
        return
    edits = sum(len(piece["edits"]) for piece in pieces)
    yield from labelled("curate", f"{_count(len(pieces), 'piece')}, {_count(edits, 'edit')}{stale}")
    if held := {item["item"]: item["overlap"] for piece in pieces for item in piece["evaluation_items"] or ()}:
        items = ", ".join(f"{shown(item)} ({number(overlap)})" for item, overlap in held.items())
        yield from labelled("", f"contains items of evaluation sets, with their overlap: {items}")
    tokens = {name: {row["piece"]: row["token_count"] for row in
                     rows_with_id(context, f"tokens/{name}", document, ["piece", "token_count"])}
              for name in datasets_under(context.data, "tokens")}
    spans = spans_of(context.data, [document.id])
    for piece in pieces:
        yield from _piece(piece, tokens, [span for span in spans if span.piece == piece["piece"]])
    for stage, there in ((TOKENIZE, tokens), (PACK, datasets_under(context.data, "blocks"))):
        dataset = stage.dataset(context.config)
        if not there:
            yield from labelled(stage.name, f"not yet; run `textmill {stage.name}`")
        elif dataset.partition("/")[2] in there and (note := _stale(context, stage)):
            yield from labelled(stage.name, f"{dataset}{note}")


def _piece(piece: Row, tokens: dict[str, dict[int, int]], spans: Sequence[Span]) -> Iterator[str]:
    yield from labelled("", f"piece {piece['piece']} of {piece['pieces']}, characters {piece['start']:,} to {piece['end']:,}")
    made = [f"{edit['kind']} {edit['start']:,}-{edit['end']:,}" for edit in piece["edits"]]
    if made:
        more = f" and {len(made) - _MOST:,} more" if len(made) > _MOST else ""
        yield from labelled("", f"edits: {', '.join(made[:_MOST])}{more}", indent=2)
    for name, counts in tokens.items():
        number = counts.get(piece["piece"])
        said = f"none of {name}: run `textmill tokenize`" if number is None else f"{number:,} of {name}"
        yield from labelled("", f"tokens: {said}", indent=2)
    for span in spans:
        yield from labelled("", f"block {span.block} of {span.mixture}/{span.split}, positions {span.first:,} to {span.last:,}",
                            indent=2)
    if not spans:
        yield from labelled("", "in no block", indent=2)


def _section(context: RunContext, stage: Stage, row: Row | None, told: Any) -> Iterator[str]:
    """A stage's section from its aligned row; the first line is folded, a table that follows is not."""
    dataset = stage.dataset(context.config)
    if (missing := _absent(context, stage, dataset)) is not None:
        yield from labelled(stage.name, missing)
    elif row is None:
        yield from labelled(stage.name, f"{dataset} was made from other documents than lie there now; "
                            f"run `textmill {stage.name}`")
    else:
        first, *rest = told(row)
        yield from labelled(stage.name, first + _stale(context, stage))
        yield from (f"  {line}" if len(rest) > len(RULE_MEASUREMENTS) else f"{' ' * 11}{line}" for line in rest)


def _absent(context: RunContext, stage: Stage, dataset: str) -> str | None:
    return None if Manifest.read(context.data / dataset) else f"not yet; run `textmill {stage.name}`"


def _stale(context: RunContext, stage: Stage) -> str:
    """A note where a dataset is stale."""
    return f" (stale: its input or settings have changed; run `textmill {stage.name}`)" if is_stale(context, stage) else ""


def _place(offset: int, length: int | None) -> str:
    return f"offset {offset:,}" + ("" if length is None else f", length {length:,}")


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
