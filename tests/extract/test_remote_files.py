"""Raw files that a list names: read in place from a web server, an object store or another folder, as if they lay in raw/."""

import contextlib
import gzip
import hashlib
import io
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from tests import servers
from tests.command_line import ROOT, manifest, run, table
from tests.file_server import serving
from textmill.cli import main
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.extract.files.raw import RAW, look
from textmill.pipelines.extract.files.raw_file import Range, RawFile
from textmill.pipelines.extract.files.remote_files import RemoteBlocks, open_raw
from textmill.pipelines.extract.formats.parquet import PARQUET
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.splits import plan_splits

pytestmark = pytest.mark.slow

WEB = ROOT / "sample/raw/web"
FILES = {path.name: path.read_bytes() for path in sorted(WEB.iterdir())}


def rows(data: Path, *, rejected: bool = False) -> list[dict]:
    """The rows of documents, or its rejected ones, without the place they were read from."""
    columns = [name for name in table(data, "documents", rejected).column_names if name != "file"]
    return sorted(table(data, "documents", rejected).select(columns).to_pylist(), key=lambda row: json.dumps(row))


def files(data: Path) -> set[str]:
    return set(table(data, "documents")["file"].to_pylist()) | set(table(data, "documents", True)["file"].to_pylist())


def put_list(data: Path, content: str, path: str = "sample/warc.paths") -> Path:
    (data / "raw" / path).parent.mkdir(parents=True, exist_ok=True)
    (data / "raw" / path).write_text(content)
    return data


@pytest.fixture(scope="module")
def direct(tmp_path_factory):
    """The sample's archives, read where they usually lie."""
    data = tmp_path_factory.mktemp("direct")
    (data / "raw/sample").mkdir(parents=True)
    for name, content in FILES.items():
        (data / "raw/sample" / name).write_bytes(content)
    ran = run("extract", data)
    assert ran.returncode == 0, ran.stderr
    return data, ran.stdout


def outcome(said: str) -> str:
    """The summary line up to the parts, which are cut elsewhere: a file's path is in the hash of a split."""
    return said.partition("; ")[0]


def test_from_a_web_server_in_ranges_by_two_workers(direct, tmp_path):
    with serving(FILES) as server:
        addresses = [f"{server.address}/{name}" for name in FILES]
        data = put_list(tmp_path, "# the sample\n\n" + "".join(f"{address}\n" for address in addresses))
        ran = run("extract", data, 2)
        assert ran.returncode == 0, ran.stderr
        assert outcome(ran.stdout) == outcome(direct[1])
        assert rows(data) == rows(direct[0]) and rows(data, rejected=True) == rows(direct[0], rejected=True)
        assert files(data) == set(addresses)
        assert len(manifest(data, "documents")["receipts"]) > len(FILES)             # split, as files under raw/ are
        known = json.loads((data / "ledger/documents/run.json").read_text())["files"]
        one = addresses[2]
        assert known[one] == {"size": len(FILES["garden.warc.gz"]), "sha256": hashlib.sha256(FILES["garden.warc.gz"]).hexdigest(),
                              "modified": f'"{hashlib.sha1(FILES["garden.warc.gz"]).hexdigest()}"'}
        asked = len(server.log)
        ran = run("extract", data)
        assert ran.stdout.startswith("extract: up to date, "), ran.stdout + ran.stderr
        bodies = sorted(one.path for one in server.log[asked:] if one.range != "bytes=0-0")
        # Only to see by their first bytes that they can be split: nothing is hashed again.
        assert bodies == [f"/{name}" for name, content in FILES.items() if len(content) > 24_000]
        before = set(manifest(data, "documents")["receipts"])
        server.files["/oddments.warc.gz"] = FILES["garden.warc.gz"][:len(FILES["oddments.warc.gz"])]
        ran = run("extract", data)
        assert ran.returncode == 0, ran.stderr
        assert len(before - set(manifest(data, "documents")["receipts"])) == 1        # one file is of another version


def test_from_an_object_store(direct, tmp_path, monkeypatch):
    with servers.s3(tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for name, content in FILES.items():
            Folder("s3://mill/crawl").write(name, content)
        data = put_list(tmp_path / "here", "".join(f"s3://mill/crawl/{name}\n" for name in FILES))
        ran = run("extract", data)
        assert ran.returncode == 0, ran.stderr
        store = Folder("s3://mill/there")
        store.write("raw/sample/warc.paths.gz", gzip.compress((data / "raw/sample/warc.paths").read_bytes(), mtime=0))
        ran_there = run("extract", store.uri)
        assert ran_there.returncode == 0, ran_there.stderr
        assert store.read("ledger/documents/stats.json") == (data / "ledger/documents/stats.json").read_bytes()
        (data / "raw/sample/warc.paths").write_text("s3://mill/crawl/none.warc.gz\ns3://nowhere/x.warc.gz\n")
        wrong = run("extract", data)
    assert outcome(ran.stdout) == outcome(direct[1]) == outcome(ran_there.stdout)
    assert rows(data) == rows(direct[0]) and rows(data, rejected=True) == rows(direct[0], rejected=True)
    assert files(data) == {f"s3://mill/crawl/{name}" for name in FILES}
    assert wrong.returncode == 1
    assert wrong.stderr.splitlines()[0] == ("extract: s3://mill/crawl/none.warc.gz cannot be opened (there is no such file); "
                                            "correct the list under raw/sample/, or give access to the file")
    assert wrong.stderr.splitlines()[1].startswith("extract: s3://nowhere/x.warc.gz cannot be opened (")


def test_from_another_folder_of_this_machine(direct, tmp_path):
    data = put_list(tmp_path, "".join(f"{WEB / name}\n" for name in FILES))
    assert run("extract", data).returncode == 0
    assert rows(data) == rows(direct[0]) and files(data) == {str(WEB / name) for name in FILES}


def test_every_wrong_line_is_told_before_work_starts(tmp_path):
    data = put_list(tmp_path / "data", "crawl-data/a.warc.gz\ncrawl-data/b.warc.gz\nftp://x/y.warc\nhttps://me:secret@x/y.warc\n"
                    "https://x/y.warc?X-Amz-Signature=secret\n/nowhere/x.warc.gz\ns3://bucket\n")
    put_list(data, f"{WEB}/garden.warc.gz\n{data}/raw/web/page.html\n", "web/a.paths")
    put_list(data, f"{WEB}/garden.warc.gz\n", "web/b.paths")
    put_list(data, "https://x/y\n", "loose.paths")
    put_list(data, "<p>A page.", "web/page.html")
    (data / "raw/web/c.paths.gz").write_bytes(b"no gzip")
    ran = run("extract", data)
    assert ran.returncode == 1 and "Traceback" not in ran.stderr and "secret" not in ran.stderr
    assert not (data / "ledger/documents/manifest.json").exists()
    assert sorted(ran.stderr.splitlines()) == [f"extract: {line}" for line in (
        "/nowhere/x.warc.gz cannot be opened (there is no such file); correct the list under raw/sample/, or give access to the file",
        "raw/loose.paths lies in no source folder; move it to raw/<source>/, for example raw/mine/",
        "raw/sample/warc.paths, line 1: crawl-data/a.warc.gz is not an address; begin it with https://, s3://, gs:// or /, for Common "
        "Crawl's own lists with https://data.commoncrawl.org/ (and 3 more)",
        "raw/sample/warc.paths, line 4: https://…@x/y.warc contains a password or a signature, which would be written into documents; "
        "list it without (and 1 more)",
        f"raw/web/a.paths, line 2: {data}/raw/web/page.html lies under raw/ and is read from there; take it out of the list",
        f"raw/web/b.paths, line 1: {WEB}/garden.warc.gz (first raw/web/a.paths, line 1) is listed again; take one out",
        "raw/web/c.paths.gz cannot be read as a list of addresses; give one in UTF-8, plain or gzipped")]


def test_servers_that_workers_cannot_share_are_refused(tmp_path):
    with serving({"a.warc.gz": FILES["garden.warc.gz"], "b.warc.gz": FILES["garden.warc.gz"]}) as server:
        server.faults["/a.warc.gz"] = [("whole",)]
        data = put_list(tmp_path, f"{server.address}/a.warc.gz\n{server.address}/none.warc.gz\n")
        with pytest.raises(StageError) as error:
            look(Folder(str(data / RAW)))
        assert str(error.value).splitlines() == [
            f"{server.address}/a.warc.gz lies on a server that gives no ranges of it, so workers cannot share it; download the file "
            "into raw/ and take it out of the list",
            f"{server.address}/none.warc.gz cannot be fetched (HTTP 404); correct the address"]
        server.etag = ""
        with pytest.raises(StageError, match=r"neither ETag nor Last-Modified, so a change would not be seen; download the file"):
            open_raw(Folder(str(data)), f"{server.address}/b.warc.gz")


def test_a_list_of_nothing(tmp_path):
    put_list(tmp_path, "# nothing yet\n")
    with pytest.raises(StageError, match=r"name no file; put an address a line into sample/warc.paths, or take it out of raw/"):
        look(Folder(str(tmp_path / RAW)))


def test_drops_and_busy_answers_are_no_damage(tmp_path):
    with serving(FILES) as server:
        server.faults["/garden.warc.gz"] = [("status", 503, {"Retry-After": "0"}), (), ("drop", 100)]
        with open_raw(Folder(str(tmp_path)), f"{server.address}/garden.warc.gz") as file:
            assert file.read() == FILES["garden.warc.gz"]
            assert (file.seek(-10, io.SEEK_END), file.read(), file.read()) == (
                len(FILES["garden.warc.gz"]) - 10, FILES["garden.warc.gz"][-10:], b"")
    assert server.asked("garden.warc.gz") == [("bytes=0-0", 503), ("bytes=0-0", 206), ("bytes=0-47160", 206), ("bytes=0-47160", 206),
                                              ("bytes=47151-47160", 206)]


def test_a_server_that_gives_less_at_once_than_was_asked_for(tmp_path):
    with serving(FILES) as server:
        server.cap = 20_000
        with open_raw(Folder(str(tmp_path)), f"{server.address}/garden.warc.gz") as file:
            assert file.read() == FILES["garden.warc.gz"]
    assert server.asked() == [("bytes=0-0", 206), ("bytes=0-47160", 206), ("bytes=20000-47160", 206), ("bytes=40000-47160", 206)]


def test_a_file_that_changes_while_it_is_read_stops_the_part(tmp_path):
    with serving({"x.bin": b"a" * 9_000_000}) as server, pytest.raises(StageError, match=r"x.bin has changed since it was looked at; run"), \
            open_raw(Folder(str(tmp_path)), f"{server.address}/x.bin") as file:
        assert file.read(10) == b"a" * 10
        server.files["/x.bin"] = b"b" * 9_000_000
        file.read()


def test_a_failed_read_fails_the_part_though_its_reader_takes_it_for_damage():
    """warcio passes on what its file raises, and `read_arc` takes that for the file's end."""

    def broken(start: int, end: int) -> bytes:
        raise OSError("the network is gone")

    def swallow() -> None:
        with (io.BufferedReader(RemoteBlocks("s3://x/y", 100, broken, lambda: None), 64) as file,
              contextlib.suppress(StageError, ArchiveLoadFailed)):
            next(ArchiveIterator(file))

    with pytest.raises(StageError, match=r"^s3://x/y cannot be read on \(the network is gone\); run the same command again$"):
        swallow()


def test_a_table_on_a_web_server_is_split_by_row_groups_and_its_failure_is_no_damaged_row(tmp_path):
    out = io.BytesIO()
    pq.write_table(pa.table({"text": [f"row number {n} of this table" * 900 for n in range(400)]}), out, row_group_size=100,
                   compression="none", use_dictionary=False, write_page_checksum=True)
    data = out.getvalue()
    with serving({"t.parquet": data}) as server:
        address, settings = f"{server.address}/t.parquet", ExtractSettings(split_bytes=4 << 20)
        splits = plan_splits([RawFile(address, len(data), "", "mine")], lambda path: open_raw(Folder(str(tmp_path)), path), settings)
        assert [(split.source, split.kind, split.ranges) for split in splits] == [
            ("mine", "parquet", (Range(address, "", 0, 2),)), ("mine", "parquet", (Range(address, "", 2, 4),))]
        with open_raw(Folder(str(tmp_path)), address) as file:
            assert len(list(PARQUET.rows(file, splits[1].ranges[0], settings))) == 200
        with pytest.raises(StageError, match="has changed"), open_raw(Folder(str(tmp_path)), address) as file:
            found = PARQUET.rows(file, splits[1].ranges[0], settings)
            next(found)
            server.files["/t.parquet"] = data[:-1] + b"?"
            list(found)


def test_what_raw_ignores(tmp_path):
    for name in (".hidden", "_note", "x.sha256", "sha256sums.txt", "SHA256SUMS", ".a.warc.gz.part", "page.html"):
        put_list(tmp_path, "<p>", f"a/{name}")
    assert [found.path for found in look(Folder(str(tmp_path / RAW)))] == ["a/page.html"]


def test_what_lies_under_a_name_of_underscore_or_dot_is_counted_and_told(tmp_path, capsys):
    for name in ("a/_x/one.html", "a/_x/deep/two.html", "a/.y/three.jsonl", "_note", "a/x.sha256"):
        put_list(tmp_path, "<p>", name)
    told = "4 files are not read, because a name in their path begins with _ or . (raw/a/_x 2, raw/_note 1, raw/a/.y 1)"
    assert main(["extract", "--data", str(tmp_path)]) == 1
    assert f"nothing to read in {tmp_path}/raw; put pages there (a folder for each source) or pass --data; {told}" in capsys.readouterr().err
    put_list(tmp_path, "A text about the mill and the river.", "a/page.txt")
    for _ in range(2):
        assert main(["extract", "--data", str(tmp_path), "--workers", "1"]) == 0
        assert told in capsys.readouterr().out


def test_only_a_listed_address_is_elsewhere(tmp_path):
    """A file below raw/ whose folder is called like a scheme is read from there."""
    put_list(tmp_path, "<p>", "s3:/x.html")
    with open_raw(Folder(str(tmp_path)), "s3:/x.html") as file:
        assert file.read() == b"<p>"
    assert os.listdir(tmp_path / "raw") == ["s3:"]
