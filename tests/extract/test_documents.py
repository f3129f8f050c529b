"""Documents of other formats than HTML: what is their text, and which of them have none that can be read."""

import io
import json
import zipfile
from collections import Counter
from functools import cache

import pytest

from tests.extract import pdf_gold
from textmill.pipelines.extract.document_formats.document import read_document
from textmill.pipelines.extract.document_formats.pdf_layout import glued
from textmill.pipelines.extract.pages.charset import Decoded
from textmill.pipelines.extract.pages.job import StoredFile
from textmill.pipelines.extract.pages.page import Page
from textmill.pipelines.extract.pages.reader import Reader
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

LIMITS = ExtractSettings()


def page_of(kind: str, body: bytes, ending: str = "") -> Page:
    answer = read_document(kind, body, ending, LIMITS)
    assert not isinstance(answer, Refusal), answer
    return answer[1]


def refusal_of(kind: str, body: bytes, limits: ExtractSettings = LIMITS) -> tuple[str, str | None]:
    answer = read_document(kind, body, "", limits)
    assert isinstance(answer, Refusal), answer
    return answer.rule, answer.detail


gold = cache(lambda name: pdf_gold.DOCUMENTS[name]())


@pytest.mark.parametrize("name", pdf_gold.DOCUMENTS)
def test_the_text_of_a_pdf_is_what_was_set(name):
    """Columns in reading order, hyphens joined, heads and page numbers out, notes after their paragraph, rows as rows."""
    assert page_of("pdf", gold(name).pdf).text == gold(name).text


@pytest.mark.parametrize("seed", [0, 1, 4, 5, 7, 8, 9, 10, 12, 13, 16, 18])
def test_the_text_of_pdfs_of_drawn_settings(seed):
    """One to three columns, even or ragged, drawn by row or by column, with heads that alternate, lists and tables."""
    drawn = pdf_gold.drawn(seed)
    assert page_of("pdf", drawn.pdf).text == drawn.text


def test_a_pdf_says_what_it_is():
    page = page_of("pdf", gold("book").pdf)
    assert (page.title, page.columns) == ("The Mill by the River", {"kind": "pdf", "pages": 5})


def test_pdfs_that_have_no_text_to_read():
    assert refusal_of("pdf", pdf_gold.scan()) == ("no_text_layer", "letters on 1 page: a scan, whose letters have to be recognised first")
    assert refusal_of("pdf", pdf_gold.locked()) == ("encrypted", "it needs a password")
    assert refusal_of("pdf", b"%PDF-1.7\nnothing")[0] == "damaged"
    assert refusal_of("pdf", gold("letter").pdf[:500])[0] == "damaged"


def test_words_that_stand_otherwise_than_the_page_are_left_out_and_counted():
    pdf = pdf_gold.new()
    pdf.add_page()
    pdf.set_font("Times", size=11)
    for number in range(8):
        pdf.text(90, 100 + 15 * number, f"Line {number} of a page about the mill.")
    with pdf.rotation(90, 40, 500):
        pdf.text(40, 500, "arXiv:1801.00001")
    page = page_of("pdf", bytes(pdf.output()))
    assert page.text.startswith("Line 0 of a page") and "arXiv" not in page.text and page.columns["turned_words"] == 1
    turned = pdf_gold.new()
    turned.add_page()
    turned.set_font("Times", size=11)
    with turned.rotation(90, 300, 400):
        for number in range(8):
            turned.text(100, 300 + 15 * number, f"Line {number} of a turned page about the mill.")
    assert page_of("pdf", bytes(turned.output())).text == " ".join(f"Line {number} of a turned page about the mill." for number in range(8))


def test_a_hyphen_stays_where_the_document_has_it_elsewhere():
    words = {"well-known": 1, "measurement": 2}
    assert glued("a well-", "known mill", Counter(words)) == "a well-known mill"
    assert glued("a measure-", "ment of", Counter(words)) == "a measurement of"
    assert glued("the Anglo-", "Saxon mill", Counter()) == "the Anglo-Saxon mill"
    assert glued("from 1801 -", "and on", Counter()) == "from 1801 - and on"


def package(members: dict[str, str], first: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        if first:
            archive.writestr(zipfile.ZipInfo("mimetype"), first)
        for name, text in members.items():
            archive.writestr(name, text)
    return out.getvalue()


CONTAINER = '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
OPF = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>The Mill</dc:title>
<dc:language>en-GB</dc:language><dc:creator>A. Miller</dc:creator><dc:date>2019-05-04</dc:date></metadata>
<manifest><item id="two" href="two%20b.xhtml"/><item id="one" href="one.xhtml"/><item id="css" href="s.css"/></manifest>
<spine><itemref idref="one"/><itemref idref="two"/></spine></package>"""
CHAPTERS = {"OEBPS/one.xhtml": "<html><head><title>x</title><style>p{}</style></head><body><h1>One</h1><p>The <i>miller</i>\n weighs.</p>"
                               "<pre>a  b\n c</pre></body></html>",
            "OEBPS/two b.xhtml": "<html><body><p>Rye<br/>and wheat &amp; oats.</p><ul><li>sacks</li><li>carts</li></ul></body></html>"}


def epub(**more: str) -> bytes:
    return package({"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": OPF, **CHAPTERS, **more}, "application/epub+zip")


def test_the_chapters_of_a_book_in_the_order_of_its_spine():
    page = page_of("epub", epub())
    assert page.text == "One\n\nThe miller weighs.\n\na  b\n c\n\nRye\n\nand wheat & oats.\n\nsacks\n\ncarts"
    assert (page.title, page.declared_language, page.dates) == ("The Mill", "en-gb", ("2019-05-04",))
    assert page.columns == {"kind": "epub", "author": "A. Miller", "chapters": 2}


MARKED = """<html xmlns:epub="http://www.idpf.org/2007/ops"><body><h1>Two</h1><ul><li>1. <a href="one.xhtml">The first chapter</a></li>
<li>2. <a href="two.xhtml#a">The second</a></li><li>3. <a href="two.xhtml#b">The third</a></li></ul>
<p>Rye<sup><a epub:type="noteref" href="#n">1</a></sup> and <ruby>漢<rt>かん</rt></ruby>.</p><span epub:type="pagebreak" title="7">7</span>
<table><tr><th>Year</th><th><p>Sacks</p> <p>a day</p></th></tr>
<tr><td>1801</td><td>120</td></tr></table><table><tr><td><p>One cell</p><p>lays out.</p></td></tr></table><aside>A note.</aside></body></html>"""


def test_marks_of_notes_and_lists_of_contents_are_no_text_of_a_book():
    navigation = OPF.replace("<manifest>", '<manifest><item id="nav" href="nav.xhtml" properties="nav"/>').replace('<spine>', '<spine><itemref idref="nav"/>')
    book = epub(**{"OEBPS/book.opf": navigation, "OEBPS/nav.xhtml": "<html><body>Contents of it</body></html>", "OEBPS/two b.xhtml": MARKED})
    assert page_of("epub", book).text == ("One\n\nThe miller weighs.\n\na  b\n c\n\nTwo\n\nRye and 漢.\n\nYear\tSacks a day\n1801\t120"
                                          "\n\nOne cell\n\nlays out.\n\nA note.")


def test_a_book_under_drm_is_named():
    locked = '<encryption><x:EncryptedData xmlns:x="u"><x:CipherReference URI="OEBPS/one.xhtml"/></x:EncryptedData></encryption>'
    assert refusal_of("epub", epub(**{"META-INF/encryption.xml": locked})) == ("encrypted", "the chapters are under DRM")


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
DOCX = f"""<w:document {W}><w:body><w:p><w:r><w:t>The </w:t></w:r><w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:ins><w:r><w:t>new</w:t></w:r></w:ins>
<w:r><w:t xml:space="preserve"> mill</w:t><w:tab/><w:t>1801</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>Rye</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>80</w:t></w:r></w:p></w:tc></w:tr>
<w:tr><w:tc><w:p><w:r><w:t>Wheat</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>120</w:t></w:r></w:p></w:tc></w:tr></w:tbl><w:p><w:r><w:t>After.</w:t></w:r></w:p></w:body></w:document>"""
NOTES = f'<w:footnotes {W}><w:footnote w:type="separator"><w:p/></w:footnote><w:footnote w:id="2"><w:p><w:r><w:t>A note.</w:t></w:r></w:p></w:footnote></w:footnotes>'


def test_a_word_document_with_its_revisions_accepted():
    page = page_of("docx", package({"word/document.xml": DOCX, "word/footnotes.xml": NOTES, "word/header1.xml": "<w:hdr/>"}))
    assert page.text == "The new mill\t1801\n\nRye\t80\nWheat\t120\n\nAfter.\n\nA note."
    assert refusal_of("docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")[0] == "encrypted"
    assert refusal_of("docx", package({"a.txt": "x"}))[0] == "damaged" and refusal_of("docx", b"PK\3\4")[0] == "damaged"


def test_contents_ruby_and_hidden_words_of_a_word_document_are_left_out():
    styles = f'<w:styles {W}><w:style w:styleId="Verzeichnis1"><w:name w:val="toc 1"/></w:style><w:style w:styleId="T"><w:name w:val="Title"/></w:style></w:styles>'
    paragraphs = ('<w:p><w:pPr><w:pStyle w:val="Verzeichnis1"/></w:pPr><w:r><w:t>Mills 7</w:t></w:r></w:p><w:p><w:pPr><w:pStyle w:val="T"/></w:pPr>'
                  '<w:r><w:t>The</w:t></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t> unseen</w:t></w:r><w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t> mill</w:t></w:r>'
                  '<w:r><w:ruby><w:rt><w:r><w:t>かん</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>漢</w:t></w:r></w:rubyBase></w:ruby></w:r></w:p>')
    document = f"<w:document {W}><w:body>{paragraphs}</w:body></w:document>"
    assert page_of("docx", package({"word/document.xml": document, "word/styles.xml": styles})).text == "The mill漢"


O = 'xmlns:office="urn:o" xmlns:text="urn:t" xmlns:table="urn:tb" xmlns:dc="http://purl.org/dc/elements/1.1/"'  # noqa: E741
ODT = f"""<office:document-content {O}><office:body><office:text><text:tracked-changes><text:p>gone</text:p></text:tracked-changes><text:h>One</text:h>
<text:p>The<text:s text:c="9999999"/>mill<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>A note.</text:p></text:note-body></text:note> stands.</text:p>
<table:table><table:table-row><table:table-cell><text:p>Rye</text:p></table:table-cell><table:table-cell><text:p>80</text:p></table:table-cell></table:table-row></table:table>
</office:text></office:body></office:document-content>"""


def test_an_open_document_with_its_notes_at_the_end():
    page = page_of("odt", package({"content.xml": ODT, "meta.xml": f"<office:meta {O}><dc:title>Mill</dc:title></office:meta>"}))
    assert (page.text, page.title) == ("One\n\nThe mill stands.\n\nRye\t80\n\nA note.", "Mill")
    assert refusal_of("odt", package({"META-INF/manifest.xml": "<m:encryption-data/>"}))[0] == "encrypted"


def test_a_table_within_a_table_comes_once_and_indexes_not():
    inner = "<table:table><table:table-row><table:table-cell><text:p>kg</text:p></table:table-cell></table:table-row></table:table>"
    odt = ODT.replace("<text:p>80</text:p>", f"<text:p>80</text:p>{inner}").replace(
        "</office:text>", "<text:alphabetical-index><text:p>rye 1</text:p></text:alphabetical-index>"
                          "<text:p><text:ruby><text:ruby-base>漢</text:ruby-base><text:ruby-text>かん</text:ruby-text></text:ruby></text:p></office:text>")
    assert page_of("odt", package({"content.xml": odt})).text == "One\n\nThe mill stands.\n\nRye\t80 kg\n\n漢\n\nA note."


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {after} "{f"&{name};" * 10}">' for name, after in zip("abcdefgh", "bcdefghi", strict=True)) + "]>"


@pytest.mark.parametrize(("kind", "body"), [
    ("docx", package({"word/document.xml": BOMB + f"<w:document {W}><w:body><w:p><w:r><w:t>&i;</w:t></w:r></w:p></w:body></w:document>"})),
    ("odt", package({"content.xml": BOMB + ODT.replace("stands", "&i;")}))])
def test_entities_stand_for_nothing(kind, body):
    answer = read_document(kind, body, "", LIMITS)
    assert isinstance(answer, Refusal) or len(answer[1].text) < 100


@pytest.mark.parametrize("kind", ["docx", "odt", "epub"])
def test_members_inflate_to_a_bound(kind):
    name = {"docx": "word/document.xml", "odt": "content.xml", "epub": "META-INF/container.xml"}[kind]
    assert refusal_of(kind, package({name: " " * 3_000_000}), ExtractSettings(max_record_bytes=1 << 20))[0] == "bomb"


def test_nested_beyond_what_python_walks():
    deep = package({"OEBPS/one.xhtml": "<div>" * 5000 + "deep" + "</div>" * 5000, "META-INF/container.xml": CONTAINER, "OEBPS/book.opf": OPF})
    answer = read_document("epub", deep, "", LIMITS)
    assert isinstance(answer, Refusal) or answer[1].text


def test_front_matter_goes_to_extra():
    page = page_of("markdown", b"---\ntitle: The Mill\ndate: 2020-01-02\ntags: [rye]\n---\n\n# One\n\nWords *here*.\n")
    assert (page.text, page.title, page.dates) == ("# One\n\nWords *here*.", "The Mill", ("2020-01-02",))
    assert page.columns == {"front_matter": {"title": "The Mill", "date": page.columns["front_matter"]["date"], "tags": ["rye"]}}
    assert page_of("markdown", b"+++\ntitle = 'T'\n+++\nWords.").title == "T"
    for kept in ("---\n\na line between rules\n\n---\nWords.", "---\na: &x [1]\nb: *x\n---\nWords.", "---\na: [\n---\nWords.", "---\nno end"):
        assert page_of("markdown", kept.encode()).text == kept
    assert page_of("markdown", "# Äpfel #\nWörter".encode("latin-1")).title == "Äpfel"


def test_restructured_text_code_and_notebooks():
    page = page_of("rst", b":date: 2021-03-04\n:lang: de\n\n========\nThe Mill\n========\n\nWords.\n")
    assert (page.text, page.title, page.declared_language, page.dates) == ("========\nThe Mill\n========\n\nWords.", "The Mill", "de", ("2021-03-04",))
    page = page_of("code", b"def mill():\n\treturn 1\n", "py")
    assert (page.text, page.columns) == ("def mill():\n\treturn 1", {"kind": "code", "language": "Python"})
    assert refusal_of("code", b"G@\0\0ts")[0] == "content_type"
    cells = [{"cell_type": "markdown", "source": ["# Mill\n", "Words."]}, {"cell_type": "code", "source": "print(1)", "outputs": [{"text": "1"}]},
             {"cell_type": "raw", "source": ""}]
    page = page_of("notebook", json.dumps({"cells": cells, "metadata": {"kernelspec": {"language": "python"}}, "nbformat": 4}).encode())
    assert page.text == "# Mill\nWords.\n\n```python\nprint(1)\n```" and page.columns == {"kind": "notebook", "language": "python"}
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["x = 1"]}]}], "nbformat": 3}
    assert page_of("notebook", json.dumps(old).encode()).text == "```\nx = 1\n```"
    assert refusal_of("notebook", b"[1]")[0] == "damaged" and refusal_of("notebook", b"{")[0] == "damaged"


def test_documents_are_read_in_the_process_for_pages():
    with Reader(LIMITS, 30, 1024) as reader:
        read, refused = reader.read([StoredFile(gold("letter").pdf, "pdf", "pdf"), StoredFile(pdf_gold.scan(), "pdf", "pdf")])
    assert read == (Decoded("", "utf-8", "given", 0), page_of("pdf", gold("letter").pdf)) and refused.rule == "no_text_layer"
