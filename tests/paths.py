"""Where things lie: the checkout, and the folder `shared` beside it, which CI has and a stranger's clone has not."""

from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"
RESULTS = ROOT / "benchmarks/results"


def record(name: str, lines: Iterable[str]) -> None:
    """Write what a campaign found to benchmarks/results/, where docs/reliability.md quotes it."""
    (RESULTS / name).write_text("\n".join(lines) + "\n", "utf-8")
