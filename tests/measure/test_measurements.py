"""Every measurement on texts whose answer can be counted by hand, on the empty text, and whatever the batch."""

import math
import random

import numpy as np
import pyarrow as pa
import pytest

from benchmarks import measurements
from tests.command_line import ROOT
from tests.screen.test_rules import SHIPPED
from textmill.base.strict import SettingsError, parse, read_yaml
from textmill.pipelines.measure import quality, repetition, rights, spam
from textmill.pipelines.measure import url as address
from textmill.pipelines.measure.phrases import compile_phrases, shipped_phrases, shipped_stop_words, stop_terms
from textmill.pipelines.measure.signals import (
    MEASUREMENTS,
    RULE_MEASUREMENTS,
    SIGNALS,
    MeasureSettings,
    measure_batch,
    open_tools,
    table_hashes,
)
from textmill.pipelines.screen.verdicts import broken_rules, verdicts_batch
from textmill.pipelines.settings import Settings
from textmill.pipelines.text import slices as slicing
from textmill.pipelines.text.slices import slices
from textmill.pipelines.text.words import read_words

DOCUMENTS = pa.schema([
    ("id", pa.string()), ("host", pa.string()), ("text", pa.string()), ("declared_language", pa.string()),
    ("robots", pa.list_(pa.string())), ("tdm_reservation", pa.string()), ("paywalled", pa.bool_()),
    ("anchor_chars", pa.int32()), ("page_anchor_chars", pa.int32()), ("page_chars", pa.int32()),
    ("url", pa.string()), ("links", pa.int32())])

NAMED_INPUTS = ["character_surprise", "term_surplus", "classifier_score"]      # null without a table, a classifier
PROSE = ("The miller opens the sluice before dawn, when the mist still lies on the meadow. Water runs down the wooden "
         "channel and strikes the paddles, and the great wheel begins to turn with a groan. He listens for a while. If "
         "the sound is even, the day will be good; if it is not, he takes his lamp and climbs into the wheel house.\n")


def documents(*texts: str, **columns) -> pa.RecordBatch:
    rows = [{"id": f"{number:032x}", "text": text, **columns} for number, text in enumerate(texts)]
    return pa.RecordBatch.from_pylist(rows, DOCUMENTS)


@pytest.fixture(scope="module")
def tools():
    return open_tools(MeasureSettings())


@pytest.mark.parametrize(("name", "text", "expected"), [
    ("word_count", "One, two; three - 4", 4),
    ("word_count", "水車 mill", 3),
    ("mean_word_length", "a bbb cc", 2),
    ("mean_word_length", "!!!", 0),
    ("longest_word", "a http://example.org/x?y=1 b", 24),
    ("longest_word", "水車小屋は川の abc", 3),
    ("hash_word_ratio", "# one ## two", 1.5),
    ("ellipsis_word_ratio", "one... two… three.... four..", 0.75),
    ("bullet_lines", "- one\n* two\n• three\nfour", 0.75),
    ("ellipsis_lines", "one...\ntwo…\nthree..\n...", 0.75),
    ("ellipsis_lines", ".\n..", 0),
    ("alphabetic_words", "one 2 -- a1 水", 0.6),
    ("terminal_punctuation_lines", "One.\nTwo?\n\"Three.\"\nFour\n(five)\n水車。\nछह।\n", 5 / 7),
    ("terminal_punctuation_lines", ".\n\"\na\nb.\nc", 2 / 5),
    ("short_lines", "a" * 30 + "\n" + "b" * 31 + "\n" + "c", 2 / 3),
    ("newline_ratio", "one\ntwo\n\nthree four", 0.75),
    ("sentence_count", "One. Two? \"Three!\" 3.14 e.g.x 水車。川。 Four...", 6),
    ("sentence_count", "no mark at all", 0),
    ("mean_sentence_words", "One two three. Four! Five", 5 / 2),
    ("mean_sentence_words", "no mark at all", 4),
    ("unfinished_paragraphs", "\n".join(["word " * 20 + end for end in ("end", "end.", "end:", "end")] + ["| " + "word " * 20, "short"]), 0.5),
    ("emoji_share", "ab 🙂★ © + 7", 2 / 7),
    ("curly_braces", "a{b}c def", 0.25),
    ("uppercase_share", "AbCd 12", 0.5),
    ("uppercase_share", "水車", 0),
    ("digit_share", "ab 12 ٣४", 4 / 6),
    ("symbol_share", "a+b = 🙂 €", 4 / 6),
    ("symbol_share", "a, b; (c)! - \"d\"", 0),
    ("replacement_characters", "ab\ufffdd", 0.25),
    ("duplicate_lines", "one\nOne\ntwo\none", 0.5),
    ("duplicate_line_chars", "aaa\nb\naaa\ncc", 3 / 9),
    ("duplicate_paragraphs", "one\ntwo\n\none\ntwo\n\none", 1 / 3),
    ("duplicate_paragraph_chars", "aa\n\nb\n\naa\n\ncccc", 2 / 9),
])
def test_measurement_of_words(name, text, expected):
    function = getattr(quality, name, None) or getattr(repetition, name)
    measured = function(read_words([PROSE, text, ""]))
    assert measured.dtype == np.float64
    assert measured[1] == pytest.approx(expected, abs=1e-12)
    assert measured[2] == 0 or (name in ("terminal_punctuation_lines", "unfinished_paragraphs") and np.isnan(measured[2]))


@pytest.mark.parametrize(("wrapped", "expected"), [(0, 1), (8, 1), (9, math.nan)])
def test_lines_that_are_wrapped_say_nothing_of_paragraphs(wrapped, expected):
    """Four lines of 20 words in a text of lines of ten: they count while they hold half of its words."""
    text = "\n".join(["word " * 20] * 4 + ["word " * 10] * wrapped)
    np.testing.assert_array_equal(quality.unfinished_paragraphs(read_words([text])), [expected])


def test_compression_ratio_ranks_repetition_below_prose_below_noise():
    noise = "".join(random.Random(5).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=400))
    repeated, prose, random_, empty = quality.compression_ratio(read_words(["mill " * 80, PROSE, noise, ""]))
    assert empty == 0 < repeated < 0.1 < 0.5 < prose < 0.75 < random_ < 1


@pytest.mark.parametrize(("text", "expected"), [
    ("a b c a b d a b", {"top_2gram": 6 / 8}),                                  # "a b" three times
    ("aa b aa b c d c d", {"top_2gram": 6 / 10}),                               # equally common: the longer counts
    ("a b c d e", {}),
    ("a a a a", {"top_2gram": 1, "top_3gram": 1}),                              # overlaps do not count beyond the text
    ("a b c x a b c", {"top_2gram": 4 / 7, "top_3gram": 6 / 7}),
    ("a b c d e x a b c d e", {"top_2gram": 4 / 11, "top_3gram": 6 / 11, "top_4gram": 8 / 11, "duplicate_5gram": 5 / 11}),
    ("a b c d e f x a b c d e f", {"top_2gram": 4 / 13, "top_3gram": 6 / 13, "top_4gram": 8 / 13, "duplicate_5gram": 6 / 13, "duplicate_6gram": 6 / 13}),
    ("", {}),
])
def test_repeated_ngrams(text, expected):
    shares = repetition.repeated_ngrams(read_words(["x y z", text, "a b"]))
    assert list(shares) == ["top_2gram", "top_3gram", "top_4gram", *(f"duplicate_{n}gram" for n in range(5, 11))]
    assert {name: share[1] for name, share in shares.items() if share[1]} == pytest.approx(expected)
    assert not any(share[0] or share[2] for share in shares.values())


@pytest.mark.parametrize("seed", range(4))
def test_repeated_ngrams_equal_counting_them_one_by_one(seed):
    source = random.Random(seed)
    words = source.choices(["a", "bb", "ccc", "d"], k=60)
    shares = repetition.repeated_ngrams(read_words([" ".join(words)]))
    whole = sum(map(len, words))
    for n in range(2, 11):
        grams = [tuple(words[i:i + n]) for i in range(len(words) - n + 1)]
        if n <= 4:
            most = max(map(grams.count, grams))
            top = max(most * len("".join(gram)) for gram in grams if grams.count(gram) == most) if most > 1 else 0
            assert shares[f"top_{n}gram"][0] == pytest.approx(min(top / whole, 1))
        else:
            covered = {i + k for i, gram in enumerate(grams) if gram in grams[:i] for k in range(n)}
            assert shares[f"duplicate_{n}gram"][0] == pytest.approx(sum(len(words[i]) for i in covered) / whole)


def test_stop_words_and_top_term():
    words = read_words(["The mill and the mill by the river", "Die Mühle und die Mühle", "die und", ""])
    languages = ["en", "de", "und", "en"]
    stop = stop_terms(words, languages)
    np.testing.assert_array_equal(quality.stop_words(words, stop), [3, 2, math.nan, 0])              # the, and, by
    np.testing.assert_array_equal(quality.stop_word_share(words, stop), [5 / 8, 3 / 5, math.nan, 0])
    np.testing.assert_array_equal(quality.top_term_share(words, stop), [2 / 8, 2 / 5, math.nan, 0])


def test_stop_word_lists():
    lists = shipped_stop_words()
    assert len(lists) >= 60
    assert {"en", "de", "fr", "es", "it", "pt", "nl", "pl", "ru", "uk", "zh", "ja", "ko", "ar", "fa", "hi", "tr", "vi", "no"} <= lists.keys()
    assert set(read_words(["the be to of and that have with"]).word_hashes.tolist()) <= set(lists["en"].tolist())    # Gopher's eight
    assert min(map(len, lists.values())) >= 8


def test_phrases_are_found_whole_and_each_word_counts_once():
    phrases = compile_phrases({"spam": ["buy now", "buy now cheap", "老虎机"], "wall": ["log in", "buy now"]})
    words = read_words(["Please buy, NOW cheap", "buy", "now buy", "玩老虎机吧", "log in", ""])
    covered = phrases.covered(words)
    assert [round(float(share), 3) for share in sums_of(words, covered["spam"])] == [3, 0, 0, 3, 0, 0]
    assert [round(float(share), 3) for share in sums_of(words, covered["wall"])] == [2, 0, 0, 0, 2, 0]


def sums_of(words, mask):
    return [mask[start:end].sum() for start, end in zip(words.word_offsets[:-1], words.word_offsets[1:], strict=True)]


def test_a_phrase_does_not_reach_into_the_next_text():
    covered = compile_phrases({"wall": ["log in"]}).covered(read_words(["log", "in"]))
    assert not covered["wall"].any()


def test_a_phrase_without_words_is_an_error():
    with pytest.raises(SettingsError, match=r"the phrase '\?!' has no word"):
        compile_phrases({"spam": ["?!"]})


@pytest.mark.parametrize(("name", "text", "expected"), [
    ("spam_phrases", "Cheap viagra at our online casino", 4 / 125),
    ("spam_phrases", "Онлайн казино и мельница, виагра", 3 / 125),
    ("spam_phrases", "Онлайн казино и мельница, онлайн казино", 0),      # one phrase, twice
    ("spam_phrases", "Cheap viagra at our online casino" + " and a mill" * 50, 4 / 156),
    ("spam_phrases", "The court ruled on gambling law", 0),
    ("boilerplate_phrases", "Page not found", 1),
    ("boilerplate_phrases", "Diese Domain steht zum Verkauf, sagt er", 5 / 7),
    ("boilerplate_phrases", "As an AI language model, I buy now", 5 / 8),
    ("wall_phrases", "Wir verwenden Cookies und Wasser", 3 / 5),
    ("parked_phrases", "ce domaine est à vendre ici", 5 / 6),
    ("template_phrases", "Insert name here, says the mill", 3 / 6),
    ("refusal_phrases", "作为一个人工智能，我", 8 / 9),
    ("javascript_lines", "Turn on JavaScript\nand read\nthe\nmill\nbook", 1 / 5),
    ("policy_lines", "Privacy Policy\nThe mill\nTerms of use and more\nend\nof it", 2 / 5),
    ("lorem_ipsum", "Lorem ipsum dolor sit amet, then text", 5 / 7),
    ("lorem_ipsum", "Neque porro quisquam est, qui dolorem ipsum quia dolor sit, amet, consectetur, adipisci velit", 0),   # Cicero
])
def test_phrase_shares(name, text, expected):
    shares = spam.phrase_shares(read_words([text, ""]), shipped_phrases())
    np.testing.assert_allclose(shares[name], [expected, np.nan if name.endswith("_lines") else 0])


def test_link_density():
    batch = pa.RecordBatch.from_pylist(
        [{"text": "1234567890", "anchor_chars": 4, "page_anchor_chars": 30, "page_chars": 40},
         {"text": "12", "anchor_chars": 4, "page_anchor_chars": 0, "page_chars": 0}, {"text": "no page"},
         {"text": "", "anchor_chars": 0}], DOCUMENTS)
    np.testing.assert_array_equal(spam.link_density(batch, read_words(batch["text"].to_pylist())), [0.4, 1, math.nan, 0])
    np.testing.assert_array_equal(spam.page_link_density(batch), [0.75, 0, math.nan, math.nan])


@pytest.mark.parametrize(("name", "within", "beyond", "nothing"), [
    ("host_length", "a" * 36 + ".example", "a" * 37 + ".example", 0),
    ("host_dots", "a.b.c.d.e.example", "a.b.c.d.e.f.example", 0),
    ("host_hyphens", "a-b-c-d-e.example", "a-b-c-d-e-f.example", 0),
    ("host_digits", "123456789.example", "0123456789.example", 0)])
def test_hosts_at_their_bounds(name, within, beyond, nothing):
    bound = next(rule.high for rule in SHIPPED.rules if rule.name == name)
    batch = pa.RecordBatch.from_pylist([{"host": host} for host in (within, beyond, "", None)], DOCUMENTS)
    np.testing.assert_array_equal(getattr(address, name)(batch), [bound, bound + 1, nothing, math.nan])
    verdicts = [[broken["rule"] for broken in row] for row in broken_rules(signals_of(batch, name), SHIPPED.rules).to_pylist()]
    assert verdicts == [[], [name], [], []]


def test_hosts_are_counted_as_they_are_read_and_addresses_of_numbers_have_no_digits():
    hosts = ["xn--bcher-kva.example", "192.0.2.123", "2001:db8::12", "shop24.example", None]
    batch = pa.RecordBatch.from_pylist([{"host": host} for host in hosts], DOCUMENTS)
    np.testing.assert_array_equal(address.host_length(batch), [14, 11, 12, 14, math.nan])
    np.testing.assert_array_equal(address.host_hyphens(batch), [0, 0, 0, 0, math.nan])
    np.testing.assert_array_equal(address.host_digits(batch), [0, 0, 0, 2, math.nan])


def test_words_of_spam_in_addresses_at_their_bound():
    urls = ["https://a.example/cheap-viagra-now", "https://a.example/cheap%20viagra_online/", "https://cheap-viagra-online.example/x",
            "https://a.example/", "", "https://[bad/cheap-viagra-online", "https://a.example/%ff", None]
    batch = pa.RecordBatch.from_pylist([{"url": url} for url in urls], DOCUMENTS)
    np.testing.assert_array_equal(address.url_spam_phrases(batch, shipped_phrases()), [2, 3, 3, 0, 0, 0, 0, math.nan])
    verdicts, _ = verdicts_batch(signals_of(batch, "url_spam_phrases"), SHIPPED.rules)
    assert verdicts["tags"].to_pylist() == [[], ["url_spam_phrases"], ["url_spam_phrases"], *[[]] * 5]
    assert all(verdicts["kept"].to_pylist())


def signals_of(batch, name):
    """Signals that hold one measurement of an address; the others are null."""
    function = getattr(address, name)
    values = function(batch, shipped_phrases()) if name == "url_spam_phrases" else function(batch)
    rows = [{"id": "0" * 32, "language": "en", "language_score": 1.0, name: None if math.isnan(value) else value} for value in values]
    kinds = [SIGNALS.field(column) for column in ("id", "language", "form", *RULE_MEASUREMENTS)]
    return pa.RecordBatch.from_pylist(rows, pa.schema([pa.field(field.name, field.type) for field in kinds]))


def test_rights():
    robots = [["noai"], ["noimageai"], ["noindex", "nofollow"], ["none"], ["examplebot: noai, noindex"], ["index"], [], None]
    batch = pa.RecordBatch.from_pylist([{"robots": value} for value in robots], DOCUMENTS)
    np.testing.assert_array_equal(rights.noai(batch), [1, 0, 0, 0, 1, 0, 0, math.nan])
    np.testing.assert_array_equal(rights.noindex(batch), [0, 0, 1, 1, 1, 0, 0, math.nan])
    values = ["1", "0", " 0 ", "yes", "", None]
    batch = pa.RecordBatch.from_pylist([{"tdm_reservation": value} for value in values], DOCUMENTS)
    np.testing.assert_array_equal(rights.tdm_reservation(batch), [1, 0, 0, 1, 1, 0])
    batch = pa.RecordBatch.from_pylist([{"paywalled": value} for value in (True, False, None)], DOCUMENTS)
    np.testing.assert_array_equal(rights.paywalled(batch), [1, 0, math.nan])


def test_signals_of_one_page(tools):
    page = documents(PROSE + "Write to miller@mill.example.org\n", host="mill.example.org", declared_language="de", robots=[],
                     anchor_chars=0, page_anchor_chars=0, page_chars=900, paywalled=False, links=0,
                     url="https://mill.example.org/water")
    batch = measure_batch(page, tools)
    assert batch.schema == SIGNALS
    row = batch.to_pylist()[0]
    assert (row["id"], row["language"], row["script"], row["form"]) == ("0" * 32, "en", "Latn", "prose")
    assert (row["word_count"], row["sentence_count"], row["noai"], row["link_density"]) == (70, 4, 0, 0)
    assert row["declared_language_differs"] == 1
    assert row["shingles"] == 67         # a symbol is a term
    assert len(row["minhash"]) == 120 and len(row["content_hash"]) == 16
    assert row["findings"] == [{"kind": "EMAIL", "start": len(PROSE) + 9, "end": len(PROSE) + 32}]
    assert [name for name in MEASUREMENTS if row[name] is None] == [
        "terminal_punctuation_lines", "unfinished_paragraphs", "javascript_lines", "policy_lines", *NAMED_INPUTS]


def test_an_empty_text_is_measured(tools):
    row = measure_batch(documents(""), tools).to_pylist()[0]
    null = [name for name in MEASUREMENTS if row[name] is None]
    assert null == ["terminal_punctuation_lines", "unfinished_paragraphs", "stop_words", "stop_word_share", "top_term_share",
                    "javascript_lines", "policy_lines", "url_spam_phrases", "link_density", "link_word_ratio", "page_link_density",
                    "host_length", "host_dots", "host_hyphens", "host_digits", "noai", "noindex", "paywalled",
                    "declared_language_differs", "language_share", "spam_score", *NAMED_INPUTS]
    assert {row[name] for name in MEASUREMENTS if name not in null} == {0}
    assert (row["language"], row["script"], row["form"], row["shingles"], row["findings"]) == ("und", "Zyyy", None, 0, [])
    assert set(row["minhash"]) == {0xFFFFFFFF}


def test_no_nan_and_no_row_without_documents(tools):
    assert measure_batch(documents(), tools).equals(pa.RecordBatch.from_pylist([], SIGNALS))
    batch = measure_batch(documents("", PROSE, "水車", "!", "\ufffd"), tools)
    assert not any(np.isnan(batch[name].drop_null().to_numpy()).any() for name in MEASUREMENTS)


@pytest.mark.parametrize("seed", range(3))
def test_the_batch_does_not_matter(tools, seed, monkeypatch):
    source = random.Random(seed)
    texts = [PROSE * n for n in (1, 3, 9)] + ["", "x", "水車小屋は川の曲がり角に立っていて、その輪は回る。" * 5, "a b c d e " * 40, "Die Mühle und der Fluss. " * 20]
    whole = measure_batch(documents(*texts), tools).to_pylist()
    monkeypatch.setattr(slicing, "SLICE", source.choice([1, 100, 2000]))
    order = source.sample(range(len(texts)), len(texts))
    batch = documents(*texts).take(pa.array(order))
    cut = source.randrange(len(texts))
    rows = [row for part in (batch.slice(0, cut), batch.slice(cut)) for row in measure_batch(part, tools).to_pylist()]
    assert sorted(rows, key=lambda row: row["id"]) == whole


def test_slices_cover_every_row_once(monkeypatch):
    monkeypatch.setattr(slicing, "SLICE", 10)
    assert slices(pa.array(["a" * 4, "b" * 6, "c", "d" * 30, "", "e" * 10])) == [(0, 2), (2, 3), (3, 4), (4, 6)]
    assert slices(pa.array([], pa.string())) == []


def test_table_hashes_name_every_file():
    hashes = table_hashes(MeasureSettings())
    assert list(hashes) == ["language_model", "phrases", "stop_words", "spam_model"]
    assert hashes["language_model"] == "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"


def test_the_shipped_settings_are_the_defaults():
    assert parse(Settings, read_yaml(ROOT / "settings.yaml"), "settings.yaml").measure == MeasureSettings()


def test_the_table_of_measurements_in_the_documentation_is_what_the_code_says():
    assert measurements.RESULT.read_text("utf-8") == measurements.table()        # python -m benchmarks.measurements


def test_settings_are_checked(tmp_path):
    with pytest.raises(SettingsError) as caught:
        parse(MeasureSettings, {"language_score": 2, "language_letters": -1}, "settings.yaml: measure")
    assert len(caught.value.problems) == 2
    (tmp_path / "model.bin").write_bytes(b"not a model")
    with pytest.raises(SettingsError, match=r"model\.bin is not a fastText model"):
        open_tools(MeasureSettings(language_model=str(tmp_path / "model.bin")))
