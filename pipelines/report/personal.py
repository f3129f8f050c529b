"""Personal data in the report: how much was found and replaced, and none of it in anything shown."""

import re
from dataclasses import dataclass

from textmill.pipelines.measure.personal.find import find_personal_data
from textmill.pipelines.report.dataset import Datasets

CLEANED = "clean:"      # begins the kinds of edits that take out what is no personal data
# Control characters, line separators, marks and the characters that turn text around: none may reach a page or terminal.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def visible(value: object) -> object:
    """A str without control characters; anything else as it is (a Markup was made by this package)."""
    return UNSEEN.sub("", value) if type(value) is str else value


def masked(text: str | None, language: str = "und", host: str | None = None) -> str:
    """A title, address or error message on one line, each finding replaced by its kind as curate would.

    >>> masked("Write to anna@mail.example.de\\n today")
    'Write to <EMAIL> today'
    """
    line = " ".join((text or "").split())
    (findings,) = find_personal_data([line], [language], [host])
    for kind, start, end in reversed(findings):
        line = f"{line[:start]}<{kind}>{line[end:]}"
    return line


@dataclass(frozen=True)
class Kind:
    """One kind: findings in all documents, and the edits in the texts that were kept (None: not curated yet)."""

    name: str
    found: int
    replaced: int | None
    tagged: int | None


def kinds(datasets: Datasets) -> list[Kind]:
    """Every kind found or edited, the most frequent first."""
    found = datasets.signals.counts.get("personal_data", {}) if datasets.signals else {}
    edits = datasets.curated.counts.get("edits", {}) if datasets.curated else None
    names = found.keys() | {name.removeprefix("tag:") for name in edits or () if not name.startswith(CLEANED)}
    rows = [Kind(name, found.get(name, 0), *(None if edits is None else edits.get(key, 0) for key in (name, f"tag:{name}")))
            for name in names]
    return sorted(rows, key=lambda row: (-row.found, row.name))
