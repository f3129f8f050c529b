"""reStructuredText: the text as it is written, without comments; a field list at its head goes to `extra`."""

import re

from textmill.pipelines.extract.document_formats.document import Document, document, plain_text
from textmill.pipelines.extract.pages.page import days
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

_FIELDS = re.compile(r"\s*((?:^:[\w -]{1,40}:.*\n)+)", re.M)
_FIELD = re.compile(r"^:([\w -]+):[ \t]*(.*)$", re.M)
_TITLE = re.compile(r"(?:^|\n)(?:([=\-~^\"'#*+]{3,})\n)?[ \t]*(\S.{0,200}?)\n([=\-~^\"'#*+]{3,})[ \t]*(?:\n|$)")


def read(body: bytes, ending: str, limits: ExtractSettings) -> Document:
    """The text below its fields, with its first heading as title."""
    decoded = plain_text(body, limits)
    if isinstance(decoded, Refusal):
        return decoded
    text, fields = decoded.text, {}
    if found := _FIELDS.match(text):
        fields = {name.lower(): value.strip() for name, value in _FIELD.findall(found[1])}
        text = text[found.end():]
    title = _TITLE.search(text[:4096])
    dates = tuple(days([fields.get("date", "")]))
    return document(text, fields.get("title") or (title and title[2]), fields.get("lang"), dates, decoded, front_matter=fields)
