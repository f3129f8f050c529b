"""Metrics of a server in Prometheus' text format: counters, gauges and histograms of what requests cost; nobody's text."""

import bisect
from collections import Counter

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
HELP = {
    "requests": ("counter", "requests answered, by path and status"),
    "prompt_tokens": ("counter", "tokens of prompts"),
    "generated_tokens": ("counter", "tokens generated"),
    "cached_answers": ("counter", "answers taken from the cache"),
    "cancelled": ("counter", "requests whose client left before the end"),
    "answers_open": ("gauge", "answers that are waited for"),
    "request_seconds": ("histogram", "from a request to the end of its reply"),
    "first_token_seconds": ("histogram", "from a request to its first token"),
}
PREFIX = "textmill_"


class Metrics:
    """The figures of one server; one event loop writes and reads them."""

    def __init__(self) -> None:
        self.values: Counter[tuple[str, str]] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def add(self, name: str, amount: int = 1, labels: str = "") -> None:
        self.values[name, labels] += amount

    def observe(self, name: str, seconds: float) -> None:
        self._buckets.setdefault(name, [0] * (len(SECONDS) + 1))[bisect.bisect_left(SECONDS, seconds)] += 1
        self._sums[name] = self._sums.get(name, 0.0) + seconds

    def text(self) -> str:
        """What Prometheus reads."""
        lines = []
        for name, (kind, help_) in HELP.items():
            full = f"{PREFIX}{name}{'_total' if kind == 'counter' else ''}"
            lines += [f"# HELP {full} {help_}", f"# TYPE {full} {kind}"]
            if kind == "histogram":
                lines += self._histogram(name, full)
            else:
                values = {labels: value for (of, labels), value in sorted(self.values.items()) if of == name} or {"": 0}
                lines += [f"{full}{f'{{{labels}}}' if labels else ''} {value}" for labels, value in values.items()]
        return "\n".join(lines) + "\n"

    def _histogram(self, name: str, full: str) -> list[str]:
        counts, total, lines = self._buckets.get(name, [0] * (len(SECONDS) + 1)), 0, []
        for bound, count in zip([*map(str, SECONDS), "+Inf"], counts, strict=True):
            total += count
            lines.append(f'{full}_bucket{{le="{bound}"}} {total}')
        return [*lines, f"{full}_sum {self._sums.get(name, 0.0):.6f}", f"{full}_count {total}"]
