"""A data folder of the browser's tests, its client, and hostile documents in small datasets written by the contract."""

import pyarrow as pa
from starlette.testclient import TestClient

from benchmarks import synthetic_data
from tests.command_line import MIXTURE, SETTINGS
from tests.paths import ROOT
from textmill.pipelines.browse.app import application
from textmill.pipelines.browse.browser import Browser
from textmill.pipelines.browse.indexes import Indexes
from textmill.pipelines.browse.snapshot import Snapshot
from textmill.pipelines.contract.part_files import PartWriter, read_batches
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.engines.engine import BeamEngine
from textmill.pipelines.extract.rows import DOCUMENTS, REJECTED
from textmill.pipelines.settings import read_config

HOSTILE = ["<script>document.title='owned'</script>", "\"'><img src=x onerror=document.title='owned'>", "\u202e\u2066dlrow olleh\u2069",
           "'; DROP TABLE facts; --", "</textarea></title><b>bold", "{{ 7 * 7 }} ${7*7} javascript:alert(1)", "%00%2e%2e/../../etc/passwd", "w" * 3000]


def context(data, rules=ROOT / "rules.yaml"):
    return RunContext(Folder(str(data)), read_config(str(SETTINGS), str(rules), str(MIXTURE), None), BeamEngine())


def browser(data):
    """The pages of a data folder, both indexes made."""
    here = context(data)
    indexes = Indexes(Snapshot.of(here.data))
    indexes.make_words()
    assert indexes.fault is None
    return Browser(here, indexes, ROOT / "rules.yaml", "http://127.0.0.1:8000/")


def client(pages):
    return TestClient(application(pages, frozenset({"testserver"})))


def without(data, *datasets):
    """The data folder as if these datasets had not been made."""
    for name in datasets:
        (Folder(str(data)) / name).delete("_manifest.json")
    return data


def hostile_data(folder):
    """Synthetic documents of which every title, address, host, source, text and file is hostile, and such records without one."""
    data = Folder(str(folder))
    synthetic_data.write(data, 4 * len(HOSTILE))
    manifest = Manifest.read(data / "documents")
    (part,) = manifest.parts
    (batch,) = read_batches(data / "documents", part)
    said = pa.array(HOSTILE * 4, pa.string())
    changed = dict.fromkeys(("title", "text", "host", "source", "file", "record_id", "license", "content_type"), said)
    changed["url"] = pa.array([f"https://{text}/{text}" for text in HOSTILE * 4], pa.string())
    columns = [changed.get(name, batch[name]) for name in DOCUMENTS.names]
    with PartWriter(data / "documents", part.key, part.path, DOCUMENTS) as writer:
        writer.write(pa.record_batch(columns, schema=DOCUMENTS))
    rows = [{"file": f"{text}/{text}", "offset": n, "record_id": text, "url": f"https://{text}/{text}", "outcome": ("rejected", "quarantined")[n % 2],
             "rule": text, "value": text, "bound": text, "detail": text} for n, text in enumerate([*HOSTILE, "a\0b"])]
    with PartWriter(data / "documents", part.key, f"_rejected/{part.path}", REJECTED) as rejects:
        rejects.write(pa.RecordBatch.from_pylist(rows, REJECTED))
    made = Manifest(manifest.stage, manifest.version, "hostile", (writer.part,), (rejects.part,), (), manifest.made_from)
    (data / "documents").write("_manifest.json", made.to_json())
    return folder
