"""Refusal of a page, with its rule."""

from dataclasses import dataclass

# Rules that say "this could not be read"; every other rule says "this was read and is not a page with text".
QUARANTINED = frozenset({"damaged", "truncated", "bad_record", "bad_json", "bad_row", "broken_quotes",
                         "missing_text", "bad_turn", "unknown_role",
                         "undecodable", "extractor_error", "deadline", "crashed", "out_of_memory"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """The rule that refuses a page, with the measured value and its bound where there is one."""

    rule: str
    value: str | None = None
    bound: str | None = None
    detail: str | None = None
