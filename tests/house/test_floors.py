"""Imports go down only: the floors of the house, stated here; Python's sources, lazy and type-only imports too, agree."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

# What `model` and `tokenizer` may need installed: `model` also runs where only these are.
MODEL = {"torch", "numpy", "pyarrow", "tokenizers", "safetensors", "yaml"}
OPTIONAL = {"model": {"transformers"}, "tokenizer": {"zstandard"}}
PACKAGES = ("pipelines", "tokenizer", "model")


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found.add(node.module or "")
    return found


def libraries(package: str) -> set[str]:
    roots = {name.split(".")[0] for path in sources(package) for name in imported(path)}
    return roots - {"textmill"} - set(sys.stdlib_module_names)


@pytest.mark.parametrize("package", ["model", "tokenizer"])
def test_what_model_and_tokenizer_need_installed(package):
    allowed = MODEL - ({"torch", "safetensors"} if package == "tokenizer" else set())
    assert libraries(package) <= allowed | OPTIONAL[package]


def test_base_needs_no_more_than_a_terminal_and_yaml():
    assert libraries("textmill/base") <= {"yaml", "rich"}


@pytest.mark.parametrize("folder", [*PACKAGES, "textmill", "tests", "benchmarks", "cluster"])
def test_one_name_for_each_module(folder):
    """`pipelines.x` beside `textmill.pipelines.x` would be two modules with two classes of each name."""
    for path in sources(folder):
        assert not {name for name in imported(path) if name.split(".")[0] in PACKAGES}, path


def test_the_process_that_reads_pages_starts_light():
    names = ("apache_beam", "pyarrow", "numpy", "torch")
    code = ("import sys, textmill.pipelines.extract.pages.reader_process, textmill.pipelines.extract.pages.read_page; "
            f"print([name for name in {names} if name in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout == "[]\n"
