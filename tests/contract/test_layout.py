"""Where files lie: a table's folder holds rows alone; folders of earlier versions are read as they are, then moved."""

import shutil

import pyarrow.dataset as arrow_dataset
import pyarrow.parquet as pq
import pytest

import textmill
from tests.contract.test_stage import LINES, files
from tests.small_stages import NUMBERS, SQUARES, run_context
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.run import bring_up_to_date
from textmill.pipelines.contract.storage import Folder, dataset_at


def as_before(data) -> None:
    """What the ledger holds of every dataset, where earlier versions wrote it."""
    for dataset in (data / "ledger").iterdir():
        for entry in dataset.iterdir():
            shutil.move(entry, data / dataset.name / f"_{entry.name}")
    shutil.rmtree(data / "ledger")


def test_a_folder_of_rows_has_nothing_else(tmp_path):
    bring_up_to_date(NUMBERS, run_context(tmp_path, lines=LINES))
    assert {path.suffix for path in (tmp_path / "numbers").rglob("*")} == {".parquet"}
    assert sorted(path.name for path in (tmp_path / "ledger/numbers").iterdir()) == [
        "manifest.json", "receipts", "rejected", "run.json", "stats.json"]
    assert arrow_dataset.dataset(tmp_path / "numbers").count_rows() == 5 == pq.read_table(tmp_path / "numbers").num_rows


def test_an_earlier_folder_is_read_and_then_moved(tmp_path):
    here = run_context(tmp_path, lines=LINES)
    bring_up_to_date(NUMBERS, here)
    bring_up_to_date(SQUARES, here)
    new = files(tmp_path)
    as_before(tmp_path)
    assert not [name for name in files(tmp_path) if name.startswith("ledger")]
    numbers = textmill.open_dataset(tmp_path / "numbers")
    assert len(numbers) == 5 and numbers.rejected.to_table()["value"].to_pylist() == ["x", "y"]
    assert (Folder(str(tmp_path)) / "numbers").shown("_manifest.json") == f"{tmp_path}/numbers/_manifest.json"
    assert bring_up_to_date(NUMBERS, here) == "numbers: up to date, 5 kept in 4 parts"
    assert bring_up_to_date(SQUARES, here) == "squares: up to date, 5 kept in 4 parts"
    assert files(tmp_path) == new


@pytest.mark.parametrize("moved", range(1, 8))
def test_a_move_that_was_interrupted_ends_the_same(tmp_path, monkeypatch, moved):
    here = run_context(tmp_path, lines=LINES)
    bring_up_to_date(NUMBERS, here)
    new = files(tmp_path)
    as_before(tmp_path)
    written = []

    def stops(self, name, data, write=Folder.write):
        if len(written) == moved:
            raise KeyboardInterrupt
        written.append(name)
        write(self, name, data)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Folder, "write", stops)
        (Folder(str(tmp_path)) / "numbers").move_to_ledger()
    assert Manifest.read(Folder(str(tmp_path)) / "numbers") is not None
    assert bring_up_to_date(NUMBERS, here) == "numbers: up to date, 5 kept in 4 parts"
    assert files(tmp_path) == new


def test_what_was_moved_and_not_yet_removed_is_removed(tmp_path):
    here = run_context(tmp_path, lines=LINES)
    bring_up_to_date(NUMBERS, here)
    new = files(tmp_path)
    shutil.copytree(tmp_path / "ledger/numbers/receipts", tmp_path / "numbers/_receipts")
    shutil.copy(tmp_path / "ledger/numbers/manifest.json", tmp_path / "numbers/_manifest.json")
    assert bring_up_to_date(NUMBERS, here) == "numbers: up to date, 5 kept in 4 parts"
    assert files(tmp_path) == new


def test_a_dataset_is_found_by_its_own_path(tmp_path, monkeypatch):
    bring_up_to_date(NUMBERS, run_context(tmp_path, lines=LINES))
    monkeypatch.chdir(tmp_path)
    for uri in (str(tmp_path / "numbers"), "numbers", "./numbers/"):
        assert Manifest.read(dataset_at(uri)) is not None, uri
    assert Manifest.read(dataset_at(str(tmp_path / "none"))) is None
    shutil.copytree("numbers", "elsewhere/tokens/numbers")
    shutil.copytree("ledger/numbers", "elsewhere/ledger/tokens/numbers")
    assert Manifest.read(dataset_at("elsewhere/tokens/numbers")) is not None


def test_what_is_copied_as_one_folder_keeps_its_manifest_inside(tmp_path):
    data = Folder(str(tmp_path))
    for folder in (data / "blocks/demo", data / "blocks" / "demo" / "train", data / "tokenizers/demo"):
        assert folder.path("_manifest.json") == f"{folder.uri}/_manifest.json"
    assert (data / "tokens/demo").path("_manifest.json") == f"{tmp_path}/ledger/tokens/demo/manifest.json"
    assert (data / "duplicates" / "_work" / "abc").uri == f"{tmp_path}/ledger/duplicates/work/abc"
