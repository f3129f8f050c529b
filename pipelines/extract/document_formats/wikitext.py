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
_CODE = frozenset({"pre", "syntaxhighlight", "source"})
_AS_WORDS = {"lang": 2, "nowrap": 1, "nobr": 1, "small": 1, "em": 1, "abbr": 1, "transl": 2, "linktext": 1, "lang-en": 1,
             "quote": 1, "blockquote": 1, "cquote": 1, "zitat": 1, "citation bloc": 1}
_QUOTED = ("text", "quote", "zitat")        # names that the first value of a quotation may have
_MEASURES = frozenset({"convert", "cvt", "unité", "unidad"})         # a number and its unit
_TO = frozenset({"to", "and", "by", "x", "-", "–"})      # between two numbers of a measure
_SIGNS = {"ndash": "–", "mdash": "—", "snd": " – ", "spaced ndash": " – ", "nbsp": " ", "!": "|", "'": "'"}
# Of links: files, categories and the same page in another language are none of the text. The names are those of large wikis.
_FILES = ("file|image|media|datei|bild|fichier|archivo|imagen|файл|изображение|зображення|ファイル|画像"
          "|文件|檔案|图像|圖像|plik|grafika|bestand|afbeelding|fil|tiedosto|kuva|ficheiro|imagem"
          "|arquivo|immagine|fișier|soubor|súbor|kép|fájl|αρχείο|εικόνα|קובץ|תמונה|ملف|صورة|پرونده|تصویر"
          "|चित्र|চিত্র|ไฟล์|ภาพ|tập tin|hình|파일|그림|berkas|gambar|dosya|resim|датотека|слика|fitxer")
_CATEGORIES = ("category|kategorie|catégorie|categoría|категория|категорія|категорија|カテゴリ|分类|分類"
               "|categorie|kategori|luokka|kategoria|kategória|categoria|kategorija|kategorio|κατηγορία"
               "|קטגוריה|تصنيف|رده|श्रेणी|বিষয়শ্রেণী|หมวดหมู่|thể loại|분류|kategoriya")
_NO_TEXT = re.compile(rf"\s*+(?:(?:{_FILES}|{_CATEGORIES})\s*+:|[a-z]{{2,3}}(?:-[a-z-]+)?:(?! ))", re.I)
_SWITCH = re.compile(r"__[A-Z]{3,30}__")        # __NOTOC__ and its like
_HEADING = re.compile("\2([1-6])")
_AWAY, _BACK = str.maketrans(" ('", "\1\3\4"), str.maketrans("\1\3\4", " ('")        # what is tidied, in code
_ITEM = re.compile(r"^(?:- )++")
_SPACES = re.compile(r"[ \t\xa0]{2,}")
_LINES = re.compile(r"\n{3,}")
_BRACKET_START = re.compile(r"\(\s*+[,;]\s*+")
_EMPTY_BRACKETS = re.compile(r" ?\((?:[\s,;:]*)\)")
_DEEPEST = 60


def read(body: bytes, ending: str, limits: ExtractSettings) -> Document:
    """The article's text: headings on lines of their own, an item of a list a line with `- `."""
    code = mwparserfromhell.parse(body.decode("utf-8", "replace").translate(dict.fromkeys(range(1, 5))), skip_style_tags=True)
    text = "".join(_plain(code, 0)).replace("'''", "").replace("''", "")
    return document(_tidied(text), kind="wiki")


def _plain(code: Any, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    for node in code.nodes:
        if isinstance(node, nodes.Text):
            yield str(node.value)
        elif isinstance(node, nodes.Heading):
            yield f"\n\n\2{node.level}{''.join(_plain(node.title, depth + 1)).strip()}\n\n"
        elif isinstance(node, nodes.Wikilink):
            if not _NO_TEXT.match(str(node.title)):
                title = str(node.title).strip().removeprefix(":")
                yield from [title] if node.text is None else _plain(node.text, depth + 1)
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
    elif name in _CODE:
        yield f"\n{str(node.contents or '').strip(chr(10))}\n".translate(_AWAY)
    elif name not in _LEFT_OUT and node.contents is not None:
        yield from _plain(node.contents, depth + 1)


def _template(node: Any, depth: int) -> Iterator[str]:
    """The words that a template stands for, where it is one of those."""
    name = str(node.name).strip().lower()
    if name in _SIGNS:
        yield _SIGNS[name]
    elif name.startswith("formatnum:"):
        yield name.partition(":")[2]
    elif name in _MEASURES and node.has("1"):
        values = ["".join(_plain(node.get(place).value, depth + 1)).strip() for place in "1234" if node.has(place)]
        yield " ".join(values[:4 if values[1:2] and values[1] in _TO else 2])
    place = _AS_WORDS.get(name, 1 if name.startswith("lang-") else None)
    if place is not None and (key := next((key for key in (str(place), *_QUOTED) if node.has(key)), None)):
        yield from _plain(node.get(key).value, depth + 1)


def _tidied(text: str) -> str:
    """The text without what templates leave behind: empty brackets, headings without a text, runs of spaces and lines."""
    text = _EMPTY_BRACKETS.sub("", _BRACKET_START.sub("(", _SWITCH.sub("", text)))
    lines = [line.strip(" ") for line in _SPACES.sub(" ", text).split("\n")]
    lines = _with_text([_ITEM.sub("- ", line) for line in lines if line.strip("- ") or not line])
    return _LINES.sub("\n\n", "\n".join(lines)).translate(_BACK).strip("\n")


def _with_text(lines: list[str]) -> list[str]:
    """The lines, of headings those under which there is something, without their marks."""
    kept, below, has_text = [], 0, False        # below: the level of the heading that follows
    for line in reversed(lines):
        heading = _HEADING.match(line)
        if heading is None:
            has_text = has_text or bool(line)
        elif has_text or below > int(heading[1]):
            below, has_text, line = int(heading[1]), False, line[2:]
        else:
            continue
        kept.append(line)
    return kept[::-1]
