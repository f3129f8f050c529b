"""Normalisation of text for storage."""

import unicodedata

import regex

_MARKS = regex.compile(r"\p{M}{30}(?=\p{M})")


def clean_text(text: str) -> str:
    """Text in NFC without NUL, with LF at the end of each line; a lone surrogate, which UTF-8 cannot encode, becomes U+FFFD.

    A run of more than 30 marks is broken with U+034F, as Unicode's stream-safe format does (UAX 15, section 13): the time
    of normalising grows with the square of a run.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _MARKS.sub("\\g<0>\u034f", encodable(text)))


def encodable(text: str) -> str:
    """Text that UTF-8 can encode: a lone surrogate becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
