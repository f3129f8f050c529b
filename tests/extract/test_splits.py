"""Splits: the same for the same files, cut by size, entered midway only where that is possible, refused in one go."""

import bz2
import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textmill.pipelines.extract.files.raw_file import RawFile
from textmill.pipelines.extract.formats import format_of
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.splits import RawFilesError, plan_splits, small_groups

SETTINGS = ExtractSettings(split_bytes=1000)


def plan(files: dict[str, bytes], settings: ExtractSettings = SETTINGS):
    return plan_splits([RawFile(path, len(data), f"sha of {path}") for path, data in files.items()],
                       lambda path: io.BytesIO(files[path]), settings)


def ranges(splits):
    return [(split.kind, [(part.path, part.start, part.end) for part in split.ranges]) for split in splits]


def test_a_gzipped_warc_is_cut_into_ranges_and_a_plain_one_is_not():
    files = {"web/a.warc.gz": b"\x1f\x8b" + bytes(2498), "web/b.warc": b"WARC/1.0\r\n" + bytes(2490)}
    assert sorted(ranges(plan(files))) == [
        ("warc", [("web/a.warc.gz", 0, 1000)]), ("warc", [("web/a.warc.gz", 1000, 2000)]),
        ("warc", [("web/a.warc.gz", 2000, 2500)]), ("warc", [("web/b.warc", 0, 2500)])]


def test_keys_are_unique_safe_and_in_the_order_of_the_splits():
    splits = plan({"web pages/a.warc.gz": b"\x1f\x8b" + bytes(2498), "web pages/b.warc.gz": b"\x1f\x8b" + bytes(2498)})
    keys = [split.key for split in splits]
    assert keys == sorted(set(keys)) and len(keys) == 6
    assert all(key.startswith("web_pages-") and key.replace("_", "").replace("-", "").isalnum() for key in keys)
    assert [split.ranges[0].start for split in splits] == [0, 1000, 2000, 0, 1000, 2000]


def test_plain_jsonl_is_cut_and_compressed_jsonl_is_not():
    files = {"a/x.jsonl": b"{" * 1500, "a/y.jsonl.gz": b"\x1f\x8b" + bytes(1498), "a/z.jsonl.zst": b"\x28\xb5\x2f\xfd" + bytes(1496)}
    found = {split.ranges[0].path: [] for split in plan(files)}
    for split in plan(files):
        found[split.ranges[0].path].append((split.ranges[0].start, split.ranges[0].end))
    assert found == {"a/x.jsonl": [(0, 1000), (1000, 1500)], "a/y.jsonl.gz": [(0, 1500)], "a/z.jsonl.zst": [(0, 1500)]}


def test_parquet_is_cut_by_row_groups():
    out = io.BytesIO()
    pq.write_table(pa.table({"text": [f"row number {n} of this table" * 9 for n in range(40)]}), out, row_group_size=10, compression="none",
                   use_dictionary=False)
    splits = plan({"a/t.parquet": out.getvalue()}, ExtractSettings(split_bytes=4000))
    assert ranges(splits) == [("parquet", [("a/t.parquet", 0, 2)]), ("parquet", [("a/t.parquet", 2, 4)])]


def test_small_files_form_groups_that_a_new_file_changes_in_one_place():
    files = [RawFile(f"docs/{n:04d}.html", 3000, "") for n in range(400)]
    before = list(small_groups(files, 64 * 1024))
    after = list(small_groups(sorted([*files, RawFile("docs/0200b.html", 3000, "")]), 64 * 1024))
    assert [file for group in before for file in group] == files
    assert 25 < len(before) < 65                              # about 400 * 7 kB / 64 kB
    changed = [group for group in before if group not in after]
    assert len(changed) == 1 and any(file.path == "docs/0200.html" for file in changed[0])


def test_groups_hold_one_source_and_one_kind():
    files = {"a/1.html": b"<p>", "a/2.txt": b"x", "a/3.html": b"<p>", "b/1.html": b"<p>", "b/deep/er/2.html": b"<p>"}
    found = sorted((split.source, split.kind, [part.path for part in split.ranges])
                   for split in plan(files, ExtractSettings(split_bytes=1 << 40)))
    assert found == [("a", "html", ["a/1.html", "a/3.html"]), ("a", "text", ["a/2.txt"]),
                     ("b", "html", ["b/1.html", "b/deep/er/2.html"])]


def test_every_file_without_a_place_is_named_at_once():
    files = {"loose.html": b"<p>", "a/picture.png": b"\x89PNG", "a/broken.parquet": b"no parquet", "a/good.html": b"<p>"}
    with pytest.raises(RawFilesError) as error:
        plan(files, ExtractSettings(split_bytes=1000, unknown="stop"))
    assert [problem.split(" ")[0] for problem in error.value.problems] == ["raw/a/broken.parquet", "raw/a/picture.png", "raw/loose.html"]


def test_a_file_of_no_known_kind_is_a_row_that_names_it():
    (split,) = plan({"a/picture.png": b"\x89PNG"})
    assert (split.kind, split.ranges[0].path) == ("unknown", "a/picture.png")


@pytest.mark.parametrize(("name", "data", "kind"), [
    ("x.warc.gz", b"", "warc"), ("x.warc.wet.gz", b"", "wet"), ("x.WARC.WAT.gz", b"", "warc"), ("x.arc.gz", b"", "arc"),
    ("x.ndjson.zst", b"", "jsonl"), ("x.md", b"", "markdown"), ("x.txt", b"", "text"), ("x.htm", b"", "html"),
    ("x", gzip.compress(b"WARC/1.0\r\n", mtime=0), "warc"), ("x", b"filedesc://x", "arc"), ("x", b" <!DOCTYPE html>", "html"),
    ("x", b'{"text": "a"}', "json"), ("x", b'{"text": "a"}\n{', "jsonl"), ("x", b'{"text": "a",\r\n"n": 1}', "json"), ("x", b"{\\rtf1 a}", None), ("x.xlsx", b"PK\3\4", None), ("x", b"PAR1", "parquet"), ("x", b"\x1f\x8bjunk", None), ("x", b"words", None),
    ("x.csv", b"", "csv"), ("x.TSV", b"", "csv"), ("x.json", b'[{"text": 1}]', "json"), ("x.json", b'{\n "text": 1}', "json"),
    ("x.json", b'{"text": 1}\n{', "jsonl"), ("x", b"[a note]", None), ("x.arrow", b"", "arrow"), ("x", b"ARROW1\0\0", "arrow"),
    ("x.csv.bz2", b"", "compressed"), ("x.jsonl.xz", b"", "compressed"), ("x", bz2.compress(b'{"text": 1}'), "compressed"),
    ("x", bz2.compress(b"words"), None), ("x.zip", b"", "zip"), ("x", b"PK\3\4", "zip"), ("x.tgz", b"", "tar"), ("x.tar.zst", b"", "tar"),
    ("x", gzip.compress(bytes(257) + b"ustar\0"), "tar")])
def test_kinds_by_name_then_by_first_bytes(name, data, kind):
    format = format_of(RawFile(f"a/{name}", len(data), ""), lambda path: io.BytesIO(data))
    assert (format and format.name) == kind
