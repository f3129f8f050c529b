"""Records that gave no document, listed by rule, and the story of one, as pages."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from textmill.pipelines.browse.asked import NO_TERMS, items_of, number_of, record_items
from textmill.pipelines.browse.browser import Browser, part
from textmill.pipelines.browse.raw_page import not_here, visible_page
from textmill.pipelines.browse.records import Record
from textmill.pipelines.browse.search import PAGE, at_address
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.display.lines import shown
from textmill.pipelines.extract.quarantine import CURES, place
from textmill.pipelines.report.meanings import REASONS
from textmill.pipelines.takedown.emptying import RULE
from textmill.pipelines.web.address import host

MOST_PAGES = 100_000


def records(browser: Browser, request: Request) -> Response:
    """The records that a rule took, or all, a page of them."""
    rule, page = request.query_params.get("rule", ""), number_of(request.query_params.get("page", ""), MOST_PAGES) or 0
    by_rule = browser.indexes.records.by_rule()
    total = sum(n for _, name, n in by_rule if rule in ("", name))
    found = browser.indexes.records.of_rule(rule, PAGE * page, PAGE)
    return browser.page("records.html", request, by_rule=by_rule, rule=rule, meanings=REASONS, cure=CURES.get(rule, ""),
                        total=total, page=page, more=total > PAGE * (page + 1), first=PAGE * page + 1,
                        items=record_items(found))


def record(browser: Browser, request: Request) -> Response:
    """The story of a record: why it has no document, where it lies, and what else has its address."""
    found = _asked(browser, request)
    row = found[0].row
    documents = at_address(browser.indexes, row["url"])[:PAGE] if row["url"] else []
    others = [each for each in browser.indexes.records.named(row["url"]) if each.key != found[0].key] if row["url"] else []
    name = {column: shown(row[column]) if row[column] else "" for column in ("url", "record_id", "file")}
    where = row["file"] if not_here(row["file"]) else place(browser.context.data, row["file"], row["offset"])
    return browser.page("record.html", request, key=found[0].key, row=row, name=name, reasons=[_reason(each) for each in found],
                        place=shown(where), taken=_is_taken(found),
                        documents=items_of(browser.indexes, documents, NO_TERMS), others=record_items(others[:PAGE]))


def record_page(browser: Browser, request: Request) -> Response:
    """The visible text of a record's page, where there is one."""
    found = _asked(browser, request)
    row = found[0].row
    if _is_taken(found):
        return part("raw-page.html", problem="it was taken down, and is not shown", lines=[])
    where = {"file": row["file"], "offset": row["offset"], "source": row["file"].split("/")[0],
             "host": host(row["url"]) if row["url"] else None}
    with browser.reader() as reader:
        problem, lines = visible_page(browser.context, where, {}, reader)
    return part("raw-page.html", problem=problem, lines=lines)


def _asked(browser: Browser, request: Request) -> list[Record]:
    key = request.path_params["key"]
    found = browser.indexes.records.at(key)
    if not found:
        raise StageError(f"there is no record {shown(key)} without a document; the page of records lists all there are")
    return found


def _is_taken(found: Sequence[Record]) -> bool:
    return any(each.row["rule"] == RULE for each in found)


def _reason(of: Record) -> dict[str, Any]:
    row = of.row
    return {"outcome": row["outcome"], "rule": row["rule"], "meaning": REASONS.get(row["rule"], ""),
            "limits": [(name, shown(row[name])) for name in ("value", "bound") if row[name] is not None],
            "detail": shown(row["detail"]) if row["detail"] else "",
            "cure": CURES.get(row["rule"], "") if row["outcome"] == "quarantined" else ""}
