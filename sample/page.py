"""A page source: header lines, a blank line, then blocks of text; and the ways to show them.

Header: title, site (a key of sites.yaml), path; published, author, `what` it is (a key of outcomes.py, else good),
invented personal data by kind (email, phone, ip, credit_card, iban) and what looks like it but must stay (keep), several
finds parted by ` | `; `shelf` (a column of rows), `form: text` (a loose file that is no HTML).

A block is a run of lines between blank lines: `# ` is a sub-heading, `- ` a list item, `| ` a table row, four
spaces are code, anything else is a paragraph. `[words](address)` inside a line is a link.
"""

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Page:
    """One source. `slug` is the file's name without ending; its part before the first hyphen is the language."""

    slug: str
    headers: dict[str, str]
    blocks: tuple[tuple[str, ...], ...]

    @property
    def language(self) -> str:
        return self.slug.split("-")[0]

    @property
    def title(self) -> str:
        return self.headers["title"]

    @property
    def text(self) -> str:
        """Title and body as a reader sees them, one block, list item or table row a line."""
        return "\n".join([self.title, *(line for block in self.blocks for line in shown(block))])

    @property
    def html(self) -> str:
        """The body in closed tags."""
        return "\n".join(block_html(block) for block in self.blocks)

    @property
    def html_with_breaks(self) -> str:
        """The body as pages of the nineties have it: bold headings, and line breaks where paragraphs should be."""
        parts = []
        for block in self.blocks:
            if kind(block) == "paragraph":
                parts.append(f"{inline(' '.join(block))}<br><br>")
            elif kind(block) == "heading":
                parts.append(f"<b>{inline(block[0][2:])}</b><br>")
            else:
                parts.append(block_html(block))
        return "\n".join(parts)

    @property
    def paragraphs(self) -> list[str]:
        return [shown(block)[0] for block in self.blocks if kind(block) == "paragraph"]


def read_page(path: Path) -> Page:
    """The page in a file; ValueError names the file and what is wrong. `published` and `author` may be left out."""
    head, _, body = path.read_text(encoding="utf-8").replace("\r\n", "\n").partition("\n\n")
    headers = {"published": "", "author": ""}
    for line in head.splitlines():
        key, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"{path.name}: header line {line!r} has no colon; write `key: value`")
        headers[key.strip()] = value.strip()
    if missing := [key for key in ("title", "site", "path") if key not in headers]:
        raise ValueError(f"{path.name}: no {', '.join(missing)} in the header; add a line `{missing[0]}: …`")
    blocks: list[tuple[str, ...]] = []
    for paragraph in re.split(r"\n\s*\n", body.strip("\n")):
        for block in split_kinds(tuple(paragraph.splitlines())):
            if blocks and kind(block) == kind(blocks[-1]) == "code":   # a blank line inside code does not end it
                blocks[-1] += ("    ", *block)
            else:
                blocks.append(block)
    return Page(path.stem, headers, tuple(blocks))


def split_kinds(block: tuple[str, ...]) -> list[tuple[str, ...]]:
    """A block cut where its lines change kind, so that a heading may stand right above its paragraph."""
    runs: list[list[str]] = []
    for line in block:
        if runs and line_kind(runs[-1][-1]) == line_kind(line) != "heading":
            runs[-1].append(line)
        else:
            runs.append([line])
    return [tuple(run) for run in runs]


def line_kind(line: str) -> str:
    if line.startswith("    "):
        return "code"
    return {"# ": "heading", "- ": "list", "| ": "table"}.get(line[:2], "paragraph")


def kind(block: tuple[str, ...]) -> str:
    return line_kind(block[0])


def shown(block: tuple[str, ...]) -> list[str]:
    """The lines of a block without markup; a paragraph is one line."""
    if kind(block) == "paragraph":
        return [LINK.sub(r"\1", " ".join(line.strip() for line in block))]
    if kind(block) == "code":
        return [line[4:] for line in block]
    return [LINK.sub(r"\1", line[2:].strip().removesuffix("|").strip()) for line in block]


def inline(text: str) -> str:
    return LINK.sub(r'<a href="\2">\1</a>', escape(text, quote=False))


def block_html(block: tuple[str, ...]) -> str:
    if kind(block) == "heading":
        return f"<h2>{inline(block[0][2:])}</h2>"
    if kind(block) == "list":
        return "<ul>\n" + "\n".join(f"<li>{inline(line[2:])}</li>" for line in block) + "\n</ul>"
    if kind(block) == "code":
        return "<pre><code>" + escape("\n".join(line[4:] for line in block), quote=False) + "</code></pre>"
    if kind(block) == "table":
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block]
        cells = [rows[0], *(row for row in rows[1:] if set("".join(row)) - set("-: "))]
        head = "".join(f"<th>{inline(cell)}</th>" for cell in cells[0])
        body = "\n".join("<tr>" + "".join(f"<td>{inline(cell)}</td>" for cell in row) + "</tr>" for row in cells[1:])
        return f"<table>\n<tr>{head}</tr>\n{body}\n</table>"
    return f"<p>{inline(' '.join(line.strip() for line in block))}</p>"
