"""The application: pages of the browser, each a function of a request that reads and never writes.

An error that a user can put right is a sentence on the page, with its cure; what else goes wrong is a sentence that says so.
"""

import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from textmill.base.errors import TextmillError
from textmill.pipelines.browse import (
    block_pages,
    document_pages,
    record_pages,
    rules_pages,
    run_pages,
    search_pages,
    sql_pages,
    twin_pages,
)
from textmill.pipelines.browse.browser import BODY, Browser, PageFunction, part
from textmill.pipelines.browse.guard import Guard
from textmill.pipelines.browse.render import static_files


def application(browser: Browser, hosts: frozenset[str]) -> Starlette:
    """The ASGI application."""
    def failed(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 400 if isinstance(error, TextmillError) else 500
        if isinstance(error, HTTPException):
            said = "there is no such page; the links above lead to all there are" if status == 404 else error.detail
        elif isinstance(error, TextmillError):
            said = str(error)
        else:
            traceback.print_exception(error)
            said = f"this page could not be made ({type(error).__name__}): that is a bug, please report it"
        if request.headers.get("hx-request"):       # a part of a page: htmx shows nothing that is not a success
            return part("sentence.html", sentence=said)
        answer = browser.page("error.html", request, sentence=said)
        answer.status_code = status
        return answer

    def served(page: PageFunction) -> Callable[[Request], Awaitable[Response]]:
        def answer(request: Request) -> Response:
            try:
                return page(browser, request)
            except Exception as error:      # here, inside the guard, which puts its headers on this answer too
                return failed(request, error)

        async def in_thread(request: Request) -> Response:      # what is read may take a while
            request.scope[BODY] = await request.body()
            return await run_in_threadpool(answer, request)
        return in_thread

    routes = [Route(path, served(page), methods=[method]) for path, page, method in PAGES]
    handlers: Mapping[Any, Any] = {HTTPException: failed}
    return Starlette(routes=[*routes, Route("/static/{name}", file)], middleware=[Middleware(Guard, hosts=hosts)],
                     exception_handlers=handlers)


def file(request: Request) -> Response:
    """A style, script or icon."""
    name = request.path_params["name"]
    if name not in static_files():
        raise HTTPException(404)
    kind, content = static_files()[name]
    return Response(content, media_type=kind)


PAGES: tuple[tuple[str, PageFunction, str], ...] = (
    ("/", search_pages.start, "GET"),
    ("/stale", search_pages.stale, "GET"),
    ("/words", search_pages.words, "GET"),
    ("/search", search_pages.find, "GET"),
    ("/search/counts", search_pages.counts, "GET"),
    ("/document/{id}", document_pages.document, "GET"),
    ("/document/{id}/page", document_pages.raw_page, "GET"),
    ("/document/{id}/blocks", document_pages.blocks, "GET"),
    ("/records", record_pages.records, "GET"),
    ("/record/{key}", record_pages.record, "GET"),
    ("/record/{key}/page", record_pages.record_page, "GET"),
    ("/rules", rules_pages.rules, "GET"),
    ("/rules/effect", rules_pages.rules_effect, "GET"),
    ("/rules/file", rules_pages.rules_file, "GET"),
    ("/examples", rules_pages.examples, "GET"),
    ("/clusters", twin_pages.clusters, "GET"),
    ("/clusters/{id}", twin_pages.cluster, "GET"),
    ("/twins/{id}", twin_pages.twins, "GET"),
    ("/blocks", block_pages.blocks, "GET"),
    ("/blocks/{mixture}/{split}", block_pages.block, "GET"),
    ("/blocks/{mixture}/{split}/{number:int}", block_pages.block, "GET"),
    ("/mixture", run_pages.mixture, "GET"),
    ("/mixture/plan", run_pages.mixture_effect, "POST"),
    ("/mixture/file", run_pages.mixture_file, "POST"),
    ("/runs", run_pages.runs, "GET"),
    ("/sql", sql_pages.sql, "GET"),
    ("/sql", sql_pages.sql_answer, "POST"),
)
