"""The spam score: own texts, what is not judged, the same numbers in any batch, and the card."""

import random

import numpy as np
import pytest

from benchmarks.spam_corpus import OWN
from tests.command_line import ROOT
from tests.measure.test_measurements import PROSE, documents
from textmill.base.strict import read_yaml
from textmill.pipelines.measure import spam_model
from textmill.pipelines.measure.settings import MeasureSettings
from textmill.pipelines.measure.signals import measure_batch, open_tools
from textmill.pipelines.measure.spam_model import (
    BITS,
    FILE,
    WINDOW,
    WINDOWS,
    buckets,
    excerpts,
    sha256,
    shipped_spam_model,
    signs,
)
from textmill.pipelines.text.words import read_words

RULES = {name: rule["high"] for name, rule in read_yaml(ROOT / "rules.yaml")["rules"].items()
         if (name.endswith("_phrases") and name != "url_spam_phrases") or name == "spam_score"}
BOUND = RULES["spam_score"]


@pytest.fixture(scope="module")
def own():
    return {(path.stem, side, kind): text for path in sorted(OWN.glob("*.yaml"))
            for side, texts in read_yaml(path).items() for kind, text in texts.items()}


def score(*texts, language="en"):
    return shipped_spam_model().score(read_words(texts), [language] * len(texts))


def test_the_shipped_model_knows_its_own_texts(own):
    """Learned ones, so no measure of its worth (docs/spam.md); but no good one may be lost, and a broken file would show."""
    scores = {key: score(text, language=key[0])[0] for key, text in own.items()}
    assert not [key for key, value in scores.items() if key[1] == "good" and value > BOUND]
    spam = [value > BOUND for key, value in scores.items() if key[1] == "spam"]
    assert sum(spam) / len(spam) > 0.6


def test_good_texts_on_casinos_and_domains_break_no_phrase_rule(own):
    tools = open_tools(MeasureSettings())
    signals = measure_batch(documents(*(text for key, text in own.items() if key[1] == "good")), tools)
    for name, bound in RULES.items():
        assert max(signals[name].drop_null().to_pylist()) <= bound


def test_short_texts_and_other_languages_have_no_score():
    assert np.isnan(score("Casino bonus! " * 10)[0])                   # 120 letters and signs
    assert np.isnan(score(PROSE, language="fi")[0]) and np.isnan(score(PROSE, language="und")[0])
    assert 0 < score(PROSE)[0] < 0.05
    assert len(score()) == 0


@pytest.mark.parametrize("seed", range(3))
def test_a_text_has_the_same_score_in_any_batch(own, seed):
    texts = ["", " \n ", "x", PROSE, PROSE * 40, "a" * 2001, *random.Random(seed).sample(sorted(own.values()), 20)]
    alone = [spam_model.shipped_spam_model().log_odds(read_words([text]))[0] for text in texts]
    random.Random(seed).shuffle(order := list(range(len(texts))))
    together = shipped_spam_model().log_odds(read_words([texts[place] for place in order]))
    assert [alone[place] for place in order] == together.tolist()


def test_case_digits_and_white_space_make_no_difference_to_ngrams():
    def bags(text):
        read = excerpts(read_words([text]))
        return [sorted(of_length[read.inside[:len(of_length)]].tolist()) for of_length in buckets(read)]

    assert bags("Win 500 now") == bags("win\n 917 NOW") != bags("win 50 now")


def test_four_excerpts_of_a_long_text_are_read():
    read = excerpts(read_words(["x" * 5000, "y" * 2000]))
    assert read.sizes.tolist() == [WINDOWS * WINDOW + WINDOWS - 1, 2000]       # a space between two excerpts
    assert buckets(read)[0].max() < 1 << BITS


def test_signs_are_counted_in_every_script():
    plain, loud = signs(read_words(["Das Rad dreht sich.", "賞金！　100％ ﹩5 ！"]))
    named = dict(zip(spam_model.SIGNS, loud**2, strict=True))
    assert named["!！¡"] == pytest.approx(2 / 10) and named["%٪％"] == pytest.approx(1 / 10)
    assert named["digits"] == pytest.approx(4 / 10) and plain[spam_model.SIGNS.index("!！¡")] == 0


def test_the_card_names_the_file_and_its_languages():
    card = (ROOT / "docs/spam.md").read_text("utf-8")
    assert sha256() in card and FILE.stat().st_size < 1 << 20
    assert ", ".join(sorted(shipped_spam_model().languages)) in card
    assert len(shipped_spam_model().languages) >= 20
