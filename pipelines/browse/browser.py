"""What every page of the browser is made from, and how a page becomes an answer."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from textmill.pipelines.browse.indexes import Indexes
from textmill.pipelines.browse.render import render
from textmill.pipelines.browse.sql_process import Questions
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.extract.pages.reader import Reader
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.stored_record import READ_VISIBLE

BODY = "textmill.body"      # of a request's scope: what was sent with it; the guard has bounded its size


@dataclass(frozen=True)
class Browser:
    """What every page is made from: the run it looks at, and the indexes of its data."""

    context: RunContext
    indexes: Indexes
    rules: Path             # the rules file of the run
    chat: str               # address of `textmill serve`'s page

    @cached_property
    def questions(self) -> Questions:
        """The process that answers SQL."""
        return Questions(self.context.data)

    @cached_property
    def _reading(self) -> tuple[threading.Lock, Reader]:
        settings = self.context.config[ExtractSettings]
        return threading.Lock(), Reader(settings, settings.max_page_seconds, settings.max_page_memory_mb, READ_VISIBLE)

    @contextlib.contextmanager
    def reader(self) -> Iterator[Reader]:
        """The process that reads the visible text of raw pages, for one request at a time."""
        lock, reader = self._reading
        with lock:
            yield reader

    def page(self, template: str, request: Request, /, **values: Any) -> Response:
        """A whole page."""
        return HTMLResponse(render(template, here=request.url.path, changed=self.indexes.snapshot.has_changed, **values))

    @property
    def share(self) -> float | None:
        """How much of the word index there is; None where it is complete."""
        return None if self.indexes.words else self.indexes.read / max(1, self.indexes.snapshot.documents)


PageFunction = Callable[[Browser, Request], Response]


def part(template: str, **values: Any) -> Response:
    """A part of a page, which htmx puts in its place."""
    return HTMLResponse(render(template, **values))


def attachment(name: str, text: str) -> Response:
    """A file to be saved, whose name has letters, digits, dots, dashes and underscores only."""
    return Response(text, media_type="application/yaml", headers={"content-disposition": f'attachment; filename="{name}"'})


def asks_for_part(request: Request) -> bool:
    """Whether htmx asks for the part of a page that changes; not where it restores one."""
    return bool(request.headers.get("hx-request")) and not request.headers.get("hx-history-restore-request")


def form_of(request: Request) -> dict[str, str]:
    """The fields of a form that was sent."""
    body: bytes = request.scope[BODY]
    return {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True).items()}
