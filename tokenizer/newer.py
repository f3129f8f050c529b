"""Characters that Python's tables of Unicode do not know: the tables of two libraries may disagree on what they are.

Each version of Unicode assigns some thousand more. Whether such a character is a letter decides where a text is cut, so a
text with one is encoded by one library, whichever it is, and never by the other.
"""

import re
import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_FEW = 1 << 18      # bytes: compiling the pattern for Arrow takes as long as `re` takes for so many


def with_newer_characters(texts: pa.StringArray | pa.LargeStringArray) -> npt.NDArray[np.bool_]:
    """Of each text, whether it has a character that is not assigned in Python's version of Unicode; texts without nulls."""
    if (pc.sum(pc.binary_length(texts)).as_py() or 0) < _FEW:
        newer = _compiled()
        return np.array([newer.search(text) is not None for text in texts.to_pylist()], bool)
    pattern = "[" + "".join(rf"\x{{{first:X}}}-\x{{{last:X}}}" for first, last in _ranges()) + "]"
    return pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)


@cache
def _compiled() -> re.Pattern[str]:
    return re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _ranges()) + "]")


@cache
def _ranges() -> list[tuple[int, int]]:
    """First and last of each run of unassigned code points, surrogates left out; private use is assigned."""
    ranges, start = [(0x40000, 0xDFFFF), (0xE1000, 0xEFFFF)], None
    for block in (range(0x80, 0xD800), range(0xE000, 0x40000), range(0xE0000, 0xE1000)):
        for code in block:
            unassigned = unicodedata.category(chr(code)) == "Cn"
            if unassigned and start is None:
                start = code
            elif not unassigned and start is not None:
                ranges.append((start, code - 1))
                start = None
        if start is not None:
            ranges.append((start, block[-1]))
            start = None
    return sorted(ranges)
