r"""Pre-tokenizer patterns: where a text is cut before merging, and the cutting itself.

The names are llama.cpp's (`tokenizer.ggml.pre`): a tokenizer with another pattern cannot be exported to GGUF. `qwen2`
differs from `llama-bpe` in cutting numbers into single digits, not threes. `gpt-4o` is tiktoken's o200k_base: capitals
begin a new pre-token, and combining marks belong to the word they stand in, so that the vowel signs of Hindi, Tamil or
Burmese do not cut it.

Encoders read the patterns as they are. Training cuts with RE2 by way of Arrow, several times as fast as a backtracking
engine and linear in every text. RE2 cannot look ahead: `\s+(?!\S)` leaves the last of several spaces to the word that
follows, so that cut is made first, and the rest of the pattern comes to the same.
"""

import pyarrow as pa
import pyarrow.compute as pc

_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
_SYMBOLS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"

PATTERNS = {
    "gpt-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "llama-bpe": _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + _SYMBOLS + _REST,
    "qwen2": _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + _SYMBOLS + _REST,
    "gpt-4o": (rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTIONS}?|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*"
               rf"{_CONTRACTIONS}?|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*" + _REST),
}

# The property White_Space of Unicode, which is what `\s` means in the patterns; in RE2 it means ASCII.
_UNICODE_SPACES = r"\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}"
_SPACES = r"\t-\r " + _UNICODE_SPACES
_SPACES_WITHIN_A_LINE = r"\t\x0B\f " + _UNICODE_SPACES

# What is written between two pre-tokens while cutting: the first that a text does not contain. A text with both is cut at
# the second one, which is no character that text may contain.
_SEPARATORS = ("\0", "\ufdd0")


def cut(texts: pa.StringArray | pa.LargeStringArray, pattern: str) -> pa.ListArray:
    """The pre-tokens of each text, list<large_string>, with empty strings among them; of a null, none.

    Memory: some ten times the texts. The pattern is compiled anew, which takes as long as cutting 400 kB: give more at once."""
    texts = pc.fill_null(texts, "").cast(pa.large_string())
    first, second = _SEPARATORS
    with_first = pc.match_substring(texts, first)
    if not pc.any(with_first).as_py():
        return _cut(texts, pattern, first)
    return pc.if_else(with_first, _cut(pc.if_else(with_first, texts, ""), pattern, second),
                      _cut(pc.if_else(with_first, "", texts), pattern, first))


def _cut(texts: pa.LargeStringArray, pattern: str, separator: str) -> pa.ListArray:
    last = _SPACES_WITHIN_A_LINE if r"|\s*[\r\n]+" in PATTERNS[pattern] else _SPACES
    spaced = pc.replace_substring_regex(texts, f"([{_SPACES}])([{last}])([^{_SPACES}])", rf"\1{separator}\2\3")
    marked = pc.replace_substring_regex(spaced, f"(?:{_without_look_ahead(PATTERNS[pattern], separator)})",
                                        rf"\0{separator}")
    return pc.split_pattern(marked, separator)


def _without_look_ahead(pattern: str, separator: str) -> str:
    """The pattern for RE2, in a text where the last of several spaces before a word has a separator before it."""
    return (pattern.replace(r"|\s+(?!\S)", "")
            .replace(r"[^\s\p{L}\p{N}]", rf"[^{_SPACES}\p{{L}}\p{{N}}{separator}]")
            .replace(r"[^\r\n\p{L}\p{N}]", rf"[^\r\n\p{{L}}\p{{N}}{separator}]")
            .replace(r"\s", f"[{_SPACES}]"))
