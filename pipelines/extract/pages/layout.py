"""Text of the blocks that are kept, with its structure: headings, lists, quotes, code and tables, as text or as Markdown."""

from collections.abc import Iterable

from textmill.pipelines.extract.pages.blocks import BREAK, Block, Blocks

_ONCE = 8               # words: a text so long is written once, however often the page has it
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CELLS = ("td", "th")


def laid_out(page: Blocks, kept: Iterable[int], markdown: bool = False) -> str:
    """The text of the kept blocks in the page's order, a line or a paragraph each; the cells of a row are one line."""
    lines: list[str] = []
    seen: set[str] = set()
    row = -1
    for number in kept:
        block = page.blocks[number]
        if block.text.count(" ") + 1 >= _ONCE:
            if block.text in seen:
                continue
            seen.add(block.text)
        node = page.nodes[block.node]
        here = node.parent if node.tag in _CELLS else -1
        if here >= 0 and here == row:
            lines[-1] += f" | {_plain(block.text, ' ')}"
        else:
            lines.append(_line(page, block, markdown))
        row = here
    return ("\n\n" if markdown else "\n").join(lines)


def _line(page: Blocks, block: Block, markdown: bool) -> str:
    """A block with the marks of its structure."""
    tag, quotes, lists, code = "", 0, 0, False
    node = block.node
    while node > 0:
        name = page.nodes[node].tag
        if name == "blockquote":
            quotes += 1
        elif name in ("ul", "ol"):
            lists += 1
        elif name == "pre":
            code = True
        elif name in _HEADINGS and not tag:
            tag = name
        node = page.nodes[node].parent
    text = block.text
    if code:
        return f"```\n{text}\n```" if markdown else text
    text = _plain(text, "  \n" if markdown else "\n")
    if block.item >= 0:
        text = f"{'  ' * max(lists - 1, 0)}{f'{block.item}.' if block.item else '-'} {text}"
    elif markdown and tag:
        text = f"{'#' * _HEADINGS[tag]} {text}"
    return "> " * quotes + text if markdown and quotes else text


def _plain(text: str, line_end: str) -> str:
    return text.replace(BREAK, line_end).replace("\n", line_end)
