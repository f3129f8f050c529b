"""Running heads, feet and page numbers of a paged document: lines at a page's edge that come back, or count its pages."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textmill.pipelines.extract.document_formats.pdf_layout import Piece

_EDGE = 3               # lines at the top and at the bottom of a page that are looked at
_NUMBER = re.compile(r"^\W*(?:(?:page|p\.|seite|s\.|página|str\.?)\s*)?(?:\d{1,4}|[ivxlc]{1,7})"
                     r"(?:\s*(?:/|of|von|de|sur)\s*\d{1,4})?\W*$", re.I)
_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b")
_GRID = 4.0             # points by which a line may be set higher or lower and still be the same


def without_heads(pages: Sequence[Sequence["Piece"]]) -> list[list["Piece"]]:
    """The pieces of each page without those of its running head, foot and number."""
    edges = [_edges(page) for page in pages]
    seen: Counter[tuple[str, int, str]] = Counter()
    for edge in edges:
        seen.update({key for key, _, _ in edge})
    kept = []
    for page, edge in zip(pages, edges, strict=True):
        gone: set[float] = set()
        for key, baseline, rank in edge:
            text, _, _ = key
            near = sum(seen[(text, key[1] + step, key[2])] for step in (-1, 0, 1))
            comes_back = near >= (2 if rank < 2 else 3)
            is_number = bool(_NUMBER.match(text)) and rank == 0
            if comes_back or is_number:
                gone.add(baseline)
        kept.append([piece for piece in page if piece.baseline not in gone])
    return kept


def _edges(page: Sequence["Piece"]) -> list[tuple[tuple[str, int, str], float, int]]:
    """(key, baseline, lines between it and the edge) of each piece of the lines at the top and the bottom."""
    baselines = sorted({piece.baseline for piece in page}, reverse=True)
    lines: list[list[float]] = []
    for baseline in baselines:
        if lines and lines[-1][0] - baseline < 3:
            lines[-1].append(baseline)
        else:
            lines.append([baseline])
    found = []
    if len(lines) < 2:
        return []
    for edge, listed in (("top", lines[:_EDGE]), ("bottom", lines[:-_EDGE - 1:-1])):
        for rank, line in enumerate(listed):
            pieces = sorted((piece for piece in page if piece.baseline in line), key=lambda piece: piece.left)
            text = " ".join(piece.text for piece in pieces)
            is_number = _NUMBER.match(text)
            key = (text if is_number and rank == 0 else _DIGITS.sub("#", text.lower()), round(line[0] / _GRID), edge)
            found += [(key, baseline, rank) for baseline in line]
    return found
