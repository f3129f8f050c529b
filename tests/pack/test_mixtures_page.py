"""docs/mixtures.md: every example is a recipe or a part of one, and the table has every column."""

import re

import pytest
import yaml

from tests.paths import ROOT
from textmill.base.strict import parse
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS
from textmill.pipelines.pack.columns import COLUMNS
from textmill.pipelines.pack.mixture import Entry, Mixture

PAGE = (ROOT / "docs/mixtures.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
WHOLE = yaml.safe_load(EXAMPLES[0])


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_one(example):
    given = yaml.safe_load(example)
    if given.keys() == {"where"}:
        assert parse(Entry, given | {"share": 1.0}, "docs").where
    else:
        mixture = parse(Mixture, WHOLE | given, "docs")
        assert mixture.entries


def test_there_are_examples_of_everything():
    assert len(EXAMPLES) > 9
    for word in ("any:", "all:", "not:", "prefix:", "from:", "low:", "available", "temperature:", "schedule:", "fill:"):
        assert any(word in example for example in EXAMPLES), word


def test_the_table_has_every_column():
    table = {name for line in PAGE.splitlines() if line.startswith("| `") for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert COLUMNS.keys() - set(RULE_MEASUREMENTS) | {"language_score", "paywalled"} <= table
    assert not {name for name in table if name not in COLUMNS}
