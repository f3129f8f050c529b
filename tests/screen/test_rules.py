"""Bounds, verdicts and the strict table: every rule at its bound, all broken rules listed, every problem at once."""

import json
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pytest
import yaml

from tests.paths import ROOT
from textmill.base.strict import SettingsError
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.settings import MeasureSettings
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS, SIGNALS, measure_batch, open_tools
from textmill.pipelines.screen.rules import Rule, parse_rules, read_rules, stored_rule
from textmill.pipelines.screen.stage import SCREEN
from textmill.pipelines.screen.verdicts import VERDICTS, RuleCount, broken_rules, verdicts_batch

SHIPPED = read_rules(ROOT / "rules.yaml", RULE_MEASUREMENTS, KINDS)
EVERY_BOUND = [(rule, language, side, bound) for rule in SHIPPED.rules for language in ("und", *rule.languages)
               for side, bound in zip(("low", "high"), rule.bounds(language), strict=True) if bound is not None]


def signals(*rows: dict) -> pa.RecordBatch:
    """Signals with a language and the measurements that `rows` give; the others are null."""
    fields = [SIGNALS.field(name) for name in ("id", "language", "form", *RULE_MEASUREMENTS)]
    schema = pa.schema([pa.field(field.name, field.type) for field in fields])
    return pa.RecordBatch.from_pylist([{"id": f"{n:032x}", "language": "en", "language_score": 1.0} | row for n, row in enumerate(rows)], schema)


def told(broken: pa.Array) -> list[list[tuple]]:
    return [[(one["rule"], one["value"], one["bound"]) for one in row] for row in broken.to_pylist()]


@pytest.mark.parametrize(("rule", "language", "side", "bound"), EVERY_BOUND,
                         ids=[f"{rule.name}-{language}-{side}" for rule, language, side, _ in EVERY_BOUND])
def test_a_shipped_bound_decides_on_both_sides(rule, language, side, bound):
    beyond = bound - 2**-11 if side == "low" else bound + 2**-11      # exact in float32 too
    batch = signals(*({"language": language, rule.name: value} for value in (bound, beyond, None)))
    assert told(broken_rules(batch, [rule])) == [[], [(rule.name, beyond, bound)], []]
    verdicts, _ = verdicts_batch(batch, SHIPPED.rules)
    excluded = rule.action == "exclude"
    assert verdicts["kept"].to_pylist() == [True, not excluded, True]
    assert verdicts["tags"].to_pylist() == [[], [] if excluded else [rule.name], []]


def test_an_empty_text_breaks_exactly_these_shipped_rules():
    page = pa.RecordBatch.from_pylist([{"id": "0" * 32, "text": ""}], pa.schema([
        ("id", pa.string()), ("host", pa.string()), ("text", pa.string()), ("declared_language", pa.string()),
        ("robots", pa.list_(pa.string())), ("tdm_reservation", pa.string()), ("paywalled", pa.bool_()),
        ("anchor_chars", pa.int32()), ("page_anchor_chars", pa.int32()), ("page_chars", pa.int32()), ("url", pa.string()),
        ("links", pa.int32())]))
    empty = measure_batch(page, open_tools(MeasureSettings()))
    assert told(broken_rules(empty, SHIPPED.rules)) == [[
        ("word_count", 0, 40), ("mean_word_length", 0, 2), ("alphabetic_words", 0, 0.7), ("sentence_count", 0, 2),
        ("compression_ratio", 0, 0.15)]]
    assert told(broken_rules(empty, [Rule("word_count", low=0)])) == [[]]
    _, counts = verdicts_batch(empty, SHIPPED.rules)
    assert counts["stop_words"] == RuleCount(unmeasured=1)


def test_all_broken_rules_are_listed_in_the_tables_order():
    rules = [Rule("digit_share", high=0.5), Rule("word_count", low=5, high=9), Rule("noindex", high=0, action="tag"),
             Rule("symbol_share", high=0.5)]
    batch = signals({"digit_share": 0.6, "word_count": 2, "symbol_share": 0.7, "noindex": 1}, {"word_count": 7},
                    {"word_count": 10, "digit_share": 0.5})
    verdicts, counts = verdicts_batch(batch, rules)
    assert verdicts.schema == VERDICTS
    assert told(verdicts["broken"]) == [[("digit_share", 0.6, 0.5), ("word_count", 2, 5), ("symbol_share", 0.7, 0.5)], [],
                                        [("word_count", 10, 9)]]
    assert verdicts["kept"].to_pylist() == [False, True, False]
    assert verdicts["tags"].to_pylist() == [["noindex"], [], []]
    assert list(counts.items()) == [
        ("digit_share", RuleCount(applied=2, broken=1, unmeasured=1)), ("word_count", RuleCount(applied=3, broken=2)),
        ("noindex", RuleCount(applied=1, broken=1, unmeasured=2)), ("symbol_share", RuleCount(applied=1, broken=1, unmeasured=2))]
    assert told(broken_rules(batch, rules))[0][2] == ("noindex", 1, 0)


def test_zero_is_a_bound():
    batch = signals({"noai": 0}, {"noai": 1}, {"noai": None}, {"noai": -1})
    assert told(broken_rules(batch, [Rule("noai", low=0, high=0)])) == [[], [("noai", 1, 0)], [], [("noai", -1, 0)]]


def test_languages_replace_bounds_or_switch_a_rule_off():
    table = parse_rules({"rules": {"mean_word_length": {"low": 3, "high": 10, "languages": {
        "de": {"high": 12}, "ja": {"low": None}, "th": None}}}, "personal_data": {}}, RULE_MEASUREMENTS, [], "rules.yaml")
    assert table.rules == (Rule("mean_word_length", 3, 10, {"de": (3, 12), "ja": (None, 10), "th": (None, None)}),)
    batch = signals(*({"language": language, "mean_word_length": value} for language, value in
                      [("en", 11), ("de", 11), ("de", 2), ("ja", 1), ("ja", 11), ("th", 99), ("und", 2)]))
    assert told(broken_rules(batch, table.rules)) == [
        [("mean_word_length", 11, 10)], [], [("mean_word_length", 2, 3)], [], [("mean_word_length", 11, 10)], [],
        [("mean_word_length", 2, 3)]]
    assert verdicts_batch(batch, table.rules)[1] == {"mean_word_length": RuleCount(applied=6, broken=4, unbounded=1)}


def test_counts_of_batches_add_up():
    assert RuleCount(1, 2, 3, 4) + RuleCount(10, 20, 30, 40) == RuleCount(11, 22, 33, 44)


def test_no_rules_and_no_documents():
    verdicts, counts = verdicts_batch(signals({}, {}), [])
    assert (verdicts["kept"].to_pylist(), verdicts["broken"].to_pylist(), counts) == ([True, True], [[], []], {})
    verdicts, counts = verdicts_batch(signals(), SHIPPED.rules)
    assert verdicts.num_rows == 0 and verdicts.schema == VERDICTS
    assert set(counts.values()) == {RuleCount()}


def test_a_language_threshold_is_a_rule():
    batch = signals({"language_score": 0.5}, {"language": "de", "language_score": 0.5})
    assert told(broken_rules(batch, [Rule("language_score", low=0.25, languages={"de": (0.75, None)})])) == [[], [("language_score", 0.5, 0.75)]]


def test_every_problem_at_once_each_with_its_cure():
    text = """
rules:
  word_cuont: {low: 5}
  digit_share: {hihg: 1}
  symbol_share: {low: 2, high: 1}
  uppercase_share: {}
  short_lines: {low: x}
  bullet_lines: {high: .inf}
  newline_ratio: {high: 1, action: drop}
  stop_words: {low: 2, languages: {no: {low: 1}, de: {hgh: 3}, fr: {high: 1}}}
personal_data:
  EMIAL: {action: replace}
  PHONE: {action: erase}
  IP: {action: replace, drop_above: -1}
"""
    with pytest.raises(SettingsError) as caught:
        parse_rules(yaml.safe_load(text), RULE_MEASUREMENTS, ["EMAIL", "PHONE", "IP"], "rules.yaml")
    assert caught.value.problems == [
        "rules.yaml.rules: there is no measurement 'word_cuont'; did you mean 'word_count'?",
        "rules.yaml.rules.digit_share: unknown key 'hihg'; did you mean 'high'?",
        "rules.yaml.rules.symbol_share: low 2.0 is above high 1.0; no document could lie between",
        "rules.yaml.rules.uppercase_share: has neither low nor high; give one, or take the rule out to switch it off",
        "rules.yaml.rules.short_lines.low: must be a number, is 'x'",
        "rules.yaml.rules.bullet_lines: high: must be a finite number, is inf; leave it out for no bound",
        "rules.yaml.rules.newline_ratio.action: 'drop' is not one of exclude, tag",
        "rules.yaml.rules.stop_words: languages: the key False is not a language code; YAML reads a bare no, on or yes as true or false, so put it in quotes: \"no\"",
        "rules.yaml.rules.stop_words: languages.de: unknown key 'hgh'; known keys: low, high",
        "rules.yaml.rules.stop_words: languages.fr: low 2.0 is above high 1.0; no document could lie between",
        "rules.yaml.personal_data: there is no kind 'EMIAL'; did you mean 'EMAIL'?",
        "rules.yaml.personal_data.PHONE.action: 'erase' is not one of replace, tag, keep",
        "rules.yaml.personal_data.IP: drop_above is -1; a document cannot have fewer than 0 findings: give 0 or more",
        "rules.yaml.personal_data: the kind 'EMAIL' has no policy; add it with the action replace, tag or keep",
    ]


def test_sections_are_required_and_known():
    with pytest.raises(SettingsError) as caught:
        parse_rules({"rule": {}}, RULE_MEASUREMENTS, [], "rules.yaml")
    assert caught.value.problems == ["rules.yaml: unknown key 'rule'; did you mean 'rules'?",
                                     "rules.yaml: the key 'rules' is missing; add it",
                                     "rules.yaml: the key 'personal_data' is missing; add it"]


def test_the_shipped_table_reserves_rights_and_has_a_policy_for_every_kind():
    rules = {rule.name: rule for rule in SHIPPED.rules}
    assert all((rules[name].high, rules[name].action) == (0, "exclude") for name in ("noai", "tdm_reservation"))
    assert rules["noindex"].action == "tag"
    assert set(SHIPPED.personal_data.kinds) == set(KINDS)


def test_a_form_stands_before_a_kind_and_a_kind_before_a_language():
    table = parse_rules({"rules": {
        "word_count": {"low": 50, "high": 90, "languages": {"fi": {"low": 33}}, "kinds": {"forum": {"low": 20}, "product": {"high": 60}},
                       "forms": {"verse": {"low": 10}, "code": None, "list": {"high": None}}},
        "digit_share": {"high": 0.2, "forms": {"verse": {"high": 0}}}}, "personal_data": {}}, RULE_MEASUREMENTS, (), "rules.yaml")
    words, digits = table.rules
    assert [words.bounds(*of) for of in (
        ("en",), ("fi",), ("fi", False, None, "forum"), ("fi", False, "verse", "forum"), ("fi", False, "verse", "product"),
        ("fi", False, "list", "product"), ("en", False, "code", "forum"), ("en", False, "prose", "article"))] == [
        (50, 90), (33, 90), (20, 90), (10, 90), (10, 60), (33, None), (None, None), (50, 90)]
    assert [words.origin(*of) for of in (
        ("en",), ("fi",), ("fi", False, None, "forum"), ("fi", False, "verse", "forum"), ("fi", False, "verse", "product"),
        ("fi", False, "list", "product"), ("en", False, "code", "forum"), ("en", False, "prose", "article"))] == [
        "all", "fi", "fi, forum", "fi, verse", "product, verse", "fi, list", "code", "all"]
    batch = signals(*({"language": language, "form": form, "word_count": 12, "digit_share": 0.1} for language, form in (
        ("en", None), ("fi", "verse"), ("fi", "prose"), ("en", "code"))))
    kinds = pa.array([None, None, "forum", "product"])
    expected = [[("word_count", 12, 50)], [("digit_share", 0.1, 0)], [("word_count", 12, 20)], []]
    assert told(broken_rules(batch, table.rules, page_kinds=kinds)) == expected
    assert told(broken_rules(batch, table.rules))[2] == [("word_count", 12, 33)]
    verdicts, counts = verdicts_batch(batch, table.rules, page_kinds=kinds)
    assert verdicts["kept"].to_pylist() == [False, False, False, True]
    assert counts["word_count"] == RuleCount(applied=3, broken=2, unbounded=1)
    assert stored_rule(json.loads(json.dumps(asdict(words)))) == words
    without = {key: value for key, value in asdict(digits).items() if key not in ("forms", "kinds", "dialogues")}
    assert stored_rule(without) == Rule("digit_share", high=0.2), "as older manifests have it"


def test_signals_of_an_older_version_have_no_form():
    batch = signals({"word_count": 40, "form": "verse"}).drop_columns(["form"])
    rules = [Rule("word_count", low=50, forms={"verse": {"low": 30}})]
    assert told(broken_rules(batch, rules)) == [[("word_count", 40, 50)]]
    documents = pa.record_batch({"source": ["web"], "turns": pa.nulls(1)})
    with pytest.raises(StageError, match="it was made by an older version; run `textmill measure`"):
        SCREEN.work(None, tuple(rules), None, iter([(batch, documents)]), None)


def test_forms_and_kinds_are_known():
    with pytest.raises(SettingsError) as refused:
        parse_rules({"rules": {"word_count": {"low": 5, "forms": {"vers": {"low": 1}, "list": {"lwo": 1}}, "kinds": {"shop": None}},
                               "digit_share": {"high": 0.5, "forms": {"code": {"low": 0.9}}}}, "personal_data": {}},
                    RULE_MEASUREMENTS, (), "rules.yaml")
    assert refused.value.problems == [
        "rules.yaml.rules.word_count: forms: there is no form 'vers'; did you mean 'verse'?",
        "rules.yaml.rules.word_count: kinds: there is no kind 'shop'; known: article, documentation, service, forum, product, "
        "collection, listing",
        "rules.yaml.rules.word_count: forms.list: unknown key 'lwo'; known keys: low, high",
        "rules.yaml.rules.digit_share: forms.code: low 0.9 is above high 0.5; no document could lie between"]


def test_a_form_is_never_judged_more_strictly_than_a_language():
    for rule in SHIPPED.rules:
        for form in rule.forms:
            for language in rule.languages:
                low, high = rule.bounds(language, form=form)
                own_low, own_high = rule.bounds(language)
                assert low is None or (own_low is not None and low <= own_low), (rule.name, form, language)
                assert high is None or (own_high is not None and high >= own_high), (rule.name, form, language)


def test_verse_is_still_judged_by_repetition_and_phrases():
    """Every rule that tells keywords, adverts and spam from a song bounds verse too."""
    rules = {rule.name: rule for rule in SHIPPED.rules}
    names = ["duplicate_lines", "duplicate_line_chars", "duplicate_paragraphs", "duplicate_paragraph_chars",
             *(f"top_{n}gram" for n in (2, 3, 4)), *(f"duplicate_{n}gram" for n in range(5, 11)), "top_term_share", "stop_words",
             "stop_word_share", "spam_phrases", "boilerplate_phrases", "link_density"]
    bounds = {name: rules[name].bounds("en", form="verse") for name in names}
    assert (None, None) not in bounds.values()
    assert all((high or 0) < 1 for _, high in bounds.values())


def test_documents_with_turns_have_bounds_of_their_own():
    table = parse_rules({"rules": {"word_count": {"low": 50, "high": 90, "languages": {"de": {"low": 40}}}, "digit_share": {"high": 0.2},
                                   "short_lines": {"high": 0.9}, "uppercase_share": {"high": 0.4, "action": "tag"}},
                         "dialogues": {"word_count": {"low": 2}, "digit_share": {}}, "personal_data": {}}, RULE_MEASUREMENTS, (), "rules.yaml")
    batch = signals(*({"language": language, "word_count": words, "digit_share": 0.5, "short_lines": 1, "uppercase_share": 1}
                      for language, words in (("en", 7), ("de", 7), ("en", 1), ("en", 7))))
    has_turns = np.array([True, True, True, False])
    assert told(broken_rules(batch, table.rules[:3], has_turns)) == [
        [("digit_share", 0.5, 0.2)], [("digit_share", 0.5, 0.2)], [("word_count", 1, 2), ("digit_share", 0.5, 0.2)],
        [("word_count", 7, 50), ("digit_share", 0.5, 0.2), ("short_lines", 1, 0.9)]]
    verdicts, counts = verdicts_batch(batch, table.rules, has_turns)
    assert verdicts["tags"].to_pylist() == [[], [], [], ["uppercase_share"]]
    assert counts["short_lines"] == RuleCount(applied=1, broken=1, unbounded=3)
    pages = parse_rules({"rules": {"word_count": {"low": 50}}, "personal_data": {}}, RULE_MEASUREMENTS, (), "rules.yaml")
    assert [len(broken) for broken in told(broken_rules(batch, pages.rules, has_turns))] == [1] * 4
    with pytest.raises(SettingsError) as refused:
        parse_rules({"rules": {"word_count": {"low": 50}}, "personal_data": {}, "dialogues": {
            "wordcount": {}, "word_count": {"low": 3, "high": 1, "languages": {}}}}, RULE_MEASUREMENTS, (), "rules.yaml")
    assert refused.value.problems == [
        "rules.yaml.dialogues: there is no rule 'wordcount'; did you mean 'word_count'?",
        "rules.yaml.dialogues.word_count: unknown key 'languages'; known keys: low, high"]
