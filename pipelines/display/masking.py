"""Masking of displayed text: no personal data, and no control characters for a terminal or browser."""

import re

from textmill.pipelines.measure.personal.find import find_personal_data

# Control characters, line separators, marks and the characters that turn text around: none may reach a page or terminal.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def visible(value: object) -> object:
    """A str without control characters; anything else as it is (a Markup was made by this package)."""
    return UNSEEN.sub("", value) if type(value) is str else value


def masked(text: str | None, language: str = "und", host: str | None = None) -> str:
    r"""A title, address or error message on one line, each finding replaced by its kind as curate would.

    >>> masked("Write to anna@mail.example.de\n today")
    'Write to <EMAIL> today'
    """
    line = " ".join((text or "").split())
    (findings,) = find_personal_data([line], [language], [host])
    for kind, start, end in reversed(findings):
        line = f"{line[:start]}<{kind}>{line[end:]}"
    return line
