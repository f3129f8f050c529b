"""How the manuals in legacy charsets are decoded, beside trafilatura and resiliparse: nothing lost, the right letters.

    python -m benchmarks.extract_charset --crawl ../shared/data/crawl

writes benchmarks/results/extract-charset.md. Asked are the pages of manuals-httpd.warc.gz that are valid in the charset the
gold file names. A text is right where it is the one that this charset gives, as browsers map it (euc-kr by its superset
cp949, iso-8859-1 by windows-1252), whatever the codec that gave it. Its language is what fastText says of its visible text.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding
from trafilatura.utils import decode_file

from benchmarks.gold import responses
from textmill.pipelines.extract.pages.charset import CODECS, decode
from textmill.pipelines.measure.language_model import LanguageIdentifier, find_model

RESULTS = Path(__file__).parents[1] / "benchmarks/results"
OURS = "textmill"
# What is called with the body and the codec of the HTTP header, which only ours looks at.
SYSTEMS: dict[str, Callable[[bytes, str | None], str]] = {
    OURS: lambda body, http: decode(body, http).text,
    "trafilatura": lambda body, http: decode_file(body),
    "resiliparse": lambda body, http: bytes_to_str(body, detect_encoding(body, from_html_meta=True)),
}


@dataclass
class Tally:
    """Of the pages in one charset: how many are valid in it, and what became of those."""

    valid: int = 0
    undamaged: int = 0          # no replacement character
    right: int = 0              # the text that the gold charset gives
    labelled: int = 0           # pages whose language is known
    language: int = 0           # of these, fastText says the same of the decoded text


def measure(crawl: Path, systems: dict[str, Callable[[bytes, str | None], str]]) -> dict[tuple[str, str], Tally]:
    """By (system, gold charset)."""
    columns = ["record_id", "warc", "charset", "language"]
    gold: dict[str, dict[str, Any]] = {row["record_id"]: row for row in pq.read_table(crawl / "gold.parquet", columns=columns)
                                       .to_pylist() if row["warc"] == "manuals-httpd.warc.gz"}
    model = LanguageIdentifier(find_model(None))
    tallies: dict[tuple[str, str], Tally] = {}
    for record_id, _, body, http in responses(crawl / "manuals-httpd.warc.gz"):
        charset, language = gold[record_id]["charset"], gold[record_id]["language"]
        try:
            wanted = body.decode(CODECS[charset])
        except UnicodeDecodeError:
            continue
        for system, read in systems.items():
            text = read(body, http)
            tally = tallies.setdefault((system, charset), Tally())
            tally.valid += 1
            tally.undamaged += "\ufffd" not in text
            tally.right += text == wanted
            if language:
                tally.labelled += 1
                plain = " ".join(extract_plain_text(text).split())
                tally.language += model.guesses([plain]) == [language]
    return tallies


def table(tallies: dict[tuple[str, str], Tally]) -> str:
    lines = ["| system | charset | valid pages | nothing lost | the right text | with a language | decoded as it |",
             "|---|---|---:|---:|---:|---:|---:|"]
    charsets = sorted({charset for _, charset in tallies}, key=lambda charset: -tallies[OURS, charset].valid)
    for system in dict.fromkeys(system for system, _ in tallies):
        mine = {charset: tallies[system, charset] for charset in charsets}
        for name, of in [*((charset, [mine[charset]]) for charset in charsets), ("all", list(mine.values()))]:
            valid, labelled = sum(one.valid for one in of), sum(one.labelled for one in of)
            undamaged, right = sum(one.undamaged for one in of) / valid, sum(one.right for one in of) / valid
            language = sum(one.language for one in of) / max(labelled, 1)
            lines.append(f"| {system} | {name} | {valid:,} | {undamaged:.2%} | {right:.2%} | {labelled:,} | {language:.2%} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crawl", type=Path, required=True, help="folder with manuals-httpd.warc.gz and gold.parquet")
    given = parser.parse_args()
    said = table(measure(given.crawl, SYSTEMS))
    said += f"\ntrafilatura {version('trafilatura')}, resiliparse {version('resiliparse')}; {date.today()}.\n"
    print(said)
    (RESULTS / "extract-charset.md").write_text(said, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
