"""Texts that a page drawn by script holds as data: in JSON-LD, in the state of its application, in `srcdoc`.

They are put at the end of the tree as elements of their own, `json-ld` and `page-state`, which say in `itemprop` what the
text is called there: so the main-text model judges them as it judges what is shown.
"""

import json
from collections import deque
from collections.abc import Iterator, Sequence
from html import escape, unescape
from re import compile as pattern
from typing import Any

from lxml.etree import ParserError
from lxml.html import HtmlElement, fragments_fromstring

_TEXTS = ("articleBody", "text", "description", "reviewBody")     # of JSON-LD
_LONG = 60              # characters of one of them that are looked for in the page
_MOST_NODES = 200
_SHOWS = 400            # characters: a page that shows so many is not drawn by script
_STATE_BYTES, _STATE_VALUES, _STATE_TEXTS, _STATE_TAGS = 4 << 20, 50_000, 400, 20_000
_MARKUP = pattern(r"<[^<>]*+>")
_TAG = pattern(r"</?(?:p|div|ul|ol|li|h[1-6]|br|pre|blockquote|table|a|b|strong|em)\b")
_NAME = pattern(r"[A-Za-z]\w*")
_UNSEEN = "script", "style", "noscript", "template", "svg", "select", "textarea"


def add_embedded(tree: HtmlElement, json_ld: Sequence[dict[str, Any]]) -> None:
    """Put into the tree the long texts of its data that it does not show.

    Those of its JSON-LD; of a page that shows next to nothing, those of its state and of its inner documents too.
    """
    body = tree.find("body")
    if body is None:
        return
    texts = [(name, text, _kinds(data)) for data in json_ld[:_MOST_NODES] for name in _TEXTS
             if isinstance(text := data.get(name), str) and len(text) >= _LONG]
    few = _shows_little(body)
    if not texts and not few:
        return
    pieces = [f'<page-state itemprop="{name}">{text}</page-state>' for name, text in _state(tree)] if few else []
    if texts:
        shown = _squeezed("".join(body.itertext()) + "".join(_MARKUP.sub("", piece) for piece in pieces))
        starts = set()
        for name, text, kinds in texts:
            if "<" in text or "&" in text:
                text = unescape(_MARKUP.sub(" ", unescape(text)))
            start = _squeezed(text)[:_LONG]
            if start in shown or start in starts:
                continue
            starts.add(start)
            lines = "".join(f"<p>{escape(line)}</p>" for line in text.split("\n") if line.strip())
            pieces.append(f'<json-ld itemprop="{name}" class="{escape(" ".join(kinds))}">{lines}</json-ld>')
    for piece in pieces:
        try:
            body.extend([one for one in fragments_fromstring(piece) if isinstance(one, HtmlElement)])
        except (ParserError, ValueError):
            continue


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _kinds(data: dict[str, Any]) -> list[str]:
    kinds = data.get("@type")
    return [f"ld-{kind.lower()}" for kind in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(kind, str)][:4]


def _shows_little(body: HtmlElement) -> bool:
    """Whether the elements of a page show less than some lines; texts in links are menus' and do not count."""
    seen = 0
    for element in body.iter():
        if element.tag not in _UNSEEN and element.tag != "a" and element.text:
            seen += len(element.text.strip())
        if element.tail:
            seen += len(element.tail.strip())
        if seen >= _SHOWS:
            return False
    return True


def _state(tree: HtmlElement) -> Iterator[tuple[str, str]]:
    """The long texts of a page's state, as HTML, in the order they are stored, each with its name there."""
    for frame in tree.iter("iframe"):
        if len(inner := frame.get("srcdoc") or "") >= _LONG and inner.count("<") <= _STATE_TAGS:
            yield "srcdoc", inner
    stored = [element.get("data-preloaded") or element.get("data-page") or "" for element in tree.iter("div")]
    stored += [script.text or "" for script in tree.iter("script")
               if "json" in (script.get("type") or "") and "ld+json" not in (script.get("type") or "")]
    seen: set[str] = set()
    tags = 0
    for source in stored:
        if not 2 < len(source) <= _STATE_BYTES:
            continue
        for name, text in _strings(source):
            tags += text.count("<")
            if len(seen) == _STATE_TEXTS or tags > _STATE_TAGS:
                return
            if text not in seen:
                seen.add(text)
                yield name, text if _TAG.search(text) else "".join(f"<p>{escape(line)}</p>" for line in text.split("\n"))


def _strings(source: str) -> Iterator[tuple[str, str]]:
    """The strings of a JSON text that read as prose or as its markup; JSON inside a string is read as well."""
    waiting: deque[tuple[str, Any]] = deque([("", source)])
    for _ in range(_STATE_VALUES):
        if not waiting:
            return
        name, value = waiting.popleft()
        if isinstance(value, dict):
            waiting.extendleft((key, value[key]) for key in reversed(value))
        elif isinstance(value, list):
            waiting.extendleft((name, one) for one in reversed(value))
        elif isinstance(value, str) and value[:1] in ("{", "["):
            try:
                waiting.appendleft((name, json.loads(value, strict=False)))
            except (ValueError, RecursionError):
                continue
        elif isinstance(value, str) and _prose(value) and _NAME.fullmatch(name):
            yield name, value


def _prose(text: str) -> bool:
    """Whether a string is a sentence or markup around one, and no address, script, style or list of classes."""
    if _TAG.match(text.lstrip()[:8]):
        return len(text) > 20
    if len(text) < _LONG or text.count(" ") < 8:
        return False
    letters = sum(map(str.isalpha, text[:200]))
    return letters > 0.7 * min(len(text), 200) and not any(mark in text[:200] for mark in ("{", "=>", "://", "function"))
