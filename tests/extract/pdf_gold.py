"""Five PDFs of which the text is known because it was set from it: columns, tables, footnotes, running heads, hyphens.

A page is set line by line from the same paragraphs that are the gold, so nothing in the gold was read from a PDF. In `paper`
lines are drawn row by row across both columns, as some programs do: the order of the content is then not the order of reading.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from fpdf import FPDF
from fpdf.enums import XPos, YPos

WORDS = ["the", "miller", "weighs", "flour", "twice", "before", "market", "day", "and", "writes", "every", "sack", "into", "a", "ledger", "that", "nobody", "else", "may", "open", "because", "harvest", "numbers", "decide", "what", "the", "village", "pays", "in", "winter", "when", "the", "river", "freezes", "and", "wheels", "stand", "still", "while", "farmers", "wait", "for", "thaw", "under", "heavy", "roofs", "with", "barley", "wheat", "and", "rye", "stacked", "against", "damp", "walls", "of", "stone", "and", "old", "timber"]
LONG = ("measurement", "considerable", "transportation", "agricultural", "international", "responsibility", "understanding",
        "particularly", "representative", "experimental", "documentation", "approximately")


class Gold(NamedTuple):
    """A PDF with its text: paragraphs, rows of tables and notes in reading order."""

    pdf: bytes
    blocks: list[str]

    @property
    def text(self) -> str:
        return "\n\n".join(self.blocks)


def paragraph(seed: int, words: int) -> str:
    """Sentences of some words, the same for the same seed."""
    draw, sentences, left = random.Random(seed), [], words
    while left > 0:
        count = min(left, draw.randint(8, 19))
        chosen = [draw.choice(LONG) if draw.random() < 0.18 else draw.choice(WORDS) for _ in range(count)]
        sentences.append(" ".join(chosen).capitalize() + ".")
        left -= count
    return " ".join(sentences)


class Line(NamedTuple):
    """A line as it is set: its text, and what its paragraph's indent and end are."""

    text: str
    indent: float = 0
    is_last: bool = False


def broken(pdf: FPDF, text: str, width: float, indent: float = 0) -> Iterator[Line]:
    """The lines of a paragraph, with words of eight letters and more divided at the end of a line."""
    line, room = "", width - indent
    first = True
    for word in text.split():
        candidate = f"{line} {word}".strip()
        if pdf.get_string_width(candidate) <= room:
            line = candidate
            continue
        rest = word
        letters = word.rstrip(".")
        if len(letters) >= 8 and letters.isalpha():
            for cut in range(len(letters) - 3, 3, -1):
                if pdf.get_string_width(f"{line} {word[:cut]}-") <= room:
                    line, rest = f"{line} {word[:cut]}-", word[cut:]
                    break
        yield Line(line, indent if first else 0)
        line, room, first = rest, width, False
    yield Line(line, indent if first else 0, True)


def set_line(pdf: FPDF, x: float, y: float, width: float, line: Line, justify: bool = True) -> None:
    """A line in one piece, or its words spread over the width."""
    words = line.text.split()
    if justify and not line.is_last and len(words) > 1:
        space = (width - line.indent - sum(map(pdf.get_string_width, words))) / (len(words) - 1)
        if space < 12:
            at = x + line.indent
            for word in words:
                pdf.text(at, y, word)
                at += pdf.get_string_width(word) + space
            return
    pdf.text(x + line.indent, y, line.text)


def new(title: str = "") -> FPDF:
    pdf = FPDF(unit="pt", format="A4")
    pdf.set_auto_page_break(False)
    pdf.set_creation_date(datetime(2026, 1, 1, tzinfo=UTC))
    if title:
        pdf.set_title(title)
    return pdf


def paper() -> Gold:
    """Two columns under a title and an abstract across both, running heads, numbers, footnotes at the feet of columns."""
    pdf, blocks = new("On the Weighing of Flour"), []
    texts = [paragraph(seed, 95) for seed in range(26)]
    heading, abstract = "On the Weighing of Flour", paragraph(99, 60)
    notes = {0: "1 The ledgers are kept in the mill.", 1: "2 A sack weighed forty pounds in those days."}
    column, gutter, left, leading = 235.0, 20.0, 52.0, 12.0
    pdf.set_font("Times", size=10)
    queue = [line for text in texts for line in broken(pdf, text, column, 10)]
    page = at = 0
    blocks += [heading, abstract]
    body: list[str] = list(texts)
    while at < len(queue):
        pdf.add_page()
        pdf.set_font("Times", "I", 9)
        pdf.text(left, 40, "Journal of Milling, vol. 7" if page % 2 else "A. Miller and B. Baker")
        pdf.set_font("Times", size=9)
        pdf.text(295, 815, str(page + 101))
        top = 70.0
        if page == 0:
            pdf.set_font("Times", "B", 16)
            pdf.text(190, 80, heading)
            pdf.set_font("Times", size=10)
            top = 110
            for line in broken(pdf, abstract, 490):
                set_line(pdf, left, top, 490, line)
                top += leading
            top += 18
        pdf.set_font("Times", size=10)
        rows = int((770 - top) / leading) - (4 if page in notes else 0)
        sides = [queue[at:at + rows], queue[at + rows:at + 2 * rows]]
        at += 2 * rows
        for row in range(rows):     # across both columns
            for side in range(2):
                if row < len(sides[side]):
                    set_line(pdf, left + side * (column + gutter), top + row * leading, column, sides[side][row])
        if page in notes:
            pdf.set_font("Times", size=7.5)
            pdf.text(left, 775, notes[page])
        page += 1
    # A note stands at the foot of the first column of its page, after the paragraph that goes on there.
    return Gold(bytes(pdf.output()), _with_notes(blocks, body, queue, notes))


def _with_notes(blocks: list[str], body: list[str], queue: list[Line], notes: dict[int, str]) -> list[str]:
    """The gold's blocks: each note after the paragraph that its column ends in."""
    rows = {0: int((770 - _top_of_first()) / 12) - 4, 1: int((770 - 70) / 12) - 4}
    ends = {rows[0]: notes[0], 2 * rows[0] + rows[1]: notes[1]}
    out, line_number = [*blocks], 0
    for text in body:
        count = _count(queue, line_number)
        out.append(text)
        out += [note for end, note in ends.items() if line_number < end <= line_number + count]
        line_number += count
    return out


def _count(queue: list[Line], start: int) -> int:
    return next(number for number, line in enumerate(queue[start:], 1) if line.is_last)


def _top_of_first() -> float:
    pdf = new()
    pdf.set_font("Times", size=10)
    return 110 + 12 * len(list(broken(pdf, paragraph(99, 60), 490))) + 18


def report() -> Gold:
    """One column with headings, lists and tables, a head with the chapter and a foot with "Page n of m"."""
    pdf, blocks = new(), []
    rows = [("Year", "Sacks of wheat", "Sacks of rye", "Price")] + [(str(1801 + n), str(120 + 7 * n), str(80 + 3 * n), f"{2 + n / 10:.1f}") for n in range(9)]
    for page in range(3):
        pdf.add_page()
        pdf.set_font("Helvetica", size=8)
        pdf.text(60, 36, "Annual report of the mill")
        pdf.text(470, 36, f"Chapter {page + 1}")
        pdf.text(270, 820, f"Page {page + 1} of 3")
        y = 90.0
        pdf.set_font("Helvetica", "B", 14)
        heading = f"{page + 1} {('Harvest', 'Transport', 'Prices')[page]} of the decade"
        pdf.text(60, y, heading)
        blocks.append(heading)
        y += 30
        pdf.set_font("Helvetica", size=10.5)
        for part in range(3):
            text = paragraph(200 + 10 * page + part, 80)
            blocks.append(text)
            for line in broken(pdf, text, 470):
                set_line(pdf, 60, y, 470, line, False)
                y += 14
            y += 9
            if part == 1:
                for row in rows:
                    for column, cell in enumerate(row):
                        pdf.text(80 + 115 * column, y, cell)
                    y += 15
                blocks.append("\n".join("\t".join(row) for row in rows))
                y += 9
        items = [f"{number}. {paragraph(300 + 10 * page + number, 9)}" for number in range(1, 4)]
        for item in items:
            pdf.text(70, y, item)
            y += 15
        blocks.append("\n".join(items))
    return Gold(bytes(pdf.output()), blocks)


def book() -> Gold:
    """Pages of a book: heads that alternate, numbers in the head, paragraphs and hyphens that go over to the next page."""
    pdf, width, leading = new("The Mill by the River"), 330.0, 15.0
    pdf.set_font("Times", size=11)
    texts = [paragraph(seed, 120) for seed in range(400, 414)]
    queue = [line for text in texts for line in broken(pdf, text, width, 14)]
    page = 0
    while queue:
        pdf.add_page()
        pdf.set_font("Times", "I", 10)
        pdf.text(130, 60, f"{page + 12}" if page % 2 else "The Mill by the River")
        pdf.text(430, 60, "First Chapter" if page % 2 else f"{page + 12}")
        pdf.set_font("Times", size=11)
        for row, line in enumerate(queue[:36]):
            set_line(pdf, 130, 95 + row * leading, width, line)
        queue = queue[36:]
        page += 1
    return Gold(bytes(pdf.output()), texts)


def newsletter() -> Gold:
    """Three columns drawn one after the other under a headline, each with a heading of its own."""
    pdf, blocks, width = new(), ["News of the Valley"], 150.0
    pdf.add_page()
    pdf.set_font("Helvetica", "B", 22)
    pdf.text(180, 80, "News of the Valley")
    for column in range(3):
        x, y = 50 + column * (width + 24), 130.0
        for part in range(2):
            heading = f"{('Flood', 'Fair', 'Frost')[column]} {('before', 'after')[part]} the harvest"
            pdf.set_font("Helvetica", "B", 11)
            pdf.text(x, y, heading)
            y += 18
            pdf.set_font("Helvetica", size=9)
            text = paragraph(500 + 10 * column + part, 110)
            blocks += [heading, text]
            for line in broken(pdf, text, width):
                set_line(pdf, x, y, width, line, False)
                y += 11.5
            y += 14
    return Gold(bytes(pdf.output()), blocks)


def letter() -> Gold:
    """One page: an address, a date at the right, paragraphs, a table of two columns of words, a greeting."""
    pdf, blocks = new(), []
    pdf.add_page()
    pdf.set_font("Courier", size=10)
    address = ("Mill Office", "Bridge Street 4", "Quillop")
    for number, text in enumerate(address):
        pdf.text(60, 70 + 13 * number, text)
    blocks.append("\n".join(address))
    pdf.text(400, 130, "4 May 1809")
    blocks.append("4 May 1809")
    y = 170.0
    for seed in (600, 601):
        text = paragraph(seed, 60)
        blocks.append(text)
        for line in broken(pdf, text, 460):
            set_line(pdf, 60, y, 460, line, False)
            y += 13
        y += 10
    table = (("Anna", "weighs the sacks"), ("Bert", "drives the cart"), ("Cora", "keeps the ledger"))
    for name, work in table:
        pdf.text(80, y, name)
        pdf.text(240, y, work)
        y += 13
    blocks.append("\n".join("\t".join(row) for row in table))
    pdf.text(60, y + 20, "Yours, the miller")
    blocks.append("Yours, the miller")
    return Gold(bytes(pdf.output()), blocks)


def scan() -> bytes:
    """A page that is a picture."""
    pdf = new()
    pdf.add_page()
    pdf.rect(100, 100, 300, 400, style="F")
    return bytes(pdf.output())


def locked() -> bytes:
    """A PDF that needs a password."""
    pdf = new()
    pdf.add_page()
    pdf.set_font("Times", size=10)
    pdf.cell(0, 10, "Secret words of the mill", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.set_encryption(owner_password="owner", user_password="user")
    return bytes(pdf.output())


DOCUMENTS = {"paper": paper, "report": report, "book": book, "newsletter": newsletter, "letter": letter}


def drawn(seed: int) -> Gold:
    """A document whose setting is drawn: columns, font, size, leading, indents or spaces, even or ragged, order of drawing.

    With headings, and with tables, lists, running heads or notes where they are drawn. Those of the benchmark are of seeds that
    nobody looked at while the reader was written.
    """
    draw, pdf = random.Random(seed), new()
    font, size = draw.choice(("Times", "Helvetica", "Courier")), draw.choice((8.5, 9.5, 10, 11, 12))
    count = draw.choice((1, 1, 2, 2, 3))
    gutter, margin = draw.uniform(1.4, 3) * size, draw.uniform(45, 80)
    leading = size * draw.uniform(1.12, 1.45)
    indent, space = draw.choice(((size * 1.4, 0), (0, leading * 0.6), (size * 1.4, leading * 0.5)))
    justify, row_by_row, has_head = draw.random() < 0.5, draw.random() < 0.4, draw.random() < 0.7
    number_at = draw.choice((None, 300, 60, 540))
    width = (595 - 2 * margin - (count - 1) * gutter) / count
    pdf.set_font(font, size=size)
    blocks: list[str] = []
    # Items to set: (lines, bold, x of cells) in columns; a heading stays with what follows.
    items: list[tuple[str, list[Line]]] = []
    for part in range(draw.randint(6, 16)):
        if part % 3 == 0:
            heading = f"{part // 3 + 1}. {draw.choice(LONG).capitalize()} of {draw.choice(WORDS)}"
            blocks.append(heading)
            items.append(("heading", [Line(heading, 0, True)]))
        text = paragraph(seed * 1000 + part, draw.randint(30, 110))
        blocks.append(text)
        items.append(("text", list(broken(pdf, text, width, indent))))
        if draw.random() < 0.2:
            listed = [f"{number}) {draw.choice(WORDS)} {draw.choice(WORDS)}" for number in range(1, 4)]
            blocks.append("\n".join(listed))
            items.append(("list", [Line(line, 0, True) for line in listed]))
        elif draw.random() < 0.2 and count == 1:
            rows = [(draw.choice(WORDS), str(draw.randint(10, 999)), str(draw.randint(10, 999))) for _ in range(draw.randint(3, 6))]
            blocks.append("\n".join("\t".join(row) for row in rows))
            items.append(("table", [Line("\t".join(row), 0, True) for row in rows]))
    placed = _placed(items, width, gutter, margin, leading, space, count)
    for number, page in enumerate(placed):
        pdf.add_page()
        pdf.set_font(font, size=size * 0.85)
        if has_head:
            pdf.text(margin, 35, "On mills and rivers" if number % 2 else "The annual book of milling")
        if number_at:
            pdf.text(number_at, 812, str(number + seed % 90))
        for kind, x, y, line in sorted(page, key=lambda one: (one[2], one[1])) if row_by_row else page:
            pdf.set_font(font, "B" if kind == "heading" else "", size * (1.25 if kind == "heading" else 1))
            if kind == "table":
                for column, cell in enumerate(line.text.split("\t")):
                    pdf.text(x + 20 + 110 * column, y, cell)
            else:
                set_line(pdf, x, y, width, line, justify and kind == "text")
    return Gold(bytes(pdf.output()), blocks)


def _placed(items: list[tuple[str, list[Line]]], width: float, gutter: float, margin: float, leading: float, space: float,
            count: int) -> list[list[tuple[str, float, float, Line]]]:
    """The lines of each page with their places, column after column."""
    pages: list[list[tuple[str, float, float, Line]]] = [[]]
    column, y = 0, 70.0
    for kind, lines in items:
        y += {"heading": 1.1 * leading, "list": 0.6 * leading, "table": 0.8 * leading}.get(kind, 0)
        for line in lines:
            if y > 775 - (3 * leading if kind == "heading" else 0):
                column, y = (column + 1) % count, 70.0
                if column == 0:
                    pages.append([])
            pages[-1].append((kind, margin + column * (width + gutter), y, line))
            y += leading
        y += {"heading": 0.7 * leading, "list": 0.6 * leading, "table": 0.8 * leading}.get(kind, space)
    return pages
