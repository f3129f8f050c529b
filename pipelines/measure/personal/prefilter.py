"""Prefilter of many short texts: those in which no kind of personal data can begin, told by one pattern at C speed.

A title costs a detector as much as a page does to begin with, and most titles are a few plain words.
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.measure.personal.obfuscated_email import AT_WORDS

# What every finding has at least one of, for RE2: a digit, a sign or bracket of an address, two colons or dashes around hex
# digits, a word for the sign or the dot, a long token, a private key's head; and what `folded` makes plain or leaves out.
_CANDIDATE = "|".join((
    r"\p{Nd}", r"[@%\[({<（［【]", r"[:.-][0-9A-Fa-f]{0,4}[:.-]", r"(?i:[_#*|~-](?:at|ät)[_#*|~-])", r"(?i: (?:dot|punkt) )",
    f"(?i:{'|'.join(map(re.escape, AT_WORDS))})", r"[A-Za-z_+/.-]{16}", "-----BEGIN", r"[\x{FF01}-\x{FF5E}]",
    r"[\x{AD}\x{200B}\x{2060}\x{FEFF}]"))


def may_hold_personal_data(texts: pa.Array) -> pa.Array:
    """[D] whether a text has any of the characters or words that a finding begins at; null for null."""
    return pc.match_substring_regex(texts, _CANDIDATE)
