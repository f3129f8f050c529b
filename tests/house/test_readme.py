"""README says what is: its quotations are what commands wrote, its make targets and paths exist."""

import re
import subprocess
import sys

import pytest
import yaml

from tests.paths import ROOT
from textmill.base.strict import parse
from textmill.pipelines.pack.mixture import Mixture

README = (ROOT / "README.md").read_text("utf-8")


def test_quotations_are_what_the_commands_wrote():
    ran = subprocess.run([sys.executable, "benchmarks/quote.py", "--check"], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    assert README.count("<!-- quote ") == README.count("<!-- end -->") > 0


def test_every_make_target_it_names_exists():
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    phony = re.search(r"^\.PHONY: (.*)", makefile, re.MULTILINE)[1].split()
    named = set(re.findall(r"(?:^|`|\$ )make ([a-z][a-z-]*)", README, re.MULTILINE))
    assert {"demo", "test"} <= named <= set(phony), named - set(phony)


def test_every_variable_of_make_is_explained():
    defined = set(re.findall(r"^([A-Z]+) +\?=", (ROOT / "Makefile").read_text(), re.MULTILINE)) - {"ARGS"}
    table = set(re.findall(r"^\| `([A-Z]+)` \|", README, re.MULTILINE))
    assert table == defined


def test_code_blocks_fit_a_terminal_of_80_columns():
    typed = re.sub(r"<!-- quote (\S+) -->.*?<!-- end -->", "", README, flags=re.DOTALL)
    blocks = re.findall(r"```\w+\n(.*?)```", typed, re.DOTALL)
    toured = [path.read_text("utf-8") for path in (ROOT / "benchmarks/results").glob("tour-*.txt")]
    assert toured and [line for block in (*blocks, *toured) for line in block.splitlines() if len(line) > 80] == []


def test_its_mixture_is_one():
    (recipe,) = [block for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if block.startswith("name:")]
    assert parse(Mixture, yaml.safe_load(recipe), "README").name == "mine"


def headings(page: str) -> set[str]:
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.+)", page, re.MULTILINE)}


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name)
def test_every_link_of_its_pages_leads_somewhere(page):
    links = [link for link in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")) if "://" not in link]
    for link in links:
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not heading or heading in headings(target.read_text("utf-8")), link
