"""Text blocks of a page, in reading order, with the element each lies in: what the main-text model decides on.

The tree is written out as XML by libxml2 and read back as a list of tags by one regular expression: every `<` and `>` of the
output is a tag's, since those of texts and of attributes are escaped. A walk of the tree itself costs a Python object for
each element (measured: three times as much).
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from lxml.etree import XPath, strip_elements, strip_tags, tostring
from lxml.html import HtmlElement

from textmill.pipelines.extract.pages.embedded import add_embedded
from textmill.pipelines.extract.pages.formulas import write_formulas

HIDDEN = ("script", "style", "template", "noframes", "head", "iframe", "svg", "select", "textarea", "object", "canvas",
          "audio", "video", "datalist", "rt", "rp", "rtc", "amp-ad", "amp-embed")
# Elements inside a line; all others, custom ones included, begin and end a block.
_INLINE = (
    "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img",
    "ins", "kbd", "label", "mark", "meter", "nobr", "output", "picture", "progress", "q", "s", "samp", "small", "source",
    "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr", "ruby", "rb", "input", "link", "meta", "slot",
    "track", "embed", "param", "area", "map", "base")
_TAG = re.compile(r"<(/?[^\s/<>]++)([^<>]*+)>([^<]*)")       # of serialised XML: no `<` or `>` stands in an attribute
_NAMES = re.compile(r"""\s(class|id|role|itemprop|itemtype|data-testid|style|aria-hidden|hidden)="([^"]*)\"""")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_HIDES = re.compile(r"display:\s*none|visibility:\s*hidden")
BREAK = "\ufdd0"        # a line break inside a block; characters for a program's own use, which parsing takes out of a page
_SEAM = "\ufdd1"        # where two inline elements meet that a style sheet sets apart
_APART = re.compile(rf"(?<=[\w%)]){_SEAM}+(?=\w[\w.,:]|[$\u20ac\u00a3])|(?<=\w\w){_SEAM}+(?=\w)")
_KANA = "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7ff]"      # of scripts without spaces
_WIDE = re.compile(rf"(?<={_KANA}){_SEAM}|{_SEAM}(?={_KANA})")
_NUMBERED = XPath("//pre//*[contains(@class, 'line') or contains(@class, 'gutter') or contains(@class, 'num')]"
                  " | //td[contains(@class, 'line') or contains(@class, 'gutter') or contains(@class, 'num')]")
_GUTTER = re.compile(r"lineno|line-?num|gutter|ln-num|blob-num", re.I)
_NUMBERS = re.compile(r"\s*+(?:\d++\s*+)*+")
_PERMALINKS = frozenset({"¶", "#", "§", "🔗", "\uf0c1"})      # what a documentation's headings link to themselves by
_CELLS = frozenset({"td", "th", "/td", "/th"})       # kept where they are empty
_MOST_WORDS = 24        # of one element's names
_START = re.compile(r'\b(?:start|value)="(-?\d{1,6})"')


class Blocks(NamedTuple):
    """A page's blocks and block elements, both in order of the source, each as columns.

    A block is a run of text that no block element interrupts, white space collapsed, except in `pre`.
    """

    texts: list[str]
    node: list[int]             # of the element a block lies in
    link_chars: list[int]
    links: list[int]
    item: list[int | None]      # number of the ordered list's item that a block begins; 0 for a bullet, None for neither
    parent: list[int]           # of an element, -1 for the root
    tag: list[str]
    words: list[tuple[str, ...]]        # tag and words of class, id, role and itemprop
    start: list[int]            # the blocks inside an element: from
    end: list[int]              # to, exclusive


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
    """The blocks of a page, and at the end those texts of its data that it does not show.

    Takes out of the tree what is never shown as text.
    """
    add_embedded(tree, json_ld)
    write_formulas(tree)
    for template in tree.iter("template"):
        if template.get("shadowrootmode"):
            template.tag = "div"
    for element in _NUMBERED(tree):
        if _GUTTER.search(element.get("class") or "") and _NUMBERS.fullmatch(element.text_content()):
            line = element.getnext()
            if element.tag == "td" and line is not None and line.tag == "td" and line.find(".//pre") is None:
                line.tag = "pre"        # of code: its indentation counts
            element.clear(keep_tail=True)
    for link in tree.iter("a"):
        if link.text in _PERMALINKS and not len(link) and (link.get("href") or "").startswith("#"):
            link.clear(keep_tail=True)
    code = {span for element in tree.iter("pre") for span in element.iter("span")}
    # One look ahead each: the same in XPath, following-sibling::node()[1], takes time with the square of a row of spans.
    for span in tree.iter("span"):
        if not span.tail and span.get("class") and span not in code:
            after = span.getnext()
            if after is not None and after.tag in ("span", "a") and after.get("class"):
                span.tail = _SEAM
    strip_elements(tree, *HIDDEN, with_tail=False)
    strip_tags(tree, *_INLINE)
    return _read(tostring(tree, method="xml", encoding="unicode", with_tail=False))


def _read(source: str) -> Blocks:
    """The blocks of serialised XML."""
    page = Blocks([], [], [], [], [], [-1], ["html"], [], [0], [0])
    texts, parents, tags, starts, ends, named = page.texts, page.parent, page.tag, page.start, page.end, [""]
    node = in_link = links = link_chars = in_pre = 0
    item: int | None = None
    pieces: list[str] = []
    numbers: list[int | None] = []      # of the lists that are open: the last item's number, None where they have none
    for tag, attributes, text in _TAG.findall(source):
        if tag == "a":
            if attributes[-1:] != "/":
                in_link += 1
                links += 1
        elif tag == "/a":
            in_link = max(in_link - 1, 0)
            if not text:
                pieces.append(_SEAM)
        elif tag == "br" or tag == "hr":
            pieces.append(BREAK)
        elif in_pre and tag != "/pre":
            in_pre += tag == "pre"
            if pieces and pieces[-1][-1] not in "\n" + BREAK:
                pieces.append("\n")
        elif in_pre > 1:
            in_pre -= 1
        elif tag != "/br":
            if pieces:
                if _add(page, pieces, node, link_chars, links, item, in_pre):
                    item = None
                pieces, link_chars = [], 0
            links = 1 if in_link else 0
            if tag[0] == "/":
                ends[node] = len(texts)
                if tag == "/pre":
                    in_pre = 0
                elif (tag == "/ol" or tag == "/ul") and numbers:
                    numbers.pop()
                    item = None
                above = parents[node]
                if starts[node] == len(texts) and node == len(tags) - 1 and tag not in _CELLS:      # it holds nothing
                    for column in (parents, tags, starts, ends, named):
                        column.pop()
                node = above
            elif attributes[-1:] != "/" or tag in _CELLS:
                parents.append(node)
                tags.append(tag)
                named.append(attributes)
                starts.append(len(texts))
                ends.append(len(texts))
                if attributes[-1:] != "/":
                    node = len(tags) - 1
                    if tag == "pre":
                        in_pre = 1
                    elif tag == "ol":
                        first = _START.search(attributes)
                        numbers.append(int(first[1]) - 1 if first else 0)
                    elif tag == "ul":
                        numbers.append(None)
                    elif tag == "li":
                        last = numbers[-1] if numbers else None
                        own = _START.search(attributes) if last is not None else None
                        item = 0 if last is None else int(own[1]) if own else last + 1
                        if last is not None:
                            numbers[-1] = item
        if text and (pieces or in_pre or not text.isspace()):
            pieces.append(text)
            if in_link:
                link_chars += len(text) if len(text) < 3 else len("".join(text.split()))
    if pieces:
        _add(page, pieces, node, link_chars, links, item, in_pre)
    ends[0] = len(texts)
    page.words.extend(map(words_of, tags, named))
    return page


def _add(page: Blocks, pieces: list[str], node: int, link_chars: int, links: int, item: int | None, in_pre: int) -> bool:
    """Add the blocks of a run of text, if any: one, or one for each paragraph that two line breaks set apart."""
    text = "".join(pieces)
    if "&" in text:
        text = text.replace("&#13;", "\n").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    if _SEAM in text:
        text = _APART.sub(" ", _WIDE.sub("", text)).replace(_SEAM, "")
    if in_pre:
        text = text.replace(BREAK, "\n").expandtabs(8).rstrip().strip("\n")
        numbers = page.tag[page.parent[node]] in ("td", "th") and _NUMBERS.fullmatch(text)
        paragraphs = [text] if text.strip() and not numbers else []
    elif BREAK not in text:
        text = " ".join(text.split())
        paragraphs = [text] if text else []
    else:
        lines = "\n".join([" ".join(line.split()) for line in text.split(BREAK)])
        paragraphs = [part for lines_ in re.split(r"\n\n+", lines.strip("\n")) if (part := lines_)]
    total = sum(map(len, paragraphs))
    for part in paragraphs:
        page.texts.append(part)
        page.node.append(node)
        page.link_chars.append(link_chars * len(part) // total)
        page.links.append(links if link_chars else 0)
        page.item.append(item)
        item = None
    return bool(paragraphs)
