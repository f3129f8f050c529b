"""Formulas of a page as text: TeX where the page has it, else its MathML written in a line; powers with a `^`.

`10<sup>23</sup>` is not 1023: it is written 10^23, and H<sub>2</sub>O stays H2O. Of a formula that a page holds twice, drawn
and as MathML or TeX, one is left.
"""

import re

from lxml.etree import XPath, _Element
from lxml.html import HtmlElement

_POWER = re.compile(r"[-+\u2212\u2013]?[0-9]{1,5}|[-+\u2212\u2013]?[a-zA-Z]|[*\u2032+\u2212]")
_BASE = re.compile(r"[\w)\]}\u2032]\Z")
_DISPLAY = re.compile(r"\A\{\\(?:display|text)style\s*(.*)\}\Z", re.S)
_DRAWN = XPath("//*[contains(concat(' ', @class, ' '), ' katex-html ') or starts-with(@class, 'MathJax_') or @class = 'MathJax'"
               " or self::mjx-math]")
_IMAGES = XPath("//img[@alt and (@class = 'tex' or @class = 'latex' or contains(@class, 'mwe-math-fallback'))]")
_MOST = 10_000          # characters of a formula
_SIDES = {"msup": "^", "msub": "_", "mover": "^", "munder": "_"}
_UNSEEN = frozenset({"annotation", "annotation-xml", "mphantom", "none", "mprescripts"})


def write_formulas(tree: HtmlElement) -> None:
    """Put text in the place of each formula."""
    formulas = False
    for element in list(tree.iter("math", "sup", "script")):
        if element.tag == "sup":
            _raise(element)
        elif element.tag == "math":
            formulas = True
            _replace(element, _of_math(element))
        elif (element.get("type") or "").startswith("math/tex"):
            formulas = True
            _replace(element, _tex(element.text or "", "mode=display" in element.get("type", "")))
    if formulas:
        for element in _DRAWN(tree):
            _replace(element, "")
    for image in _IMAGES(tree):
        before = image.getprevious()
        if before is None or "$" not in before.text_content():      # else its MathML has been written
            _replace(image, _tex(image.get("alt", ""), False))


def _replace(element: _Element, text: str) -> None:
    element.clear(keep_tail=True)
    element.tag, element.text = "span", text


def _raise(element: _Element) -> None:
    """A power gets its `^`; the mark of a note, which is a link, and the end of an ordinal stay as they are."""
    text = "".join(element.itertext()).strip()
    if not _POWER.fullmatch(text) or element.find(".//a") is not None:
        return
    previous, parent = element.getprevious(), element.getparent()
    before = parent.text if previous is None and parent is not None else ""
    if previous is not None:
        before = previous.tail or previous.text_content()[-1:]
    if before and _BASE.search(before):
        _replace(element, f"^{text}")


def _of_math(element: _Element) -> str:
    for annotation in element.iter("annotation"):
        if "tex" in (annotation.get("encoding") or "").lower() and (annotation.text or "").strip():
            return _tex(annotation.text or "", element.get("display") == "block")
    return " ".join(_line(element).split())


def _tex(text: str, display: bool) -> str:
    text = " ".join(text[:_MOST].split())
    while whole := _DISPLAY.match(text):
        text = whole[1].strip()
    return f"$${text}$$" if display else f"${text}$" if text else ""


def _line(element: _Element) -> str:
    """MathML in one line, as a calculator would take it."""
    if element.tag in _UNSEEN:
        return ""
    parts = [_line(child) for child in element if isinstance(child.tag, str)]
    if element.tag in _SIDES and len(parts) == 2:
        return f"{parts[0]}{_SIDES[element.tag]}{_grouped(parts[1])}"
    if element.tag in ("msubsup", "munderover") and len(parts) == 3:
        return f"{parts[0]}_{_grouped(parts[1])}^{_grouped(parts[2])}"
    if element.tag == "mfrac" and len(parts) == 2:
        return f"{_grouped(parts[0])}/{_grouped(parts[1])}"
    if element.tag == "msqrt":
        return f"\u221a{_grouped(''.join(parts))}"
    if element.tag == "mroot" and len(parts) == 2:
        return f"{_grouped(parts[0])}^(1/{parts[1]})"
    if element.tag == "mtable":
        return f"[{'; '.join(parts)}]"
    if element.tag == "mtr":
        return ", ".join(parts)
    text = "".join((element.text or "").split()) if element.tag != "mtext" else element.text or ""
    if element.tag == "mo" and text in ("=", "<", ">", "\u2264", "\u2265", "\u2260", "\u2248", "\u2192"):
        return f" {text} "
    return text + "".join(parts)


def _grouped(text: str) -> str:
    text = text.strip()
    return text if len(text) < 2 or text.isalnum() else f"({text})"
