"""The JSON Schemas that editors read: those of the code as it is, taken by a validator, right about good and wrong files."""

import json

import jsonschema
import pytest
import yaml

from tests.command_line import ROOT
from textmill.base.strict import SettingsError, parse, read_yaml
from textmill.cli.schemas import FOLDER, as_text, schemas
from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS
from textmill.pipelines.pack.mixture import Mixture
from textmill.pipelines.screen.rules import parse_rules
from textmill.pipelines.settings import Settings

FILES = [("settings", "settings.yaml"), ("settings", "tests/settings.yaml"), ("rules", "rules.yaml"),
         ("rules", "benchmarks/published-rules.yaml"), ("mixture", "tests/mixture.yaml"),
         *(("mixture", str(path.relative_to(ROOT))) for path in sorted((ROOT / "mixtures").glob("*.yaml")))]


def validator(kind):
    return jsonschema.Draft7Validator(json.loads((FOLDER / f"{kind}.json").read_text("utf-8")))


@pytest.mark.parametrize("kind", sorted(schemas()))
def test_the_files_are_those_of_the_code(kind):
    assert (FOLDER / f"{kind}.json").read_text("utf-8") == as_text(schemas()[kind]), "run python -m textmill.cli.schemas"
    jsonschema.Draft7Validator.check_schema(schemas()[kind])


@pytest.mark.parametrize(("kind", "file"), FILES)
def test_every_shipped_file_is_valid_and_names_its_schema(kind, file):
    path = ROOT / file
    assert [error.message for error in validator(kind).iter_errors(read_yaml(path))] == []
    first = path.read_text("utf-8").splitlines()[0]
    if not file.startswith(("tests", "benchmarks")):
        assert first.startswith("# yaml-language-server: $schema=")
        assert (path.parent / first.partition("=")[2]).resolve() == (FOLDER / f"{kind}.json").resolve()


PARSERS = {"settings": lambda value: parse(Settings, value, "settings.yaml"),
           "rules": lambda value: parse_rules(value, RULE_MEASUREMENTS, tuple(KINDS), "rules.yaml"),
           "mixture": lambda value: parse(Mixture, value, "mixture.yaml")}
MIXTURE = yaml.safe_load((ROOT / "mixtures/demo.yaml").read_text("utf-8"))


@pytest.mark.parametrize(("kind", "text", "right"), [
    ("settings", "extract: {max_page_bytes: 32MiB, part_bytes: 1_000_000, max_page_seconds: 2}", True),
    ("settings", "extract: {max_page_bytes: 32 MiB}", True),
    ("settings", "dedup: {bands: 14, rows: 8, common: null, kinds: [exact, near]}", True),
    ("settings", "dedup: {containment: 0.8}", True),                        # its name before, told by a warning
    ("settings", "dedup: {threshhold: 0.8}", False),
    ("settings", "dedup: {kinds: [exact, nearly]}", False),
    ("settings", "extract: {max_page_bytes: many}", False),
    ("settings", "extract: {engine: magic}", False),
    ("settings", "tokenizer: {pattern: gpt-5}", False),
    ("settings", "curate: {clean_tables: sometimes}", False),
    ("rules", "rules: {word_count: {low: 50, languages: {ko: {low: 35}, zh: null}}, word_count_: {low: 1}}", False),
    ("rules", "rules: {word_count: {low: 50, languages: {ko: {low: 35}, zh: null}}}", True),
    ("rules", "rules: {word_count: {low: 50, action: forget}}", False),
    ("rules", "rules: {word_count: {least: 50}}", False),
])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_schema_and_the_parser_agree(kind, text, right):
    value = yaml.safe_load(text) | ({"personal_data": {kind: {} for kind in KINDS}} if kind == "rules" else {})
    assert validator(kind).is_valid(value) is right
    if right:
        PARSERS[kind](value)
    else:
        with pytest.raises(SettingsError):
            PARSERS[kind](value)


@pytest.mark.parametrize(("change", "right"), [
    ({}, True), ({"tokens": "500k"}, True), ({"tokens": "a lot"}, False), ({"block": 2048.5}, False), ({"blok": 2048}, False),
    ({"entries": {"web": {"where": {"sauce": "x"}, "share": 1}}}, False),
    ({"entries": {"web": {"where": {"source": ["x", "y"]}, "share": 1}}}, True),
    ({"entries": {"web": {"where": {"any": [{"license": {"prefix": "CC"}}, {"word_count": {"low": 100}}], "not": {"tags": "noindex"},
                                    "date": {"from": 2019, "until": "2020-06"}}, "share": {"by": "language", "temperature": 0.7}}}}, True),
    ({"entries": {"web": {"where": {"word_count": {"lowest": 100}}, "share": 1}}}, False),
    ({"entries": {"web": {"where": {"any": [{"sauce": "x"}]}, "share": 1}}}, False),
    ({"entries": {"web": {"where": {"source": "x"}, "share": "some"}}}, False),
    ({"fill": "pour"}, False), ({"schedule": [{"part": 1, "shares": {"web": 0.1, "python-docs": 0.9}}]}, True)])
def test_a_mixture(change, right):
    assert validator("mixture").is_valid(MIXTURE | change) is right
