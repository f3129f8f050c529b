"""A document's story, as a page and the parts of it that take longer."""

from starlette.requests import Request
from starlette.responses import Response

from textmill.pipelines.browse.asked import number_of
from textmill.pipelines.browse.browser import Browser, part
from textmill.pipelines.browse.document import blocks_of, document_of, story
from textmill.pipelines.browse.raw_page import visible_page
from textmill.pipelines.browse.search import Found


def document(browser: Browser, request: Request) -> Response:
    """The story of a document."""
    found, same = _asked(browser, request)
    return browser.page("document.html", request, same=[each.number for each in same], own=found.number,
                        **story(browser.context, browser.indexes, found))


def raw_page(browser: Browser, request: Request) -> Response:
    """The visible text of the page as it came."""
    found, _ = _asked(browser, request)
    columns = ["file", "offset", "source", "host", "text", "payload_digest"]
    (row,) = browser.indexes.snapshot.rows("documents", [found.row], columns)
    (signals,) = browser.indexes.snapshot.rows("signals", [found.row], ["language", "findings"])
    with browser.reader() as reader:
        problem, lines = visible_page(browser.context, row, signals, reader)
    return part("raw-page.html", problem=problem, lines=lines)


def blocks(browser: Browser, request: Request) -> Response:
    """Tokens and blocks of a document."""
    found, _ = _asked(browser, request)
    return part("document-blocks.html", **blocks_of(browser.context, found))


def _asked(browser: Browser, request: Request) -> tuple[Found, list[Found]]:
    return document_of(browser.indexes, request.path_params["id"], number_of(request.query_params.get("number", "")))
