"""Snippets of docs/ecosystem.md, run on a finished demo with the libraries that are installed.

    make demo && python -m benchmarks.ecosystem

writes benchmarks/results/ecosystem.md: of each section the versions of its libraries, and whether its code ran. A section
whose libraries are not here keeps the row of an earlier run: not all of them go into one environment. Nothing is left in the
data folder: the code runs in a folder of its own, which has it as `data`.
"""

import argparse
import ast
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from datetime import date
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks/results/ecosystem.md"
PAGE = (ROOT / "docs/ecosystem.md").read_text("utf-8")
SECTIONS = {title: found for section in re.split(r"\n(?=## )", PAGE)[1:] for title in [section.partition("\n")[0][3:]]
            if (found := re.findall(r"```(python|bash)\n(.*?)```", section, re.DOTALL))}
BESIDE = {"Hugging Face Trainer": ["accelerate"], "MosaicML": ["streaming"]}        # what is needed and not imported first
OWN = {"textmill", "torch", "numpy", "yaml"}        # libraries that a section is not about, save where it has no other


class Outcome(NamedTuple):
    """What came of a section: the libraries that it needs, those that are not there, and what went wrong."""

    needs: list[str]
    missing: list[str]
    error: str


def run_section(title: str, folder: Path) -> Outcome:
    """Run the code of a section in `folder`, whose data/ is a finished run."""
    needs = sorted({name for language, code in SECTIONS[title] if language == "python" for name in imported(code)}
                   | set(BESIDE.get(title, ())))
    if missing := [name for name in needs if importlib.util.find_spec(name) is None]:
        return Outcome(needs, missing, "")
    if any('"export"' in code for _, code in SECTIONS[title]) and not (folder / "export").exists():
        run([sys.executable, "-m", "textmill", "export", "--run", "data/checkpoints/demo", "--to", "export"], folder)
    for number, (language, code) in enumerate(SECTIONS[title]):
        if language == "python":            # in a file: some libraries start processes
            script = folder / f"{re.sub(r'[^a-z]', '_', title.lower())}_{number}.py"
            script.write_text(code)
            commands = [[sys.executable, str(script)]]
        else:
            commands = list(words(code, folder))
        for command in commands:
            ran = run(command, folder)
            if ran.returncode:
                return Outcome(needs, [], ran.stderr[-3000:])
    return Outcome(needs, [], "")


def imported(code: str) -> Iterator[str]:
    """The packages that a piece of code imports from elsewhere than Python's library."""
    for node in ast.walk(ast.parse(code)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else (
            [str(node.module)] if isinstance(node, ast.ImportFrom) else [])
        yield from {name.partition(".")[0] for name in names} - sys.stdlib_module_names


def words(code: str, folder: Path) -> Iterator[list[str]]:
    """The commands of a piece of shell; one whose target is there was run for another section."""
    for line in code.replace("\\\n", " ").splitlines():
        name, *arguments = line.split()
        assert name == "textmill", line
        if "--to" in arguments and (folder / arguments[arguments.index("--to") + 1]).exists():
            continue
        yield [sys.executable, "-m", "textmill", *arguments]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess:
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1",
                                "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def lines(folder: Path, only: Collection[str]) -> Iterator[str]:
    """The table: section, libraries with versions, outcome; of `only` some, the others as they were."""
    yield from ("| section | libraries | |", "|---|---|---|")
    earlier = {line.split(" | ")[0][2:]: line for line in RESULT.read_text("utf-8").splitlines()} if RESULT.exists() else {}
    distributions = packages_distributions()
    for title in SECTIONS:
        if only and title not in only and title in earlier:
            yield earlier[title]
            continue
        needs, missing, error = run_section(title, folder)
        if missing and title in earlier:
            print(f"{title}: {', '.join(missing)} not here, as before")
            yield earlier[title]
            continue
        about = [name for name in needs if name not in OWN] or [name for name in needs if name != "textmill"]
        installed = {distributions[name][0] for name in about if name not in missing}
        named = sorted(f"{name} {version(name)}" for name in installed)
        said = f"not run: no {', '.join(missing)} here" if missing else f"{'fails' if error else 'runs'}, {date.today()}"
        print(f"{title}: {said}", error, flush=True)
        yield f"| {title} | {', '.join(named)} | {said} |"
    yield ""
    yield f"On the demo's data, Python {sys.version.split()[0]}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="that of the finished demo (default: data/ here)")
    parser.add_argument("--only", nargs="+", default=(), metavar="SECTION", help="run these, and keep the rows of the others")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").symlink_to(given.data.absolute())
        told = "\n".join(lines(Path(folder), given.only))
    RESULT.write_text(told + "\n", "utf-8")


if __name__ == "__main__":
    main()
