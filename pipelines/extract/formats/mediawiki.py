"""MediaWiki dumps: the articles of a wiki, streamed from its XML; redirects and pages that are no articles are rejected rows.

The markup of an article is read by the process that reads pages.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from lxml import etree

from textmill.pipelines.extract.files.archive import Ends
from textmill.pipelines.extract.files.raw_file import Range
from textmill.pipelines.extract.formats.format import Format, whole
from textmill.pipelines.extract.formats.rows import Given
from textmill.pipelines.extract.rows import Rejected
from textmill.pipelines.extract.settings import ExtractSettings

_ARTICLES = "0"         # the namespace of a wiki's articles
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_STEP = 1 << 16


def read(file: Any, part: Range, settings: ExtractSettings, ends: list[Ends]) -> Iterator[Given | Rejected]:
    """The newest revision of each article; the offset of a page is its number in the file."""
    file.seek(0)
    parser = etree.XMLPullParser(events=("start", "end"), resolve_entities=False, load_dtd=False, no_network=True,
                                 huge_tree=False, remove_comments=True, remove_pis=True)
    number, base, language = 0, "", None
    try:
        for event, element in _events(parser, file):
            name = etree.QName(element).localname
            if event == "start":
                language = element.get(_XML_LANG) if name == "mediawiki" else language
            elif name == "base":
                base = (element.text or "").rpartition("/")[0]
            elif name == "revision":
                _forget_older(element)
            elif name == "page":
                yield _page(element, part.path, number, base, language, settings)
                number += 1
                _forget(element)
    except etree.XMLSyntaxError as error:
        detail = f"XML: {error.msg}; what follows page {number:,} cannot be read"
        yield Rejected(part.path, number, "damaged", detail=detail[:300])


def _events(parser: Any, file: Any) -> Iterator[tuple[str, Any]]:
    while chunk := file.read(_STEP):
        parser.feed(chunk)
        yield from parser.read_events()
    parser.close()
    yield from parser.read_events()


def _page(page: Any, path: str, number: int, base: str, language: str | None, settings: ExtractSettings) -> Given | Rejected:
    title, namespace = _text(page, "title"), _text(page, "ns") or _ARTICLES
    revision = page.find("{*}revision")
    url = f"{base}/{quote(title.replace(' ', '_'), safe='/:@!$*(),;~')}" if base and title else None
    if namespace != _ARTICLES:
        return Rejected(path, number, "namespace", url=url, value=namespace, bound=_ARTICLES, detail="not an article")
    if page.find("{*}redirect") is not None:
        return Rejected(path, number, "redirect", url=url, detail="a redirect to another article")
    text = "" if revision is None else _text(revision, "text")
    if len(text) > settings.max_page_bytes:
        return Rejected(path, number, "too_large", url=url, value=str(len(text)), bound=str(settings.max_page_bytes))
    columns = {"id": _text(page, "id"), "url": url, "title": title, "language": language,
               "date": "" if revision is None else _text(revision, "timestamp"), "wikitext": text}
    return Given(number, None, None, text, {name: value for name, value in columns.items() if value}, (("wikitext", ""),),
                 kind="wikitext")


def _text(element: Any, name: str) -> str:
    found = element.find(f"{{*}}{name}")
    return "" if found is None else found.text or ""


def _forget_older(revision: Any) -> None:
    """A page with its history has many revisions, of which the last counts."""
    for older in list(revision.itersiblings("{*}revision", preceding=True)):
        older.getparent().remove(older)


def _forget(page: Any) -> None:
    """Free a page, and what stands before it."""
    page.clear()
    while (before := page.getprevious()) is not None:
        before.getparent().remove(before)


MEDIAWIKI = Format("mediawiki", re.compile(r"-pages-(articles|meta)[^/]*\.xml(-p\d+p\d+)?$", re.I),
                   re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}\?>\s*)?<mediawiki\b"), whole, read)
