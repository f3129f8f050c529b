"""Wikitext: an article's prose, with its sections, lists and the texts of links; tables, infoboxes, references and files out.

Parsed by mwparserfromhell. Templates are left out, but those that stand for words as they are (`{{lang|fr|mot}}`).
"""

import re
from collections.abc import Iterator
from typing import Any

import mwparserfromhell
from mwparserfromhell import nodes

from textmill.pipelines.extract.document_formats.document import Document, document
from textmill.pipelines.extract.settings import ExtractSettings

_LEFT_OUT = frozenset({"ref", "references", "gallery", "math", "chem", "score", "timeline", "imagemap", "table", "style",
                       "script", "templatestyles", "hiero", "mapframe", "graph", "ce", "noinclude", "section"})
_AS_WORDS = {"lang": 2, "nowrap": 1, "nobr": 1, "small": 1, "em": 1, "abbr": 1, "transl": 2, "linktext": 1, "lang-en": 1}
# Of links: files, categories and the same page in another language are none of the text.
_NO_TEXT = re.compile(r"\s*+(?::\s*+)?+(?:(?:file|image|media|category|datei|bild|kategorie|fichier|catégorie|archivo|categoría"
                      r"|imagen|файл|категория|ファイル|カテゴリ|文件|分类)\s*+:|[a-z]{2,3}(?:-[a-z-]+)?:(?! ))", re.I)
_BARE_SECTIONS = re.compile(r"(?m)^(?:references|external links|see also|notes|further reading|bibliography|sources"
                            r"|einzelnachweise|weblinks|literatur|références|liens externes|referencias|enlaces externos)$",
                            re.I)
_ITEM = re.compile(r"^(?:- )++")
_SPACES = re.compile(r"[ \t\xa0]{2,}")
_LINES = re.compile(r"\n{3,}")
_EMPTY_BRACKETS = re.compile(r" ?\((?:[\s,;:]*)\)")
_DEEPEST = 60


def read(body: bytes, ending: str, limits: ExtractSettings) -> Document:
    """The article's text: headings on lines of their own, an item of a list a line with `- `."""
    code = mwparserfromhell.parse(body.decode("utf-8", "replace"), skip_style_tags=True)
    text = "".join(_plain(code, 0)).replace("'''", "").replace("''", "")
    return document(_tidied(text), kind="wiki")


def _plain(code: Any, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    for node in code.nodes:
        if isinstance(node, nodes.Text):
            yield str(node.value)
        elif isinstance(node, nodes.Heading):
            yield f"\n\n{''.join(_plain(node.title, depth + 1)).strip()}\n\n"
        elif isinstance(node, nodes.Wikilink):
            if not _NO_TEXT.match(str(node.title)):
                yield from _plain(node.text if node.text is not None else node.title, depth + 1)
        elif isinstance(node, nodes.ExternalLink):
            if node.title is not None:
                yield from _plain(node.title, depth + 1)
            elif not node.brackets:
                yield str(node.url)
        elif isinstance(node, nodes.HTMLEntity):
            yield node.normalize() or ""
        elif isinstance(node, nodes.Tag):
            yield from _tag(node, depth)
        elif isinstance(node, nodes.Template):
            yield from _template(node, depth)


def _tag(node: Any, depth: int) -> Iterator[str]:
    name = str(node.tag).strip().lower()
    if node.wiki_markup in ("*", "#", ":", ";") or (node.wiki_markup and name in ("li", "dd", "dt")):
        yield "- " if name == "li" else ""
    elif name == "br":
        yield "\n"
    elif name not in _LEFT_OUT and node.contents is not None:
        yield from _plain(node.contents, depth + 1)


def _template(node: Any, depth: int) -> Iterator[str]:
    """The words that a template stands for, where it is one of those."""
    name = str(node.name).strip().lower()
    place = _AS_WORDS.get(name)
    if place is None and name.startswith("lang-"):
        place = 1
    if place is not None and node.has(str(place)):
        yield from _plain(node.get(str(place)).value, depth + 1)


def _tidied(text: str) -> str:
    """The text without what templates leave behind: empty brackets, headings without a text, runs of spaces and lines."""
    text = _SPACES.sub(" ", _EMPTY_BRACKETS.sub("", text))
    lines = [line.strip() for line in text.split("\n")]
    lines = [_ITEM.sub("- ", line) for line in lines if line.strip("- ") or not line]
    text = _LINES.sub("\n\n", "\n".join(lines)).strip()
    while found := _BARE_SECTIONS.search(text, max(text.rfind("\n\n"), 0)):      # the last heading, if nothing is under it
        if found.end() != len(text):
            break
        text = text[:found.start()].rstrip()
    return text
