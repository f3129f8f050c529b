"""The main text and the charsets of the development crawl stay as good as tests/floors.json says, which is written by hand.

`python -m benchmarks.extract_quality --crawl … --every 24` prints the F1 that is compared here: raise a floor to a little
below it when it has become better.
"""

import json
from dataclasses import astuple

import pytest

from benchmarks import extract_charset
from benchmarks.extract_quality import BOOK, OURS, measure, of_set, ours, scored
from benchmarks.gold import NEWS_FULL, NEWS_SNIPPETS, GoldPage, Score, Snippets, half, overlap, snippets
from tests.paths import ROOT, SHARED

pytestmark = pytest.mark.slow

FLOORS = json.loads((ROOT / "tests/floors.json").read_text())
CRAWL = SHARED / "crawl"
needs_crawl = pytest.mark.skipif(not CRAWL.is_dir(), reason="the development data (a folder shared beside the checkout) is not here")


@needs_crawl
def test_main_text_is_no_worse_than_it_was():
    results = measure(CRAWL, every=24, systems={OURS: ours})[OURS]
    found = {set_: scored(of_set(results, set_), by)[0].f1
             for set_, by in ((NEWS_SNIPPETS, "snippets"), (NEWS_FULL, "words"), (BOOK, "words"))}
    assert {set_: f1 for set_, f1 in found.items() if f1 < FLOORS[set_]} == {}


@needs_crawl
def test_manuals_in_legacy_charsets_are_read_right():
    tallies = extract_charset.measure(CRAWL, {extract_charset.OURS: extract_charset.SYSTEMS[extract_charset.OURS]}).values()
    valid, undamaged, right, labelled, language = map(sum, zip(*map(astuple, tallies), strict=True))
    assert valid == 1416 and labelled == 1266
    assert min(undamaged / valid, right / valid, language / labelled) >= FLOORS["charset"]


def page(text: str | None = None, must: tuple[str, ...] = (), must_not: tuple[str, ...] = ()) -> GoldPage:
    return GoldPage("https://a.example/", NEWS_SNIPPETS, "test", "<p>", text, must, must_not)


def test_snippets_are_found_whatever_their_case_and_white_space():
    gold = page(must=("The  river\nrose", "über Nacht", "gone"), must_not=("Subscribe", "cookies", "Menu"))
    found = snippets("At dawn the river rose,\nu\u0308ber\u00a0Na\u00adcht. Sub\u00adscribe now", gold)
    assert found == Snippets(tp=2, fp=1, fn=1, tn=2)
    assert found.score == pytest.approx(Score(2 / 3, 2 / 3, 2 / 3)) and found.accuracy == pytest.approx(4 / 6)
    assert snippets("", gold).score == Score(0, 0, 0)


def test_words_are_compared_as_bags_and_characters_of_han_and_kana_are_words():
    assert overlap("a A b c", "a b b d e") == pytest.approx(Score(2 / 4, 2 / 5, 4 / 9))
    assert overlap("日本語の本", "日本の本 no2") == pytest.approx(Score(4 / 5, 4 / 5, 4 / 5))
    assert overlap("", "a") == overlap("b", "a") == Score(0, 0, 0)


def test_pages_that_share_a_template_or_a_text_are_in_one_half():
    assert half("https://a.example/1") == half("https://a.example/2/3") != half("https://b.example/1")
    assert half("https://git.example/docs/git-add/2.1") == half("https://git.example/docs/git-add")
    assert len({half(f"https://git.example/book/{language}/v2/Basics") for language in ("en", "de", "fr", "ja")}) == 2
