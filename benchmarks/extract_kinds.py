"""The main text of pages of seven kinds (WCXB's development half), by host split into those the model learned from or not.

    python -m benchmarks.extract_kinds --wcxb ../shared/data/wcxb

writes benchmarks/results/extract-kinds.md: F1 over words, the mean over pages that have gold text. rs-trafilatura is measured
where it is installed. Milliseconds are CPU time of one process, for ours with metadata and legal signals. `--systems` takes
some of them, printed and not written.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean

import pyarrow.parquet as pq

from benchmarks.extract_quality import RESULTS, SYSTEMS
from benchmarks.gold import overlap, responses
from textmill.pipelines.extract.pages.charset import decode
from textmill.pipelines.extract.pages.model import KINDS
from textmill.pipelines.extract.pages.read_page import read_page
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.learned.main_text import learned_from


def by(engine: str) -> Callable[[str], str]:
    limits = ExtractSettings(engine=engine)

    def find(html: str) -> str:
        read = read_page(html, limits)
        return "" if isinstance(read, Refusal) else read.text
    return find


def systems() -> dict[str, Callable[[str], str | None]]:
    """Ours by both engines, the libraries, and rs-trafilatura where it is installed."""
    all_ = {"textmill, model": by("model"), "textmill, trafilatura": by("trafilatura"),
            **{name: SYSTEMS[name] for name in ("trafilatura, fast", "trafilatura", "resiliparse")}}
    if find_spec("rs_trafilatura"):
        import rs_trafilatura
        all_["rs-trafilatura"] = lambda html: rs_trafilatura.extract(html).main_content
    return all_


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wcxb", type=Path, required=True, help="folder with dev-*.warc.gz and gold.parquet")
    parser.add_argument("--systems", nargs="+", choices=list(systems()), help="only these, printed and not written")
    given = parser.parse_args()
    gold = {row["record_id"]: row for row in pq.read_table(given.wcxb / "gold.parquet").to_pylist() if row["text"]}
    asked = {name: find for name, find in systems().items() if not given.systems or name in given.systems}
    scores: dict[tuple[str, bool, str], list[float]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    for path in sorted(given.wcxb.glob("*.warc.gz")):
        for record_id, url, body, charset in responses(path):
            if row := gold.get(record_id):
                html = decode(body, charset).text
                for name, find in asked.items():
                    start = time.process_time()
                    text = find(html) or ""
                    seconds[name].append(time.process_time() - start)
                    scores[name, learned_from(url), row["type"]].append(overlap(text, row["text"]).f1)
    lines = [f"| hosts | system | pages | all | {' | '.join(KINDS)} | ms |", f"|---|---|---:|---:|{'---:|' * len(KINDS)}---:|"]
    for learned in (False, True):
        for name in asked:
            of_kind = [scores[name, learned, kind] for kind in KINDS]
            every = [value for values in of_kind for value in values]
            cells = " | ".join(f"{fmean(values):.3f}" if values else "" for values in (every, *of_kind))
            lines.append(f"| {'' if learned else 'not '}learned from | {name} | {len(every)} | {cells} | "
                         f"{1000 * fmean(seconds[name]):.1f} |")
    said = "\n".join(lines) + f"\n\n{date.today()}.\n"
    print(said)
    if not given.systems:
        (RESULTS / "extract-kinds.md").write_text(said, "utf-8")


if __name__ == "__main__":
    main()
