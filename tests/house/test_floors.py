"""Imports go down only: the floors of the house, stated here; Python's sources, lazy and type-only imports too, agree."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.house import figures
from tests.paths import ROOT

# From the ground up. A room imports from itself and from rooms on lower floors, never from its own floor's.
FLOORS = [
    ["base"],
    ["tokenizer"],
    ["model"],
    ["model/device"],
    ["model/data"],
    ["model/architecture"],
    ["model/training"],
    ["model/generation", "model/export"],
    ["model/evaluation"],
    ["model/serving", "model/posttraining", "model/classification"],
    ["model/judging"],
    ["pipelines/contract", "pipelines/text"],
    ["pipelines/web", "pipelines/engines"],
    ["pipelines/takedown"],
    ["pipelines/extract"],
    ["pipelines/measure"],
    ["pipelines/screen", "pipelines/display"],
    ["pipelines/dedup"],
    ["pipelines/curate"],
    ["pipelines/tokens"],
    ["pipelines/pack"],
    ["pipelines/settings", "pipelines/flow"],
    ["pipelines/report"],
    ["pipelines/ledger", "pipelines/learned", "pipelines/standalone", "pipelines/demo"],
    ["pipelines/erasure", "pipelines/publish", "pipelines/browse"],
    ["cli", "api"],
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# The two halves meet in `base`, `tokenizer` and the command; and where measure scores texts by one's own model, which is opened
# by one module, when it is asked for.
HALVES = ("pipelines", "model")
MEETING = ("pipelines/measure/own_model", "model/classification")
# What `model` and `tokenizer` may need installed: `model` also runs where only these are.
MODEL = {"torch", "numpy", "pyarrow", "tokenizers", "safetensors", "yaml"}
OPTIONAL = {"model": {"transformers", "streaming", "starlette", "uvicorn", "llguidance", "gguf"}, "tokenizer": {"zstandard", "gigatoken", "awkward", "jinja2", "gguf"}}
PACKAGES = ("pipelines", "tokenizer", "model")


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """(module, what is taken from it) of every import in a file, wherever in the file; "" for the module itself."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            yield from ((node.module or "", alias.name) for alias in node.names)


def room_of(path: str) -> str:
    """The room that a module lies in, `a/b/c` for textmill.a.b.c: its folder below a package, or the package."""
    first, *rest = path.split("/")
    return f"{first}/{rest[0]}" if first in HALVES and rest else first


def arrows() -> Iterator[tuple[str, str, str]]:
    """(file, its room, a room it imports from) throughout the house."""
    for package in (*PACKAGES, "textmill"):
        for path in sources(package):
            where = path.relative_to(ROOT).with_suffix("").as_posix().removeprefix("textmill/")
            if where.endswith("__main__") or where in ("__init__", *(f"{name}/__init__" for name in PACKAGES)):
                continue
            for module, name in imports(path):
                if module.partition(".")[0] == "textmill":
                    there = "/".join([*module.split(".")[1:], name])
                    there = there if (ROOT / "textmill" / there).exists() or (ROOT / f"textmill/{there}.py").exists() else \
                        "/".join(module.split(".")[1:])
                    if there:
                        yield where, room_of(where), room_of(there)


def test_every_arrow_goes_down():
    drawn = list(arrows())
    assert {room for _, *rooms in drawn for room in rooms} - FLOOR.keys() == set(), "a room without a floor"
    up = sorted({f"{file} → {there}" for file, here, there in drawn if here != there and FLOOR[there] >= FLOOR[here]})
    assert up == []
    across = {(file, there) for file, here, there in drawn if {here.split("/")[0], there.split("/")[0]} == set(HALVES)}
    assert across == {MEETING}


def test_measure_starts_without_torch():
    code = "import sys, textmill.pipelines.measure.stage; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout == "False\n"


def test_no_circles():
    house = figures(ROOT)
    assert (house["circles of rooms"], house["circles of files"], house["main() functions"]) == (0, 0, 1)


def libraries(package: str) -> set[str]:
    roots = {module.split(".")[0] for path in sources(package) for module, _ in imports(path)}
    return roots - {"textmill"} - set(sys.stdlib_module_names)


@pytest.mark.parametrize("package", ["model", "tokenizer"])
def test_what_model_and_tokenizer_need_installed(package):
    allowed = MODEL - ({"torch", "safetensors"} if package == "tokenizer" else set())
    assert libraries(package) <= allowed | OPTIONAL[package]


def test_base_needs_no_more_than_a_terminal_and_yaml():
    """But for names of columns, which both halves read by: whoever reads columns has Arrow, and nothing in base does."""
    needing = {path.name for path in sources("textmill/base") if any(module.startswith("pyarrow") for module, _ in imports(path))}
    assert libraries("textmill/base") <= {"yaml", "rich", "pyarrow"} and needing == {"older_names.py"}
    assert not [path for path in sources("textmill/base") if any(module.endswith("older_names") for module, _ in imports(path))]


def test_beam_is_known_where_pipelines_run_and_nowhere_else():
    rooms = {room_of(path.relative_to(ROOT).as_posix()) for package in PACKAGES for path in sources(package)
             if any(module.startswith("apache_beam") for module, _ in imports(path))}
    assert rooms == {"pipelines/engines", "pipelines/dedup"}


@pytest.mark.parametrize("folder", [*PACKAGES, "textmill", "tests", "benchmarks", "cluster"])
def test_one_name_for_each_module(folder):
    """`pipelines.x` beside `textmill.pipelines.x` would be two modules with two classes of each name."""
    for path in sources(folder):
        assert not {module for module, _ in imports(path) if module.split(".")[0] in PACKAGES}, path


def test_the_process_that_reads_pages_starts_light():
    names = ("apache_beam", "pyarrow", "numpy", "torch")
    code = ("import sys, textmill.pipelines.extract.pages.reader_process, textmill.pipelines.extract.pages.read_page; "
            f"print([name for name in {names} if name in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout == "[]\n"
