"""CSV, TSV, JSON and Arrow: rows as those of JSONL and Parquet are, whatever people's programs wrote."""

import io
import json
from itertools import product

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.extract.test_hostile_rows import written
from textmill.pipelines.extract.settings import ExtractSettings


def said(rows: list[dict], *columns: str) -> list[tuple]:
    """The named columns of each row, where a document has a text and a rejected one its rule."""
    return [tuple(row.get("text") or row.get("rule") if column == "what" else row.get(column) for column in columns) for row in rows]


def test_quotes_that_do_not_close_cost_the_line_they_stand_in():
    data = (b'id;text;url\n1;"Hello; there\nfriend";https://a.example/\n2;a "quote" within;x\n3;"bad"x;y\n4;"open;\n5;fine;z\n6;too;many;fields\n')
    assert said(written("a.csv", data), "what", "record_id", "offset", "detail") == [
        ("Hello; there\nfriend", "1", 12, None), ('a "quote" within', "2", 55, None), ("fine", "5", 96, None),
        ("broken_quotes", None, 76, "a quote stands in the middle of a quoted field"), ("broken_quotes", None, 87, "a quote is not closed"),
        ("bad_row", None, 105, "the row has 4 fields, the header 3")]


def test_an_open_quote_is_read_past_once():
    """Each open quote looks to the end of its row, which is the file's: one, not one a line."""
    data = b"text\n" + b'"open\n' + b"a line of words\n" * 20_000
    rows = written("a.csv", data)
    assert len(rows) == 20_001 and said(rows[-1:], "what", "offset") == [("broken_quotes", 5)]


@pytest.mark.parametrize(("name", "separator"), [("a.csv", ","), ("a.csv", ";"), ("a.csv", "\t"), ("a.csv", "|"), ("a.tsv", "\t")])
def test_the_separator_is_found_out(name, separator):
    rows = [["id", "text", "n"], ["7", "Rye, barley; oats and more", "1"], ["8", "Wheat", "2"]]
    data = "\n".join(separator.join(f'"{field}"' if set(",;") & set(field) else field for field in row) for row in rows)
    assert said(written(name, data.encode()), "record_id", "text", "extra") == [
        ("7", "Rye, barley; oats and more", '{"n":"1"}'), ("8", "Wheat", '{"n":"2"}')]


def test_a_tsv_without_quoted_fields_has_quotes_as_text():
    assert said(written("a.tsv", b'text\tn\n"Hello" he said\t1\n5" pipe\t2\n"unclosed\t3\n'), "text") == [
        ('"Hello" he said',), ('5" pipe',), ('"unclosed',)]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_the_charset_is_found_out(codec):
    text = "Äpfel, Öl und Grütze für die Mühle, längst über den Fluss"
    (row,) = written("a.csv", f'text;n\n"{text}";1\n'.encode(codec))
    assert (row["text"], row["extra"]) == (text, '{"n":"1"}')


def test_lines_that_end_as_they_like_and_fields_beyond_a_library_s_bound():
    for end in ("\n", "\r\n", "\r"):
        assert said(written("a.csv", f"text,n{end}one,1{end}two,2{end}".encode()), "text", "extra") == [("one", '{"n":"1"}'), ("two", '{"n":"2"}')]
    (row,) = written("a.csv", b'text\n"' + b"long " * 100_000 + b'"\n')
    assert len(row["text"]) == 500_000
    assert said(written("a.csv", b'text\n"' + b"long " * 100 + b'"\nshort\n', ExtractSettings(max_record_bytes=100)), "what", "offset") == [
        ("short", 508), ("too_large", 5)]


def test_bytes_that_are_no_utf_8_are_counted_where_they_stand():
    data = b"text,n\n" + "Der Müller wägt das Mehl zweimal.,1\n".encode() * 3000 + b"Ein Wort \xff und viel mehr Text danach.,2\n"
    rows = written("a.csv", data)
    assert (rows[-1]["text"], rows[-1]["replaced"]) == ("Ein Wort \ufffd und viel mehr Text danach.", 1)


def test_a_header_has_a_bound():
    (row,) = written("a.csv", b"," * 1_000_000 + b"\nwords\n")
    assert (row["rule"], row["value"]) == ("too_many_values", "1000001")


TURNS = [{"role": "user", "content": "Who mills?"}, {"role": "assistant", "content": "The miller."}]


def test_turns_in_every_kind_of_table():
    table = pa.table({"messages": [TURNS], "n": [1]})
    arrow, parquet = io.BytesIO(), io.BytesIO()
    with pa.ipc.new_stream(arrow, table.schema) as out:
        out.write_table(table)
    pq.write_table(table, parquet)
    quoted = json.dumps(TURNS).replace('"', '""')
    files = {"a.json": json.dumps([{"messages": TURNS, "n": 1}], indent=2).encode(), "a.arrow": arrow.getvalue(), "a.parquet": parquet.getvalue(),
             "a.csv": f'messages,n\n"{quoted}",1\n'.encode(), "b.csv": b"prompt,response\nWho mills?,The miller.\n"}
    for name, data in files.items():
        (row,) = written(name, data)
        assert row["text"] == "Who mills?\n\nThe miller.", name
        assert [turn["role"] for turn in row["turns"]] == ["user", "assistant"], name


def test_json_over_several_lines_one_after_the_other_or_in_a_list():
    rows = [{"text": "one", "n": 1.5, "meta": {"k": [1, {"z": None}]}}, {"text": "two"}]
    for data in (json.dumps(rows), json.dumps(rows, indent=1), "\ufeff" + json.dumps(rows, indent=1), "\n".join(json.dumps(row, indent=1) for row in rows)):
        assert said(written("a.json", data.encode()), "text", "extra") == [("one", '{"meta":{"k":[1,{"z":null}]},"n":1.5}'), ("two", None)]


@pytest.mark.parametrize(("data", "expected"), [
    (b'[{"text": "a"}, 3, {"text": "b"}]', [("a", 0, None), ("b", 2, None), ("bad_json", 1, "the value is a int, not an object")]),
    (b'[{"text": "a"}, {"text": "b', [("a", 0, None), ("bad_json", 1, "the file breaks off: what follows row 1 cannot be read")]),
    (b'[{"text": "a"}, {"text": oops}]', [("a", 0, None), ("bad_json", 1, "it is no valid JSON: what follows row 1 cannot be read")]),
    (b'[{"text": "a"}, {"n": ' + b"[" * 500 + b"]" * 500 + b'}, {"text": "b"}]', [("a", 0, None), ("b", 2, None), ("too_deep", 1, None)]),
    (b'[{"text": "a"}, {"n": ' + b"9" * 5000 + b"}]", [("bad_json", 0, "it is no valid JSON: what follows row 0 cannot be read")]),
])
def test_what_is_no_row_of_json_is_named(data, expected):
    assert said(written("a.json", data), "what", "offset", "detail") == expected


ONE, TWO = {"text": "one", "n": 1}, {"text": "two"}


@pytest.mark.parametrize(("value", "expected"), [
    ({"version": "1.1", "data": [ONE, TWO]}, [("one", 0), ("two", 1)]),
    ({"count": 2, "meta": {"tags": [ONE]}, "ids": [1, [ONE]], "rows": [ONE, 3, [TWO]], "next": None}, [("one", 0), ("two", 2), ("bad_json", 1)]),
    ({"data": [ONE], "text": "whole"}, [("whole", 0)]),                                     # a text itself
    ({"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "I."}]}, [("Who?\n\nI.", 0)]),
    ({"train": [ONE], "test": [TWO]}, [("missing_text", 0)]),                               # which of the two?
    ({"contributors": [{"name": "A"}]}, [("missing_text", 0)]),                             # no texts there either
    ({"data": {"0": ONE, "1": TWO}}, [("missing_text", 0)]), ({"data": []}, [("missing_text", 0)]),
    ({f"k{n}": n for n in range(200)} | {"data": [ONE]}, [("missing_text", 0)])])
def test_an_object_around_one_list_of_texts_is_its_rows(value, expected):
    for data in (json.dumps(value), json.dumps(value, indent=1), f"\ufeff{json.dumps(value)}\n"):
        assert said(written("a.json", data.encode()), "what", "offset") == expected
    if expected[0] == ("one", 0):
        assert said(written("a.json", json.dumps(value).encode()), "extra")[0] == ('{"n":1}',)


def test_an_object_around_a_list_that_breaks_off_or_is_not_alone():
    wrapped = json.dumps({"data": [ONE, TWO]}, indent=1)
    assert said(written("a.json", wrapped[:-20].encode()), "what", "offset") == [("one", 0), ("bad_json", 1)]
    assert said(written("a.json", f"{wrapped}]".encode()), "what", "offset") == [("one", 0), ("two", 1), ("bad_json", 2)]
    assert said(written("a.json", (wrapped * 2).encode()), "what", "offset") == [("missing_text", 0), ("missing_text", 1)]


def test_an_image_beside_a_text_is_not_carried_along():
    stored = io.BytesIO()
    pq.write_table(pa.table({"text": ["Words."], "small": [b"\xff\0"], "image": [{"bytes": b"\x89PNG" + bytes(9_000), "path": "a.png"}]}), stored)
    (row,) = written("a.parquet", stored.getvalue())
    assert json.loads(row["extra"]) == {"small": "/wA=", "image": {"bytes": "<9004 bytes>", "path": "a.png"}}


def test_what_excel_and_other_programs_put_first():
    assert said(written("a.csv", b"sep=;\r\nid;text\r\n1;Rye, oats, wheat\r\n"), "record_id", "text", "offset") == [("1", "Rye, oats, wheat", 16)]
    assert said(written("a.csv", "\ufeffsep=|\ntext|n\none|1\n".encode()), "text", "extra") == [("one", '{"n":"1"}')]
    feather = io.BytesIO(b"FEA1" + bytes(40))
    assert said(written("a.feather", feather.getvalue()), "what", "detail") == [("unknown_kind", "Feather version 1 is not read: write it as version 2")]


@pytest.mark.parametrize(("name", "data", "detail"), [
    *((f"a.{ending}", b"", "the file is empty") for ending in ("csv", "jsonl", "json", "txt", "html", "parquet", "warc.gz", "zip", "gz", "odd")),
    ("a.csv", b"id,text\n", "there is no record in it"), ("a.jsonl", b"\n\n", "there is no record in it"), ("a.json", b"[]", "there is no record in it"),
    ("a.zip", b"PK\5\6" + bytes(18), "there is no record in it")])
def test_a_file_without_a_record_is_named(name, data, detail):
    assert said(written(name, data), "what", "detail") == [("empty", detail)]


def test_a_table_of_no_rows_is_named():
    stored = io.BytesIO()
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), stored)
    assert said(written("a.parquet", stored.getvalue()), "what", "detail") == [("empty", "there is no record in it")]


@pytest.mark.parametrize("before", [b'{"text": "a"}, {"n": ', b'{"a": [', b'{"data": [{"text": "a"}], "n": -'])
def test_a_number_that_no_parser_takes_ends_the_file_and_not_the_process(before):
    """ijson's parser in C goes on with an exception set after such a number, which ended the process at some of them."""
    rows = written("a.json", b"\n" + before + b"9" * 5000 + b"}]" + b" " * 70_000)
    assert said(rows, "what", "detail") == [("bad_json", "it is no valid JSON: what follows row 0 cannot be read")]


def test_a_row_of_json_has_bounds():
    data = b'[{"n": [' + b"1," * 5000 + b'1]}, {"text": "' + b"x" * 60_000 + b'"}, {"text": "b"}]'
    assert said(written("a.json", data, ExtractSettings(max_row_values=1000, max_record_bytes=50_000)), "what", "offset") == [
        ("b", 2), ("too_many_values", 0), ("too_large", 1)]


TYPES = {"string": "Wörter", "large_string": "Wörter", "string_view": "Wörter", "binary": "Wörter".encode(), "large_binary": "Wörter".encode(),
         "binary_view": "Wörter".encode(), "dictionary": "Wörter"}


@pytest.mark.parametrize(("kind", "form"), list(product(TYPES, ("file", "stream", "parquet"))))
def test_text_columns_of_every_type(kind, form):
    type_ = pa.dictionary(pa.int32(), pa.large_string()) if kind == "dictionary" else getattr(pa, kind)()
    table, out = pa.table({"text": pa.array([TYPES[kind]], type_), "id": [7]}), io.BytesIO()
    if form == "parquet":
        pq.write_table(table, out)
    else:
        with (pa.ipc.new_file if form == "file" else pa.ipc.new_stream)(out, table.schema) as written_to:
            written_to.write_table(table)
    for name in ("a.parquet",) if form == "parquet" else ("a.arrow", "no ending"):
        assert said(written(name, out.getvalue()), "text", "record_id", "offset") == [("Wörter", "7", 0)]


def test_an_arrow_stream_that_breaks_off_gives_the_batches_before():
    out, table = io.BytesIO(), pa.table({"text": [f"row {n}" for n in range(6)]})
    with pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table, max_chunksize=3)
    rows = written("a.arrow", out.getvalue()[:-100])
    assert said(rows[:3], "text") == [("row 0",), ("row 1",), ("row 2",)] and (rows[3]["rule"], rows[3]["offset"]) == ("damaged", 3)
