"""Imports go one way: pipelines → tokenizer ← model; Beam stays in pipelines; Python's sources say so."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"pipelines", "tokenizer", "model"}
MAY = {"pipelines": {"pipelines", "tokenizer"}, "tokenizer": {"tokenizer"}, "model": {"model", "tokenizer"}}
# What each half may need installed; `model` also runs where only these five are.
MODEL = {"torch", "numpy", "pyarrow", "tokenizers", "safetensors"}
OPTIONAL = {"model": {"transformers"}, "tokenizer": {"yaml", "zstandard"}}


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("package", sorted(OURS))
def test_arrows_between_packages(package):
    for path in sorted((ROOT / package).rglob("*.py")):
        assert imported(path) & OURS <= MAY[package], path


@pytest.mark.parametrize("package", ["model", "tokenizer"])
def test_what_model_and_tokenizer_need_installed(package):


    needed = set().union(*(imported(path) for path in (ROOT / package).rglob("*.py"))) - OURS - set(sys.stdlib_module_names)
    assert needed <= (MODEL - ({"torch"} if package == "tokenizer" else set())) | OPTIONAL[package], needed


def test_beam_stays_in_pipelines():
    for package in ("tokenizer", "model"):
        assert not any("apache_beam" in imported(path) for path in (ROOT / package).rglob("*.py"))


def test_the_process_that_reads_pages_starts_light():
    names = ("apache_beam", "pyarrow", "numpy", "torch")
    code = ("import sys, pipelines.extract.pages.reader_process, pipelines.extract.pages.read_page; "
            f"print([name for name in {names} if name in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout == "[]\n"
