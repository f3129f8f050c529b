"""What extract parses beside web archives and pages: tables, archives, dumps of wikis, documents."""

import bz2
import io
import json
import lzma
from collections.abc import Callable
from functools import cache

import pyarrow as pa

from tests.extract import pdf_gold
from tests.extract.test_documents import DOCX, NOTES, ODT, epub, package
from tests.extract.test_mediawiki import ARTICLE, PAGES, dump
from tests.extract.test_wrapped import MEMBERS, tarred, zipped
from tests.fuzz.extract import JSON, LIMITS, file, lines
from tests.fuzz.target import Target
from textmill.pipelines.extract.pages.job import StoredFile
from textmill.pipelines.extract.pages.read_page import read_page
from textmill.pipelines.extract.pages.reader_process import read_html

CSV = b'id,text,url\n1,"Words, of a quay","https://a.example/1"\n2,"More ""words""\nof it",\n3,plain,x\n'
QUOTES = (b'"', b'""', b'",', b',"', b"\r\n", b"\r", b"\0", b"\t", b";", b"|", b"\xff\xfe", b"\xef\xbb\xbf", b"text", b"messages")
XML = (b"<", b"</", b"/>", b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&a;", b"<![CDATA[", b"]]>", b"<!--", b"<page>", b"</page>", b"<revision>", b"<ns>1</ns>")
WIKI = (b"{{", b"}}", b"[[", b"]]", b"{|", b"|}", b"|-", b"<ref>", b"</ref>", b"<nowiki>", b"'''", b"==", b"\n*", b"\n#", b"&nbsp;", b"{{{", b"[http://", b"|")
PDF = (b"obj", b"endobj", b"stream\n", b"endstream", b"<<", b">>", b"/Type /Page", b"/Kids [", b"/Length 99999999", b"xref", b"trailer", b"BT", b"ET", b" Tj",
       b"/Filter /FlateDecode", b"%%EOF", b" 0 R")


@cache
def arrows() -> list[bytes]:
    table = pa.table({"text": ["Words of a quay.", "More.", None], "n": [1, 2, 3], "tags": [["a"], [], None], "view": pa.array(["x", None, "y"], pa.string_view()),
                      "kind": pa.array(["a", "b", "a"]).dictionary_encode()})
    found = []
    for make in (pa.ipc.new_file, pa.ipc.new_stream):
        out = io.BytesIO()
        with make(out, table.schema) as to:
            to.write_table(table, max_chunksize=2)
        found.append(out.getvalue())
    return found


def document(kind: str, ending: str = "") -> Callable[[bytes], object]:
    """A document's reader, as it runs in the process that reads pages."""
    return lambda data: read_html(StoredFile(data, kind, ending or kind), LIMITS, read_page)


def rows_of_json() -> list[bytes]:
    rows = [json.loads(line) for line in lines()[0].splitlines()]
    return [json.dumps(rows).encode(), json.dumps(rows, indent=1).encode(), json.dumps(rows[0], indent=2).encode()]


NOTEBOOK = json.dumps({"cells": [{"cell_type": "markdown", "source": ["# Quay"]}, {"cell_type": "code", "source": "x = 1", "outputs": []}], "metadata": {}}).encode()
TARGETS = {
    "csv": Target(lambda: [CSV, CSV.replace(b",", b";"), CSV.decode().encode("utf-16")], file("f.csv"), words=QUOTES),
    "tsv": Target(lambda: [CSV.replace(b",", b"\t")], file("f.tsv"), words=QUOTES),
    "json": Target(rows_of_json, file("f.json"), words=(*JSON, b"[", b"]", b"{", b"}", b",")),
    "arrow": Target(arrows, file("f.arrow"), words=(b"ARROW1", b"\xff\xff\xff\xff", b"\x10\0\0\0")),
    "zip": Target(lambda: [zipped(MEMBERS)], file("f.zip"), words=(b"PK\3\4", b"PK\1\2", b"PK\5\6", b"../", b"\0")),
    "tar": Target(lambda: [tarred(MEMBERS, "w", ("link",))], file("f.tar"), words=(b"ustar", b"../", b"\0" * 512, b"path=", b"77777777777")),
    "tar.bz2": Target(lambda: [tarred(MEMBERS, "w")], file("f.tar.bz2"), words=(b"ustar",), wrap=lambda data: bz2.compress(data, 1)),
    "csv.xz": Target(lambda: [CSV], file("f.csv.xz"), words=QUOTES, wrap=lzma.compress),
    "mediawiki": Target(lambda: [dump(*PAGES)], file("f.xml"), words=XML),
    "wikitext": Target(lambda: [ARTICLE.encode()], document("wikitext"), words=WIKI, seconds=10),
    "pdf": Target(lambda: [pdf_gold.letter().pdf, pdf_gold.newsletter().pdf], document("pdf"), words=PDF, seconds=10),
    "epub": Target(lambda: [epub()], document("epub"), words=(b"PK\3\4", b"PK\1\2")),
    "docx": Target(lambda: [package({"word/document.xml": DOCX, "word/footnotes.xml": NOTES})], document("docx"), words=(b"PK\3\4", b"PK\1\2")),
    "odt": Target(lambda: [package({"content.xml": ODT})], document("odt"), words=(b"PK\3\4", b"PK\1\2")),
    "markdown": Target(lambda: [b"---\ntitle: Quay\ntags: [a]\n---\n# One\n\nWords.\n", b"+++\na = 1\n+++\nWords.\n"], document("markdown"),
                       words=(b"---\n", b"&a ", b"*a", b"!!python/object:x", b": ", b"- ", b"+++\n")),
    "rst": Target(lambda: [b":date: 2020-01-02\n\n====\nQuay\n====\n\nWords.\n"], document("rst"), words=(b"====\n", b":x: ", b"\n\n")),
    "notebook": Target(lambda: [NOTEBOOK], document("notebook"), words=JSON),
    "code": Target(lambda: [b"def quay():\n\treturn 7\n"], document("code", "py"), words=(b"\0", b"\xff\xfe")),
}
