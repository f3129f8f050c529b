"""Markdown: the text as it is written; front matter goes to `extra`."""

import re
import tomllib
from datetime import date
from typing import Any

from textmill.pipelines.extract.document_formats.document import Document, document, plain_text
from textmill.pipelines.extract.pages.page import days
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

_LONGEST = 1 << 16      # characters of front matter
_FRONT = re.compile(r"(?:(---)[ \t]*\n(.*?)\n(?:---|\.\.\.)|(\+\+\+)[ \t]*\n(.*?)\n\+\+\+)[ \t]*(?:\n|\Z)", re.S)
_HEADING = re.compile(r"^#[ \t]+(.+?)[ \t#]*$", re.M)
_ALIAS = re.compile(r"(?:^|[\s\[{,:-])[&*]\w", re.M)       # of YAML: a few of them can stand for billions of values


def read(body: bytes, ending: str, limits: ExtractSettings) -> Document:
    """The text below its front matter; the title is that of the front matter or the first heading."""
    decoded = plain_text(body, limits)
    if isinstance(decoded, Refusal):
        return decoded
    front, text = front_matter(decoded.text)
    heading = _HEADING.search(text)
    title = front.get("title")
    language = next((value for key in ("lang", "language") if isinstance(value := front.get(key), str)), None)
    dates = tuple(days([str(front[key]) for key in ("date", "published") if isinstance(front.get(key), str | date)]))
    title = title if isinstance(title, str) else heading and heading[1]
    return document(text, title, language, dates, decoded, front_matter=front)


def front_matter(text: str) -> tuple[dict[str, Any], str]:
    """The values of YAML or TOML at a text's head, and the text below it; what cannot be read as such stays text."""
    found = _FRONT.match(text, 0, _LONGEST)
    if not found:
        return {}, text
    try:
        if found[1] and not _ALIAS.search(found[2]):
            import yaml

            values = yaml.safe_load(found[2])       # not the one in C, which some machines lack
        else:
            values = tomllib.loads(found[4]) if found[3] else None
    except Exception:       # of YAML: dates that are none raise whatever their parser does
        values = None
    return (values, text[found.end():]) if isinstance(values, dict) else ({}, text)
