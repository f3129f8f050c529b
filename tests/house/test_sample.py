"""The sample crawl is what its labels say, found out without the code that rendered it or the pipeline that reads it."""

import codecs
import gzip
import ipaddress
import json
import re
import subprocess
import sys
import zlib
from collections import Counter, defaultdict
from functools import cache
from html import unescape
from itertools import pairwise

import brotli
import phonenumbers
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import trafilatura
from stdnum import iban, luhn
from warcio.archiveiterator import ArchiveIterator

from tests.paths import ROOT

SAMPLE = ROOT / "sample"
RAW = SAMPLE / "raw"
LABELS = [json.loads(line) for line in (SAMPLE / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
BY_FILE = defaultdict(list)
for _label in LABELS:
    BY_FILE[_label["file"]].append(_label)
DAMAGED = "web/damaged.warc.gz"
WARCS = [file for file in BY_FILE if ".warc" in file and file != DAMAGED]


@cache
def records(file):
    """(offset, type, id, url, bytes of the payload with transfer and content coding undone) of a sound WARC file."""
    found = []
    with (RAW / file).open("rb") as stored:
        walk = ArchiveIterator(stored)
        for record in walk:
            body = record.raw_stream.read()
            http = record.http_headers
            if http and http.get_header("Transfer-Encoding") == "chunked":
                body = unchunked(body)
            coding = http.get_header("Content-Encoding") if http else None
            body = {"gzip": gzip.decompress, "br": brotli.decompress}.get(coding, bytes)(body)
            head = record.rec_headers
            found.append((walk.get_record_offset(), record.rec_type, head.get_header("WARC-Record-ID"),
                          head.get_header("WARC-Target-URI"), body))
    return found


def unchunked(body):
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return whole


@cache
def pages():
    """Decoded HTML of each labelled page of the sound WARC files, by (file, n)."""
    return {(file, label["n"]): record[4].decode(label["charset"])
            for file in WARCS for label, record in zip(BY_FILE[file], records(file), strict=True) if label["charset"]}


def test_rendering_again_gives_the_same_bytes(tmp_path):
    made_with = json.loads((SAMPLE / "made_with.json").read_text())
    here = {"zlib": zlib.ZLIB_RUNTIME_VERSION, "brotli": brotli.__version__, "pyarrow": pa.__version__}
    if here != made_with:
        pytest.skip(f"these libraries compress in their own way: the committed files are of {made_with}, here is {here}")
    subprocess.run([sys.executable, SAMPLE / "render.py", "--out", tmp_path], check=True, capture_output=True)
    committed = {path.relative_to(RAW): path.read_bytes() for path in RAW.rglob("*") if path.is_file()}
    rendered = {path.relative_to(tmp_path / "raw"): path.read_bytes()
                for path in (tmp_path / "raw").rglob("*") if path.is_file()}
    assert sorted(rendered) == sorted(committed)
    assert [path for path in committed if committed[path] != rendered[path]] == []
    assert (tmp_path / "labels.jsonl").read_bytes() == (SAMPLE / "labels.jsonl").read_bytes()


def test_every_file_is_labelled_and_the_labels_are_in_the_order_of_the_files():
    assert list(BY_FILE) == sorted(path.relative_to(RAW).as_posix() for path in RAW.rglob("*") if path.is_file())
    assert all([label["n"] for label in labels] == list(range(len(labels))) for labels in BY_FILE.values())


@pytest.mark.parametrize("file", WARCS)
def test_every_warc_record_has_its_label(file):
    assert [record[:4] for record in records(file)] == [
        (label["offset"], kind_of(label), label["record_id"], label["url"]) for label in BY_FILE[file]]


def kind_of(label):
    return label["what"] if label["what"] in ("warcinfo", "request", "metadata", "revisit") else "response"


def test_every_row_and_loose_file_has_its_label():
    table = pq.read_table(RAW / "table/ledger.parquet")
    assert table["url"].to_pylist() == [label["url"] for label in BY_FILE["table/ledger.parquet"]]
    lines = (RAW / "letters/letters.jsonl").read_bytes().splitlines(keepends=True)
    labels = BY_FILE["letters/letters.jsonl"]
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    assert [label["offset"] for label in labels] == starts[:-1]
    for label, line in zip(labels, lines, strict=True):
        if label["what"] == "broken_row":
            with pytest.raises(json.JSONDecodeError):
                json.loads(line)
        else:
            assert json.loads(line)["url"] == label["url"]
    assert {file: (len(labels), labels[0]["offset"]) for file, labels in BY_FILE.items() if file.startswith("loose/")} \
        == {"loose/de-der-knopfkasten.txt": (1, 0), "loose/en-the-kite-shed.html": (1, 0)}


def test_one_member_is_broken_the_last_is_cut_off_and_the_rest_is_sound():
    stored, labels = (RAW / DAMAGED).read_bytes(), BY_FILE[DAMAGED]
    assert [label["what"] for label in labels] == ["warcinfo", "good", "broken_member", "good", "truncated"]
    assert all(one["offset"] + one["length"] == two["offset"] for one, two in pairwise(labels))
    assert labels[-1]["offset"] + labels[-1]["length"] == len(stored)
    states = []
    for label in labels:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            member.decompress(stored[label["offset"] : label["offset"] + label["length"]])
            states.append("sound" if member.eof else "cut off")
        except zlib.error:
            states.append("broken")
    assert states == ["sound", "sound", "broken", "sound", "cut off"]


def test_there_are_pages_in_many_languages_and_of_every_kind():
    kept = [label for label in LABELS if label["becomes"] == "curated"]
    languages = Counter(label["language"] for label in kept)
    assert len(kept) >= 80
    assert {"en", "de", "fr", "es", "it", "pl", "ru", "zh", "ja", "ar"} <= set(languages)
    kinds = Counter(label["what"].split(":")[0] for label in LABELS)
    at_least = {"exact_copy": 3, "near_copy": 5, "similar_pair": 2, "url_copy": 1, "record_copy": 1, "personal_data": 6,
                "hard_negatives": 1, "opt_out_noai": 2, "opt_out_tdm": 2, "noindex": 1, "charset": 5, "compressed": 3,
                "thin": 4, "not_html": 3, "http_error": 2, "redirect": 1, "revisit": 1, "empty": 1, "too_deep": 1,
                "spam_keywords": 1, "spam_links": 1, "spam_doorway": 1, "spam_gibberish": 1, "spam_template": 1}
    assert {kind: kinds[kind] for kind in at_least if kinds[kind] < at_least[kind]} == {}


def test_every_address_is_invented():
    hosts = {label["url"].split("/")[2] for label in LABELS if label["url"]}
    linked = {host for page in pages().values() for host in re.findall(r'(?:href|HREF)="https?://([^/"]+)', page)}
    assert {host for host in hosts | linked if not host.endswith(".example")} == {"creativecommons.org"}


def test_the_stored_page_shows_what_must_stay_and_what_must_go():
    for label in LABELS:
        page = pages().get((label["file"], label["n"]))
        if page is not None:
            shown = " ".join(unescape(re.sub(r"</?a\b[^>]*>", "", page)).split())
            assert [find for find in label["must"] + label["must_not"] if find not in shown] == []
            assert label["becomes"] != "curated" or (len(label["must"]) >= 2 and len(label["must_not"]) >= 1)


def test_the_bytes_are_in_the_charset_of_the_label_and_in_no_other_that_is_declared():
    declared = {"undeclared": None, "meta_only": None, "header_only": "iso-8859-2", "wrong_header": "iso-8859-1"}
    for label in LABELS:
        if label["what"].startswith("charset:"):
            with (RAW / label["file"]).open("rb") as stored:
                http = next(record.http_headers for record in ArchiveIterator(stored)
                            if record.rec_headers.get_header("WARC-Record-ID") == label["record_id"])
            said = http.get_header("Content-Type").partition("charset=")[2] or None
            assert said == declared[label["what"].split(":")[1]]
            assert codecs.lookup(label["charset"]).name == label["charset"]
            body = next(r[4] for r in records(label["file"]) if r[2] == label["record_id"])
            assert label["charset"] == "utf-8" or not_utf8(body)


def not_utf8(body):
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def words(label):
    text = trafilatura.extract(pages()[label["file"], label["n"]], fast=True, include_comments=False)
    return re.findall(r"\w+", text.lower())


def jaccard(one, two):
    first, second = ({tuple(words[at : at + 5]) for at in range(len(words) - 4)} for words in (one, two))
    return len(first & second) / len(first | second)


def test_copies_are_as_similar_as_their_labels_say():
    by_record = {label["record_id"]: label for label in LABELS if label["becomes"] == "curated"}
    measured = defaultdict(list)
    for label in LABELS:
        if label["what"] in ("record_copy", "url_copy", "exact_copy", "near_copy"):
            kept = by_record[label["twin"]]
            alike = jaccard(words(label), words(kept))
            assert alike == pytest.approx(label["similarity"], abs=0.02)
            measured[label["what"]].append(alike)
            if label["what"] == "url_copy":
                assert label["url"] == kept["url"] and label["date"] < kept["date"]
            if label["what"] == "exact_copy":
                assert words(label) == words(kept) and label["url"] != kept["url"] and label["date"] > kept["date"]
            if label["what"] == "near_copy":
                assert len(" ".join(words(label))) + 10 < len(" ".join(words(kept)))
    assert set(measured["record_copy"] + measured["exact_copy"]) == {1.0}
    assert all(0.85 <= alike < 1 for alike in measured["near_copy"])


def test_pages_that_stay_are_no_near_copies_of_each_other():
    kept = [label for label in LABELS if label["becomes"] == "curated" and (label["file"], label["n"]) in pages()]
    texts = [(label, words(label)) for label in kept]
    alike = [jaccard(one, two) for at, (first, one) in enumerate(texts) for second, two in texts[at + 1 :]
             if first["language"] == second["language"]]
    similar = sorted(value for value in alike if value > 0.05)
    assert len(similar) == sum(label["what"] == "similar_pair" for label in LABELS)
    assert all(0.5 <= value <= 0.7 for value in similar)


def test_invented_personal_data_is_valid_and_labelled():
    checks = {
        "EMAIL": lambda find, _: "@" in find and find.endswith((".example", ".example.com")),
        "PHONE": lambda find, regions: any(phonenumbers.is_valid_number(phonenumbers.parse(find, region)) for region in regions),
        "IP": lambda find, _: ipaddress.ip_address(find).is_global,
        "CREDIT_CARD": lambda find, _: luhn.is_valid(re.sub("[ -]", "", find)),
        "IBAN": lambda find, _: iban.is_valid(find),
    }
    regions = {"en": ("GB", "US"), "de": ("DE",), "fr": ("FR",), "it": ("IT",)}
    seen = Counter()
    for label in LABELS:
        if label["what"] == "personal_data":
            # the finds come first in must_not, kind by kind as in edits
            order = [kind for kind in sorted(checks) for _ in range(label["edits"].get(kind, 0))]
            assert order
            for kind, find in zip(order, label["must_not"], strict=False):
                assert checks[kind](find, regions.get(label["language"], ())), find
            seen.update(label["edits"])
        else:
            assert label["edits"] == {}
    assert {kind for kind in checks if seen[kind] < 1} == set()


def test_the_whole_sample_is_small():
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file() and path.suffix != ".pyc") < 1_000_000
