"""Dedup alone: the same rows without the copies, whatever the file; and a sentence for every file that cannot be."""

import gzip
import io
import json
import os
import random
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.command_line import refused
from tests.paths import ROOT
from tests.servers import s3
from textmill.cli import main

pytestmark = pytest.mark.slow


def prose(seed: int, words: int = 100) -> str:
    draw = random.Random(seed)
    return " ".join("".join(draw.choices("abcdefghij", k=5)) for _ in range(words))


def dedup(*arguments: object) -> int:
    return main(["dedup-only", *map(str, arguments), "--workers", "1"])


def jsonl(rows: list) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def left(path: Path) -> list:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def rows() -> list[tuple[dict, str | None]]:
    """(row, kind of copy it is or None where it stays), in file order. All columns but text, date and url are nobody's."""
    one, two, three, four = map(prose, range(4))
    return [
        ({"text": one, "n": 0, "tags": ["a", {"b": None}]}, None),                            # the first stays
        ({"n": 1, "zoe": 0.1, "text": one}, "exact"),
        ({"text": two, "n": 2}, None),
        ({"text": f"{two} and a last word", "n": 3}, "near"),
        ({"text": three, "url": "https://a.example/x", "date": "2020-05-05", "n": 4}, "url"),       # the newest capture stays
        ({"text": f"{three} again", "url": "https://a.example/x", "date": "2021-05-05", "n": 5}, None),
        ({"text": prose(9), "url": "https://a.example/x", "date": "2021-05-05", "n": 6}, None),     # of the thread, not a copy
        ({"text": " ".join([*four.split()[:50], *prose(5).split()[:50]]), "n": 7}, None),     # Jaccard about 1/3 with the next
        ({"text": four, "n": 8}, None),
        ({"text": "", "n": 9}, None),
        ({"n": 10, "other": "no text at all"}, None),
        ({"n": 10, "other": "no text at all"}, None),
    ]


def lines() -> list[tuple[bytes, bool]]:
    """(line, does it stay): the rows above in two ways of writing JSON, with a broken, a foreign and an empty line."""
    made = [((json.dumps(row, ensure_ascii=n % 2 == 0, separators=(",", ":") if n % 3 else None) + "\n").encode(),
             kind is None) for n, (row, kind) in enumerate(rows())]
    made[3:3] = [(b'{"text": "it breaks off\n', True), (b"[1, 2]\r\n", True), (b"\n", True), (b'{"text": "\xff\xfe"}\n', True)]
    return made


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz", "in.jsonl.zst", "gzip-named-plain.jsonl", "plain-named.jsonl.gz"])
def test_every_other_line_stays_byte_for_byte(tmp_path, name, capsys):
    content = b"".join(line for line, _ in lines())
    kind = {"gzip-named-plain.jsonl": "gz", "plain-named.jsonl.gz": "plain"}.get(name, name.rpartition(".")[2])
    packed = {"gz": gzip.compress, "zst": zstandard.compress}.get(kind, bytes)(content)
    (tmp_path / name).write_bytes(packed)
    assert dedup(tmp_path / name, "--to", tmp_path / "out.jsonl") == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b"".join(line for line, stays in lines() if stays)
    said = capsys.readouterr()
    assert said.out == f"dedup-only: 15 rows, 3 copies removed (exact 1, near 1, url 1), 12 written to {tmp_path / 'out.jsonl'}\n"
    assert "2 of 15 rows are no JSON and stay as they are\n" in said.err and "1 of 15 rows are no objects" in said.err
    assert "3 of 15 rows have no text and stay as they are; the columns are text, n, tags\n" in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "out.jsonl"])
    assert (tmp_path / name).read_bytes() == packed


def test_columns_types_codecs_and_row_groups_of_parquet_stay(tmp_path, capsys):
    schema = pa.schema([("n", pa.int16()), ("text", pa.large_string()), ("url", pa.string()), ("date", pa.string()),
                        ("vector", pa.list_(pa.float32(), 2)), ("when", pa.timestamp("ns", "UTC"))], metadata={"made by": "hand"})
    given = [({key: row.get(key) for key in ("n", "text", "url", "date")} | {"vector": [row["n"], 0.5], "when": None}, kind)
             for row, kind in rows()]
    table = pa.Table.from_pylist([row for row, _ in given], schema)
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=4, compression={"text": "zstd", "url": "gzip", "n": "none"})
    assert dedup(tmp_path / "in.parquet", "--to", tmp_path / "out.parquet") == 0
    assert "12 rows, 3 copies removed (exact 1, near 1, url 1), 9 written" in capsys.readouterr().out
    kept, before, after = (pq.read_table(tmp_path / "out.parquet"), pq.ParquetFile(tmp_path / "in.parquet"),
                           pq.ParquetFile(tmp_path / "out.parquet"))
    assert kept.schema.equals(before.schema_arrow, check_metadata=True)
    assert kept.to_pylist() == [row for row, kind in given if kind is None]
    codecs = [[file.metadata.row_group(0).column(n).compression for n in range(6)] for file in (before, after)]
    assert codecs[0] == codecs[1] and set(codecs[0]) == {"UNCOMPRESSED", "ZSTD", "GZIP"}
    assert [after.metadata.row_group(n).num_rows for n in range(3)] == [2, 3, 4]


def test_string_views_and_columns_python_cannot_hold(tmp_path):
    table = pa.table({"text": pa.array([prose(1), prose(1), prose(2)], pa.string_view()),
                      "timestamp": pa.array([1, 2, 3], pa.timestamp("ns")), "gone": pa.array([2**62] * 3, pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "in.parquet")
    assert dedup(tmp_path / "in.parquet", "--to", tmp_path / "out.parquet") == 0
    assert pq.read_table(tmp_path / "out.parquet")["text"].to_pylist() == [prose(1), prose(2)]


def test_separated_values_with_quoted_line_breaks(tmp_path, capsys):
    body = f'id,text\r\n1,"{prose(1)}\r\nsecond, line"\r\n2,{prose(2)}\r\n3,"{prose(1)}\nsecond, line"\r\n\r\n4,{prose(2)}'.encode()
    (tmp_path / "in.csv").write_bytes(b"\xef\xbb\xbf" + body)
    assert dedup(tmp_path / "in.csv", "--to", tmp_path / "out.csv") == 0
    assert (tmp_path / "out.csv").read_bytes() == (
        b"\xef\xbb\xbf" + f'id,text\r\n1,"{prose(1)}\r\nsecond, line"\r\n2,{prose(2)}\r\n\r\n'.encode())
    (tmp_path / "in.tsv").write_text(f"text\tn\n{prose(3)}\t1\n{prose(3)}\t2\n")
    assert dedup(tmp_path / "in.tsv", "--to", tmp_path / "out.tsv") == 0
    assert (tmp_path / "out.tsv").read_text() == f"text\tn\n{prose(3)}\t1\n"


@pytest.mark.parametrize("texts", [
    ["C", "C++", "C#"], ["Yes!", "Yes?", "yes"], ["US", "us"], ["a<b", "a>b"], [prose(1), prose(2)],
    ["def f(a, b):\n    return a + b\n", "def f(a, b):\n    return a - b\n", "def f(a, b):\n    return a * b\n"],
    ["for x in y:\n    f(x)\n    g(x)\n", "for x in y:\n    f(x)\ng(x)\n"]])
@pytest.mark.parametrize("url", ["N/A", "https://a.example/thread"])
def test_texts_that_differ_in_what_matters_are_no_copies(tmp_path, texts, url):
    given = [{"text": text, "url": url} for text in texts]
    (tmp_path / "in.jsonl").write_bytes(jsonl([*given, given[0]]))
    assert dedup(tmp_path / "in.jsonl", "--to", tmp_path / "out.jsonl") == 0
    assert left(tmp_path / "out.jsonl") == given


def test_texts_where_people_keep_them(tmp_path, capsys):
    chat = [{"role": "user", "content": prose(1)}, {"role": "assistant", "content": [{"type": "text", "text": prose(2)}]}]
    other = [chat[0], {"role": "assistant", "content": prose(3)}]
    share = [{"from": "human", "value": prose(4)}, {"from": "gpt", "value": prose(5)}]
    for n, (first, second) in enumerate([
            ({"messages": chat}, {"messages": other}), ({"conversations": share}, {"conversations": share[:1]}),
            ({"prompt": prose(1), "chosen": prose(2), "rejected": prose(3)}, {"prompt": prose(1), "chosen": prose(6), "rejected": prose(7)}),
            ({"instruction": "Say.", "input": "", "output": prose(1)}, {"instruction": "Say.", "input": "", "output": prose(2)}),
            ({"text": "", "content": prose(1)}, {"text": "", "content": prose(2)}), ({"TEXT": prose(1)}, {"TEXT": prose(2)})]):
        (tmp_path / f"{n}.jsonl").write_bytes(jsonl([first, second, first]))
    assert dedup(tmp_path, "--to", tmp_path / "out") == 0
    assert "18 rows, 10 copies removed (exact 8, near 2), 8 written" in capsys.readouterr().out
    assert [len(left(tmp_path / f"out/{n}.jsonl")) for n in range(4)] == [2, 2, 2, 2]


def test_named_columns_and_paths(tmp_path, capsys):
    given = [{"meta": {"Text": prose(1)}, "body": str(n)} for n in (1, 2, 1)]
    (tmp_path / "in.jsonl").write_bytes(jsonl(given))
    assert dedup(tmp_path / "in.jsonl", "--to", tmp_path / "a.jsonl", "--text-column", "meta.text") == 0
    assert left(tmp_path / "a.jsonl") == given[:1]
    assert dedup(tmp_path / "in.jsonl", "--to", tmp_path / "b.jsonl", "--text-column", "meta.text", "--text-column", "body", "--exact-only") == 0
    assert left(tmp_path / "b.jsonl") == given[:2]
    assert refused(capsys, "dedup-only", str(tmp_path / "in.jsonl"), "--to", str(tmp_path / "c.jsonl"), "--text-column", "none") == (
        "dedup-only: no row can be compared: of 3 rows 3 have no text; the columns are meta, body; there is nothing in none")


def test_several_files_and_folders_share_their_copies(tmp_path, capsys):
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "in/a.jsonl").write_bytes(jsonl([{"text": prose(1)}, {"text": prose(2)}]))
    (tmp_path / "in/sub/b.jsonl.gz").write_bytes(gzip.compress(jsonl([{"text": prose(2)}, {"text": prose(3)}])))
    pq.write_table(pa.table({"text": [prose(3), prose(1), prose(4)]}), tmp_path / "in/sub/c.parquet")
    (tmp_path / "in/notes.txt").write_text("not of rows")
    assert dedup(tmp_path / "in", "--to", tmp_path / "out", "--removed", tmp_path / "removed.jsonl") == 0
    assert left(tmp_path / "out/a.jsonl") == [{"text": prose(1)}, {"text": prose(2)}]
    assert gzip.decompress((tmp_path / "out/sub/b.jsonl.gz").read_bytes()) == jsonl([{"text": prose(3)}])
    assert pq.read_table(tmp_path / "out/sub/c.parquet")["text"].to_pylist() == [prose(4)]
    a, b, c = (str(tmp_path / "in" / name) for name in ("a.jsonl", "sub/b.jsonl.gz", "sub/c.parquet"))
    length = len(jsonl([{"text": prose(1)}]))
    assert left(tmp_path / "removed.jsonl") == [
        {"file": b, "place": 0, "kind": "exact", "similarity": 1.0, "kept_file": a, "kept_place": length},
        {"file": c, "place": 0, "kind": "exact", "similarity": 1.0, "kept_file": b, "kept_place": length},
        {"file": c, "place": 1, "kind": "exact", "similarity": 1.0, "kept_file": a, "kept_place": 0}]
    assert dedup(b, a, "--to", tmp_path / "other") == 0                 # the order given is that of first
    assert [len(left(tmp_path / "other/a.jsonl")), gzip.decompress((tmp_path / "other/b.jsonl.gz").read_bytes()).count(b"\n")] == [1, 2]


def test_against_a_reference_whose_index_stays(tmp_path, capsys):
    (tmp_path / "old").mkdir()
    (tmp_path / "old/a.jsonl").write_bytes(jsonl([{"text": prose(n)} for n in range(5)]))
    (tmp_path / "new.jsonl").write_bytes(jsonl([{"text": f"{prose(2)} more"}, {"text": prose(7)}, {"text": prose(4)}, {"text": prose(7)}]))
    arguments = [tmp_path / "new.jsonl", "--to", tmp_path / "out.jsonl", "--against", tmp_path / "old", "--index", tmp_path / "index"]
    assert dedup(*arguments) == 0
    assert "4 rows against 5 rows of the reference, 3 copies removed (exact 2, near 1), 1 written" in capsys.readouterr().out
    assert left(tmp_path / "out.jsonl") == [{"text": prose(7)}]
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "index").rglob("*.parquet")}
    assert len(made) == 3
    assert dedup(*arguments, "--overwrite") == 0 and made == {path: path.stat().st_mtime_ns for path in (tmp_path / "index").rglob("*.parquet")}
    (tmp_path / "old/a.jsonl").write_bytes(jsonl([{"text": prose(7)}]))
    assert dedup(*arguments, "--overwrite") == 0
    assert [row["text"] for row in left(tmp_path / "out.jsonl")] == [f"{prose(2)} more", prose(4)]


@pytest.mark.parametrize(("keep", "expected"), [("first", 0), ("longest", 1), ("newest", 2), ("oldest", 3)])
def test_which_copy_stays(tmp_path, keep, expected):
    given = [{"text": prose(1), "timestamp": "20210505120000"}, {"text": prose(1) + " longer", "timestamp": 1620000001},
             {"text": prose(1) + " x", "timestamp": "Wed, 21 Oct 2025 07:28:00 GMT"}, {"text": prose(1), "timestamp": "2019-01"}]
    (tmp_path / "in.jsonl").write_bytes(jsonl(given))
    assert dedup(tmp_path / "in.jsonl", "--to", tmp_path / "out.jsonl", "--keep", keep) == 0
    assert left(tmp_path / "out.jsonl") == [given[expected]]


def test_the_newest_row_of_an_address_in_parquet(tmp_path):
    when = [datetime(2020, 1, 1), datetime(2024, 1, 1), datetime(2022, 1, 1)]
    pq.write_table(pa.table({"text": [prose(1), prose(1) + " b", prose(1) + " c"], "timestamp": pa.array(when, pa.timestamp("us")),
                             "metadata": [{"url": "https://a.example/"}] * 3}), tmp_path / "in.parquet")
    assert dedup(tmp_path / "in.parquet", "--to", tmp_path / "out.parquet") == 0
    assert pq.read_table(tmp_path / "out.parquet")["timestamp"].to_pylist() == [when[1]]


def test_a_template_is_told_and_need_not_count(tmp_path, capsys):
    head = prose(0, 200)
    given = [{"instruction": head, "output": f"label{n}"} for n in range(1200)]
    (tmp_path / "in.jsonl").write_bytes(jsonl(given))
    assert dedup(tmp_path / "in.jsonl", "--to", tmp_path / "a.jsonl") == 0
    said = capsys.readouterr()
    assert "100% of the rows consist mostly of text that more than 1% of all rows have, such as a template" in said.err
    assert len(left(tmp_path / "a.jsonl")) < 20
    longer = [{"instruction": head, "output": prose(n % 1000 + 1, 30)} for n in range(1200)]
    (tmp_path / "in.jsonl").write_bytes(jsonl(longer))
    assert dedup(tmp_path / "in.jsonl", "--to", tmp_path / "b.jsonl", "--common", "0.01") == 0
    assert left(tmp_path / "b.jsonl") == longer[:1000]
    assert "template" not in capsys.readouterr().err


def test_streams_in_and_out(tmp_path):
    given = jsonl([{"text": prose(1)}, {"text": prose(1)}, {"text": prose(2)}])
    ran = subprocess.run([sys.executable, "-m", "textmill", "dedup-only", "-", "--to", "-", "--workers", "1"], input=gzip.compress(given),
                         capture_output=True, cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"})
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == jsonl([{"text": prose(1)}, {"text": prose(2)}]) and b"1 copies removed" in ran.stderr
    assert not list(tmp_path.iterdir())


def test_packed_output_and_wide_windows(tmp_path):
    packed = io.BytesIO()
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    with zstandard.ZstdCompressor(compression_params=parameters).stream_writer(packed, closefd=False) as writer:
        writer.write(jsonl([{"text": prose(1)}, {"text": prose(1)}]))
    (tmp_path / "in.jsonl.zst").write_bytes(packed.getvalue())
    assert dedup(tmp_path / "in.jsonl.zst", "--to", tmp_path / "out.jsonl.gz") == 0
    assert gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()) == jsonl([{"text": prose(1)}])
    again = (tmp_path / "out.jsonl.gz").read_bytes()
    assert dedup(tmp_path / "in.jsonl.zst", "--to", tmp_path / "out.jsonl.gz", "--overwrite") == 0
    assert (tmp_path / "out.jsonl.gz").read_bytes() == again
    assert dedup(tmp_path / "out.jsonl.gz", "--to", tmp_path / "out.jsonl.zst") == 0
    assert zstandard.ZstdDecompressor().decompressobj().decompress((tmp_path / "out.jsonl.zst").read_bytes()) == jsonl([{"text": prose(1)}])


def test_in_an_object_store(tmp_path, monkeypatch):
    from textmill.pipelines.contract.storage import Folder

    with s3(tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        Folder("s3://mill/in").write("a.jsonl", jsonl([{"text": prose(1)}, {"text": prose(1)}]))
        assert dedup("s3://mill/in", "--to", "s3://mill/out") == 0
        assert Folder("s3://mill/out").read("a.jsonl") == jsonl([{"text": prose(1)}])


def test_what_cannot_be_is_a_sentence_and_writes_nothing(tmp_path, capsys):
    whole = jsonl([{"text": prose(1)}])
    files = {"cut.jsonl.gz": gzip.compress(whole * 100)[:-40], "cut.jsonl.zst": zstandard.compress(whole * 100)[:-4],
             "tail.jsonl.gz": gzip.compress(whole) + b"garbage", "array.json": json.dumps([{"text": "a"}]).encode(),
             "wide.jsonl": whole.decode().encode("utf-16"), "a.pdf.jsonl": b"%PDF-1.7\n", "empty-texts.jsonl": jsonl([{"other": 1}] * 2),
             "good.jsonl": whole, "there.jsonl": b"precious\n"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for name, said in {
            "cut.jsonl.gz": "is damaged (the compressed stream breaks off", "cut.jsonl.zst": "is damaged (", "tail.jsonl.gz": "is damaged (",
            "array.json": "is one JSON array; write one object a line", "wide.jsonl": "is no text (UTF-16?); convert it to UTF-8",
            "a.pdf.jsonl": "is a PDF; extract its text first", "none.jsonl": "there is no file",
            "empty-texts.jsonl": "no row can be compared: of 2 rows 2 have no text; the columns are other; name the column with --text-column",
    }.items():
        assert said in refused(capsys, "dedup-only", str(tmp_path / name), "--to", str(tmp_path / "out.jsonl"), "--workers", "1")
    good = str(tmp_path / "good.jsonl")
    for to, said in {good: "is an input, which would be destroyed", str(tmp_path / "there.jsonl"): "is there already; give --overwrite",
                     str(tmp_path / "out.parquet"): "is jsonl and stays so"}.items():
        assert said in refused(capsys, "dedup-only", good, "--to", to)
    assert "is given twice" in refused(capsys, "dedup-only", good, good, "--to", str(tmp_path / "new"))
    assert "--threshold: 2.0 must be above 0" in refused(capsys, "dedup-only", good, "--to", str(tmp_path / "o.jsonl"), "--threshold", "2")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_no_rows_at_all(tmp_path, capsys):
    (tmp_path / "in.jsonl").write_bytes(b"")
    assert dedup(tmp_path / "in.jsonl", "--to", tmp_path / "out.jsonl") == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b"" and "0 rows, 0 copies removed, 0 written" in capsys.readouterr().out


def test_what_a_killed_run_left_is_taken_up_and_cleaned(tmp_path):
    (tmp_path / "in.jsonl").write_bytes(jsonl([{"text": prose(1)}, {"text": prose(1)}]))
    (tmp_path / ".out.jsonl.work/index/documents").mkdir(parents=True)
    (tmp_path / ".out.jsonl.work/index/0.json").write_text("half")
    (tmp_path / "out.jsonl").write_bytes(b"it had written this already\n")
    assert dedup(tmp_path / "in.jsonl", "--to", tmp_path / "out.jsonl") == 0
    assert left(tmp_path / "out.jsonl") == [{"text": prose(1)}]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_beam_says_nothing_of_libraries_that_are_not_installed(tmp_path):
    (tmp_path / "in.jsonl").write_bytes(jsonl([{"text": f"row {n}"} for n in range(20_000)]))
    ran = subprocess.run([sys.executable, "-m", "textmill", "dedup-only", str(tmp_path / "in.jsonl"), "--to", str(tmp_path / "out.jsonl")],
                         capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert (ran.returncode, ran.stderr) == (0, "")
