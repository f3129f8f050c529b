"""Code in a document: lines in letters of one width among text in others keep their ends, their indents and their empty lines.

Fonts do not say reliably that their letters have one width, so places do: the pitch of a line, which `pdf_columns` finds.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise
from statistics import median

from textmill.pipelines.extract.document_formats.pdf_columns import Line, Piece

_SURE = 20              # characters in pieces of several words that prove a pitch
_SURE_SHARE = 0.002     # of a document's characters: words of other fonts have even letters by chance
_MOST = 0.5             # share of the characters from which on a document is written on a typewriter, and is prose
_SAME = 0.06            # points by which two pitches may differ and be one
_EMPTY = 2              # empty lines that are kept of one gap


def code_pitches(pages: Sequence[Sequence[Piece]]) -> list[float]:
    """The widths that the letters of code have in a document, in points."""
    proven: Counter[float] = Counter()
    even: Counter[float] = Counter()
    total = 0
    for page in pages:
        for piece in page:
            total += len(piece.text)
            even[round(piece.pitch, 1)] += len(piece.text)
            if piece.on_grid and " " in piece.text:
                proven[round(piece.pitch, 1)] += len(piece.text)
    pitches = [pitch for pitch, count in proven.items() if count >= max(_SURE, _SURE_SHARE * total)]
    return pitches if sum(even[pitch] for pitch in pitches) <= _MOST * total else []


def code_runs(lines: Sequence[Line], pitches: Sequence[float],
              parts: Callable[[Line, Line], int]) -> Iterator[tuple[bool, list[Line]]]:
    """The lines of a column in runs, and whether a run is code: a line alone is where `parts` parts it from its neighbours."""
    is_code = [any(_has_pitch(line, pitch) for pitch in pitches) for line in lines]
    for at, (line, code) in enumerate(zip(lines, is_code, strict=True)):
        if code and not any(is_code[max(at - 1, 0):at] + is_code[at + 1:at + 2]):
            is_code[at] = ((at == 0 or bool(parts(lines[at - 1], line)))
                           and (at + 1 == len(lines) or bool(parts(line, lines[at + 1]))))
    for code, run in groupby(zip(is_code, lines, strict=True), lambda pair: pair[0]):
        yield code, [line for _, line in run]


def _has_pitch(line: Line, pitch: float) -> bool:
    return all(piece.on_grid and abs(piece.pitch - pitch) < _SAME for piece in line.pieces)


def code_text(lines: Sequence[Line]) -> str:
    """Lines of code as they stand."""
    left = min(line.left for line in lines)
    steps = [above.baseline - line.baseline for above, line in pairwise(lines)]
    step = median(steps) if steps else 0.0
    text = [_spaced(lines[0], left)]
    for gap, line in zip(steps, lines[1:], strict=True):
        text += [""] * min(max(round(gap / step) - 1, 0) if step > 0 else 0, _EMPTY)
        text.append(_spaced(line, left))
    return "\n".join(text)


def _spaced(line: Line, left: float) -> str:
    text = ""
    for piece in line.pieces:
        text += " " * max(round((piece.left - left) / piece.pitch), 0) + piece.text
        left = piece.right
    return text
