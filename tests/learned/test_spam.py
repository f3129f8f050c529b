"""Training of the spam model on a small world: what it tells apart, the same bytes again, and out of fold."""

import json

import numpy as np

from textmill.pipelines.learned import spam
from textmill.pipelines.measure.spam_model import shipped_spam_model
from textmill.pipelines.text.words import read_words

OFFERS = ["Click now for a free prize", "Bonus bonus bonus, only today", "Order within 24 hours and win"]
PROSE = ["The miller opens the sluice before dawn", "Water runs down the wooden channel", "He listens to the wheel for a while"]


def lines(folds=5):
    """Sentences in another order in every text."""
    return [{"text": " ".join((sentences[fold % 3:] + sentences[:fold % 3]) * 4), "language": "en", "spam": is_spam, "weight": 1,
             "fold": fold} for is_spam, sentences in ((True, OFFERS), (False, PROSE)) for fold in range(folds)]


def test_the_command_learns_and_writes_the_same_bytes_again(tmp_path, monkeypatch, capsys):
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines()))
    for name in ("a.npz", "b.npz"):
        monkeypatch.setattr("sys.argv", ["spam", str(tmp_path / "lines.jsonl"), "--to", str(tmp_path / name)])
        spam.train()
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert capsys.readouterr().out.startswith("5 spam and 5 good texts; ")
    model = shipped_spam_model(tmp_path / "a.npz")
    unseen = read_words([" ".join(OFFERS[:2] * 5), " ".join(PROSE[:2] * 5)])
    offer, prose = model.score(unseen, ["en", "en"])
    assert offer > 0.5 > prose and model.languages == {"en"}


def test_whole_numbers_of_weights_give_the_odds_of_the_texts_they_were_learned_from():
    given = spam.examples(lines())
    similar, factor = spam.similarities(given)
    of_texts, bias = spam.fit(similar, given.spam, given.weights)
    file = spam.learned(given, similar, factor, similar @ of_texts + bias, ["en"])
    assert len(file) < 1 << 20


def test_held_out_texts_are_judged_without_themselves():
    given = spam.examples(lines())
    similar, _ = spam.similarities(given)
    mine = np.arange(10) % 5 == 0
    odds = spam.without(similar, given, [mine])
    assert np.isnan(odds[~mine]).all() and odds[0] > 0 > odds[5]
    flipped = spam.examples([line | {"spam": not line["spam"]} if number in (0, 5) else line for number, line in enumerate(lines())])
    assert odds[mine].tolist() == spam.without(similar, flipped, [mine])[mine].tolist()     # its own labels do not matter
