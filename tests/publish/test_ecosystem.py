"""docs/ecosystem.md holds: every piece of code on it runs on the sample crawl, where its library is installed."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.paths import ROOT

PAGE = (ROOT / "docs/ecosystem.md").read_text("utf-8")
SECTIONS = {re.match(r"## (.*)", section)[1]: re.findall(r"```(python|bash)\n(.*?)```", section, re.DOTALL)
            for section in re.split(r"\n(?=## )", PAGE)[1:]}
NEEDS_BESIDE = {"Hugging Face Trainer": ["accelerate"]}      # what a library needs, and says so only when it runs
NAMES = {"blocks/demo": "blocks/mixture", "tokenizers/demo-8k": "tokenizers/test-1k", "tokens/demo-8k": "tokens/test-1k",
         "ledger/tokens/demo-8k": "ledger/tokens/test-1k", "ledger/pretokens/demo-8k": "ledger/pretokens/test-1k"}


@pytest.fixture(scope="module")
def here(milled, tmp_path_factory):
    """A working folder whose data/ is the finished run under the names of the demo, with a model trained for two steps."""
    from textmill.model.training.pretrain import pretrain
    from textmill.model.training.settings import TrainSettings

    folder = tmp_path_factory.mktemp("ecosystem")
    data = folder / "data"
    for name in ("documents", "signals", "verdicts", "duplicates", "curated"):
        for place in (name, f"ledger/{name}"):
            (data / place).parent.mkdir(parents=True, exist_ok=True)
            (data / place).symlink_to(milled[0] / place)
    for name, target in NAMES.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).symlink_to(milled[0] / target)
    settings = TrainSettings(steps=2, batch=1, accumulate=1, validation_blocks=1, optimizer="adamw")
    pretrain(data / "blocks/demo", data / "checkpoints/demo", settings, torch.device("cpu"))
    assert textmill(folder, "card").returncode == 0
    return folder


def textmill(folder: Path, *words: str) -> subprocess.CompletedProcess:
    return run([sys.executable, "-m", "textmill", *words], folder)


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess:
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "cache"), "PYTHONPATH": f"{ROOT}{os.pathsep}"
                                f"{os.environ.get('PYTHONPATH', '')}", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def missing(title: str, code: str) -> list[str]:
    """The libraries that a piece of code imports and that are not installed."""
    roots = {alias.name.partition(".")[0] for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import) for alias in node.names}
    roots |= {str(node.module).partition(".")[0] for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)}
    return sorted(name for name in {*roots, *NEEDS_BESIDE.get(title, ())} if importlib.util.find_spec(name) is None)


@pytest.mark.parametrize("title", [title for title, pieces in SECTIONS.items() if pieces])
def test_the_code_of_a_section_runs(here, title):
    for number, (language, code) in enumerate(SECTIONS[title]):
        if language == "bash":
            for line in code.replace("\\\n", " ").splitlines():
                words = line.split()
                assert words[0] == "textmill", line
                if "--to" in words and (here / words[words.index("--to") + 1]).exists():
                    continue                # of another section
                if "mds" in words and importlib.util.find_spec("streaming") is None:
                    pytest.skip("streaming is not installed")
                if "blocks-to" in words or "export" in words:
                    words += ["--mixture", str(ROOT / "mixtures/demo.yaml")]
                ran = textmill(here, *words[1:])
                assert ran.returncode == 0, ran.stderr
        else:
            if absent := missing(title, code):
                pytest.skip(f"{', '.join(absent)} is not installed")
            script = here / f"{re.sub(r'[^a-z]', '_', title.lower())}_{number}.py"      # a file: some libraries start processes
            script.write_text(code)
            if "export" in code and not (here / "export").exists():
                assert textmill(here, "export", "--run", "data/checkpoints/demo", "--to", "export").returncode == 0
            ran = run([sys.executable, str(script)], here)
            assert ran.returncode == 0, ran.stderr[-3000:]


def test_tools_that_it_names_have_a_section():
    assert set(SECTIONS) >= {"pandas", "polars", "DuckDB", "Hugging Face datasets", "Spark", "nanoGPT", "litgpt", "MosaicML", "Megatron",
                             "Hugging Face Trainer", "vLLM", "llama.cpp", "Cards", "Publishing"}
