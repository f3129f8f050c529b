"""Lookup: a page by any of its names, what is said where there is none, and its rows in the aligned datasets."""

import pyarrow as pa
import pytest

from tests.command_line import table
from textmill.pipelines.contract import row_groups as reading
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.part_files import PartWriter
from textmill.pipelines.contract.parts import Manifest, Part
from textmill.pipelines.contract.row_groups import DocumentRow, row_groups, rows_of
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.ledger.lookup import find_pages, kinds_of

URL = "https://en.quillop.example/en/notes/testing-the-till"
ID = "5388f75d5f57298597672c7d653656c8"
RECORD = "<urn:uuid:a5840f72-2613-502d-b522-c19a00807fad>"


@pytest.fixture(scope="module")
def data(milled):
    return Folder(str(milled[0]))


@pytest.mark.parametrize(("name", "by"), [
    (URL, "url"), (f"{URL}?utm_source=mail#top", "canonical url"), ("HTTPS://en.quillop.example:443/en/notes/testing-the-till",
                                                                    "canonical url"),
    ("en.quillop.example/en/notes/testing-the-till", "canonical url"), (ID, "id"), (RECORD, "record id"),
    (RECORD[1:-1], "record id")])
def test_a_page_by_each_of_its_names(data, name, by):
    pages = find_pages(data, name)
    assert (pages.by, pages.lost, [document.id for document in pages.documents]) == (by, (), [ID])
    (document,) = pages.documents
    assert document[3:] == (RECORD, "sample", URL, "en.quillop.example")


def test_a_host_stands_for_all_its_pages_and_its_subdomains(milled, data):
    hosts = table(milled[0], "documents")["host"].to_pylist()
    for name in ("en.quillop.example", "quillop.example"):
        found = find_pages(data, name)
        wanted = [host for host in hosts if host and f".{host}".endswith(f".{name}")]
        assert found.by == "host" and [document.host for document in found.documents] == wanted != []
    assert {document.host for document in found.documents} > {"en.quillop.example"}


def test_a_record_without_a_document_is_found_among_the_rejected(data):
    url = "https://en.torvel.example/en/craft/inside-a-letterpress?from=mirror"
    pages = find_pages(data, url)
    (lost,) = pages.lost
    assert (pages.documents, lost.file, lost.rule, lost.outcome) == ((), "sample/web/damaged.warc.gz", "damaged", "quarantined")
    assert lost in find_pages(data, "en.torvel.example").lost
    assert find_pages(data, str(lost.record_id)).lost == (lost,)


def test_a_name_that_nothing_has_is_told_with_what_was_searched_and_what_is_near(milled, data):
    with pytest.raises(StageError) as error:
        find_pages(data, "https://en.quillop.example/en/notes/testing-a-till")
    documents, rejected = (table(milled[0], "documents", rejected=side).num_rows for side in (False, True))
    assert str(error.value) == (
        f"there is no page https://en.quillop.example/en/notes/testing-a-till in {data.uri}/documents: looked for it as url and "
        f"canonical url and record id among {documents} documents and {rejected} rejected records; nearest is {URL}")
    with pytest.raises(StageError, match=r"none of them is of the host nowhere\.example$"):
        find_pages(data, "nowhere.example")
    with pytest.raises(StageError, match=r"give a URL, a host, an id of 32 hex digits or a record id$"):
        find_pages(data, "0" * 32)
    with pytest.raises(StageError, match="looked for it as host among"):
        find_pages(data, URL, ["host"])


def test_nothing_made_yet(tmp_path):
    with pytest.raises(StageError, match="run `textmill extract`"):
        find_pages(Folder(str(tmp_path)), URL)


def test_what_a_name_may_be():
    assert kinds_of("urn:uuid:1") == ("record id",) and kinds_of("[2001:db8::1]") == ("host", "record id")


@pytest.mark.parametrize("dataset", ["signals", "verdicts", "duplicates"])
def test_the_same_row_of_each_aligned_dataset(milled, data, dataset):
    whole = table(milled[0], dataset).to_pylist()
    documents = find_pages(data, "quillop.example").documents
    places = [n for n, row in enumerate(table(milled[0], "documents")["host"].to_pylist()) if row and row.endswith("quillop.example")]
    assert rows_of(data, dataset, documents) == [whole[place] for place in places]
    assert rows_of(data, dataset, documents[::-1], ["id"]) == [{"id": whole[place]["id"]} for place in places[::-1]]


def test_no_row_where_a_dataset_is_missing_or_of_other_documents(data):
    (document,) = find_pages(data, ID).documents
    assert rows_of(data, "nothing", [document]) == [None]
    assert rows_of(data, "verdicts", [document._replace(part="other"), document._replace(id="0" * 32)]) == [None, None]


def test_only_row_groups_that_may_hold_it_are_read(tmp_path, monkeypatch):
    """Three row groups, sorted by host, each address read only in the one group whose host it has."""
    monkeypatch.setattr("textmill.pipelines.contract.part_files.ROW_GROUP_ROWS", 2)
    dataset = Folder(str(tmp_path)) / "documents"
    schema = pa.schema([(name, pa.string()) for name in reading.DOCUMENT_NAMES])
    rows = [{"id": f"{n:032x}", "source": "s", "host": f"h{n // 2}.example", "url": f"https://h{n // 2}.example/{n}"}
            for n in range(6)]
    with PartWriter(dataset, "p", "p.parquet", schema) as writer:
        for row in rows:
            writer.write(pa.RecordBatch.from_pylist([row], schema))
    part = writer.part
    assert isinstance(part, Part)
    dataset.write("_manifest.json", Manifest("extract", 1, "", (part,), (), ()).to_json())
    assert [first for first, _ in row_groups(dataset, part)] == [0, 2, 4]
    assert [first for first, _ in row_groups(dataset, part, rows=[3, 5])] == [2, 4]
    read = []
    monkeypatch.setattr(reading, "read_group", lambda file, group, columns: read.append((group, columns)) or
                        [file.read_row_group(group, columns=columns).to_batches()[0]])
    found = find_pages(Folder(str(tmp_path)), "https://h1.example/3")
    assert found == ("url", (DocumentRow("p", 3, f"{3:032x}", None, "s", "https://h1.example/3", "h1.example"),), ())
    assert read == [(1, ["host"]), (1, ["url"]), (1, reading.DOCUMENT_NAMES)]
