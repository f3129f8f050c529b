"""The overview and the search, as pages."""

import time
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from textmill.pipelines.browse import overview, search
from textmill.pipelines.browse.asked import address_of, query_of, results_page
from textmill.pipelines.browse.browser import Browser, asks_for_part, part
from textmill.pipelines.browse.search import Query
from textmill.pipelines.report.meanings import REASONS

TITLES = {"source": "source", "language": "language", "outcome": "outcome", "rule": "rule broken", "kind": "kind of copy",
          "personal": "personal data"}
LISTED = 12             # values of a filter that are counted on the page


def start(browser: Browser, request: Request) -> Response:
    """The overview."""
    indexes = browser.indexes
    return browser.page("overview.html", request, documents=indexes.snapshot.documents, place=indexes.snapshot.data.uri,
                        datasets=overview.datasets(browser.context), counts=indexes.totals,
                        records=indexes.records.by_rule(), meanings=REASONS, share=browser.share, fault=indexes.fault)


def stale(browser: Browser, request: Request) -> Response:
    """A part of the overview: which datasets are stale."""
    return part("stale.html", stages=overview.stale(browser.context))


def words(browser: Browser, request: Request) -> Response:
    """A part of the overview: how far the word index is."""
    return part("words.html", share=browser.share, fault=browser.indexes.fault)


def find(browser: Browser, request: Request) -> Response:
    """Search, or where htmx asks only its results."""
    begin = time.perf_counter()
    query = query_of(request.query_params, browser.indexes.numbers)
    results = results_page(browser.indexes, query)
    seconds = time.perf_counter() - begin
    known = {"share": browser.share, "fault": browser.indexes.fault, "seconds": seconds, **results}
    if asks_for_part(request):
        return part("results.html", **known)
    return browser.page("search.html", request, **known, **_form(browser, query))


def counts(browser: Browser, request: Request) -> Response:
    """A part of the search: of what it found, how many have which value of each filter, as links to these alone."""
    query = query_of(request.query_params, browser.indexes.numbers)
    found = search.counts(browser.indexes, query)
    filters = []
    for name, title in TITLES.items():
        values = found.get(name, [])[:LISTED]
        narrowed = (replace(query, equal={**query.equal, name: value}) for value, _ in values)
        filters.append((title, [(value, n, address_of(each, 0)) for (value, n), each in zip(values, narrowed, strict=True)]))
    return part("counts.html", filters=[each for each in filters if each[1]])


def _form(browser: Browser, query: Query) -> dict[str, Any]:
    """What the form of the search shows: the values that there are, and those that are chosen."""
    values = {}
    for name in TITLES:
        counted: dict[str, int | None] = dict(browser.indexes.totals[name])
        if name == "outcome" and "copy" in counted:
            counted["contained"] = None
        chosen = query.equal.get(name)
        values[name] = sorted(counted.items()) + ([(chosen, None)] if chosen and chosen not in counted else [])
    ranges = [*query.ranges, *[search.Range("", None, None)] * (search.RANGES - len(query.ranges))]
    return {"text": query.text, "choices": [(name, title, values[name]) for name, title in TITLES.items()],
            "equal": {name: query.equal.get(name, "") for name in (*TITLES, "host")}, "ranges": ranges, "order": query.order,
            "descending": query.descending, "numbers": browser.indexes.numbers,
            "filtered": len(query.equal) + len(query.ranges) + bool(query.order)}
