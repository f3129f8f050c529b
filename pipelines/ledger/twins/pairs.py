"""The duplicate pairs of a page, why one of each is kept, and their texts."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow.compute as pc

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.row_groups import DocumentRow, find_ids, row_groups, rows_of
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.dedup.kinds import BY_NAME
from textmill.pipelines.display.lines import labelled, shown
from textmill.pipelines.ledger.lookup import find_pages
from textmill.pipelines.ledger.twins.diff import GREEN, PLAIN, RED, side_by_side

MOST = 5                # pairs shown of a page
Row = dict[str, Any]
BECAUSE = {"source": "its source comes first", "longest": "it is longer", "oldest": "it was captured first",
           "newest": "it was captured last"}


class PageRows(NamedTuple):
    """A document with its rows of documents (text, title, date, source), signals (language, word_count) and duplicates."""

    found: DocumentRow
    document: Row
    signals: Row
    duplicate: Row


def twins(data: Folder, name: str, colour: bool) -> list[str]:
    """Every page that `name` matches, beside its original or its copies. StageError where it has neither."""
    manifest = Manifest.read(data / "duplicates")
    if manifest is None:
        raise StageError(f"there is nothing in {data.uri}/duplicates yet; run `textmill dedup`")
    settings = manifest.made_from["settings"]
    lines: list[str] = []
    pages = pages_of(data, list(find_pages(data, name).documents))
    for page in pages:
        pairs = list(pairs_with(data, page))
        for kept, removed in pairs[:MOST]:
            lines += [*pair(kept, removed, settings, colour), ""]
        if len(pairs) > MOST:
            lines += [f"{len(pairs) - MOST} more pages are copies of {shown(page.found.url)}", ""]
    if not lines:
        raise StageError(f"{name} has no duplicates; `textmill why` shows its history")
    return lines[:-1]


def pages_of(data: Folder, found: list[DocumentRow]) -> list[PageRows]:
    """The documents that dedup has compared, with their rows."""
    rows = (rows_of(data, "documents", found, ["text", "title", "date", "source", "url"]),
            rows_of(data, "signals", found, ["language", "word_count"]), rows_of(data, "duplicates", found))
    return [PageRows(one, document, signals, duplicate) for one, document, signals, duplicate in zip(found, *rows, strict=True)
            if document and signals and duplicate]


def pairs_with(data: Folder, page: PageRows) -> Iterator[tuple[PageRows, PageRows]]:
    """(kept, removed) for each pair that the page is one of; of a contained page (the longer, the shorter)."""
    own = page.duplicate
    if own["kind"] is not None:
        others = [other for other in pages_of(data, find_ids(data, [own["kept_id"]])[own["kept_id"]])
                  if other.duplicate["kind"] is None]
        yield from ((other, page) for other in others)
        return
    if own["contained_in"] is not None:
        yield from ((other, page) for other in pages_of(data, find_ids(data, [own["contained_in"]])[own["contained_in"]])[:1])
    yield from ((page, other) for other in pages_of(data, copies_of(data, page.found.id)) if other.found != page.found)


def copies_of(data: Folder, id_: str) -> list[DocumentRow]:
    """The documents removed as copies of this one, and those that it contains."""
    manifest = Manifest.read(data / "duplicates")
    assert manifest
    ids = set()
    for part in manifest.parts:
        for _, read in row_groups(data / "duplicates", part):
            rows = read(["id", "kept_id", "kind", "contained_in"])
            gone = pc.and_(pc.equal(rows["kept_id"], id_), pc.is_valid(rows["kind"]))
            held = pc.equal(rows["contained_in"], id_)
            ids |= set(rows["id"].filter(pc.or_kleene(gone, held).fill_null(False)).to_pylist())
    return [found for same in find_ids(data, ids).values() for found in same]


def pair(kept: PageRows, removed: PageRows, settings: Row, colour: bool) -> list[str]:
    """Two pages: their relation, and their texts side by side, the kept one on the left."""
    kind, similarity = removed.duplicate["kind"], removed.duplicate["similarity"]
    said = BY_NAME[kind].phrase if kind else "contained in a longer page; both are kept"
    if kind is None:
        said += f": {removed.duplicate['containment']:.1%} of its word 5-grams occur there"
    elif similarity is not None:
        said += f": Jaccard {similarity:.3f}, threshold {settings['threshold']}"
    good, bad, plain = (GREEN, RED, PLAIN) if colour else ("", "", "")
    lines = labelled("twins", said)
    for label, page, hue in (("kept" if kind else "longer", kept, good), ("removed" if kind else "shorter", removed, bad)):
        date = f", {page.document['date'][:10]}" if page.document["date"] else ""
        facts = f"{page.found.id}, {page.document['source']}, {page.signals['word_count']:,.0f} words{date}"
        first, *rest = labelled(label, f"{shown(page.found.url, host=page.found.host)} ({facts})")
        lines += [f"{hue}{first}{plain}" if hue else first, *rest]
    if kind:
        lines += labelled("reason", because(kept, removed, settings))
    if kind in ("record", "exact"):
        return lines
    left, right = (shown(page.document["text"], page.signals["language"], page.found.host) for page in (kept, removed))
    return [*lines, "", *side_by_side(left, right, colour)]


def because(kept: PageRows, removed: PageRows, settings: Row) -> str:
    """Why one is kept: the first criterion of the declared order in which the two differ."""
    if removed.duplicate["kind"] == "record":
        return "it comes first; the two are one record"
    order = settings["order"]
    if removed.duplicate["kind"] == "url" and kept.found.url == removed.found.url:
        order = ["newest", *(name for name in order if name not in ("oldest", "newest"))]
    for name in order:
        one, other = (_standing(name, page, settings["source_priority"]) for page in (kept, removed))
        if one != other:
            return BECAUSE[name] if one < other else "of the kept pages it is the most similar to the removed one"
    return "its id is the smaller; all else is equal" if kept.found.id < removed.found.id else \
        "of the kept pages it is the most similar to the removed one"


def _standing(name: str, page: PageRows, priority: list[str]) -> Any:
    """The value that criterion `name` of the order compares: the smaller is kept."""
    if name == "source":
        return priority.index(page.document["source"]) if page.document["source"] in priority else len(priority)
    if name == "longest":
        return -(page.signals["word_count"] or 0)
    date = page.document["date"]
    if name == "oldest":
        return date or "9"
    return tuple(-ord(character) for character in date) if date else (1,)
