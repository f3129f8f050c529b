"""Kinds of copy, in the order they are searched for: each kind sees only what earlier kinds kept.

A new kind is a line here, in KINDS, and its key in `exact.KEYS`: all kinds but NEAR are proved by equal keys; URL by an equal
address and, unless settings say otherwise, a text that EXACT or NEAR has proved to be like that of a newer capture. Codes
are stored in work files only, names in `duplicates.kind` and in the rule `duplicate_<name>`; settings choose kinds by name.
"""

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of copy."""

    code: int                   # from 1; 0 is a document that is not removed
    name: str
    label: str                  # of a bar in the report
    phrase: str                 # in a sentence about two pages


RECORD = Kind(1, "record", "same record", "the same record, stored twice")
URL = Kind(2, "url", "same address, older capture", "the same address, captured again")
EXACT = Kind(3, "exact", "same text", "the same text")
NEAR = Kind(4, "near", "nearly the same text", "nearly the same text")

KINDS = (RECORD, URL, EXACT, NEAR)
BY_NAME = {kind.name: kind for kind in KINDS}
