"""The application: pages of the browser, each a function of a request that reads and never writes.

An error that a user can put right is a sentence on the page, with its cure; what else goes wrong is a sentence that says so.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from textmill.base.errors import TextmillError
from textmill.pipelines.browse import overview, search
from textmill.pipelines.browse.asked import query_of, results_page
from textmill.pipelines.browse.guard import Guard
from textmill.pipelines.browse.indexes import Indexes
from textmill.pipelines.browse.render import FILES, TYPES, render
from textmill.pipelines.browse.search import Query
from textmill.pipelines.browse.snapshot import digest_of
from textmill.pipelines.contract.stage import RunContext


@dataclass(frozen=True)
class Browser:
    """What every page is made from: the run it looks at, and the indexes of its data."""

    context: RunContext
    indexes: Indexes
    chat: str               # address of `textmill serve`'s page

    def page(self, template: str, request: Request, status: int = 200, **values: Any) -> Response:
        """A whole page."""
        changed = digest_of(self.context.data) != self.indexes.snapshot.digest
        return HTMLResponse(render(template, here=request.url.path, changed=changed, **values), status)

    @property
    def share(self) -> float | None:
        """How much of the word index there is; None where it is complete."""
        return None if self.indexes.words else self.indexes.read / max(1, self.indexes.snapshot.documents)


Page = Callable[[Browser, Request], Response]


def application(browser: Browser, hosts: frozenset[str]) -> Starlette:
    """The ASGI application."""
    def served(page: Page) -> Callable[[Request], Response]:
        return lambda request: page(browser, request)       # in a thread of its own: what is read may take a while

    def failed(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 400 if isinstance(error, TextmillError) else 500
        if isinstance(error, HTTPException):
            said = "there is no such page; the links above lead to all there are" if status == 404 else error.detail
        elif isinstance(error, TextmillError):
            said = str(error)
        else:
            said = f"this page could not be made ({type(error).__name__}: that is a bug, please report it)"
        if request.headers.get("hx-request"):       # a part of a page: htmx shows nothing that is not a success
            return HTMLResponse(render("sentence.html", sentence=said))
        return browser.page("error.html", request, status, sentence=said)

    routes = [Route(path, served(page), methods=methods) for path, page, methods in PAGES]
    handlers: Mapping[Any, Any] = {TextmillError: failed, HTTPException: failed, Exception: failed}
    return Starlette(routes=[*routes, Route("/static/{name}", file)], middleware=[Middleware(Guard, hosts=hosts)],
                     exception_handlers=handlers)


def file(request: Request) -> Response:
    """A style, script or icon."""
    name = request.path_params["name"]
    if name not in FILES:
        raise HTTPException(404)
    return Response(FILES[name].read_bytes(), media_type=TYPES[FILES[name].suffix])


def start(browser: Browser, request: Request) -> Response:
    """The overview."""
    indexes = browser.indexes
    return browser.page("overview.html", request, documents=indexes.snapshot.documents, place=indexes.snapshot.data.uri,
                        datasets=overview.datasets(browser.context), counts=search.counts(indexes, Query()),
                        share=browser.share, fault=indexes.fault)


def stale(browser: Browser, request: Request) -> Response:
    """A part of the overview: which datasets are stale."""
    return HTMLResponse(render("stale.html", stages=overview.stale(browser.context)))


def words(browser: Browser, request: Request) -> Response:
    """A part of the overview: how far the word index is."""
    return HTMLResponse(render("words.html", share=browser.share, fault=browser.indexes.fault))


def find(browser: Browser, request: Request) -> Response:
    """Search, or where htmx asks only its results."""
    begin = time.perf_counter()
    query = query_of(request.query_params, browser.indexes.numbers)
    results = results_page(browser.indexes, query)
    seconds = time.perf_counter() - begin
    known = {"share": browser.share, "fault": browser.indexes.fault, "seconds": seconds, **results}
    if request.headers.get("hx-request") and not request.headers.get("hx-history-restore-request"):
        return HTMLResponse(render("results.html", **known))
    return browser.page("search.html", request, **known, **search_form(browser, query))


def search_form(browser: Browser, query: Query) -> dict[str, Any]:
    """What the form of the search shows: the values that there are, and those that are chosen."""
    there = search.counts(browser.indexes, Query())
    titles = {"source": "source", "language": "language", "outcome": "outcome", "rule": "rule broken", "kind": "kind of copy",
              "personal": "personal data"}
    values = {name: sorted({value for value, _ in there[name]} | ({query.equal[name]} if name in query.equal else set()))
              for name in titles}
    if "contained_in" not in values["outcome"]:
        values["outcome"] = [name for name in search.OUTCOMES if name in (*values["outcome"], "contained")]
    ranges = [*query.ranges, *[search.Range("", None, None)] * (search.RANGES - len(query.ranges))]
    return {"text": query.text, "choices": [(name, title, values[name]) for name, title in titles.items()],
            "equal": {name: query.equal.get(name, "") for name in (*titles, "host")}, "ranges": ranges, "order": query.order,
            "descending": query.descending, "numbers": browser.indexes.numbers,
            "filtered": len(query.equal) + len(query.ranges) + bool(query.order)}


PAGES: tuple[tuple[str, Page, list[str]], ...] = (
    ("/", start, ["GET"]), ("/stale", stale, ["GET"]), ("/words", words, ["GET"]), ("/search", find, ["GET"]))
