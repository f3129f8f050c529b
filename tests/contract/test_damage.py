"""Damaged files of a finished run are named or made again, and never read as something else (the campaign: tests/damage.py)."""

import json
import random

import pyarrow as pa
import pytest

from tests.contract.test_stage import LINES, files
from tests.damage import KINDS, campaign, flipped
from tests.small_stages import NUMBERS, SQUARES, run_context
from textmill.base.sealed import seal, unseal
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.part_files import PartWriter, read_batches
from textmill.pipelines.contract.parts import Manifest, read_counts
from textmill.pipelines.contract.run import bring_up_to_date
from textmill.pipelines.contract.storage import Folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_named_or_read_as_it_was_and_a_rerun_puts_it_right(milled, tmp_path, kind):
    found = campaign(milled[0], tmp_path, kind, each=40, seed=1, reruns=1)
    assert found["same"] + found["named"] == 40 and found["named"] > 20


def test_what_was_sealed_is_read_and_nothing_else():
    values = {"b": {2: "ä", 10: [1.5, None]}, "a": "x"}
    sealed, draw = seal(values), random.Random(1)
    plain = {"a": "x", "b": {"2": "ä", "10": [1.5, None]}}
    assert unseal(sealed) == plain and seal(unseal(sealed)) == sealed == seal(json.loads(sealed))
    assert unseal(json.dumps(values).encode()) == plain             # of an older version
    with pytest.raises(ValueError, match="checksum"):
        unseal(json.dumps(values).encode(), required=True)
    for _ in range(200):
        damaged = flipped(sealed, draw)
        try:
            assert {key: value for key, value in unseal(damaged).items() if len(key) < 8} == plain      # in the word checksum
        except ValueError:
            continue


@pytest.mark.parametrize("name", ["manifest.json", "stats.json", "receipts/b.*.json"])
def test_a_damaged_state_file_is_told_and_written_anew(tmp_path, capsys, name):
    here = run_context(tmp_path, lines=LINES)
    bring_up_to_date(NUMBERS, here)
    before = files(tmp_path)
    (path,) = (tmp_path / "ledger/numbers").glob(name)
    path.write_bytes(path.read_bytes().replace(b"5", b"6").replace(b"1", b"3"))     # still JSON
    bring_up_to_date(NUMBERS, here)
    assert files(tmp_path) == before
    assert f"numbers: {path} is" in (told := capsys.readouterr().err) and "so it is written anew" in told


def test_a_damaged_file_upstream_is_named(tmp_path):
    here = run_context(tmp_path, lines=LINES)
    bring_up_to_date(NUMBERS, here)
    path = tmp_path / "ledger/numbers/manifest.json"
    path.write_bytes(path.read_bytes().replace(b"numbers", b"numbars"))
    with pytest.raises(StageError, match=r"ledger/numbers/manifest\.json is damaged; run its stage again, which writes it anew"):
        bring_up_to_date(SQUARES, here)


def test_a_dataset_of_the_schema_before_is_read_as_it_is(tmp_path):
    """No checksums, no footers: what a version of before wrote is complete, and nothing of it is made again."""
    here = run_context(tmp_path, lines=LINES)
    bring_up_to_date(NUMBERS, here)
    for path in (tmp_path / "ledger/numbers").rglob("*.json"):
        older = {key: value for key, value in json.loads(path.read_text()).items() if key != "checksum"}
        older |= {"schema": 1} if "schema" in older else {}
        rejected = older.get("rejected")                # in a manifest a list, in a receipt one part, in counts numbers
        for part in [*older.get("parts", []), *(rejected if isinstance(rejected, list) else [rejected or {}])]:
            part.pop("footer", None)
        path.write_text(json.dumps(older))
    before = files(tmp_path)
    assert bring_up_to_date(NUMBERS, here) == "numbers: up to date, 5 kept in 4 parts"
    assert files(tmp_path) == before
    manifest = Manifest.read(here.data / "numbers")
    assert sum(b.num_rows for part in manifest.parts for b in read_batches(here.data / "numbers", part)) == 5
    assert read_counts(here.data / "numbers")["kept"] == 5
    bring_up_to_date(SQUARES, here)


def test_a_flipped_bit_in_the_footer_of_a_part_is_found(tmp_path):
    folder = Folder(str(tmp_path))
    with PartWriter(folder, "k", "k.parquet", pa.schema([("name", pa.int64()), ("other", pa.string())])) as writer:
        writer.write(pa.record_batch({"name": list(range(100)), "other": ["x"] * 100}))
    content = (tmp_path / "k.parquet").read_bytes()
    renamed = content.replace(b"name", b"nome")         # Arrow reads it without a word: the schema has no checksum
    assert len(renamed) == len(content) and renamed != content
    (tmp_path / "k.parquet").write_bytes(renamed)
    with pytest.raises(StageError, match=r"k\.parquet is damaged \(its footer is not the one that was written\); delete it"):
        list(read_batches(folder, writer.part))
