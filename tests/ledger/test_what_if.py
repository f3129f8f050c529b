"""What-if: exact counts on the sample, by language, source and rule; no text is read; nothing personal is shown."""

import re
from pathlib import Path

import pyarrow as pa
import pytest
from rich.cells import cell_len

from tests.command_line import ROOT, refused, table
from textmill.cli import main
from textmill.pipelines.ledger.what_if.compare import Difference, changed_rules
from textmill.pipelines.ledger.what_if.lines import WIDTH, comparison
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS, SIGNALS
from textmill.pipelines.screen.rules import Rule
from textmill.pipelines.screen.verdicts import VERDICTS

OLD = [Rule("word_count", low=50), Rule("digit_share", high=0.5), Rule("noindex", high=0, action="tag")]
NEW = [Rule("word_count", low=30), Rule("digit_share", high=0.2), Rule("noindex", high=0)]


def batches(*rows: dict) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    schema = pa.schema([SIGNALS.field(name) for name in ("id", "language", "form", *RULE_MEASUREMENTS)])
    pages = pa.schema([(name, pa.string()) for name in ("url", "title", "host", "source", "page_kind")])
    whole = [{"id": f"{n:032x}", "language": "en", "language_score": 1.0, "source": "web", "url": f"https://h.example/{n}"} | row
             for n, row in enumerate(rows)]
    return (pa.RecordBatch.from_pylist([{name: row.get(name) for name in schema.names} for row in whole], schema),
            pa.RecordBatch.from_pylist([{name: row.get(name) for name in pages.names} for row in whole], pages))


def test_documents_change_sides_and_are_counted_under_every_rule():
    signals, pages = batches({"word_count": 40, "digit_share": 0.1}, {"word_count": 40, "digit_share": 0.3, "language": "de"},
                             {"word_count": 60, "digit_share": 0.3, "noindex": 1}, {"word_count": 60, "source": "mail"},
                             {"word_count": 9, "digit_share": 0.9})
    difference = Difference()
    difference.add(signals[:2], pages[:2], OLD, NEW)
    difference.add(signals[2:], pages[2:], OLD, NEW)
    assert difference.read == 5 and difference.before["all", ""] == 2 and difference.before_words["all", ""] == 120
    assert dict(difference.gained.documents) == {("all", ""): 1, ("language", "en"): 1, ("source", "web"): 1, ("rule", "word_count"): 1}
    assert difference.lost.documents == {("all", ""): 1, ("language", "en"): 1, ("source", "web"): 1, ("rule", "digit_share"): 1,
                                         ("rule", "noindex"): 1}
    assert difference.gained.words["all", ""] == 40 and difference.lost.words["all", ""] == 60
    assert [page.broken for page in difference.gained.samples] == [(("word_count", 40.0, 50.0),)]
    assert [page.broken for page in difference.lost.samples] == [(("digit_share", 0.3, 0.2), ("noindex", 1.0, 0.0))]


def test_what_was_taken_down_no_table_brings_back():
    signals, pages = batches({"word_count": 0}, {"word_count": 40}, {"word_count": 60}, {"word_count": 0})
    broken = pa.array([[{"rule": "takedown", "value": 1.0, "bound": 0.0}], [{"rule": "word_count", "value": 40.0, "bound": 50.0}], [],
                       [{"rule": "word_count", "value": 0.0, "bound": 50.0}]], VERDICTS.field("broken").type)
    difference = Difference()
    difference.add(signals, pages, OLD, [Rule("digit_share", high=0.5)], broken)
    assert (difference.taken, difference.read, difference.gained.documents["all", ""]) == (1, 3, 2)
    said = list(comparison(difference, changed_rules(OLD, OLD), "new.yaml"))
    assert said[2] == "  1 more is taken down by takedown.txt, whatever a table says"
    alone = Difference()
    alone.add(signals[:1], pages[:1], OLD, NEW, broken[:1])
    assert (alone.taken, alone.read) == (1, 0) and not alone.gained.documents


def test_samples_are_the_same_whatever_the_order_of_batches():
    signals, pages = batches(*({"word_count": 40} for _ in range(30)))
    one, two = Difference(), Difference()
    one.add(signals, pages, OLD, NEW)
    for start in (20, 0, 10):
        two.add(signals[start:start + 10], pages[start:start + 10], OLD, NEW)
    assert len(one.gained.samples) == 10 and one == two


def test_what_a_table_says_differently():
    old = [Rule("word_count", 50, 100, {"de": (1, None)}), Rule("digit_share", high=0.5), Rule("noindex", high=0, action="tag")]
    new = [Rule("word_count", 50, None, {"de": (2, None)}), Rule("noindex", high=0), Rule("symbol_share", high=0.1)]
    assert changed_rules(old, new) == ["word_count: high 100 → none, other bounds in de", "digit_share: gone, high 0.5",
                                       "noindex: action tag → exclude", "symbol_share: new, high 0.1"]
    assert changed_rules(old, old) == []
    ends = {"verse": {"high": None}, "code": {"low": 1.0}}
    one, two = Rule("word_count", 50, forms=ends), Rule("word_count", 50, forms=ends | {"code": {"low": 2.0}}, kinds={"forum": {"low": 9.0}})
    assert changed_rules([one], [two]) == ["word_count: other bounds for the form code, other bounds for the kind forum"]


def test_forms_and_kinds_have_bounds_of_their_own():
    rules = [Rule("word_count", low=50, forms={"verse": {"low": 30}}, kinds={"listing": {"low": None}})]
    signals, pages = batches({"word_count": 40, "form": "verse"}, {"word_count": 40, "page_kind": "listing"}, {"word_count": 40})
    difference = Difference()
    difference.add(signals, pages, [Rule("word_count", low=50)], rules)
    assert (difference.before["all", ""], difference.gained.documents["all", ""]) == (0, 2)


def test_lines_fit_a_terminal_and_hide_personal_data():
    signals, pages = batches({"word_count": 40, "title": "Write to miller@mail.example.org\u202e now " + "水" * 90, "language": "en"})
    difference = Difference()
    difference.add(signals, pages, OLD, NEW)
    lines = list(comparison(difference, changed_rules(OLD, NEW), "new.yaml"))
    assert max(map(cell_len, lines)) <= WIDTH
    said = "\n".join(lines)
    assert "<EMAIL>" in said and "miller@" not in said and "\u202e" not in said


def test_the_sample_against_another_table(milled, tmp_path, capsys):
    data, _ = milled
    rules = (ROOT / "rules.yaml").read_text("utf-8")
    assert "  word_count:" in rules and "spam_phrases: {high: 0.04}" in rules
    new = tmp_path / "new.yaml"
    new.write_text(re.sub(r"(word_count:.*?\n    low: )50", r"\g<1>20", rules, count=1, flags=re.DOTALL)
                   .replace("compression_ratio: {low: 0.15, high: 1.0}", "compression_ratio: {low: 0.5, high: 1.0}"))
    assert main(["what-if", "--rules", str(new), "--data", str(data)]) == 0
    said = capsys.readouterr().out
    signals, verdicts = table(data, "signals").to_pylist(), table(data, "verdicts").to_pylist()
    lost = [s for s, v in zip(signals, verdicts, strict=True) if v["kept"] and s["compression_ratio"] < 0.5]
    gained = [s for s, v in zip(signals, verdicts, strict=True) if [b["rule"] for b in v["broken"]] == ["word_count"]
              and s["word_count"] >= 20 and s["language"] != "ko" and s["compression_ratio"] >= 0.5]
    assert lost and gained
    kept = sum(v["kept"] for v in verdicts)
    (total,) = [line.split() for line in said.splitlines() if line.startswith("all ")]
    assert total[1:5] == [f"{kept:,}", f"{len(gained):,}", f"{len(lost):,}", f"{kept + len(gained) - len(lost):,}"]
    assert "word_count: low 50 → 20" in said and "compression_ratio: low 0.15 → 0.5" in said
    assert main(["what-if", "--rules", str(ROOT / "rules.yaml"), "--data", str(data)]) == 0
    assert "it says the same" in capsys.readouterr().out


def test_errors_are_sentences(milled, tmp_path, capsys):
    data, _ = milled
    assert refused(capsys, "what-if", "--rules", str(tmp_path / "none.yaml"), "--data", str(data)).startswith("what-if: ")
    said = refused(capsys, "what-if", "--rules", str(ROOT / "rules.yaml"), "--data", str(tmp_path))
    assert said == f"what-if: there is nothing in {Path(tmp_path)}/documents yet; run `textmill extract`"


@pytest.mark.parametrize("module", ["textmill.pipelines.ledger.what_if.compare"])
def test_examples_in_docstrings_hold(module):
    import doctest
    import importlib
    assert doctest.testmod(importlib.import_module(module)).failed == 0
