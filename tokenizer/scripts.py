"""Writing systems of texts: the script of the first letter."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Of Unicode's property Script, those with more than a few million readers; the others are "other".
SCRIPTS = ("Latin", "Han", "Cyrillic", "Arabic", "Devanagari", "Hiragana", "Katakana", "Hangul", "Greek", "Hebrew", "Thai",
           "Bengali", "Tamil", "Telugu", "Kannada", "Malayalam", "Gujarati", "Gurmukhi", "Oriya", "Sinhala", "Myanmar", "Khmer",
           "Lao", "Georgian", "Armenian", "Ethiopic", "Tibetan", "Mongolian")
OTHER, NONE = "other", "no letter"


def scripts(texts: pa.LargeStringArray) -> pa.DictionaryArray:
    """Of each text, the name of its first letter's script: "other" for a rare one, "no letter" where it has none."""
    names = [*SCRIPTS, OTHER, NONE]
    codes = np.full(len(texts), names.index(NONE), np.int8)
    left = np.flatnonzero(pc.match_substring_regex(texts, r"\p{L}").to_numpy(zero_copy_only=False))
    codes[left] = names.index(OTHER)
    for code, script in enumerate(SCRIPTS):
        matches = pc.match_substring_regex(texts.take(pa.array(left)), rf"^\P{{L}}*\p{{{script}}}")
        mask = matches.to_numpy(zero_copy_only=False)
        codes[left[mask]] = code
        left = left[~mask]
    return pa.DictionaryArray.from_arrays(codes, names)


def script_bytes(counts: pa.Table) -> dict[str, int]:
    """Bytes of text in each script, of a table of counts of pre-tokens."""
    pretokens = counts["pretoken"].combine_chunks()
    sizes = pc.multiply(counts["count"], pc.cast(pc.binary_length(pretokens), pa.int64()))
    try:
        texts = pretokens.cast(pa.large_string())
    except pa.ArrowInvalid:     # one that was cut for its length, inside a character
        texts = pa.array([pretoken.decode("utf-8", "replace") for pretoken in pretokens.to_pylist()], pa.large_string())
    table = pa.table({"script": scripts(texts).cast(pa.string()), "bytes": sizes})
    summed = table.group_by("script").aggregate([("bytes", "sum")])
    return dict(sorted(zip(summed["script"].to_pylist(), summed["bytes_sum"].to_pylist(), strict=True)))
