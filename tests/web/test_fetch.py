"""Fetching from a server that drops, refuses, changes its files and lies: what has a name at the end is whole, or nothing is."""

import gzip
import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from hashlib import blake2b
from pathlib import Path

import pytest

from tests.command_line import ROOT
from tests.file_server import FileServer, serving
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.web.client import Patience, Web, WebError, redirect_fault
from textmill.pipelines.web.common_crawl import Wanted, fetch, parse_bytes, wanted

CRAWL = "CC-MAIN-2026-42"
IMPATIENT = Patience(tries=4, first=0.001)


def content(number: int) -> bytes:
    """40 kB that no other file has."""
    return random.Random(number).randbytes(40_000 + number)


PATHS = [f"crawl-data/{CRAWL}/segments/17{n % 3}/warc/CC-MAIN-20261010-{n:05d}.warc.gz" for n in range(12)]
ORDER = sorted(PATHS, key=lambda path: blake2b(path.encode(), digest_size=8).digest())
FIRST, NAME = ORDER[0], Path(ORDER[0]).name
CONTENT = {path: content(number) for number, path in enumerate(PATHS)}


@pytest.fixture
def server():
    listing = gzip.compress("".join(f"{path}\n" for path in PATHS).encode())
    with serving({f"crawl-data/{CRAWL}/warc.paths.gz": listing, **CONTENT}) as running:
        yield running


def order(server: FileServer, folder: Path, files: int | None = 1, budget: int | None = None) -> Wanted:
    return Wanted(CRAWL, "warc", files, budget, folder, server.address)


def run(server: FileServer, folder: Path, files: int | None = 1, budget: int | None = None) -> str:
    """Fetch, and the sentence it ends with but for the seconds."""
    return re.sub(r", [\d.]+ s$", "", fetch(order(server, folder, files, budget), IMPATIENT))


def lies_there(folder: Path) -> dict[str, bytes]:
    """Every file but the sums, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "sha256sums.txt"}


def firsts(count: int) -> dict[str, bytes]:
    return {Path(path).name: CONTENT[path] for path in ORDER[:count]}


def test_the_first_files_by_hash_with_sums_that_sha256sum_accepts(server, tmp_path):
    folder = tmp_path / "cc"
    assert run(server, folder, 3) == f"fetch: {CRAWL}, 3 of 12 warc files, 0.00 GB in {folder} (3 fetched now, 0.00 GB)"
    assert lies_there(folder) == firsts(3)
    assert len({path.split("/")[3] for path in ORDER[:3]}) > 1            # spread over segments
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(firsts(3).items()))
    assert (folder / "sha256sums.txt").read_text() == sums
    [(agent, encoding)] = server.clients
    assert agent.startswith("textmill/") and encoding == "identity"       # its bytes as they are stored


def test_more_files_hold_the_fewer_and_what_is_there_is_not_asked_for_again(server, tmp_path):
    run(server, tmp_path, 2)
    before = len(server.asked(".warc.gz"))
    assert "5 of 12 warc files" in run(server, tmp_path, 5)
    assert lies_there(tmp_path) == firsts(5)
    assert (before, len(server.asked(".warc.gz"))) == (2, 5)
    assert run(server, tmp_path, 5).endswith("(0 fetched now, 0.00 GB)")
    assert len(server.asked(".warc.gz")) == 5


def test_bytes_are_as_many_of_the_first_files_as_they_hold(server, tmp_path):
    sizes = [len(CONTENT[path]) for path in ORDER]
    run(server, tmp_path / "two", None, sum(sizes[:3]) - 1)
    assert lies_there(tmp_path / "two") == firsts(2)
    run(server, tmp_path / "three", None, sum(sizes[:3]))
    assert lies_there(tmp_path / "three") == firsts(3)
    with pytest.raises(StageError, match=r"the first file has 0.00 GB, more than 0.00 GB; give at least that"):
        run(server, tmp_path / "none", None, sizes[0] - 1)


def test_an_altered_file_is_fetched_anew_and_said(server, tmp_path, capsys):
    run(server, tmp_path, 2)
    altered = bytearray(CONTENT[FIRST])
    altered[100] ^= 1
    (tmp_path / NAME).write_bytes(altered)
    assert "(1 fetched now" in run(server, tmp_path, 2)
    assert lies_there(tmp_path) == firsts(2)
    assert f"{NAME} has been altered (its sum is not the one in sha256sums.txt), so it is fetched again" in capsys.readouterr().err


def test_a_file_without_a_sum_or_of_another_size_is_fetched_anew(server, tmp_path, capsys):
    run(server, tmp_path)
    (tmp_path / "sha256sums.txt").write_text("no line of sums\n")
    run(server, tmp_path)
    server.files[f"/{FIRST}"] = b"another file"
    run(server, tmp_path)
    assert lies_there(tmp_path) == {NAME: b"another file"}
    said = capsys.readouterr().err
    assert "has no sum in sha256sums.txt" in said and "has not the size that the server says" in said


def test_dropped_connections_are_gone_on_with(server, tmp_path):
    server.faults[f"/{FIRST}"] = [("drop", 10_000), ("drop", 0), ("drop", 0), ("drop", 5_000), ("drop", 0), ("drop", 0)]
    run(server, tmp_path)
    assert lies_there(tmp_path) == firsts(1)
    assert server.asked(NAME) == [("", 200), *[("bytes=10000-", 206)] * 3, *[("bytes=15000-", 206)] * 3]


def test_a_busy_server_is_asked_again_and_a_dead_one_given_up(server, tmp_path):
    busy = ("status", 503, {"Retry-After": "0"})
    server.faults[f"/{FIRST}"] = [busy, busy, busy]
    run(server, tmp_path / "a")
    assert lies_there(tmp_path / "a") == firsts(1)
    server.faults[f"/{FIRST}"] = [busy] * 4
    with pytest.raises(StageError, match=r"is not served just now \(HTTP 503\), 4 times in a row; run the same command again later"):
        run(server, tmp_path / "b")
    server.faults[f"/{FIRST}"] = [("status", 429, {"Retry-After": "86400"})]
    with pytest.raises(StageError, match=r"\(HTTP 429\) and asks for a pause of 86400 seconds; run the same command again after it"):
        run(server, tmp_path / "c")
    assert [status for _, status in server.asked(NAME)] == [503, 503, 503, 200, 503, 503, 503, 503, 429]


def test_a_pause_that_is_asked_for_is_kept(server, monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    server.faults[f"/{FIRST}"] = [("status", 503, {"Retry-After": "17"}), ("status", 503, {}), ("status", 503, {"Retry-After": "soon"})]
    assert Web(Patience(first=2.0)).read(f"{server.address}/{FIRST}") == CONTENT[FIRST]
    assert slept[0] == 17 and 2 <= slept[1] <= 4 and 4 <= slept[2] <= 8


def test_a_redirect_leads_to_no_other_scheme_and_into_no_private_network(server):
    away = server.address.replace("127.0.0.1", "localhost")
    server.files |= {"/a": b"", "/b": b""}
    for target, fault in ((f"{away}/b", "private network"), ("file:///etc/passwd", "another scheme"), ("ftp://a.example/", "another scheme"),
                          ("http://169.254.169.254/latest/meta-data/", "private network"), ("http://[::ffff:10.0.0.1]/", "private network"),
                          ("http://2130706433/", "private network"), ("/a", "more than 10 times")):
        server.faults["/a"] = [("status", 302, {"Location": target})] * 11
        with pytest.raises(WebError, match=f"/a redirects.*{fault}"):
            Web(IMPATIENT).read(f"{server.address}/a")
    assert "/b" not in {one.path for one in server.log}
    server.files["/there"] = b"it"
    server.faults["/a"] = [("status", 301, {"Location": "/there"})]
    assert Web(IMPATIENT).read(f"{server.address}/a") == b"it", "the host that the address itself names"


def test_a_redirect_from_https_to_http_is_none():
    assert redirect_fault("https://a.example/", "https://a.example/", "http://a.example/") == "another scheme"
    assert redirect_fault("http://a.example/", "http://a.example/", "https://a.example/") is None


def test_a_list_that_is_too_long_is_not_taken_in(server):
    server.files["/long"] = bytes(5000)
    with pytest.raises(WebError, match="more than 4,999 bytes"):
        Web(IMPATIENT).read(f"{server.address}/long", 4999)


def test_nobody_there():
    with serving({}) as gone:
        address = gone.address
    with pytest.raises(WebError, match=rf"^{address}/x cannot be reached \(Connection refused\), 4 times in a row; run"):
        Web(IMPATIENT).read(f"{address}/x")


def test_a_server_that_hears_no_range_starts_anew(server, tmp_path):
    server.faults[f"/{FIRST}"] = [("drop", 10_000), ("whole",)]
    run(server, tmp_path)
    assert lies_there(tmp_path) == firsts(1)
    assert server.asked(NAME) == [("", 200), ("bytes=10000-", 200)]


def test_a_server_that_begins_anew_and_drops_for_ever_is_given_up(server, tmp_path):
    server.etag = ""        # versions cannot be told apart, so nothing is gone on with
    server.faults[f"/{FIRST}"] = [("drop", 10_000)] * 100
    with pytest.raises(StageError, match=r"broke off after 10,000 of 4\d,\d+ bytes, 4 times in a row"):
        run(server, tmp_path)
    assert server.asked(NAME) == [("", 200)] * 4


@pytest.mark.parametrize(("etag", "hears_if_range"), [('"{sha1}"', True), ('"{sha1}"', False), ('W/"{sha1}"', False), ("", False)])
def test_a_file_that_changes_midway_comes_whole_and_new(server, tmp_path, etag, hears_if_range):
    """Also where its version cannot be told: then every try begins anew."""
    server.etag, server.hears_if_range = etag, hears_if_range
    new = content(99)[:len(CONTENT[FIRST])]
    server.faults[f"/{FIRST}"] = [("drop", 10_000), ("change", new, len(new))]
    run(server, tmp_path)
    assert lies_there(tmp_path) == {NAME: new}


def test_what_was_begun_of_an_older_version_is_not_gone_on_with(server, tmp_path):
    new = content(99)[:len(CONTENT[FIRST])]
    server.faults[f"/{FIRST}"] = [("drop", 10_000), *[("status", 503, {})] * 4]
    with pytest.raises(StageError):
        run(server, tmp_path)
    server.files[f"/{FIRST}"] = new
    run(server, tmp_path)
    assert lies_there(tmp_path) == {NAME: new}


def test_more_bytes_than_there_are(server, tmp_path):
    server.faults[f"/{FIRST}"] = [("more", b"and more")]
    run(server, tmp_path)
    assert lies_there(tmp_path) == firsts(1)
    assert server.asked(NAME) == [("", 200)] * 2


def test_a_length_that_is_not_true_gives_no_file(server, tmp_path):
    server.lies[f"/{FIRST}"] = len(CONTENT[FIRST]) + 5
    with pytest.raises(StageError, match="4 times in a row; run the same command again later"):
        run(server, tmp_path)
    assert all(name.startswith(".") for name in lies_there(tmp_path))


@pytest.mark.parametrize(("headers", "etag"), [
    ({"Content-MD5": "{md5_base64}"}, ""), ({"Server": "AmazonS3"}, '"{md5}"'),
    ({"x-amz-checksum-sha256": "{sha256_base64}"}, "")])
def test_a_checksum_of_the_server_is_compared(server, tmp_path, headers, etag):
    server.headers, server.etag = headers, etag
    run(server, tmp_path / "right")
    assert lies_there(tmp_path / "right") == firsts(1)
    server.promises = content(77)
    with pytest.raises(StageError, match=r"came twice with another (md5|sha256) than the server says; run the same command again later"):
        run(server, tmp_path / "wrong")
    assert all(name.startswith(".") for name in lies_there(tmp_path / "wrong"))
    assert server.asked(NAME) == [("", 200)] * 3


@pytest.mark.parametrize(("headers", "etag"), [
    ({}, '"00000000000000000000000000000000"'),                                                         # not S3
    ({"Server": "AmazonS3"}, '"00000000000000000000000000000000-12"'),                                  # sent in parts
    ({"Server": "AmazonS3", "x-amz-server-side-encryption": "aws:kms"}, '"00000000000000000000000000000000"'),
    ({"x-amz-checksum-sha256": "3q2+7w==-2"}, '"x"')])                                                  # of checksums of parts
def test_what_is_no_checksum_of_the_content_is_not_taken_for_one(server, tmp_path, headers, etag):
    server.headers, server.etag = headers, etag
    run(server, tmp_path)
    assert lies_there(tmp_path) == firsts(1)


def test_what_the_crawl_does_not_have(server, tmp_path):
    with pytest.raises(StageError, match=rf"{CRAWL} has 12 warc files, not 13; give at most that many"):
        run(server, tmp_path, 13)
    with pytest.raises(StageError, match=r"there is no list of wet files of CC-MAIN-2026-42 \(HTTP 404 for http://.*/wet.paths.gz\); correct the name"):
        fetch(Wanted(CRAWL, "wet", 1, None, tmp_path, server.address), IMPATIENT)
    del server.files[f"/{FIRST}"]
    with pytest.raises(StageError, match=r"CC-MAIN-20261010-\d+.warc.gz cannot be fetched \(HTTP 404\); correct the address"):
        run(server, tmp_path)


@pytest.mark.parametrize("listed", ["../../etc/passwd", "/etc/passwd", "http://elsewhere/x.warc.gz", "a/x.warc.gz\nb/x.warc.gz", ""])
def test_a_list_that_names_other_places_is_refused(server, tmp_path, listed):
    server.files[f"/crawl-data/{CRAWL}/warc.paths.gz"] = gzip.compress(listed.encode())
    with pytest.raises(StageError, match=r"warc.paths.gz is not a list of paths with distinct names; look at it, and at --from"):
        run(server, tmp_path)
    server.files[f"/crawl-data/{CRAWL}/warc.paths.gz"] = b"<html>"
    with pytest.raises(StageError, match=r"warc.paths.gz is not a list of paths; look at it"):
        run(server, tmp_path)


def test_a_full_disk_is_seen_before_anything_comes(server, tmp_path):
    server.lies[f"/{FIRST}"] = 10**18
    with pytest.raises(StageError, match=r"1000000000.00 GB have to be fetched and the disk of .* has \d+\.\d\d GB left; free some, or fetch less"):
        run(server, tmp_path)
    assert server.asked(NAME) == []


def test_every_mistake_of_the_command_line_is_told_at_once():
    with pytest.raises(StageError) as error:
        wanted("CC MAIN", "wat", "none", "much", "s3://bucket/raw/cc", "https://data.commoncrawl.org")
    assert [line.partition(";")[0] for line in str(error.value).splitlines()] == [
        "'CC MAIN' is not a crawl", "'wat' is not a kind of file",
        "say how much, once: a number of files (--files 4) or of bytes (--bytes 2GB)", "'none' is not a number of files",
        "'much' is not a size", "s3://bucket/raw/cc is not a local folder, and an object store cannot resume a partial file"]
    with pytest.raises(StageError, match=r"^'data/raw/_cc' is not a folder that extract reads; give one such as data/raw/CC-MAIN-2026-42$"):
        wanted(CRAWL, "warc", "1", "", "data/raw/_cc", "")


@pytest.mark.parametrize(("said", "size"), [("2GB", 2 * 10**9), ("1.5 GiB", 3 << 29), ("700M", 7 * 10**8), ("12", 12), ("2 apples", None), ("", None), ("-1GB", None)])
def test_sizes(said, size):
    assert parse_bytes(said) == size


def command(server: FileServer, folder: Path) -> list[str]:
    return [sys.executable, "-m", "textmill", "fetch", "--crawl", CRAWL, "--files", "2", "--to", str(folder), "--from", server.address]


def test_killed_midway_and_run_again_asks_for_the_rest_only(server, tmp_path):
    server.faults[f"/{FIRST}"] = [("stall", 30_000)]
    killed = subprocess.Popen(command(server, tmp_path), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    part = tmp_path / f".{NAME}.part"
    deadline = time.monotonic() + 60
    while not part.exists() or part.stat().st_size < 30_000:
        assert killed.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    second = subprocess.run(command(server, tmp_path), cwd=ROOT, capture_output=True, text=True)
    since = re.sub(r"since \d\d:\d\d", "since then", second.stderr)
    assert (second.returncode, since) == (1, f"fetch: another fetch into {tmp_path} is running (process {killed.pid}, since then); "
                                             "wait for it or stop it\n")
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    server.go_on.set()
    assert lies_there(tmp_path).keys() == {part.name, f".{NAME}.version"}
    again = subprocess.run(command(server, tmp_path), cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert re.fullmatch(rf"fetch: {CRAWL}, 2 of 12 warc files, 0.00 GB in {tmp_path} \(2 fetched now, 0.00 GB\), [\d.]+ s\n", again.stdout)
    assert lies_there(tmp_path) == firsts(2)
    assert server.asked(NAME) == [("", 200), ("bytes=30000-", 206)]


def test_killed_between_sum_and_name_is_finished_without_a_request(server, tmp_path):
    run(server, tmp_path)
    (tmp_path / NAME).rename(tmp_path / f".{NAME}.part")
    etag = hashlib.sha1(CONTENT[FIRST]).hexdigest()
    (tmp_path / f".{NAME}.version").write_text(f'{len(CONTENT[FIRST])} "{etag}"')
    run(server, tmp_path)
    assert lies_there(tmp_path) == firsts(1)
    assert len(server.asked(NAME)) == 1


def test_make_fetch_says_what_is_missing(tmp_path):
    said = subprocess.run([sys.executable, "-m", "textmill", "fetch", "--to", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 1 and "Traceback" not in said.stderr
    assert said.stderr.splitlines() == [
        "fetch: '' is not a crawl; give one as in --crawl CC-MAIN-2026-42, from index.commoncrawl.org",
        "fetch: say how much, once: a number of files (--files 4) or of bytes (--bytes 2GB)"]
