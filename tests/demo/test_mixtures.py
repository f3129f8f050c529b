"""The shipped recipes on the demo's data: each can be met, and pack gives what the plan said."""

import re
import shutil
import subprocess
import sys

import pytest

from tests.command_line import table
from tests.ledger.test_mixture_plan import told
from tests.paths import ROOT
from textmill.base.sealed import unseal
from textmill.cli import main
from textmill.cli.begin import SAMPLES
from textmill.cli.options import SHIPPED
from textmill.pipelines.pack.mixture import read_mixture

OF_TASKS = {"assistant", "mixed"}          # of sources that `textmill assistant` writes
RECIPES = [path for path in sorted((ROOT / "mixtures").glob("*.yaml")) if path.stem not in OF_TASKS]
CONFIG = ("--config", str(ROOT / "settings.yaml"), "--rules", str(ROOT / "rules.yaml"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A data folder with the demo's sources, up to tokens."""
    data = tmp_path_factory.mktemp("demo") / "data"
    for source in SAMPLES:
        shutil.copytree(SHIPPED / source, data / "raw" / source)
    for step in (["python-docs", "--data", data], ["tokenize", "--data", data, "--workers", "1", *CONFIG, "--mixture", ROOT / "mixtures/demo.yaml"]):
        ran = subprocess.run([sys.executable, "-m", "textmill", *map(str, step)], capture_output=True, text=True, cwd=ROOT, timeout=500)
        assert ran.returncode == 0, ran.stderr
    return data


def test_the_demo_copies_every_sample_beside_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("textmill.cli.begin.run_steps", lambda steps: None)
    assert main(["demo", "--data", str(tmp_path)]) == 0
    written = {str(path.relative_to(tmp_path / "raw")): path.read_bytes() for path in (tmp_path / "raw").rglob("*") if path.is_file()}
    assert written == {f"{source}/{path.relative_to(SHIPPED / source)}": path.read_bytes()
                       for source in ("sample", "dialogues") for path in (SHIPPED / source).rglob("*") if path.is_file()}
    assert {"dialogues/dialogues.jsonl", "dialogues/preferences.jsonl", "sample/letters/letters.jsonl"} <= written.keys()
    assert f"dialogues are in {tmp_path}/raw/dialogues\n" in capsys.readouterr().out


@pytest.mark.slow
def test_every_dialogue_and_both_of_every_pair_are_kept_as_they_are(demo):
    given = {row["id"]: row for row in table(demo, "documents").to_pylist() if row["source"] == "dialogues"}
    kept = {row["id"]: row for row in table(demo, "curated").to_pylist() if row["source"] == "dialogues"}
    assert len(given) == 400 and kept.keys() == given.keys() and len({row["pair"] for row in kept.values() if row["pair"]}) == 100
    assert all(kept[name]["text"] == row["text"] and kept[name]["turns"] == row["turns"] and not kept[name]["edits"] for name, row in given.items())
    assert sum(kept[name]["language"] == row["declared_language"] for name, row in given.items()) >= 360     # some change it


@pytest.mark.slow
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_each_recipe_is_met_and_pack_gives_what_the_plan_said(demo, path, capsys):
    recipe = read_mixture(path)
    assert recipe.name == path.stem
    options = ["--data", str(demo), "--mixture", str(path), *CONFIG]
    assert main(["mixture-plan", *options]) == 0, capsys.readouterr()
    planned = capsys.readouterr().out
    assert main(["pack", "--alone", *options, "--workers", "1"]) == 0, capsys.readouterr()
    stats = unseal((demo / f"blocks/{recipe.name}/_stats.json").read_bytes())
    entries = stats["train"]["entries"]
    assert told(planned) == {name: (row["wanted"], row["available"], row["blocks"], row["cut"]) for name, row in entries.items()}
    tokens, blocks = re.match(rf"mixture-plan {recipe.name}: ([\d,]+) tokens in ([\d,]+) blocks", planned).groups()
    assert (tokens, blocks) == (f"{stats['train']['tokens']:,}", f"{stats['train']['blocks']:,}")
    assert stats["train"]["tokens"] >= recipe.tokens
    for name, row in entries.items():
        assert row["wanted"] <= row["tokens"] < row["wanted"] + 2 * recipe.block, name
    if recipe.name in ("textbook", "dialogue"):
        (held,) = stats["dialogues"].values()
        assert held == {"dialogues": 300, "turns_lost": 0, "too_long": 0}, "the preferred of a pair, and none cut"
