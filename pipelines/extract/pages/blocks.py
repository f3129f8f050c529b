"""Text blocks of a page, in reading order, with the element each lies in: what the main-text model decides on.

The tree is written out as XML by libxml2 and read back as a list of tags by one regular expression: every `<` and `>` of the
output is a tag's, since those of texts and of attributes are escaped. A walk of the tree itself costs a Python object for
each element (measured: three times as much).
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from html import unescape
from typing import Any, NamedTuple

from lxml.etree import strip_elements, strip_tags, tostring
from lxml.html import HtmlElement

HIDDEN = ("script", "style", "template", "head", "iframe", "svg", "select", "textarea", "object", "canvas",
          "audio", "video", "datalist", "rt", "rp", "rtc", "annotation", "annotation-xml")
# Elements inside a line; all others, custom ones included, begin and end a block.
_INLINE = (
    "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img",
    "ins", "kbd", "label", "mark", "math", "mi", "mn", "mo", "mrow", "ms", "msqrt", "msub", "msubsup", "msup",
    "mfrac", "mtext", "mspace", "mstyle", "mtd", "mtr", "mtable", "mover", "munder", "munderover", "mroot",
    "semantics", "meter", "nobr", "output", "picture", "progress", "q", "s", "samp", "small", "source", "span",
    "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr", "ruby", "rb", "input", "link", "meta", "slot",
    "track", "embed", "param", "area", "map", "base", "mpadded", "mphantom", "menclose", "mfenced")
_TAG = re.compile(r"<(/?)([^\s/<>]++)([^<>]*+)>([^<]*)")       # of serialised XML: no `<` or `>` stands in an attribute
_NAMES = re.compile(r"""\s(class|id|role|itemprop|itemtype|data-testid|style|aria-hidden|hidden)="([^"]*)\"""")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_HIDES = re.compile(r"display:\s*none|visibility:\s*hidden")
BREAK = "\ufdd0"        # a line break inside a block; a character for a program's own use, which parsing takes out of a page
_TEXTS = ("articleBody", "text", "description", "reviewBody")     # of JSON-LD
_LONG_ENOUGH = 60       # characters of one of them that are looked for in the page
_MOST_NODES = 200
_MARKUP = re.compile(r"<[^<>]*+>")
_MOST_WORDS = 24        # of one element's names


class Block(NamedTuple):
    """A run of text that no block element interrupts; white space collapsed, except in `pre`."""

    text: str
    node: int           # of the element it lies in
    link_chars: int
    links: int
    item: int           # number of its ordered list's item that it begins; 0 for a bullet, -1 for none


class Node(NamedTuple):
    """A block element; `words` are its tag and the words of its class, id, role and itemprop."""

    parent: int
    tag: str
    words: tuple[str, ...]


class Blocks(NamedTuple):
    """A page's blocks and block elements, both in order of the source; `spans[n]` are the blocks inside node n."""

    blocks: list[Block]
    nodes: list[Node]
    spans: list[tuple[int, int]]


@lru_cache(8192)
def words_of(tag: str, attributes: str) -> tuple[str, ...]:
    """The tag and the words of an element's names, in order, each once."""
    words = ["<" + tag]
    for name, value in _NAMES.findall(attributes):
        if name in ("class", "id", "role", "itemprop", "itemtype", "data-testid"):
            mark = {"role": "role=", "itemprop": "prop=", "itemtype": "prop="}.get(name, "")
            words += [mark + word.lower() for word in _WORD.findall(value)]
        elif (name == "style" and _HIDES.search(value)) or name == "hidden" or (name == "aria-hidden" and value == "true"):
            words.append("hidden=" + name)
    return tuple(dict.fromkeys(words[:_MOST_WORDS]))


def read_blocks(tree: HtmlElement, json_ld: Sequence[dict[str, Any]] = ()) -> Blocks:
    """The blocks of a page, and at the end those texts of its JSON-LD that it does not show.

    Takes out of the tree what is never shown as text.
    """
    strip_elements(tree, *HIDDEN, with_tail=False)
    strip_tags(tree, *_INLINE)
    source = tostring(tree, method="xml", encoding="unicode", with_tail=False)
    blocks: list[Block] = []
    nodes: list[Node] = [Node(-1, "html", ("<html",))]
    spans: list[tuple[int, int]] = [(0, 0)]
    node = 0
    pieces: list[str] = []
    links = link_chars = in_link = in_pre = 0
    item = -1
    numbers: list[int] = []         # of the lists that are open: the last item's number, or -1 where they have none
    for close, tag, attributes, text in _TAG.findall(source):
        if tag == "a":
            if close:
                in_link = max(in_link - 1, 0)
            elif attributes[-1:] != "/":
                in_link += 1
                links += 1
        elif tag == "br" or tag == "hr":
            if not close:
                pieces.append(BREAK)
        else:
            if pieces:
                blocks += _flushed(pieces, node, link_chars, links, item, in_pre)
                if blocks and blocks[-1].item == item:
                    item = -1
                pieces, link_chars = [], 0
            links = 1 if in_link else 0
            if close:
                spans[node] = (spans[node][0], len(blocks))
                if tag == "pre":
                    in_pre -= 1
                elif tag in ("ol", "ul") and numbers:
                    numbers.pop()
                    item = -1
                node = nodes[node].parent
            else:
                nodes.append(Node(node, tag, words_of(tag, attributes)))
                spans.append((len(blocks), len(blocks)))
                if attributes[-1:] != "/":
                    node = len(nodes) - 1
                    if tag == "pre":
                        in_pre += 1
                    elif tag == "ol" or tag == "ul":
                        numbers.append(0 if tag == "ol" else -1)
                    elif tag == "li":
                        if numbers and numbers[-1] >= 0:
                            numbers[-1] += 1
                            item = numbers[-1]
                        else:
                            item = 0
        if text:
            pieces.append(text)
            if in_link:
                link_chars += len(text) if len(text) < 3 else len("".join(text.split()))
    if pieces:
        blocks += _flushed(pieces, node, link_chars, links, item, in_pre)
    _add_json_ld(json_ld, blocks, nodes, spans)
    spans[0] = (0, len(blocks))
    return Blocks(blocks, nodes, spans)


def _add_json_ld(json_ld: Sequence[dict[str, Any]], blocks: list[Block], nodes: list[Node],
                 spans: list[tuple[int, int]]) -> None:
    """Texts that a page drawn by script has only in its JSON-LD, each as a block of its own."""
    shown = ""
    for data in json_ld[:_MOST_NODES]:
        for name in _TEXTS:
            text = data.get(name)
            if not isinstance(text, str) or len(text) < _LONG_ENOUGH:
                continue
            shown = shown or "".join("".join(block.text.split()) for block in blocks)
            if "<" in text or "&" in text:
                text = unescape(_MARKUP.sub(" ", unescape(text)))
            if "".join(text.split())[:_LONG_ENOUGH] in shown:
                continue
            nodes.append(Node(0, "json-ld", ("<json-ld", f"prop={name}", *(f"ld={kind}" for kind in _kinds(data)))))
            start = len(blocks)
            blocks += [Block(line, len(nodes) - 1, 0, 0, -1) for part in text.split("\n") if (line := " ".join(part.split()))]
            spans.append((start, len(blocks)))


def _kinds(data: dict[str, Any]) -> list[str]:
    kinds = data.get("@type")
    return [kind.lower() for kind in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(kind, str)][:4]


def _flushed(pieces: list[str], node: int, link_chars: int, links: int, item: int, in_pre: int) -> list[Block]:
    """The blocks of a run of text: one, or one for each paragraph that two line breaks set apart."""
    text = "".join(pieces)
    if "&" in text:
        text = (text.replace("&#13;", "\n").replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
                .replace("&amp;", "&"))
    if in_pre:
        text = text.replace(BREAK, "\n").expandtabs(8).rstrip().strip("\n")
        return [Block(text, node, link_chars, links, item)] if text.strip() else []
    if BREAK not in text:
        text = " ".join(text.split())
        return [Block(text, node, link_chars, links, item)] if text else []
    paragraphs: list[list[str]] = [[]]
    for line in text.split(BREAK):
        if line := " ".join(line.split()):
            paragraphs[-1].append(line)
        elif paragraphs[-1]:
            paragraphs.append([])
    texts = ["\n".join(lines) for lines in paragraphs if lines]
    total = sum(map(len, texts))
    return [Block(text, node, link_chars * len(text) // total, links if link_chars else 0, item if not n else -1)
            for n, text in enumerate(texts)]
