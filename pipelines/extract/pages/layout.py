"""Text of the blocks that are kept, with its structure: headings, lists, quotes, code and tables, as text or as Markdown."""

from collections.abc import Sequence

from textmill.pipelines.extract.pages.blocks import BREAK, Blocks

_ONCE = 8               # words: a text so long is written once, save where one element has it again, as a song its refrain
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CELLS = frozenset({"td", "th"})
LONG_CELL = 400         # characters: a table with a longer cell is one of layout
_CELL_BLOCKS = 6


def laid_out(page: Blocks, kept: Sequence[int], markdown: bool = False, long_cell: int = LONG_CELL) -> str:
    """The text of the kept blocks in the page's order, a line or a paragraph each; a row of a table of data is one line.

    A table with a cell of more than `long_cell` characters is one of layout. A blank line parts blocks of several lines, such
    as stanzas and code, and in Markdown all blocks.
    """
    lines: list[str] = []
    seen: dict[str, int] = {}       # the element that has a text
    rows = _rows(page, long_cell) if not _CELLS.isdisjoint(page.tag) else {}
    wanted = set(kept)
    of_lines = {page.node[number] for number in kept if "\n" in page.texts[number]}       # elements; each stanza of theirs
    last_row = last_table = -1
    after_lines = False
    for number in kept:
        row, table = rows.get(page.node[number], (-1, -1))
        if row < 0:
            text = page.texts[number]
            above = page.parent[page.node[number]]
            if (text.count(" ") + 1 >= _ONCE or "\n" in text) and seen.setdefault(text, above) != above:
                continue
            if after_lines and page.node[number] in of_lines and not markdown:
                lines[-1] += "\n"
            lines.append(_line(page, number, markdown))
        elif row != last_row:
            cells = _cells(page, row, wanted)
            if not markdown:
                lines.append(" | ".join(cells))
            elif table != last_table:
                lines.append(f"| {' | '.join(cells)} |\n|{' --- |' * len(cells)}")
            else:
                lines[-1] += f"\n| {' | '.join(cells)} |"
        after_lines = row < 0 and page.node[number] in of_lines
        last_row, last_table = row, table
    return ("\n\n" if markdown else "\n").join(lines)


def _rows(page: Blocks, long_cell: int) -> dict[int, tuple[int, int]]:
    """Row and table of every element inside a cell of a table that holds data, not a page's layout."""
    cell_of, table_of = [-1], [-1]      # the innermost of each element
    layout = set()
    for node, (parent, tag) in enumerate(zip(page.parent[1:], page.tag[1:], strict=True), start=1):
        cell, table = cell_of[parent], table_of[parent]
        if tag == "table":
            if table >= 0:
                layout.add(table)
            cell, table = -1, node
        elif tag in _CELLS:
            cell = node
            start, end = page.start[node], page.end[node]
            if end - start > _CELL_BLOCKS or sum(map(len, page.texts[start:end])) > long_cell:
                layout.add(table)
        elif tag in _HEADINGS or tag == "pre":
            layout.add(table)
        cell_of.append(cell)
        table_of.append(table)
    return {node: (page.parent[cell], table_of[node]) for node, cell in enumerate(cell_of)
            if cell >= 0 and table_of[node] not in layout}


def _cells(page: Blocks, row: int, wanted: set[int]) -> list[str]:
    """The cells of a row, empty ones between others too; the blocks of a cell are set apart by a semicolon."""
    cells = []
    for node in range(row + 1, len(page.tag)):
        parent = page.parent[node]
        if parent < row:
            break
        if parent == row and page.tag[node] in _CELLS:
            blocks = [number for number in range(page.start[node], page.end[node]) if number in wanted]
            cells.append("; ".join(_plain(page.texts[number], " ") for number in blocks))
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _line(page: Blocks, number: int, markdown: bool) -> str:
    """A block with the marks of its structure."""
    heading, quotes, lists, code = "", 0, 0, False
    node = page.node[number]
    while node > 0:
        tag = page.tag[node]
        if tag == "blockquote":
            quotes += 1
        elif tag in ("ul", "ol"):
            lists += 1
        elif tag == "pre":
            code = True
        elif tag in _HEADINGS and not heading:
            heading = tag
        node = page.parent[node]
    text, item = page.texts[number], page.item[number]
    if code:
        return f"```\n{text}\n```" if markdown else text
    text = _plain(text, "  \n" if markdown else "\n")
    if item is not None:
        text = f"{'  ' * max(lists - 1, 0)}{f'{item}.' if item else '-'} {text}"
    elif markdown and heading:
        text = f"{'#' * _HEADINGS[heading]} {text}"
    if markdown and quotes:
        marks = "> " * quotes
        text = "\n".join(marks + line for line in text.split("\n"))
    return text


def _plain(text: str, line_end: str) -> str:
    return text.replace(BREAK, line_end).replace("\n", line_end)
