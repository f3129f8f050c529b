"""Text of PDFs against gold: textmill beside pypdf, pdfplumber and PDFium's own text, on the PDFs of tests/extract/pdf_gold.py.

Their text is known because they were set from it. Five were written while the reader was, with two and three columns, tables,
footnotes, running heads and hyphens. Forty more have a setting that is drawn by chance (columns, fonts, leading, indents, even
or ragged, order of drawing), from seeds that nobody looked at while the reader was written; others of that program were. Of
each system: precision, recall and F1 of words as a bag, and how much of the gold's words come in its order (their longest
common subsequence over the gold's words). pypdf and pdfplumber are needed here alone: pip install 'textmill[bench]'.

Run from the repository: python -m benchmarks.pdf_text
"""

import argparse
import io
import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pdfplumber
import pypdf
import pypdfium2

from tests.extract.pdf_gold import DOCUMENTS, Gold, drawn
from textmill.pipelines.extract.document_formats.document import read_document
from textmill.pipelines.extract.settings import ExtractSettings

HELD_OUT = range(1000, 1040)        # seeds
RESULTS = Path(__file__).parent / "results/pdf-text.md"


def by_textmill(pdf: bytes) -> str:
    answer = read_document("pdf", pdf, "pdf", ExtractSettings())
    assert isinstance(answer, tuple), answer
    return answer[1].text


def by_pypdf(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)


def by_pdfplumber(pdf: bytes) -> str:
    with pdfplumber.open(io.BytesIO(pdf)) as opened:
        return "\n".join(page.extract_text() or "" for page in opened.pages)


def by_pdfium(pdf: bytes) -> str:
    with pypdfium2.PdfDocument(pdf) as opened:
        return "\n".join(page.get_textpage().get_text_range() for page in opened)


SYSTEMS: dict[str, Callable[[bytes], str]] = {"textmill": by_textmill, "PDFium's text": by_pdfium, "pypdf": by_pypdf,
                                             "pdfplumber": by_pdfplumber}


def words(text: str) -> list[str]:
    return re.findall(r"\S+", text.lower())


def scores(found: list[str], gold: list[str]) -> tuple[float, float, float, float]:
    """Precision, recall, F1, and the share of the gold's words that come in its order."""
    shared = (Counter(found) & Counter(gold)).total()
    precision, recall = shared / max(len(found), 1), shared / len(gold)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return precision, recall, f1, common(found, gold) / len(gold)


def common(a: list[str], b: list[str]) -> int:
    """Length of the longest common subsequence, a bit for each word of `b` (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for number, word in enumerate(b):
        places[word] = places.get(word, 0) | 1 << number
    every = (1 << len(b)) - 1
    row = every
    for word in a:
        if matches := row & places.get(word, 0):
            row = (row + matches | row - matches) & every
    return len(b) - row.bit_count()


def measured(golds: list[Gold], read: Callable[[bytes], str]) -> list[float]:
    """Means over the documents: precision, recall, F1, order, CPU milliseconds a page."""
    found = []
    for gold in golds:
        read(gold.pdf)              # what is loaded at first is not counted
        start = time.process_time()
        text = read(gold.pdf)
        spent = 1000 * (time.process_time() - start) / len(pypdfium2.PdfDocument(gold.pdf))
        found.append((*scores(words(text), words(gold.text)), spent))
    return [sum(column) / len(column) for column in zip(*found, strict=True)]


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    sets = {name: [make()] for name, make in DOCUMENTS.items()}
    sets[f"{len(HELD_OUT)} drawn"] = [drawn(seed) for seed in HELD_OUT]
    lines = ["| document | system | precision | recall | F1 | in order | ms a page |", "|---|---|---:|---:|---:|---:|---:|"]
    for name, golds in sets.items():
        for system, read in SYSTEMS.items():
            *shares, milliseconds = measured(golds, read)
            cells = [name, system, *(f"{share:.4f}" for share in shares), f"{milliseconds:.1f}"]
            lines.append(f"| {' | '.join(cells)} |")
    libraries = ", ".join(f"{name} {version(name)}" for name in ("pypdfium2", "pypdf", "pdfplumber"))
    count = sum(len(words(gold.text)) for golds in sets.values() for gold in golds)
    lines += ["", f"{sum(map(len, sets.values()))} PDFs of {count:,} words, set from their text with fpdf2; "
              f"means over documents; CPU time; {libraries}; {date.today().isoformat()}."]
    RESULTS.write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
