"""README and docs/ say what is: their quotations are what commands wrote, their commands, links and paths exist."""

import re
import subprocess
import sys

import pytest
import yaml

from tests.paths import ROOT
from textmill.base.strict import parse
from textmill.pipelines.pack.mixture import Mixture

README = (ROOT / "README.md").read_text("utf-8")
DOCS = {page.name: page.read_text("utf-8") for page in sorted((ROOT / "docs").glob("*.md"))}
PAPERS = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY")]
PAGES = [*PAPERS, *sorted((ROOT / "docs").glob("*.md")), ROOT / "sample/README.md"]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def typed(page: str) -> str:
    """A page without what commands wrote."""
    return re.sub(r"<!-- quote (\S+) -->.*?<!-- end -->", "", page, flags=re.DOTALL)


def test_readme_is_the_way_in():
    assert len(README.encode()) <= 13_000


def test_quotations_are_what_the_commands_wrote():
    ran = subprocess.run([sys.executable, "benchmarks/quote.py", "--check"], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    for page in (README, *DOCS.values()):
        assert page.count("<!-- quote ") == page.count("<!-- end -->")
    assert "<!-- quote tour-demo.txt -->" in README


def test_every_quoted_result_is_there_and_every_tour_is_quoted():
    quoted = set(re.findall(r"<!-- quote (\S+) -->", "".join((README, *DOCS.values()))))
    results = {path.name for path in (ROOT / "benchmarks/results").iterdir()}
    assert quoted <= results
    assert {name for name in results if name.startswith("tour-")} - quoted <= {"tour-python-docs.txt", "tour-trace.txt"}


@pytest.mark.parametrize("page", PAPERS + [ROOT / "docs" / name for name in DOCS], ids=lambda page: page.name)
def test_every_make_target_it_names_exists(page):
    phony = re.search(r"^\.PHONY: (.*)", MAKEFILE.replace("\\\n", " "), re.MULTILINE)[1].split()
    named = set(re.findall(r"(?:^|`|\$ )make ([a-z][a-z-]*)", typed(page.read_text("utf-8")), re.MULTILINE))
    assert named <= set(phony), named - set(phony)


def test_readme_names_the_two_first_targets():
    assert {"demo", "test"} <= set(re.findall(r"^make ([a-z-]+)", README, re.MULTILINE))


def test_every_variable_of_make_is_explained():
    defined = set(re.findall(r"^([A-Z][A-Z_0-9]*) *\?=", MAKEFILE, re.MULTILINE)) | {"URL", "ID", "HOST"}
    rows = re.findall(r"^\| ((?:`[A-Z][A-Z_0-9]*`(?:, )?)+) \|", DOCS["configuration.md"], re.MULTILINE)
    explained = [name for row in rows for name in re.findall(r"`([A-Z_0-9]+)`", row)]
    assert sorted(explained) == sorted(defined)


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}" for name in (
    "stages.md", "configuration.md", "your-data.md", "common-crawl.md", "recipes.md", "sql.md"))])
def test_code_blocks_fit_a_terminal_of_80_columns(page):
    blocks = re.findall(r"```\w+\n(.*?)```", typed((ROOT / page).read_text("utf-8")), re.DOTALL)
    assert [line for block in blocks for line in block.splitlines() if len(line) > 80] == []


def test_what_the_tour_wrote_fits_a_terminal_of_80_columns():
    toured = [path.read_text("utf-8") for path in (ROOT / "benchmarks/results").glob("tour-*.txt")]
    assert toured and [line for block in toured for line in block.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("page", ["configuration.md", "your-data.md"])
def test_its_mixture_is_one(page):
    (recipe,) = [block for block in re.findall(r"```yaml\n(.*?)```", DOCS[page], re.DOTALL) if block.startswith("name:")]
    assert parse(Mixture, yaml.safe_load(recipe), page).name == "mine"


def headings(page: str) -> set[str]:
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.+)", page, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.name}")
def test_every_link_leads_somewhere(page):
    links = [link for link in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")) if "://" not in link]
    for link in links:
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not heading or heading in headings(target.read_text("utf-8")), link


def test_every_page_is_in_the_index():
    assert {name for name in DOCS if name != "README.md"} <= set(re.findall(r"\]\(([\w-]+\.md)", DOCS["README.md"]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.name}")
def test_every_command_it_names_exists(page):
    words = set(re.findall(r"^### (\S+)$", DOCS["commands.md"], re.MULTILINE))
    text = typed(page.read_text("utf-8"))
    named = set(re.findall(r"`textmill ([a-z][a-z-]*)", text))
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        named |= set(re.findall(r"^ *textmill ([a-z][a-z-]*)", block, re.MULTILINE))
    assert named <= words, named - words
