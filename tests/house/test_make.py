"""The Makefile: what is typed arrives as it was typed, runs nothing, and what cannot be is a sentence before anything runs."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT
from textmill.cli import MILL

MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
VARIABLES = re.search(r"^VARIABLES := (.*?)\n\n", MAKEFILE, re.MULTILINE | re.DOTALL)[1].replace("\\\n", " ").split()
TARGETS = re.findall(r"^([a-z-]+):.*\n\t@(?:.*\n?\t?)?\$\(MILL\) ", MAKEFILE, re.MULTILINE)
NEEDED = {"what-if": {"RULES": "r"}, "look": {"RAW": "a.csv"}, "background": {"NAME": "n"}, "classifier": {"NAME": "n", "GOOD": "g", "BAD": "b"},
          "dedup-only": {"INPUT": "in.jsonl", "OUTPUT": "out.jsonl"}, "tokenizer-files": {"NAME": "n", "OUTPUT": "folder"},
          "blocks-to": {"FORMAT": "jsonl", "OUTPUT": "folder"},
          "dialogues": {"OUTPUT": "folder"}, "push": {"OUTPUT": "folder"}, "compare": {"ARGS": "a b"}, "ladder": {"ARGS": "a"},
          "sweep": {"ARGS": "--over lr=1"}, "canaries": {"OUTPUT": "folder"},
          "tasks": {"OUTPUT": "tasks.jsonl"}, "comparisons": {"OUTPUT": "folder"},
          "finetune": {"ARGS": "--from a"}, "reward": {"ARGS": "--from a --comparisons b --run c"}, "prefer": {"ARGS": "--from a --comparisons b --run c"},
          "grpo": {"ARGS": "--from a --run c"}, "ppo": {"ARGS": "--from a --run c"},
          "judge": {"OUTPUT": "folder"}, "revise": {"OUTPUT": "folder"},
          "life": {"OUTPUT": "folder", "ARGS": "a=b"}, "head": {"ARGS": "--from a --labels b --run c"},
          "restrain": {"ARGS": "--from a --questions b", "OUTPUT": "c"},
          "risk-coverage": {"ARGS": "--before a --after b --questions c"}}
WHERE = {"PROMPT": "sample", "NAME": "background", "TEXTS": "background", "GOOD": "classifier", "BAD": "classifier",
         "HELD_OUT": "classifier", "CRAWL": "fetch", "FILES": "fetch", "BYTES": "fetch", "KIND": "fetch", "SOURCE": "fetch",
         "URL": "why", "ID": "why", "HOST": "where", "BLOCK": "trace", "SPLIT": "trace", "STORED": "plan", "DATASET": "inspect", "INPUT": "dedup-only",
         "OUTPUT": "dedup-only", "FORMAT": "blocks-to",
         "SHAPE": "estimate", "ACCELERATOR": "estimate"}
NO_VALUE = {"CARRY_OUT", "ARGS", "TRAIN_ARGS", "RAW", "HOSTS", "PYTHON3", "MINUTES", "PARSER", "KILLS", "STAGE", "SEED"}
HOSTILE = """a b'c"d\\e $x ${x} $(touch ran) `touch ran`;touch ran|&<>*?#!%"""
SAYS = f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n"


@pytest.fixture
def clone(tmp_path):
    """A folder with the Makefile and a `textmill` that prints how it was called; a space is in its name."""
    here = tmp_path / "a clone"
    (here / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, here)
    (here / ".venv/bin/textmill").write_text(SAYS)
    (here / ".venv/bin/textmill").chmod(0o755)
    (here / ".venv/bin/.installed").touch()
    return here


def make(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}    # of `make test`
    return subprocess.run(["make", *arguments], capture_output=True, text=True, cwd=cwd, timeout=60, env=outside)


def called(*arguments: str, cwd: Path) -> list[str]:
    ran = make(*arguments, cwd=cwd)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def values(target: str, **given: str) -> list[str]:
    return [f"{name}={value}" for name, value in (NEEDED.get(target, {}) | given).items()]


def test_every_variable_is_tried_here():
    assert set(VARIABLES) == set(re.findall(r"^([A-Z][A-Z_0-9]*) *\??=", MAKEFILE, re.MULTILINE)) - {"FLAGS", "MILL", "PAGE", "BIN", "HERE"}


@pytest.mark.parametrize("variable", [name for name in VARIABLES if name not in NO_VALUE])
def test_a_value_arrives_as_it_was_typed_and_runs_nothing(clone, variable):
    target = WHERE.get(variable, "pack")
    words = called(target, *values(target, **{variable: HOSTILE}), cwd=clone)
    assert words[0] == target and any(word.endswith(HOSTILE) for word in words), words
    assert sorted(path.name for path in clone.iterdir()) == [".venv", "Makefile", "constraints.txt", "pyproject.toml"]


@pytest.mark.parametrize("name", ["DATA", "MIXTURE"])
def test_a_value_from_the_environment_arrives_as_well(clone, name, monkeypatch):
    monkeypatch.setenv(name, HOSTILE)
    assert f"--{name.lower()}={HOSTILE}" in called("pack", cwd=clone)


@pytest.mark.parametrize("mixture", ["name: $(touch ran)\n", "name: demo\nentries:\n  a:\n    where: {source: \"x\\\n      name: $(touch ran)\"}\n"])
@pytest.mark.parametrize("target", ["pack", "train", "sample", "report", "why"])
def test_the_name_in_a_recipe_is_never_the_shells(clone, mixture, target):
    (clone / "m.yaml").write_text(mixture)
    assert "--mixture=m.yaml" in called(target, "MIXTURE=m.yaml", cwd=clone)
    assert not (clone / "ran").exists()


def test_options_as_they_are_typed(clone):
    assert called("train", "ARGS=--runner-option '--a=b c'", "TRAIN_ARGS=--device cpu", cwd=clone)[2:] == [
        "--runner-option", "--a=b c", "--device", "cpu"]
    assert called("extract", cwd=clone) == ["extract", "--data=data"]
    assert called("fetch", "CRAWL=C", "SOURCE=x y", cwd=clone)[-1] == "--to=data/raw/x y"


@pytest.mark.parametrize("arguments", [["ARGS=`touch ran`"], ["ARGS=$(touch ran)"], ["TRAIN_ARGS=; touch ran"], ["ARGS=a > b"]])
def test_options_that_a_shell_would_run_are_refused(clone, arguments):
    ran = make("train", *arguments, cwd=clone)
    assert ran.returncode == 2 and re.search(r"ARGS has a .*; give options only", ran.stderr), ran.stderr
    assert not (clone / "ran").exists()


@pytest.mark.parametrize(("arguments", "said"), [
    (["curate", "DTA=x"], "there is no variable DTA; did you mean DATA?"),
    (["curate", "WORKER=2"], "there is no variable WORKER; did you mean WORKERS?"),
    (["curate", "QQQ=x"], "there is no variable QQQ; there are DATA CONFIG"),
    (["curate", "FLAGS=x"], "there is no variable FLAGS"),
    (["curate", "DATA=a\nb"], "DATA has a line break; give a value of one line"),
    (["dedup-only"], "dedup-only needs INPUT: make dedup-only INPUT=in.jsonl OUTPUT=out.jsonl"),
    (["dedup-only", "INPUT=a"], "dedup-only needs OUTPUT: make dedup-only INPUT=in.jsonl OUTPUT=out.jsonl"),
    (["classifier"], "classifier needs NAME: make classifier NAME=spam GOOD=… BAD=…"),
    (["classifier", "NAME=a", "GOOD=b"], "classifier needs BAD"),
    (["background"], "background needs NAME: make background NAME=web"),
    (["tokenizer-files", "NAME=a"], "tokenizer-files needs OUTPUT: make tokenizer-files NAME=demo-8k OUTPUT=folder"),
    (["dialogues"], "dialogues needs OUTPUT: make dialogues OUTPUT=other/raw/mined"),
    (["what-if"], "what-if needs RULES: make what-if RULES=new.yaml")])
def test_what_cannot_be_is_a_sentence(clone, arguments, said):
    ran = make(*arguments, cwd=clone)
    assert ran.returncode == 2 and said in ran.stderr and len(ran.stderr.splitlines()) == 1, ran.stderr
    assert not ran.stdout


def test_from_another_folder(clone, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert called("-f", str(clone / "Makefile"), "extract", "DATA=my data", cwd=elsewhere) == ["extract", "--data=my data"]
    assert " extract " in make("-f", str(clone / "Makefile"), "help", cwd=elsewhere).stdout


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_a_word_with_options_that_it_has(target, clone):
    given = {"URL": "https://a.example/", "NAME": "n", "CRAWL": "CC-MAIN-2026-42", "FILES": "1", "WORKERS": "2", "TOKENIZER": "t",
             "STORED": "1TB", "CARRY_OUT": "yes", "CONFIG": "c", "RULES": "r", "MIXTURE": "m", "SET": "a.b=1", "RUNNER": "local"}
    step = called(target, *values(target, **given), cwd=clone)
    assert step[0] == target
    context = MILL.commands[step[0]].make_context(step[0], step[1:])
    if "workers" in context.params:
        assert context.params["workers"] == 2


def test_there_is_a_target_for_every_word_but_what_needs_no_folder():
    assert set(MILL.commands) - set(TARGETS) == {"init", "python-docs", "export", "train-tokenizer", "pool"}
