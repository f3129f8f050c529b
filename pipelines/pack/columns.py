"""Columns that a mixture may choose texts by, with the dataset that each is stored in.

All are of the whole document: a document that is stored in pieces belongs to one entry.
"""

from typing import Literal, NamedTuple

from textmill.pipelines.measure.signals import RULE_MEASUREMENTS

Kind = Literal["text", "texts", "number", "date", "flag"]


class Column(NamedTuple):
    """The aligned dataset that has a column, by its folder, and what its values are ("texts": a list of them)."""

    dataset: str
    kind: Kind


TOKENS, DOCUMENTS, SIGNALS, VERDICTS, DUPLICATES = "tokens", "documents", "signals", "verdicts", "duplicates"

_STORED: dict[tuple[str, Kind], tuple[str, ...]] = {
    (TOKENS, "text"): ("source", "language"),
    (TOKENS, "number"): ("tokens", "bytes", "pieces", "cluster_size", "turns"),
    (TOKENS, "flag"): ("preferred",),
    (DOCUMENTS, "text"): ("url", "host", "domain", "license", "content_type", "page_kind", "declared_language", "charset"),
    (DOCUMENTS, "texts"): ("robots",),
    (DOCUMENTS, "number"): ("page_kind_score",),
    (DOCUMENTS, "date"): ("date", "published"),
    (DOCUMENTS, "flag"): ("paywalled",),
    (SIGNALS, "text"): ("script", "form"),
    (SIGNALS, "number"): tuple(name for name in RULE_MEASUREMENTS if name != "paywalled"),      # documents has it
    (VERDICTS, "texts"): ("tags",),
    (DUPLICATES, "number"): ("containment",),
}
COLUMNS: dict[str, Column] = {name: Column(*key) for key, names in _STORED.items() for name in names}
SUMMED = {"tokens": "token_count", "bytes": "bytes"}    # of pieces; a condition means all pieces of the document together
