"""Addresses: hosts, registered domains, one spelling for a page, and lists of addresses that no page may come from."""

import gzip
import io
import json
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.command_line import SETTINGS, manifest, put_sample, run
from tests.extract.test_extract import PARAGRAPHS, html, ok, warc
from tests.pages import InProcess
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.named_files import ContentError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.extract.blocklists import BLOCKLISTS, Blocklist, blocked, open_blocklists, read_blocklist
from textmill.pipelines.extract.files.raw_file import RawFile
from textmill.pipelines.extract.outcome import extract_split
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.rows import Document
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.splits import plan_splits
from textmill.pipelines.web.address import canonical_url, domain, given_url, host


def listed(*lines: str, name: str = "list") -> Blocklist:
    return read_blocklist(name, io.BytesIO("\n".join(lines).encode()))


@pytest.mark.parametrize(("given", "expected"), [
    ("http://User@EXAMPLE.com:80/", "example.com"), ("http://例子.example/", "xn--fsqu00a.example"), ("no url", None), (None, None),
    ("http://BÜCHER.example。/", "xn--bcher-kva.example"), ("http://straße.example/", "xn--strae-oqa.example"),
    ("http://[2001:DB8::1]:8080/", "2001:db8::1"), ("http://[bad", None), ("http://./", None), (f"http://{64 * 'ü'}.example/", f"{64 * 'ü'}.example")])
def test_hosts_are_lower_case_and_ascii(given, expected):
    assert host(given) == expected


@pytest.mark.parametrize(("given", "expected"), [
    ("www.bbc.co.uk", "bbc.co.uk"), ("bbc.co.uk", "bbc.co.uk"), ("co.uk", None), ("a.b.ferry.example", "ferry.example"),
    ("writer.github.io", "writer.github.io"), ("github.io", None), ("shop.writer.blogspot.com", "writer.blogspot.com"),
    ("a.city.kawasaki.jp", "city.kawasaki.jp"), ("a.b.c.kawasaki.jp", "b.c.kawasaki.jp"),
    ("a.xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn"),
    ("192.0.2.1", None), ("2001:db8::1", None), ("localhost", None), ("a..example.com", None), ("", None), (None, None)])
def test_registered_domains(given, expected):
    assert domain(given) == expected


@pytest.mark.parametrize(("given", "expected"), [
    ("HTTP://WWW.Example.COM:80/a/../b?b=2&a=1&utm_source=x#top", "http://www.example.com/b?a=1&b=2"),
    ("https://example.com", "https://example.com/"), ("https://example.com:8443/", "https://example.com:8443/"),
    ("http://bücher.example/ü?q=ä b", "http://xn--bcher-kva.example/%C3%BC?q=%C3%A4+b"),
    ("http://a.example/%7euser/%e4%2f;jsessionid=1F", "http://a.example/~user/%E4%2F"), ("urn:x", "urn:x"), ("http://[bad", "http://[bad"),
    # Real ones: stories by number, sites made of script, an archive's address inside another.
    ("http://www.linuxjournal.com/article.php?sid=6475", "http://www.linuxjournal.com/article.php?sid=6475"),
    ("http://a.example/x?sid=9f86d081884c7d659a2f&p=1&PHPSESSID=1", "http://a.example/x?p=1"),
    ("https://groups.google.com/forum/#!forum/git-mentoring", "https://groups.google.com/forum/#!forum/git-mentoring"),
    ("https://stats.example/#/en", "https://stats.example/#/en"), ("https://stats.example/#en", "https://stats.example/"),
    ("https://web.archive.org/web/2014/http://blogpimp.de/", "https://web.archive.org/web/2014/http://blogpimp.de/")])
def test_canonical_url(given, expected):
    assert canonical_url(given) == expected
    assert canonical_url(expected) == expected


def test_given_urls_lose_what_is_not_theirs():
    assert [given_url(value) for value in (" <http://a.example/> ", "http://a.example/ ", "<>", None)] == [
        "http://a.example/", "http://a.example/", None, None]


@pytest.mark.parametrize(("line", "url", "entry"), [
    ("spam.example", "http://spam.example/x", "spam.example"),
    ("spam.example", "https://www.SPAM.example:8080/", "spam.example"),
    ("spam.example", "http://notspam.example/", None),
    ("www.spam.example", "http://spam.example/", None),
    ("*.spam.example", "http://spam.example/", "spam.example"),
    (".zip", "http://archive.zip/", "zip"),
    ("192.0.2.1", "http://192.0.2.1/", "192.0.2.1"),
    ("2.1.example # why", "http://192.0.2.1.example/", "2.1.example"),
    ("0.0.0.0 ads.example trackers.example # both", "http://a.trackers.example/", "trackers.example"),
    ("::1 localhost ads.example", "http://localhost/", None),
    ("||ads.example^", "http://eu.ads.example/", "ads.example"),
    ("Bücher.example", "http://xn--bcher-kva.example/", "xn--bcher-kva.example"),
    ("news.example/sport", "http://www.news.example/sport", "news.example/sport"),
    ("news.example/sport", "http://news.example/sport/1?x", "news.example/sport"),
    ("news.example/sport", "http://news.example/sport?x", "news.example/sport"),
    ("news.example/sport", "http://news.example/sports", None),
    ("news.example/sport", "http://news.example/Sport", None),
    ("news.example/sport/", "http://news.example/sport/1", "news.example/sport/"),
    ("news.example/spo*", "http://news.example/sports", "news.example/spo*"),
    ("news.example/*/print", "http://news.example/a/b/print?x", "news.example/*/print"),
    ("news.example/*/print", "http://news.example/a/printed", None),
    ("news.example/*/a*b", "http://news.example/x/a-a/b", "news.example/*/a*b"),
    ("news.example/?p=7", "http://news.example/?p=7&q", "news.example/?p=7"),
    ("news.example/?p=7", "http://news.example/?p=71", None),
    ("news.example/%7euser", "http://news.example/a/../~user/x", "news.example/~user"),
    ("news.example/ü", "http://news.example/%c3%bc", "news.example/%C3%BC"),
    ("news.example/", "http://news.example/x", "news.example")])
def test_an_entry_matches_what_it_names(line, url, entry):
    assert blocked(url, [listed(line)]) == (entry and Refusal("url_blocked", entry, "list"))


def test_the_first_list_that_holds_a_url_is_named():
    lists = [listed("a.example/x", name="one"), listed("b.a.example", "a.example", name="two")]
    assert blocked("http://c.b.a.example/", lists) == Refusal("url_blocked", "b.a.example", "two")
    assert blocked("http://b.a.example/x", lists) == Refusal("url_blocked", "a.example/x", "one")
    assert [blocked(url, lists) for url in ("urn:x", "http://[bad", "", None, "http://c.example/")] == [None] * 5
    assert blocked("http://a.example/", []) is None


def test_many_stars_do_not_stall():
    entry = listed("a.example/" + "*a" * 60 + "*b")
    assert blocked("http://a.example/" + "a" * 4000, [entry]) is None
    assert blocked("http://a.example/" + "a" * 4000 + "b", [entry]) is not None


@pytest.mark.parametrize("seed", range(3))
def test_a_large_list_finds_its_hosts_and_no_other(seed):
    rng = random.Random(seed)
    hosts = [f"{rng.randbytes(6).hex()}.{rng.choice(['example', 'co.example'])}" for _ in range(5000)]
    one = listed(*hosts[::2])
    assert isinstance(one.hosts, np.ndarray) and one.hosts.nbytes == 8 * 2500
    assert [blocked(f"http://www.{name}/", [one]) is not None for name in hosts] == [number % 2 == 0 for number in range(5000)]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_lists_may_be_compressed_and_must_end(pack):
    lines = "\r\n".join(["\ufeff# hosts", "[Adblock Plus 2.0]", "! comment", "", *(f"{number}.example" for number in range(2000))])
    packed = pack(lines.encode())
    assert len(read_blocklist("x", io.BytesIO(packed)).hosts) == 2000
    if pack is not bytes:
        with pytest.raises(ContentError, match=r"cannot be read to its end \(.*\); get it again"):
            read_blocklist("x", io.BytesIO(packed[:-20]))


@pytest.mark.parametrize("line", [
    "com", "||com^", "@@||a.example^", "||a.example^$third-party", "a.example##.ad", "/ads[0-9]+/", "http://a.example/", "a.example:80",
    "a.example:80/x", "ads*.example", "a.example/x y", "a b.example", "a..example", ".", "a.example/x#y", "<html>", "||a.example/x^"])
def test_a_line_that_cannot_be_understood_stops_the_run(line):
    with pytest.raises(ContentError) as error:
        listed("good.example", line)
    assert str(error.value) == (f"has 1 line that cannot be understood (line 2 {line!r}); give a host, an address without http:// or a "
                                "comment in each")


def test_every_problem_of_every_list_at_once(tmp_path):
    folder = tmp_path / "blocklists"
    folder.mkdir()
    (folder / "bad").write_bytes(b"bad line\n" * 12 + b"good.example\n\xff.example\n" + b"x" * 70_000 + b".example\n")
    (folder / "empty").write_text("# nothing\n")
    data = Folder(str(tmp_path))
    with pytest.raises(StageError) as error:
        open_blocklists(["bad", "empty", "none"], data)
    bad, empty, none = str(error.value).split("\n")
    assert bad == (f"{tmp_path}/blocklists/bad has 14 lines that cannot be understood (line "
                   + ", ".join(f"{number} 'bad line'" for number in range(1, 11))
                   + ", and 4 more); give a host, an address without http:// or a comment in each")
    assert empty == f"{tmp_path}/blocklists/empty has no entry; get it again, or take it out of extract.blocklists"
    assert none == f"there is no blocklist 'none' in {tmp_path}/blocklists; put it there, or take it out of extract.blocklists"
    with pytest.raises(StageError, match="no blocklist 'none'"):
        BLOCKLISTS.digests(["empty", "none"], data)
    assert list(BLOCKLISTS.digests(["empty"], data)) == ["blocklists/empty"]


def test_names_of_lists_are_checked():
    assert list(ExtractSettings(blocklists=("ok.txt.gz", "../up", "a", "a")).problems()) == [
        "blocklists names '../up'; give the name of a file in the data folder's blocklists/, without its path",
        "blocklists names a list twice; give each once"]


def test_a_page_of_a_listed_url_is_refused_unread():
    """The body would be quarantined if it were decoded; a page that is not there keeps its own reason."""
    broken = ok(b"ff\r\nhalf", ("Transfer-Encoding", "chunked"))
    missing = ("response", "http://Ferry.example/one", "404 Not Found", [("Content-Type", "text/html")], html().encode())
    other = ("response", "http://other.example/", "200 OK", [("Content-Type", "text/html")], html().encode())
    rows = [{"url": "http://ferry.example/two", "text": PARAGRAPHS[0]}, {"url": "http://other.example/", "html": html()}, {"text": PARAGRAPHS[1]}]
    parquet = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([{"url": row.get("url"), "text": PARAGRAPHS[0]} for row in rows]), parquet)
    wet = b"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://ferry.example/three\r\nContent-Length: 4\r\n\r\ntext\r\n\r\n"
    files = {"web/a.warc.gz": warc(broken, missing, other), "web/b.jsonl": "\n".join(map(json.dumps, rows)).encode(),
             "web/c.parquet": parquet.getvalue(), "web/d.warc.wet": wet}
    lists = [listed("unknown.example", name="first"), listed("ferry.example", name="second")]

    def opened(path: str) -> io.BytesIO:
        return io.BytesIO(files[path])
    found: dict[str, list] = {path: [] for path in files}
    for split in plan_splits([RawFile(path, len(data), path) for path, data in files.items()], opened, ExtractSettings()):
        for row in extract_split(split, opened, ExtractSettings(), InProcess(ExtractSettings()), blocklists=lists):
            found[row.file].append("kept" if isinstance(row, Document) else (row.rule, row.url, row.value, row.bound))
    assert found == {
        "web/a.warc.gz": [("url_blocked", "http://Ferry.example/one", "ferry.example", "second"),
                          ("http_status", "http://Ferry.example/one", "404", "200"), "kept"],
        "web/b.jsonl": [("url_blocked", "http://ferry.example/two", "ferry.example", "second"), "kept", "kept"],
        "web/c.parquet": [("url_blocked", "http://ferry.example/two", "ferry.example", "second"), "kept", "kept"],
        "web/d.warc.wet": [("url_blocked", "http://ferry.example/three", "ferry.example", "second")]}


def test_a_list_is_a_named_input_and_its_pages_are_rejected(tmp_path):
    data, settings = put_sample(tmp_path / "data"), tmp_path / "settings.yaml"
    settings.write_text(SETTINGS.read_text().replace("extract:\n", "extract:\n  blocklists: [bad.txt]\n"))
    missing = run("extract", data, settings=settings)
    assert missing.returncode == 1 and not (data / "ledger/documents/manifest.json").exists()
    assert missing.stderr.strip() == (f"extract: there is no blocklist 'bad.txt' in {data}/blocklists; put it there, or take it out of "
                                      "extract.blocklists")
    listed = data / "blocklists/bad.txt"
    listed.parent.mkdir()
    listed.write_text("not a host\n")
    strange = run("extract", data, settings=settings)
    assert strange.returncode == 1 and "bad.txt has 1 line that cannot be understood (line 1 'not a host')" in strange.stderr
    assert "Traceback" not in strange.stderr and not list((data / "documents").glob("*.parquet"))

    assert run("extract", data, settings=SETTINGS).returncode == 0
    hosts = pq.read_table(data / "documents", columns=["host"])["host"].drop_null().to_pylist()
    listed.write_text(f"{hosts[0]}\n")
    ran = run("extract", data, settings=settings)
    assert ran.returncode == 0, ran.stderr
    assert json.loads((data / "ledger/documents/stats.json").read_text())["rejected"]["url_blocked"] == hosts.count(hosts[0])
    assert list(manifest(data, "documents")["made_from"]["named_inputs"]) == ["blocklists/bad.txt", "main-text.npz"]
    assert hosts[0] not in pq.read_table(data / "documents", columns=["host"])["host"].to_pylist()

    listed.write_text("elsewhere.example\n")
    assert "stale" in run("measure", data, settings=settings).stderr
