"""The card and Croissant metadata of a data folder: what their readers make of them, and that they say what stages counted."""

import json
import re
import subprocess
import sys
from collections import Counter

import datasets
import duckdb
import mlcroissant
import pandas
import polars
import pyarrow.dataset as arrow_dataset
import pytest
import yaml
from huggingface_hub import DatasetCard

from tests.command_line import SETTINGS, copy_dataset, table
from tests.paths import ROOT
from textmill.cli import main
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS
from textmill.pipelines.publish.card import OPT_OUTS
from textmill.pipelines.publish.columns import SCHEMAS, columns
from textmill.pipelines.publish.folder import describe
from textmill.pipelines.publish.settings import CardSettings

NAMES = ("curated", "documents", "signals", "verdicts", "duplicates")


@pytest.fixture(scope="module")
def data(milled):
    """The finished run, which has described itself."""
    return milled[0]


def metadata(text: str) -> dict:
    return yaml.safe_load(text.split("---\n")[1])


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_opens_by_its_name(data, tmp_path, name):
    rows = table(data, name).num_rows
    loaded = datasets.load_dataset(str(data / name), cache_dir=str(tmp_path))
    assert list(loaded) == ["train"] and loaded["train"].num_rows == rows
    assert polars.scan_parquet(data / name).select(polars.len()).collect().item() == rows
    assert polars.read_parquet(data / name).columns == SCHEMAS[name].names
    assert len(pandas.read_parquet(data / name, columns=["id"])) == rows == arrow_dataset.dataset(data / name).count_rows()
    for pattern in ("*.parquet", "**/*.parquet"):
        assert duckdb.sql(f"SELECT count(*) FROM '{data / name}/{pattern}'").fetchall() == [(rows,)]


def test_the_data_folder_is_a_dataset_with_configurations(data, tmp_path):
    assert datasets.get_dataset_config_names(str(data)) == [*NAMES, "tokens-test-1k"]
    for name in (*NAMES, "tokens-test-1k"):
        loaded = datasets.load_dataset(str(data), name, split="train", cache_dir=str(tmp_path))
        assert loaded.num_rows == table(data, name.replace("tokens-", "tokens/")).num_rows
    texts = datasets.load_dataset(str(data), split="train", cache_dir=str(tmp_path))["text"]
    assert list(texts) == table(data, "curated")["text"].to_pylist()


def test_blocks_open_by_their_folder_too(data, tmp_path):
    loaded = datasets.load_dataset(str(data / "blocks/mixture"), cache_dir=str(tmp_path))
    assert set(loaded) == {"train", "validation"} and len(loaded["train"][0]["tokens"]) == 2048


def test_sql_keywords_are_no_columns(data):
    for name in NAMES:
        assert not {"from", "to"} & {part for column in columns(name) for part in column.name.split(".")}
    first = duckdb.sql(f"SELECT start, \"end\", edits[1].start FROM '{data}/curated/*.parquet' WHERE len(edits) > 0").fetchall()[0]
    assert first[0] == 0 < first[1]


def test_the_card_is_one_that_the_hub_reads(data):
    card = DatasetCard.load(data / "README.md")
    assert card.data.pretty_name == "curated-text" and card.data.license == "unknown"
    assert [one["config_name"] for one in card.data.configs] == [*NAMES, "tokens-test-1k"]
    assert "en" in card.data.language and "und" not in card.data.language


def test_figures_of_the_card_are_those_of_the_rows(data):
    card = (data / "README.md").read_text("utf-8")
    documents, curated, verdicts = table(data, "documents"), table(data, "curated"), table(data, "verdicts")
    for source, count in Counter(documents["source"].to_pylist()).items():
        assert re.search(rf"^\| `{source}` \| {count} \|", card, re.MULTILINE)
    of_language = Counter(dict(zip(curated["id"].to_pylist(), curated["language"].to_pylist(), strict=True)).values())
    for language, count in of_language.items():
        assert f"| `{language}` | {count} |" in card
    edits = Counter(edit["kind"] for row in curated["edits"].to_pylist() for edit in row)
    for kind, count in edits.items():
        assert re.search(rf"^\| `{kind}` \| replaced by `<KIND>` \| \d+ \| {count} \|$", card, re.MULTILINE), kind
    declared = Counter(rule["rule"] for row in verdicts["broken"].to_pylist() for rule in row if rule["rule"] in OPT_OUTS)
    assert declared["tdm_reservation"] and f"| a TDM reservation (TDMRep) | left out | {declared['tdm_reservation']} |" in card
    assert all(f"| `{column.name}` |" in card for name in NAMES for column in columns(name))
    assert "\n## Columns of `tokens-test-1k`\n" in card


def test_opt_outs_are_measured():
    assert set(OPT_OUTS) <= set(RULE_MEASUREMENTS)


def test_croissant_is_valid_and_its_records_are_the_rows(data):
    croissant = mlcroissant.Dataset(str(data / "croissant.json"))
    assert not croissant.metadata.issues.errors
    listed = json.loads((data / "croissant.json").read_text())
    files = {file["contentUrl"]: file["sha256"] for file in listed["distribution"] if file["@type"] == "cr:FileObject"}
    assert set(files) == {str(path.relative_to(data)) for name in (*NAMES, "tokens/test-1k") for path in (data / name).glob("*.parquet")}
    for name in ("curated", "verdicts"):
        records = [record for record, _ in zip(croissant.records(name), range(5), strict=False)]
        expected = table(data, name).slice(0, 5).to_pylist()
        key = "text" if name == "curated" else "id"
        assert sorted(record[f"{name}/{key}"].decode() for record in records)[0] in table(data, name)[key].to_pylist()
        assert len(records) == len(expected) and set(records[0]) == {f"{name}/{column}" for column in SCHEMAS[name].names}


def test_what_people_state_is_in_both(data, tmp_path):
    for name in (*NAMES, "raw"):
        copy_dataset(data, name, tmp_path / "data")
    settings = CardSettings("harbour", "Texts of a harbour.", "odc-by", creator="The Mill", contact="take-down@mill.example",
                            homepage="https://mill.example/", published="2026-11-30")
    folder = Folder(str(tmp_path / "data"))
    assert describe(folder, settings) == ["README.md", "croissant.json"] and describe(folder, settings) == []
    card, croissant = (tmp_path / "data/README.md").read_text(), json.loads((tmp_path / "data/croissant.json").read_text())
    assert metadata(card)["license"] == "odc-by" and "\n# harbour\n\nTexts of a harbour.\n" in card
    assert "- To ask for text to be taken out: take-down@mill.example" in card
    assert croissant["datePublished"] == "2026-11-30" and croissant["license"] == "https://opendatacommons.org/licenses/by/1-0/"
    assert not mlcroissant.Dataset(str(tmp_path / "data/croissant.json")).metadata.issues.warnings


def test_a_word_of_the_flow_describes_and_a_wrong_statement_stops_it_first(data, tmp_path, capsys):
    folder = tmp_path / "data"
    for name in ("documents", "raw"):
        copy_dataset(data, name, folder)
    arguments = ["--data", str(folder), "--config", str(SETTINGS), "--workers", "1"]
    assert main(["extract", *arguments]) == 0
    assert metadata((folder / "README.md").read_text())["configs"][0]["config_name"] == "documents"
    before = (folder / "README.md").read_bytes()
    capsys.readouterr()
    for change, said in (("card.license=other", "license is other, which needs a license_name"),
                         ("card.homepage=mill.example", "homepage is 'mill.example'; give an address that begins with https://"),
                         ("card.published=now", "published is 'now'; write the day as YYYY-MM-DD"),
                         ("card.name=../x", "name is '../x'; use letters, digits")):
        assert main(["measure", *arguments, "--set", change]) == 1
        assert said in capsys.readouterr().err
    assert not (folder / "signals").exists() and (folder / "README.md").read_bytes() == before


def test_an_empty_folder_is_a_sentence(tmp_path):
    ran = subprocess.run([sys.executable, "-m", "textmill", "card", "--data", str(tmp_path)], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 1 and ran.stderr == f"card: there is no table in {tmp_path} yet; run `textmill curate`\n"
