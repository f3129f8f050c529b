"""Puts what commands wrote to benchmarks/results/ into README.md and docs/, so that no number there is typed by hand.

A page marks a quotation with a comment line `<!-- quote NAME -->` before a fenced block or a table; `NAME` is a file in
benchmarks/results/. `python benchmarks/quote.py` rewrites the quotations; `--check` says which ones differ and exits 1.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
QUOTE = re.compile(r"(<!-- quote (?P<name>\S+) -->\n)(?P<body>.*?)(?P<end>\n<!-- end -->)", re.DOTALL)


def quoted(page: str) -> str:
    """The page's text with every quotation as the file under benchmarks/results/ has it now."""
    return QUOTE.sub(lambda match: match[1] + body(match["name"]) + match["end"], page)


def body(name: str) -> str:
    text = (RESULTS / name).read_text("utf-8").rstrip("\n")
    return text if name.endswith(".md") else f"```text\n{text}\n```"


def main() -> int | str:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where a quotation is out of date")
    given = parser.parse_args()
    old = [page for page in PAGES if page.read_text("utf-8") != quoted(page.read_text("utf-8"))]
    if given.check:
        names = ", ".join(str(page.relative_to(ROOT)) for page in old)
        return f"{names}: quotes older results; run `python benchmarks/quote.py`" if old else 0
    for page in old:
        page.write_text(quoted(page.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
