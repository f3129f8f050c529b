"""Rows and lists of files as strange as they come: each costs itself, and what is asked of memory has a bound."""

import gzip
import io
import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.command_line import run
from tests.fuzz.extract import OneAnswer
from tests.paths import ROOT
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.lines import read_lines
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.extract.files.archive import read_records
from textmill.pipelines.extract.files.framing import Limits
from textmill.pipelines.extract.files.raw import look
from textmill.pipelines.extract.files.raw_file import RawFile
from textmill.pipelines.extract.outcome import extract_split
from textmill.pipelines.extract.pages.read_page import oversized_source
from textmill.pipelines.extract.rows import batches
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.splits import RawFilesError, plan_splits

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def written(name: str, data: bytes, settings: ExtractSettings | None = None) -> list[dict]:
    """What is written of a file: documents, then rejected rows."""
    settings = settings or ExtractSettings()
    splits = plan_splits([RawFile(f"mine/{name}", len(data), "")], lambda _: io.BytesIO(data), settings)
    rows = (row for split in splits for row in extract_split(split, lambda _: io.BytesIO(data), settings, OneAnswer()))
    return [row for batch in batches(rows) for row in batch.to_pylist()]


def parquet(**columns) -> bytes:
    stored = io.BytesIO()
    pq.write_table(pa.table(columns), stored)
    return stored.getvalue()


def test_half_a_character_anywhere_in_a_row_costs_that_character():
    row = ('{"text": "A ferry \\ud800.", "url": "http://a.example/\\ud800", "id": "\\udfff", "title": "\\ud83d", "date": "\\ud800", '
           '"k\\ud800": ["\\udfff", {"\\ud800": 1}]}')
    (found,) = written("a.jsonl", row.encode())
    assert {name: found[name] for name in ("text", "url", "record_id", "title")} == {
        "text": "A ferry \ufffd.", "url": "http://a.example/\ufffd", "record_id": "\ufffd", "title": "\ufffd"}
    assert json.loads(found["extra"]) == {"date": "\ufffd", "k\ufffd": ["\ufffd", {"\ufffd": 1}]}
    (lost,) = written("a.jsonl", b'{"\\ud800": 1}')
    assert (lost["rule"], lost["detail"]) == (
        "missing_text", "no text in text, content, raw_content, html, raw_html; the row has \ufffd")


def test_what_python_has_no_value_for_is_text():
    bad = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xffa")])
    (found,) = written("a.parquet", parquet(
        text=["A ferry."], instant=pa.array([1], pa.timestamp("ns")), zone=pa.array([1_000_000], pa.timestamp("us", "Nowhere/Town")),
        time=pa.array([1], pa.time64("ns")), lasts=pa.array([1], pa.duration("ns")), day=pa.array([10**7], pa.int32()).cast(pa.date32()),
        inside=pa.array([{"at": [1]}], pa.struct([("at", pa.list_(pa.timestamp("ns")))])), bad=bad,
        whole=pa.array([1000], pa.timestamp("ns"))))
    assert (found["text"], json.loads(found["extra"])) == ("A ferry.", {
        "instant": "1970-01-01 00:00:00.000000001", "zone": "1970-01-01 00:00:01.000000", "time": "00:00:00.000000001", "lasts": "1 ns",
        "day": "29349-01-26", "inside": {"at": ["1970-01-01 00:00:00.000000001"]}, "bad": "\ufffda", "whole": "1970-01-01T00:00:00.000001"})


def test_a_column_whose_name_is_not_utf_8_is_a_sentence():
    data = parquet(text=["A ferry."], colour=["red"]).replace(b"colour", b"co\xffour")
    with pytest.raises(RawFilesError, match=r"raw/mine/a.parquet cannot be opened \(UnicodeDecodeError\); repair the file"):
        written("a.parquet", data)


def test_a_damaged_footer_does_not_end_the_process():
    """The column is required where its statistics say that it is not: an exception in Arrow that nobody catches."""
    code = ("from tests.extract.test_hostile_rows import parquet, written; data = parquet(text=['A ferry.', None]); "
            "damaged = data.replace(b'%\\x02\\x18\\x04text', b'%\\0\\x18\\x04text'); assert damaged != data; "
            "print(len(written('a.parquet', damaged)) > 0)")
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert (ran.returncode, ran.stdout) == (0, "True\n"), ran.stderr


def test_text_that_parquet_stores_as_bytes_is_read_as_utf_8():
    good, bad = written("a.parquet", parquet(text=["Fähre.".encode(), b"\xff\xfe\xfd"], url=[b"http://a.example/1", None],
                                             id=[b"a", b"b"]))
    assert (good["text"], good["url"], good["record_id"], good["extra"]) == ("Fähre.", "http://a.example/1", "a", None)
    assert (bad["rule"], bad["value"]) == ("undecodable", "1.000")


def test_a_column_nested_too_deep_is_null_and_named():
    deep = '{"a":' * 150 + "1" + "}" * 150
    (found,) = written("a.jsonl", f'{{"text": "A ferry.", "d": {deep}, "e": 2}}'.encode())
    assert json.loads(found["extra"]) == {"d": None, "e": 2, "_unreadable": ["d"]}


def test_a_row_of_more_values_than_the_limit_is_rejected_and_commas_of_a_text_are_none():
    limits = ExtractSettings(max_row_values=100)
    many, text = b'{"text": "x", "v": [' + b"[]," * 100 + b"[]]}", b'{"text": "' + b',\\"[{' * 200 + b'"}'
    found = {row["file"] and row.get("rule"): row for row in written("a.jsonl", many + b"\n" + text, limits)}
    assert (found["too_many_values"]["value"], found["too_many_values"]["bound"]) == ("204", "100")
    assert len(found[None]["text"]) == 800


def test_a_batch_of_large_texts_is_not_a_thousand_of_them():
    line = json.dumps({"text": "Die Fähre. " * (1 << 21)}).encode() + b"\n"
    splits = plan_splits([RawFile("mine/a.jsonl", 8 * len(line), "")], lambda _: io.BytesIO(line * 8), ExtractSettings())
    rows = (row for split in splits for row in extract_split(split, lambda _: io.BytesIO(line * 8), ExtractSettings(), OneAnswer()))
    assert [batch.num_rows for batch in batches(rows)] == [3, 3, 2]


# VmHWM and not ru_maxrss, which a process inherits from the one that started it.
PEAK = """
from pathlib import Path
from tests.extract.test_hostile_rows import written, inflated
def most(): return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
before = most()
print({call}, (most() - before) >> 10)
"""


def peak(call: str) -> tuple[str, int]:
    """What a call gives, and the MiB it took, in a process of its own."""
    ran = subprocess.run([sys.executable, "-c", PEAK.replace("{call}", call)], capture_output=True, text=True, cwd=ROOT,
                         env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    given, mib = ran.stdout.rsplit(maxsplit=1)
    return given, int(mib)


def inflated(data: bytes) -> int:
    """Bytes of all lines of a file."""
    return sum(len(line.data or b"") for line in read_lines(io.BytesIO(data), 0, 1 << 62, 1 << 26))


@LINUX
@pytest.mark.slow
def test_inflating_takes_no_more_memory_than_a_line():
    for stream in ("__import__('zstandard').ZstdCompressor().compressobj()", "__import__('zlib').compressobj(1, 8, 31)"):
        given, mib = peak(f"(lambda c: inflated(b''.join([*(c.compress(b'a' * (1 << 20) + b'\\n') for _ in range(600)), c.flush()])))({stream})")
        assert (int(given), mib < 64) == (600 << 20, True), mib


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize("line", [
    "b'{\"text\": \"x\", \"v\": [' + b'[],' * 10_000_000 + b'[]]}'", "b'{\"text\": \"x\", \"v\": [' + b'{\"a\":{}},' * 249_000 + b'[]]}'",
    "('{\"text\": \"\U0001f600' + 'a, ' * 10_000_000 + '\"}').encode()"])
def test_a_line_takes_at_most_sixteen_times_its_size_and_256_mib(line):
    size = len(eval(line))
    _, mib = peak(f"len(written('a.jsonl', {line}))")
    assert mib < 16 * size / (1 << 20) + 256


def test_a_zstd_window_is_bounded_by_the_file():
    long = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True, write_content_size=False)
    stored = zstandard.ZstdCompressor(compression_params=long).compressobj()
    small = stored.compress(b"line\n") + stored.flush()
    (line,) = read_lines(io.BytesIO(small), 0, 1 << 62, 100)
    assert (line.data, line.rule, line.detail) == (
        None, "damaged", "ZstdError: a window of more than 128 MiB, too much for what is stored here; pack it again without --long")
    (framed,) = read_records(io.BytesIO(small), "a.warc.zst", 0, len(small), Limits(1 << 20, 500), [])
    assert (framed.rule, framed.detail.partition(";")[0]) == (
        "damaged", "zstd: a window of more than 128 MiB, too much for what is stored here")
    assert [line.data for line in read_lines(io.BytesIO(small + b"\x50\x2a\x4d\x18" + (1 << 24).to_bytes(4, "little") + bytes(1 << 24)),
                                             0, 1 << 62, 100)] == [b"line"]


def test_every_strange_thing_under_raw_is_one_sentence(tmp_path):
    web = tmp_path / "raw/web"
    web.mkdir(parents=True)
    (web / "page.html").write_text("<p>A ferry.")
    os.mkfifo(web / "pipe.jsonl")
    os.mkfifo(web / "pipe.paths")
    (web / "loop.html").symlink_to(web / "loop.html")
    open(os.fsencode(web) + b"/n\xe4me.html", "w").close()
    with pytest.raises(StageError) as told:
        look(Folder(str(tmp_path / "raw")))
    assert str(told.value).splitlines() == [
        f"{web}/n\\udce4me.html has a name that is not UTF-8; rename it",
        f"{web}/pipe.jsonl is no file but a pipe, a socket or a device; take it out of raw/",
        f"{web}/pipe.paths is no file but a pipe, a socket or a device; take it out of raw/"]
    for name in (b"pipe.jsonl", b"pipe.paths", b"n\xe4me.html"):
        os.unlink(os.fsencode(web) + b"/" + name)
    with pytest.raises(StageError, match=r"raw/web/loop.html cannot be opened \(.*symbolic links.*\); make it readable"):
        look(Folder(str(tmp_path / "raw")))
    (web / "loop.html").unlink()
    (web / "again").symlink_to(tmp_path / "raw")
    with pytest.raises(StageError, match="raw/web/again is a link to a folder that it lies in; take it out"):
        look(Folder(str(tmp_path / "raw")))
    (web / "again").unlink()
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside/other.html").write_text("<p>Another ferry.")
    (web / "beside").symlink_to(tmp_path / "beside")
    (web / "twice").symlink_to(tmp_path / "beside")
    assert [found.path for found in look(Folder(str(tmp_path / "raw")))] == ["web/beside/other.html", "web/page.html", "web/twice/other.html"]


@pytest.mark.slow
def test_a_list_with_a_nul_or_without_end_is_a_sentence(tmp_path):
    web = tmp_path / "raw/web"
    web.mkdir(parents=True)
    (web / "a.paths").write_bytes(b"/srv/a\0b.warc.gz\n" + b"/" + b"x" * (1 << 15) + b"\n")
    (web / "b.paths.gz").write_bytes(gzip.compress(b"s3://a b//c\n"))
    ran = run("extract", tmp_path)
    assert ran.returncode == 1 and "Traceback" not in ran.stderr
    assert "raw/web/a.paths, line 1: /srv/a\0b.warc.gz contains a character that no address has; correct it" in ran.stderr
    assert "raw/web/a.paths cannot be read as a list of addresses" in ran.stderr


def test_attributes_in_a_script_are_none_and_those_of_a_tag_that_pretends_are():
    many = "<a" + " x" * 30_000 + ">"
    limits, padding = ExtractSettings(), "<p>" + "Words. " * 20_000
    for html in (f"<script>let page = '{many}'</script>", f"<style>{many}</style >", f"<!-- {many} -->", f"<SCRIPT a='>'>{many}</SCRIPT>"):
        assert oversized_source(padding + html, limits) is None
    for html in (many, f"<p title='<script>'>{many}</p title='</script>'>", f"<script>{many}", f"<!--{many}", f"<scripty>{many}</script>",
                 f"<script></script>{many}<script></script>", f"<!-->{many}-->"[:4] + f"-->{many}"):
        assert oversized_source(padding + html, limits).rule == "too_many_attributes", html[:40]
