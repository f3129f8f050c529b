"""Archives and compressed files: members are files of their own, and none of them is dangerous."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.extract.test_hostile_rows import LINUX, written
from tests.extract.test_tables import said
from textmill.pipelines.contract.filesystems import StageError

CSV = b"text,n\nThe miller weighs.,1\n"
COMPRESS = {"gz": lambda data: gzip.compress(data, mtime=0), "bz2": bz2.compress, "xz": lzma.compress, "zst": zstandard.ZstdCompressor().compress}


def parquet(text: str) -> bytes:
    stored = io.BytesIO()
    pq.write_table(pa.table({"text": [text]}), stored)
    return stored.getvalue()


def zipped(members: dict[str, bytes], **change) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(members: dict[str, bytes], mode: str = "w", links: tuple[str, ...] = ()) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for name in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(member)
    return out.getvalue()


MEMBERS = {"d/a.csv": CSV, "b.jsonl.gz": gzip.compress(b'{"text": "A line."}\n', mtime=0), "t.parquet": parquet("A row."), "n.txt": b"Words.",
           "../../out.txt": b"no", "/etc/x.txt": b"no", "line\nbreak.txt": b"no", "README.md": b"about", "x.png": b"\x89PNG",
           "in.zip": zipped({"a.txt": b"a"})}
READ = [("The miller weighs.", "d/a.csv"), ("A line.", "b.jsonl.gz"), ("Words.", "n.txt"), ("A row.", "t.parquet")]
REJECTED = [("unsafe_path", "../../out.txt"), ("unsafe_path", "/etc/x.txt"), ("unsafe_path", "line\ufffdbreak.txt"), ("ignored", "README.md"),
            ("unknown_kind", "x.png"), ("nested_archive", "in.zip")]


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tgz", "a.tar.bz2", "a.tar.xz", "no ending"])
def test_members_of_an_archive_are_files_of_their_own(name):
    mode = {"a.tgz": "w:gz", "a.tar.bz2": "w:bz2", "a.tar.xz": "w:xz"}.get(name, "w")
    data = zipped(MEMBERS) if name == "a.zip" else tarred(MEMBERS, mode, ("link.txt",))
    rows = written(name, data)
    links = [] if name == "a.zip" else [("archive_link", "link.txt")]
    assert sorted(said(rows, "what", "file")) == sorted((what, f"mine/{name}/{member}") for what, member in [*READ, *REJECTED, *links])


@pytest.mark.parametrize("first", ["[Content_Types].xml", "_rels/.rels", "docProps/app.xml", "mimetype"])
@pytest.mark.parametrize(("name", "cure"), [
    ("a.pptx", "a presentation is not read: export its text, or save it as .pdf"),
    ("a.xlsx", "a spreadsheet is not read: save its tables as CSV or JSONL")])
def test_slides_and_sheets_are_named_and_not_unzipped(name, cure, first):
    (row,) = written(name, zipped({first: b"application/vnd.oasis.opendocument.presentation", "a.csv": CSV}))
    assert (row["rule"], row["detail"]) == ("unknown_kind", cure)


def test_a_member_has_the_id_that_it_has_as_a_file():
    (alone,), (inside,) = written("a.csv", CSV), written("a.zip", zipped({"a.csv": CSV}))
    assert alone["id"] == inside["id"] and inside["offset"] == 7


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.txt", "a.parquet", "a.jsonl"])
def test_a_compressed_file_of_any_kind(name, suffix):
    data = {"a.csv": b"text\nWords.\n", "a.json": b'[{"text": "Words."}]', "a.txt": b"Words.", "a.parquet": parquet("Words."),
            "a.jsonl": b'{"text": "Words."}\n'}[name]
    assert said(written(f"{name}.{suffix}", COMPRESS[suffix](data)), "text", "file") == [("Words.", f"mine/{name}.{suffix}")]


def test_streams_one_after_the_other_and_one_that_breaks_off():
    for compress in (bz2.compress, lzma.compress):
        assert said(written("a.csv.bz2", compress(b"text\none\n") + compress(b"two\n")), "text") == [("one",), ("two",)]
        data = compress(b"text\n" + b"".join(b"%d words " % n * 200 + b"\n" for n in range(3000)))
        rows = written("a.csv.bz2", data[:-10])
        assert rows[-1]["rule"] == "truncated" and rows[0]["text"].startswith("0 words 0 words")


@pytest.mark.parametrize("name", ["a.txt.xz", "a.zip", "a.tar.xz"])
def test_a_bomb_costs_its_file(name):
    zeros = bytes(64 << 20)
    data = {"a.txt.xz": lzma.compress(zeros), "a.zip": zipped({"a.txt": zeros, "b.txt": b"Words."}),
            "a.tar.xz": lzma.compress(tarred({"a.txt": zeros, "b.txt": b"Words."}))}[name]
    (row,) = written(name, data)
    assert row["rule"] == "bomb" and row["outcome"] == "rejected"


def test_members_that_overlap_are_a_bomb_together():
    """The same compressed bytes under a thousand names: none is a bomb alone."""
    one = zipped({"000.txt": b"words " * 1_000_000})
    directory = one.index(b"PK\1\2")
    entry = one[directory:one.index(b"PK\5\6")]
    entries = b"".join(entry.replace(b"000.txt", b"%03d.txt" % n) for n in range(500))
    end = b"PK\5\6" + bytes(4) + (500).to_bytes(2, "little") * 2 + len(entries).to_bytes(4, "little") + directory.to_bytes(4, "little") + bytes(2)
    rows = written("a.zip", one[:directory] + entries + end)
    assert {row.get("rule") for row in rows[1:]} <= {"bomb", "damaged"} and len(rows) <= 501


def test_an_encrypted_zip_is_named():
    data = bytearray(zipped({"a.txt": b"Words."}))
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + at] |= 1
    assert said(written("a.zip", bytes(data)), "what", "detail") == [("encrypted", "the member needs a password")]


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_a_damaged_archive_gives_what_is_before_the_damage(name):
    members = {f"{n}.txt": b"Words. " * n for n in range(1, 200)}
    data = {"a.zip": zipped(members)[:-40], "a.tar": tarred(members)[:50_000], "a.tar.gz": tarred(members, "w:gz")[:-100]}[name]
    rows = written(name, data)
    assert rows[-1]["rule"] in ("damaged", "truncated") and rows[-1]["outcome"] == "quarantined"
    assert name == "a.zip" or len(rows) > 20


@LINUX
def test_a_compressed_tar_is_walked_once():
    """A step back before each header, in a compressed archive, would inflate it again from its beginning."""
    data = tarred({f"{n}.txt": b"w" * 512 for n in range(20_000)}, "w:gz")
    assert len(written("a.tgz", data)) == 20_000


def test_a_header_of_a_tar_has_a_bound():
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 30
    (row,) = written("a.tar", header.tobuf(tarfile.USTAR_FORMAT) + bytes(4096))
    assert row["rule"] == "bomb"


def test_a_reader_that_fails_costs_its_member():
    """Whatever a library raises for one member, the next is read."""
    rows = written("a.zip", zipped({"a.parquet": b"PAR1 and no table PAR1", "b.docx": b"PK", "c.txt": b"Words.", "d.csv.xz": b"\xfd7zXZ\0junk"}))
    assert said(rows, "what", "file") == [("Words.", "mine/a.zip/c.txt"), ("damaged", "mine/a.zip/a.parquet"), ("damaged", "mine/a.zip/b.docx"),
                                          ("truncated", "mine/a.zip/d.csv.xz")]


def test_a_full_disk_is_no_damage(monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.SpooledTemporaryFile.write", full)
    with pytest.raises(StageError, match=r"cannot hold what is inflated on its way \(No space left on device\); make room"):
        written("a.zip", zipped({"a.txt": b"Words."}))
