"""MediaWiki dumps: which pages are articles, and which words of an article are its text."""

import bz2
import tracemalloc

import pytest

from tests.extract.test_tables import said
from textmill.pipelines.extract.document_formats.document import read_document
from textmill.pipelines.extract.files.raw_file import Range, RawFile
from textmill.pipelines.extract.formats.mediawiki import MEDIAWIKI
from textmill.pipelines.extract.outcome import extract_split
from textmill.pipelines.extract.pages.reader import Reader
from textmill.pipelines.extract.rows import batches
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.splits import plan_splits

LIMITS = ExtractSettings()
ARTICLE = """{{Infobox mill|name=Mill|{{nested|x}}}}[[File:mill.jpg|thumb|A [[mill]].]]
'''The mill''' ({{IPA|en}}; {{lang|fr|moulin}}) is a [[water wheel|wheel]] by the [[river]].<ref name="a">A book.</ref>
It is ''old''&nbsp;and [https://a.example/ well known].<!-- no --><ref name="b" />

== History ==
{| class="wikitable"
! Year
|-
| 1801
|}
Built in 1801:
* first the [[wheel]]s
** then a roof
# and a door

== References ==
{{reflist}}
[[Category:Mills]] [[de:Mühle]]
"""
TEXT = """The mill (moulin) is a wheel by the river.
It is old\xa0and well known.

History

Built in 1801:
- first the wheels
- then a roof
- and a door"""


UNUSUAL = """It is {{convert|5|km|mi}} or {{cvt|3|to|4|mi|km}} {{ndash}} {{formatnum:12345}} steps. __NOTOC__
[[:Category:Mills|Mills]] [[Thể loại:Cối xay]] [[Plik:a.jpg|thumb|A mill]]
== Empty ==
<gallery>
File:A.jpg|A
</gallery>
=== Empty too ===
== Code ==
=== Python ===
<syntaxhighlight lang="python">
def mill():
    return 1
</syntaxhighlight>
{{Quote|text=Grind it.|author=A}}"""


def test_headings_without_text_go_and_code_keeps_its_indents():
    answer = read_document("wikitext", UNUSUAL.encode(), "", LIMITS)
    assert answer[1].text == ("It is 5 km or 3 to 4 mi – 12345 steps.\nMills\n\nCode\n\nPython\n\ndef mill():\n    return 1\n\nGrind it.")


def page(title: str, text: str, number: int, ns: int = 0, more: str = "") -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return (f"<page><title>{title}</title><ns>{ns}</ns><id>{number}</id>{more}<revision><id>1</id><timestamp>2019-01-01T00:00:00Z</timestamp>"
            f"<text>older</text></revision><revision><id>2</id><timestamp>2020-02-03T04:05:06Z</timestamp><text xml:space='preserve'>{escaped}</text>"
            "</revision></page>")


def dump(*pages: str) -> bytes:
    head = ('<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" xml:lang="en"><siteinfo><sitename>Wiki</sitename>'
            "<base>https://en.wiki.example/wiki/Main_Page</base></siteinfo>")
    return (head + "".join(pages) + "</mediawiki>").encode()


PAGES = (page("The mill & its wheel".replace("&", "&amp;"), ARTICLE, 7), page("Mills", "#REDIRECT [[Mill]]", 8, 0, '<redirect title="Mill"/>'),
         page("Talk:Mill", "Words.", 9, 1))


def extracted(name: str, data: bytes) -> list[dict]:
    import io
    splits = plan_splits([RawFile(f"wiki/{name}", len(data), "")], lambda _: io.BytesIO(data), LIMITS)
    with Reader(LIMITS, 30, 1024) as reader:
        rows = [row for split in splits for row in extract_split(split, lambda _: io.BytesIO(data), LIMITS, reader)]
    return [row for batch in batches(rows) for row in batch.to_pylist()]


@pytest.mark.parametrize("name", ["enwiki-1-pages-articles.xml", "any.xml", "enwiki-1-pages-articles.xml.bz2"])
def test_articles_are_documents_and_other_pages_are_counted(name):
    data = dump(*PAGES)
    rows = extracted(name, bz2.compress(data) if name.endswith("bz2") else data)
    assert said(rows, "what", "offset", "url") == [
        (TEXT, 0, "https://en.wiki.example/wiki/The_mill_%26_its_wheel"), ("redirect", 1, "https://en.wiki.example/wiki/Mills"),
        ("namespace", 2, "https://en.wiki.example/wiki/Talk:Mill")]
    (article, *_) = rows
    assert [article[name] for name in ("title", "record_id", "date", "declared_language", "extra")] == [
        "The mill & its wheel", "7", "2020-02-03T04:05:06Z", "en", '{"kind":"wiki"}']


def test_a_dump_that_breaks_off_gives_its_articles():
    rows = extracted("a.xml", dump(*PAGES)[:-len("</mediawiki>") - 60])
    assert [row.get("rule") for row in rows] == [None, "redirect", "damaged"]


def test_a_long_history_is_forgotten_as_it_goes():
    """Memory is that of a page: the pages before it, and the revisions before the last, are let go."""
    revision = "<revision><text>" + "older words " * 1000 + "</text></revision>"
    many = page("Mill", ARTICLE, 1).replace("<revision>", revision * 200 + "<revision>", 1)

    class Pages:
        def __init__(self, pages: int):
            head, _, tail = dump("\0").partition(b"\0")
            self.chunks = iter([head, *[many.encode()] * pages, tail])

        def seek(self, _: int) -> None: ...

        def read(self, _: int) -> bytes:
            return next(self.chunks, b"")

    tracemalloc.start()
    assert sum(1 for _ in MEDIAWIKI.read(Pages(30), Range("a/b.xml", "", 0, 1), LIMITS, [])) == 30
    assert tracemalloc.get_traced_memory()[1] < 30 << 20
    tracemalloc.stop()


def test_markup_that_is_hostile_ends():
    for text in ("{{" * 5000, "[[" * 5000 + "]]" * 5000, "{|" * 2000, "<ref>" * 3000, "''" * 20_000, "=" * 50_000, "&" * 50_000):
        read_document("wikitext", text.encode(), "", LIMITS)
