"""The ledger: what it tells of a page of every fate, word for word; and that no personal data is in anything it prints.

`python -m tests.ledger.test_ledger DATA` writes tests/told/ from a finished run on the sample crawl (tests/command_line.py), for when what
is told changes on purpose.
"""

import json
import shutil
from pathlib import Path

import pytest

from tests.command_line import MIXTURE, ROOT, SETTINGS, copy_dataset, refused, table
from textmill.base.sealed import seal
from textmill.cli import main
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.display.lines import WIDTH, shown
from textmill.pipelines.engines.engine import BeamEngine
from textmill.pipelines.ledger.trace import trace, where
from textmill.pipelines.ledger.why import measurement_table, why
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS
from textmill.pipelines.screen.rules import Rule
from textmill.pipelines.settings import read_config

TOLD = ROOT / "tests/told"
PAGES = {
    "kept-with-edits": "https://en.quillop.example/en/notes/testing-the-till",
    "kept-in-pieces": "b6adbc0ce9d761947fde7106a0e692b6",
    "stands-for-a-copy": "https://en.merelle.example/en/sea/how-to-read-a-tide-table",
    "broken-rules": "https://de.merelle.example/de/angebot/matratze-guenstig-kaufen",
    "copy-exact": "https://de.merelle.example/de/technik/altes-stellwerk-von-oberlauen",
    "copy-near": "https://en.merelle.example/en/sea/reading-tide-tables",
    "copy-url": "a211cdffa4504867ff8883992198ae4f",
    "copy-record": "ad7ccafd599febbd3c75d02459da9bb2",
    "rejected-record": "https://en.vandrel.example/lost",
    "damaged-record": "https://en.torvel.example/en/craft/inside-a-letterpress?from=mirror",
}
LABELS = [json.loads(line) for line in (ROOT / "sample/labels.jsonl").read_text("utf-8").splitlines()]


def context(data: Path, rules: Path = ROOT / "rules.yaml") -> RunContext:
    return RunContext(Folder(str(data)), read_config(str(SETTINGS), str(rules), str(MIXTURE), None), BeamEngine())


def questions(data: Path) -> dict[str, list[str]]:
    """Name → what is told, for each fate and for the two other questions."""
    here, folder = context(data), Folder(str(data))
    told = {name: why(here, page) for name, page in PAGES.items()}
    return told | {"trace-train": trace(folder, "mixture", "train", 0), "trace-held-out": trace(folder, "mixture", "validation", 0),
                   "where-page": where(folder, PAGES["kept-in-pieces"]), "where-host": where(folder, "quillop.example")}


@pytest.fixture(scope="module")
def told(milled):
    return questions(milled[0])


@pytest.mark.parametrize("name", [*PAGES, "trace-train", "trace-held-out", "where-page", "where-host"])
def test_what_is_told_word_for_word(told, name):
    assert "\n".join(told[name]) + "\n" == (TOLD / f"{name}.txt").read_text("utf-8")
    assert not [line for line in told[name] if len(line) > WIDTH and " " in line[20:]], "a line that could be folded is too long"


def test_dropped_for_personal_data_and_stale(milled, tmp_path):
    """The same run, then curate with a stricter policy: the page's row says so, and what is behind it is stale."""
    data = tmp_path / "data"
    shutil.copytree(milled[0], data, ignore=shutil.ignore_patterns("raw"))
    rules = tmp_path / "rules.yaml"
    rules.write_text((ROOT / "rules.yaml").read_text().replace("CREDIT_CARD: {action: replace}",
                                                               "CREDIT_CARD: {action: replace, drop_above: 0}"))
    before = why(context(data, rules), PAGES["kept-with-edits"])
    stale = "(stale: its input or settings have changed; run `textmill curate`)"
    assert stale in " ".join(" ".join(before).split())
    from textmill.pipelines.contract.run import bring_up_to_date
    from textmill.pipelines.curate.stage import CURATE
    bring_up_to_date(CURATE, context(data, rules), current={"extract"})
    after = [line.strip() for line in why(context(data, rules), PAGES["kept-with-edits"])]
    assert after[-1] == "curate     rejected by personal_data, value CREDIT_CARD 2, bound 0"


def test_before_the_later_stages_have_run(milled, tmp_path):
    for name in ("documents", "signals"):
        copy_dataset(milled[0], name, tmp_path)
    lines = why(context(tmp_path), PAGES["kept-with-edits"])
    assert lines[-3:] == ["screen     not yet; run `textmill screen`", "dedup      not yet; run `textmill dedup`",
                          "curate     not yet; run `textmill curate`"]
    copy_dataset(milled[0], "verdicts", tmp_path)
    path = tmp_path / "ledger/verdicts/manifest.json"
    listed = json.loads(path.read_text())
    listed["parts"] = listed["parts"][:1]
    path.write_bytes(seal(listed))
    said = " ".join(" ".join(why(context(tmp_path), PAGES["kept-with-edits"])).split())
    assert "screen verdicts was made from other documents than lie there now; run `textmill screen` dedup not yet" in said


def test_nothing_planted_is_in_any_answer(milled):
    """Every block and host of the sample, and every page with a finding: no planted e-mail, number or secret is printed."""
    data = milled[0]
    planted = {snippet for label in LABELS if label["what"] == "personal_data" for snippet in label["must_not"]
               if any(character.isdigit() or character == "@" for character in snippet)}
    assert len(planted) > 20
    here, folder = context(data), Folder(str(data))
    ids = sorted({row["id"] for row in table(data, "signals").to_pylist() if row["findings"]})
    assert len(ids) >= 7
    lost = [row["url"] for row in table(data, "documents", rejected=True).to_pylist() if row["url"]]
    counts = json.loads((data / "blocks/mixture/_stats.json").read_text())
    answers = [why(here, name) for name in (*ids, *lost)]
    answers += [trace(folder, "mixture", split, number) for split in ("train", "validation")
                for number in range(counts[split]["blocks"])]
    answers += [where(folder, host) for host in sorted({row for row in table(data, "documents")["host"].to_pylist() if row})]
    said = "\n".join(line for answer in answers for line in answer)
    assert [snippet for snippet in sorted(planted) if snippet in said] == []


def test_what_came_from_a_page_is_masked_and_cannot_turn_a_terminal_around():
    assert shown("https://x.example/?mail=anna@mail.example.de") == "https://x.example/?mail=<EMAIL>"
    assert shown("\x1b[31mred\u202e") == "[31mred" and shown(None) == "-"


def test_the_table_says_what_followed_from_each_measurement():
    """A bound of all, one of a language, one that the language has not, a null, a tag, and a rule that is none."""
    signals = dict.fromkeys(RULE_MEASUREMENTS, 0.5) | {"language": "de", "paywalled": None, "word_count": 7.0, "stop_words": 0.0}
    rules = [Rule("word_count", low=50), Rule("digit_share", high=0.25, languages={"de": (None, 0.75)}),
             Rule("short_lines", high=0.9, languages={"de": (None, None)}), Rule("paywalled", high=0, action="tag"),
             Rule("noindex", high=0, action="tag")]
    lines = measurement_table(signals, {"word_count": {"bound": 50.0}, "stop_words": {"bound": 2.0}}, ["noindex"], rules)
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert rows["word_count"] == ["7", "50", "-", "all", "broken"]
    assert rows["stop_words"] == ["0", "-", "-", "-", "broken", "at", "2"], "by a rule that is no longer there"
    assert rows["digit_share"] == ["0.5", "-", "0.75", "de"]
    assert rows["short_lines"] == ["0.5", "-", "-", "de", "no", "bound", "for", "de"]
    assert rows["paywalled"] == ["-", "-", "0", "all", "not", "measured"]
    assert rows["noindex"] == ["0.5", "-", "0", "all", "tag"] and rows["noai"] == ["0.5", "-", "-", "-"]
    assert len(rows) == len(RULE_MEASUREMENTS) + 1


def test_the_table_says_whose_bound_it_is():
    signals = dict.fromkeys(RULE_MEASUREMENTS, 0.5) | {"language": "fi", "form": "verse"}
    rules = [Rule("word_count", 50, 90, {"fi": (33, 90)}, forms={"verse": {"high": None}}), Rule("short_lines", high=0.9, forms={
        "verse": {"low": None, "high": None}}), Rule("digit_share", high=0.4, kinds={"listing": {"high": 0.6}})]
    rows = {line.split()[0]: line.split()[1:] for line in measurement_table(signals, {}, [], rules, False, "listing")}
    assert rows["word_count"] == ["0.5", "33", "-", "fi,", "verse"]
    assert rows["short_lines"] == ["0.5", "-", "-", "verse", "no", "bound", "for", "verse"]
    assert rows["digit_share"] == ["0.5", "-", "0.6", "listing"]


@pytest.mark.parametrize(("arguments", "said"), [
    (["trace", "99"], "trace: blocks/mixture has 24 blocks of train, so there is no block 99; give 0 to 23"),
])
def test_mistakes_are_sentences(milled, arguments, said, capsys):
    flags = ["--data", str(milled[0]), "--mixture", str(MIXTURE)]
    assert refused(capsys, arguments[0], *flags, *arguments[1:]) == said


@pytest.mark.parametrize("word", ["why", "where", "twins"])
def test_a_page_has_to_be_named(word, capsys):
    assert main([word, "--", " "]) == 2          # what make passes on where URL, ID and HOST are empty
    assert capsys.readouterr().err.startswith(f"{word}: no page was named; give a URL, an id or a host (with make: URL=…")


def test_no_blocks_of_that_recipe(milled):
    with pytest.raises(StageError, match=r"no blocks of the recipe other in .*/blocks \(there: mixture\); run `textmill pack`"):
        trace(Folder(str(milled[0])), "other", "train", 0)


def test_the_command_prints_what_is_told(milled, told, capsys):
    assert main(["where", "--data", str(milled[0]), "quillop.example"]) == 0
    assert capsys.readouterr().out == "\n".join(told["where-host"]) + "\n"
