"""Every measurement, what it is, who proposed it, and the shipped bounds: the table of docs/screening.md.

    python -m benchmarks.measurements

writes benchmarks/results/measurements.md from the functions' docstrings and rules.yaml; a test holds them against each other.
"""

import re
import sys
from pathlib import Path

from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS
from textmill.pipelines.report.meanings import described, measurement
from textmill.pipelines.screen.rules import Rule, read_rules

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks/results/measurements.md"
SOURCES = ("Gopher", "C4", "FineWeb", "NeMo", "RedPajama", "Fetterly", "Ntoulas", "Joulin", "DeviantArt",
           "TDMRep", "schema.org")
# Shared functions: their docstrings name the source once for all.
SHARED = {r"(top|duplicate)_\d+gram": "Gopher", r"duplicate_.*": "Gopher", "javascript_lines|policy_lines|lorem_ipsum": "C4",
          "language_score|language_share": "Joulin", "boilerplate_phrases": "NeMo",
          "noindex": "robots directives"}


def table() -> str:
    """In the order of `signals`."""
    rules = {rule.name: rule for rule in read_rules(ROOT / "rules.yaml", RULE_MEASUREMENTS, KINDS).rules}
    lines = ["| measurement | what it is | proposed by | shipped bound | languages, forms and kinds with their own |",
             "|---|---|---|---|---|"]
    for name in RULE_MEASUREMENTS:
        rule = rules.get(name)
        lines.append(f"| `{name}` | {measurement(name)} | {sources(name)} | {bound(rule)} | {languages(rule)} |")
    return "\n".join(lines) + "\n"


def sources(name: str) -> str:
    said = described(name)
    named = [source for source in SOURCES if source in said]
    named += [source for pattern, source in SHARED.items() if re.fullmatch(pattern, name) and source not in named]
    return ", ".join(dict.fromkeys(named)) or "textmill"


def bound(rule: Rule | None) -> str:
    if rule is None:
        return "none"
    sides = [f"{word} {value:,.12g}" for word, value in (("≥", rule.low), ("≤", rule.high)) if value is not None]
    return (" and ".join(sides) or "by language only") + (", tags" if rule.action == "tag" else "")


def languages(rule: Rule | None) -> str:
    if rule is None:
        return ""
    given = sorted(rule.languages)
    of_languages = ", ".join(given[:8]) + (f" and {len(given) - 8} more" if len(given) > 8 else "")
    return "; ".join(filter(None, [of_languages, ", ".join(sorted(rule.forms)), ", ".join(sorted(rule.kinds))]))


if __name__ == "__main__":
    RESULT.write_text(table(), "utf-8")
    sys.exit(0)
