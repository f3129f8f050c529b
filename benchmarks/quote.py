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
QUOTE = re.compile(r"(<!-- quote (?P<name>\S+) -->\n)(?P<body>.*?)(?P<end><!-- end -->)", re.DOTALL)


def quoted(page: str) -> str:
    """A page's text with every quotation as the file under benchmarks/results/ has it now."""
    return QUOTE.sub(lambda match: f"{match[1]}{body(match['name'])}\n{match['end']}", page)


def body(name: str) -> str:
    text = (RESULTS / name).read_text("utf-8").rstrip("\n")
    return text if name.endswith(".md") else f"```text\n{text}\n```"


def main() -> int | str:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where a quotation is out of date")
    given = parser.parse_args()
    differ = []
    for page in PAGES:
        before = page.read_text("utf-8")
        after = quoted(before)
        if before != after and given.check:
            differ.append(str(page.relative_to(ROOT)))
        elif before != after:
            page.write_text(after, "utf-8")
    return f"{', '.join(differ)}: older results are quoted; run `python benchmarks/quote.py`" if differ else 0


if __name__ == "__main__":
    sys.exit(main())
