"""Clusters of copies, and two texts with their differences marked, as pages."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from textmill.pipelines.browse.asked import NO_TERMS, items_of, number_of
from textmill.pipelines.browse.browser import Browser
from textmill.pipelines.browse.document import document_of
from textmill.pipelines.browse.indexes import Indexes
from textmill.pipelines.browse.search import PAGE, Found, by_id, by_numbers, copies_of, in_cluster
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.row_groups import DocumentRow
from textmill.pipelines.dedup.kinds import BY_NAME
from textmill.pipelines.display.lines import shown
from textmill.pipelines.ledger.twins.diff import is_cut, stretches
from textmill.pipelines.ledger.twins.pairs import PageRows, because, pages_of

MOST_SHOWN = 100        # documents of a cluster


def clusters(browser: Browser, request: Request) -> Response:
    """The largest clusters, a page of them."""
    page = number_of(request.query_params.get("page", ""), 10_000) or 0
    with browser.indexes.connection.cursor() as cursor:
        total = cursor.execute("SELECT count(*) FROM clusters").fetchall()[0][0]
        rows = cursor.execute(f"SELECT * FROM clusters ORDER BY rowid LIMIT {PAGE} OFFSET {PAGE * page}").fetchall()
    named = by_numbers(browser.indexes, [number for _, _, _, number, _ in rows])
    items = items_of(browser.indexes, named, NO_TERMS, excerpts=False)
    return browser.page(
        "clusters.html", request, total=total, page=page, more=total > PAGE * (page + 1),
        made="duplicates" in browser.indexes.snapshot.manifests, clusters=[
            {"id": id_, "size": size, "kept": kept, "kinds": [BY_NAME[kind].label for kind in kinds if kind], "item": item}
            for (id_, size, kept, _, kinds), item in zip(rows, items, strict=True)])


def cluster(browser: Browser, request: Request) -> Response:
    """The documents of one cluster."""
    found = in_cluster(browser.indexes, request.path_params["id"])
    if not found:
        raise StageError(f"there is no cluster {shown(request.path_params['id'])}; the page of clusters lists all there are")
    return browser.page("cluster.html", request, id=request.path_params["id"], size=len(found),
                        items=items_of(browser.indexes, found[:MOST_SHOWN], NO_TERMS))


def twins(browser: Browser, request: Request) -> Response:
    """A document beside one of its copies."""
    number, other = number_of(request.query_params.get("number", "")), request.query_params.get("other", "")
    own, _ = document_of(browser.indexes, request.path_params["id"], number)
    others = _others(browser.indexes, own)
    if not others:
        raise StageError("this document has no copies: dedup found none, or screen rejected it before")
    chosen = next((each for each in others if each.facts["id"] == other), others[0])
    pages = pages_of(browser.context.data, [_named(browser.indexes, own), _named(browser.indexes, chosen)])
    if len(pages) < 2:
        raise StageError("the datasets on these two documents do not belong together; run `textmill dedup`")
    kept, removed = pages
    if own.facts["kind"] or kept.duplicate.get("contained_in") == removed.found.id:
        kept, removed = removed, kept
    goes = bool(removed.duplicate["kind"])
    settings = browser.indexes.snapshot.manifests["duplicates"].made_from["settings"]
    texts = [shown(page.document["text"], page.signals["language"], page.found.host) for page in (kept, removed)]
    return browser.page(
        "twins.html", request, sides=[_side(kept, "kept"), _side(removed, "removed" if goes else "kept too")],
        said=_said(removed, settings), reason=because(kept, removed, settings) if goes else "",
        passages=passages(*texts), cut=is_cut(*texts), others=[each.facts["id"] for each in others[:MOST_SHOWN]],
        chosen=chosen.facts["id"], id=own.facts["id"], number=own.number,
        cluster=kept.duplicate["cluster"])


def passages(left: str, right: str) -> list[dict[str, Any]]:
    """Two texts as passages that stand beside each other, each of (words, whether the other lacks them).

    `left_out` is how many words that are the same come behind a passage and are not shown."""
    found: list[dict[str, Any]] = [{"one": [], "other": [], "left_out": 0}]
    for stretch in stretches(left, right):
        for side, words in (("one", stretch.ones), ("other", stretch.others)):
            if words:
                found[-1][side].append(("".join(words), not stretch.same))
        if stretch.left_out:
            found[-1]["left_out"] = stretch.left_out
            found.append({"one": [], "other": [], "left_out": 0})
    return found


def _others(indexes: Indexes, own: Found) -> list[Found]:
    """The document kept in the place of this one, or those that it stands for, or that it is contained in."""
    (row,) = indexes.snapshot.rows("duplicates", [own.row], ["kept_id", "kind", "contained_in"])
    ids = [row["kept_id"]] if row.get("kind") else []
    found = [each for id_ in ids for each in by_id(indexes, id_) if not each.facts["kind"]][:1]
    found = found or copies_of(indexes, own.facts["id"])
    if row.get("contained_in") and not row.get("kind"):
        found = by_id(indexes, row["contained_in"])[:1] + found
    return [each for each in found if each.number != own.number]


def _named(indexes: Indexes, found: Found) -> DocumentRow:
    (row,) = indexes.snapshot.rows("documents", [found.row], ["url", "record_id"])
    return found.row._replace(url=row["url"], record_id=row["record_id"])


def _side(page: PageRows, outcome: str) -> dict[str, Any]:
    return {"id": page.found.id, "outcome": outcome, "source": page.document["source"], "words": page.signals["word_count"],
            "date": (page.document["date"] or "")[:10],
            "title": shown(page.document["title"] or page.found.url, page.signals["language"], page.found.host)}


def _said(removed: PageRows, settings: dict[str, Any]) -> str:
    """How alike the two are."""
    kind, similarity = removed.duplicate["kind"], removed.duplicate["similarity"]
    if kind is None:
        return f"Contained in a longer page, {removed.duplicate['containment'] or 0:.1%} of its word 5-grams; both are kept"
    said = BY_NAME[kind].phrase
    likeness = "" if similarity is None else f": Jaccard {similarity:.3f}, threshold {settings['threshold']}"
    return said[0].upper() + said[1:] + likeness
