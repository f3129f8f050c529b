"""PDF with a text layer, read with PDFium: words with their places, put into reading order by `pdf_layout`.

A document without a text layer is refused as such: a scan needs recognition of letters before it comes here.
"""

import ctypes
import math
import re
from collections.abc import Iterator
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from textmill.pipelines.extract.document_formats.document import Document, document
from textmill.pipelines.extract.document_formats.pdf_columns import Word
from textmill.pipelines.extract.document_formats.pdf_direction import backward_words, is_backward
from textmill.pipelines.extract.document_formats.pdf_layout import flowing_text
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

_LETTERS = 20               # letters of a document at least, or it has no text layer
_HYPHENS = {0x2: "-", 0xFFFE: "-", 0xAD: "-"}      # what PDFium has for a hyphen at a line's end, where it has no line break
_WORD = re.compile(r"[^\s\x00-\x20\xa0\ufffe\xad]+[\x02\ufffe\xad]?")
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_ACCENTED = re.compile("([´¨ˆ˜ˇ¸˘˙˝])([A-Za-zı])")        # old fonts of TeX set an accent and a letter
_ACCENTS = {"´": "\u0301", "¨": "\u0308", "ˆ": "\u0302", "˜": "\u0303", "ˇ": "\u030c", "¸": "\u0327", "˘": "\u0306",
            "˙": "\u0307", "˝": "\u030b"}
_TOOL_TITLE = re.compile(r"^(untitled|microsoft \w+ - .*|.*\.(docx?|tex|dvi|indd|qxd|pdf|rtf))$", re.I)


def read(body: bytes, ending: str, limits: ExtractSettings) -> Document:
    """The document's text, with its title, language and numbers of pages."""
    try:
        opened = pypdfium2.PdfDocument(body)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            return Refusal("encrypted", detail="it needs a password")
        return Refusal("damaged", detail=f"PDFium: {error}"[:200])
    with opened:
        seen = _Seen()
        text = flowing_text(seen.pages(opened))
        if seen.broken == len(opened):
            return Refusal("damaged", str(seen.broken), detail="none of its pages can be read")
        if seen.letters < _LETTERS:
            pages = f"{len(opened):,} page{'s' * (len(opened) != 1)}"
            return Refusal("no_text_layer", str(seen.letters), str(_LETTERS),
                           f"letters on {pages}: a scan, whose letters have to be recognised first")
        about = {key: _one_line(opened.get_metadata_value(key)) for key in ("Title", "Author", "Subject")}
        count = len(opened)
    title = None if _TOOL_TITLE.match(about["Title"]) else about["Title"]
    text = _ACCENTED.sub(lambda found: found[2].replace("ı", "i") + _ACCENTS[found[1]], text.translate(_LIGATURES))
    return document(text, title, kind="pdf", pages=count, pages_without_text=seen.silent or None,
                    broken_pages=seen.broken or None, turned_words=seen.turned or None, author=about["Author"],
                    subject=about["Subject"])


class _Seen:
    """Counts of what was read: letters, pages without any, pages that cannot be read, words left out as they stand turned."""

    def __init__(self) -> None:
        self.letters = self.silent = self.broken = self.turned = 0

    def pages(self, opened: Any) -> Iterator[list[Word]]:
        """The words of each page; none of one that cannot be read."""
        for number in range(len(opened)):
            try:
                page = opened[number]
            except pypdfium2.PdfiumError:
                self.broken += 1
                continue
            everything = list(words(page))
            found = upright(everything)
            page.close()
            self.turned += len(everything) - len(found)
            self.letters += sum(len(word.text) for word in found)
            self.silent += not found
            yield found


def words(page: Any) -> Iterator[Word]:
    """The words of a page in the order of its content, each with its box, baseline and angle, in points."""
    layer = page.get_textpage()
    count = layer.count_chars()
    text = layer.get_text_range() if count else ""
    if len(text) != count:      # characters that stand for none or for two: one by one, places are theirs
        text = "".join(map(_character, (pdfium.FPDFText_GetUnicode(layer.raw, number) for number in range(count))))
    if is_backward(text):
        yield from backward_words([_word(layer.raw, at, at, letter) for at, letter in enumerate(text) if letter > "\x1f"])
    else:
        for found in _WORD.finditer(text):
            yield _word(layer.raw, found.start(), found.end() - 1, found[0].translate(_HYPHENS))
    layer.close()


def _character(code: int) -> str:
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else "\ufffd"


def _word(raw: Any, first: int, last: int, letters: str) -> Word:
    box, x, y = pdfium.FS_RECTF(), ctypes.c_double(), ctypes.c_double()
    pdfium.FPDFText_GetCharOrigin(raw, first, x, y)
    angle = pdfium.FPDFText_GetCharAngle(raw, first)
    pdfium.FPDFText_GetLooseCharBox(raw, first, box)
    left, right, bottom, top = box.left, box.right, box.bottom, box.top
    if last != first:
        pdfium.FPDFText_GetLooseCharBox(raw, last, box)
        left, right = min(left, box.left), max(right, box.right)
        bottom, top = min(bottom, box.bottom), max(top, box.top)
    return Word(letters, left, right, y.value, max(top - bottom, 1.0), angle, bottom, top)


def upright(found: list[Word]) -> list[Word]:
    """The words of a page, turned as most of them stand; those that stand otherwise, as a stamp in the margin, are left out."""
    if not found:
        return found
    quarters = [round(word.angle / (math.pi / 2)) % 4 if word.angle >= 0 else 0 for word in found]
    most = max(range(4), key=lambda quarter: (sum(len(word.text) for word, other in zip(found, quarters, strict=True)
                                                  if other == quarter), -quarter))
    kept = [word for word, quarter in zip(found, quarters, strict=True) if quarter == most]
    if most == 0:
        return kept
    turned = []
    for word in kept:
        size = word.right - word.left
        if most == 3:       # reads upwards (PDFium's angles go clockwise): the page's x is its baseline
            turned.append(word._replace(left=word.bottom, right=word.top, baseline=-word.right, size=size))
        elif most == 1:
            turned.append(word._replace(left=-word.top, right=-word.bottom, baseline=word.left, size=size))
        else:
            turned.append(word._replace(left=-word.right, right=-word.left, baseline=-word.baseline))
    return turned


def _one_line(value: str) -> str:
    return " ".join(value.replace("\0", "").split())[:500]
