"""Rendering of the browser's pages: templates of this room, every value escaped and without control characters."""

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jinja2

from textmill.pipelines.display import numbers
from textmill.pipelines.display.lines import shown
from textmill.pipelines.display.masking import visible
from textmill.pipelines.report import figures

HERE = Path(__file__).parent
STATIC = HERE / "static"
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@cache
def static_files() -> dict[str, tuple[str, bytes]]:
    """The files that a page may load, by name: media type and content. Colours and figures are the report's."""
    files = {path.name: path.read_bytes() for path in (*STATIC.iterdir(), figures.STYLE)}
    return {name: (TYPES[Path(name).suffix], content) for name, content in files.items()}


def link(path: str, **parameters: object) -> str:
    """An address of this server, its parts spelled so that no value can be read as anything else.

    >>> link("/document/a b", q="x&y", page=None)
    '/document/a%20b?q=x%26y'
    """
    given = urlencode({name: value for name, value in parameters.items() if value not in (None, "", ())}, doseq=True)
    return quote(path) + (f"?{given}" if given else "")


def exact(value: float) -> str:
    """A number as a field of a form has it: all its digits, and no more.

    >>> exact(0.1), exact(1000000.0), exact(12)
    ('0.1', '1000000', '12')
    """
    return f"{value:.0f}" if value == int(value) else repr(float(value))


@cache
def environment() -> jinja2.Environment:
    """The templates, with the filters of numbers that the report has."""
    made = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE / "pages"), autoescape=True, finalize=visible,
                              undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {name: getattr(numbers, name) for name in ("count", "percent", "number", "short", "size", "many")}
    made.filters |= {"shown": shown, "exact": exact}
    made.globals |= {"bar": figures.bar, "lines": figures.lines, "link": link}
    return made


def render(template: str, **context: Any) -> str:
    """A page, or a part of one."""
    return environment().get_template(template).render(context)
