"""Languages weighted in training: shares, exponents, and the search for parity."""

import json
import random

import pyarrow as pa
import pytest

from textmill.tokenizer.balance import read_parallel, sample_shares, search_parity, stated_weights
from textmill.tokenizer.bpe import END_OF_TEXT, TokenizerError
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.pretokens import count_pretokens, frequent, weighted
from textmill.tokenizer.settings import Balance, TokenizerSettings
from textmill.tokenizer.training import train_balanced, train_from_counts

SIZES = {"en": 900, "hi": 90, "": 10}


def invented(language: str, alphabet: str, words: int, number: int) -> list[str]:
    """Sentences of an invented language, the same in number and length for each."""
    at_random = random.Random(language)
    vocabulary = ["".join(at_random.choices(alphabet, k=at_random.randrange(3, 8))) for _ in range(words)]
    weights = [1 / (rank + 1) for rank in range(words)]
    return [" ".join(at_random.choices(vocabulary, weights, k=12)) for _ in range(number)]


ALPHABETS = {"en": "etaoinshrdlu", "hi": "अआइकखगचजतदनप", "ru": "оеаинтсрвлкм"}
SENTENCES = {language: invented(language, alphabet, 300, 400) for language, alphabet in ALPHABETS.items()}
# Much English, little of the others; the parallel text is what comes after.
CORPUS = [(text, language) for language, number in (("en", 300), ("hi", 40), ("ru", 60)) for text in SENTENCES[language][:number]]
PARALLEL = {language: texts[300:] for language, texts in SENTENCES.items()}


def counts_and_sizes() -> tuple[pa.Table, dict[str, int]]:
    texts, languages = (list(column) for column in zip(*CORPUS, strict=True))
    table = count_pretokens([(pa.array(texts), pa.array(languages))], "gpt-4o", 256)
    return table, {language: sum(len(text.encode()) for text, of in CORPUS if of == language) for language in ALPHABETS}


def write_parallel(path, sentences=PARALLEL) -> str:
    path.write_text("".join(json.dumps({"language": language, "text": text}) + "\n"
                            for language, texts in sentences.items() for text in texts))
    return str(path)


def test_by_default_all_text_counts_alike():
    assert set(stated_weights(SIZES, Balance()).values()) == {1.0}


def test_an_exponent_of_zero_makes_all_languages_alike_and_keeps_the_sum():
    weights = stated_weights(SIZES, Balance(0.0))
    assert {language: round(weights[language] * size, 6) for language, size in SIZES.items()} == {
        "en": 333.333333, "hi": 333.333333, "": 333.333333}
    half = stated_weights(SIZES, Balance(0.5))
    assert half["en"] < 1 < half["hi"] < half[""]
    assert sum(half[language] * size for language, size in SIZES.items()) == pytest.approx(1000)


def test_shares_are_met_and_the_others_have_the_rest():
    weights = stated_weights(SIZES, Balance(shares={"hi": 0.5}))
    assert {language: round(weights[language] * size) for language, size in SIZES.items()} == {"en": 495, "hi": 500, "": 5}
    with pytest.raises(TokenizerError, match=r"balance.shares names xx, and no text is in that language; there is text in en, hi"):
        stated_weights(SIZES, Balance(shares={"xx": 0.5}))


def test_a_sample_within_its_budget_gives_scarce_languages_whole():
    assert sample_shares(SIZES, Balance(), 1000) == {"en": 1.0, "hi": 1.0, "": 1.0}
    assert sample_shares(SIZES, Balance(), 100) == pytest.approx({"en": 0.1, "hi": 0.1, "": 0.1})
    alike = sample_shares(SIZES, Balance(0.0), 150)
    assert alike == pytest.approx({"en": 70 / 900, "hi": 70 / 90, "": 1.0})
    assert sum(share * SIZES[language] for language, share in alike.items()) == pytest.approx(150)


def test_weights_decide_what_is_learned_and_pruned():
    table, _ = counts_and_sizes()
    pretokens, natural = weighted(table, {})
    assert len(set(pretokens.to_pylist())) == len(pretokens) and natural.sum() == sum(table["count"].to_pylist())
    few = frequent([table], 200, {"hi": 100.0})
    hindi = {row["pretoken"] for row in few.counts.to_pylist() if row["language"] == "hi"}
    assert few.distinct <= 200 and few.distinct + few.rarer == len(pretokens)
    assert len(hindi) > 3 * len({row["pretoken"] for row in frequent([table], 200, {}).counts.to_pylist() if row["language"] == "hi"})
    assert few.occurrences - few.occurrences_left_out == sum(few.counts["count"].to_pylist())


def test_pruning_does_not_depend_on_the_pieces():
    table, _ = counts_and_sizes()
    whole = frequent([table], 300, {}).counts
    starts = sorted({0, *random.Random(1).sample(range(1, len(table)), 40)})
    bounds = [start for start in starts if not start or table["pretoken"][start] != table["pretoken"][start - 1]]
    pieces = [table.slice(start, end - start) for start, end in zip(bounds, [*bounds[1:], len(table)], strict=True)]
    assert frequent(pieces, 300, {}).counts.equals(whole)
    assert whole.num_rows < table.num_rows


def test_parity_lowers_the_premium_and_says_what_the_reference_pays(tmp_path):
    table, sizes = counts_and_sizes()
    path = write_parallel(tmp_path / "parallel.jsonl")
    settings = TokenizerSettings(900, "gpt-4o", [END_OF_TEXT], balance=Balance(parity=path, premium=1.1, rounds=8))
    trained = train_balanced([table], sizes, settings)
    rounds = trained.record["parity"]["rounds"]
    best = rounds[trained.record["parity"]["chosen"] - 1]
    assert rounds[0]["worst"] > 1.3 > best["worst"] == min(one["worst"] for one in rounds)
    assert best["tokens"]["en"] > rounds[0]["tokens"]["en"]             # fairness costs English
    encoder = Encoder(trained.json)
    again = {language: len(encoder.encode(pa.array(texts)).values) for language, texts in PARALLEL.items()}
    assert again == best["tokens"]
    assert trained.record["weights"]["hi"] > 1 == trained.record["weights"]["en"]
    assert trained.record["script"].keys() == {"Latin", "Devanagari", "Cyrillic"}


def test_parity_ends_when_it_is_reached_and_leaves_small_languages_out():
    table, sizes = counts_and_sizes()
    settings = TokenizerSettings(900, "gpt-4o", [END_OF_TEXT])
    parallel = {language: pa.array(texts) for language, texts in PARALLEL.items()}
    rounds = list(search_parity(lambda weights: train_from_counts(table, settings, weights), sizes, parallel,
                                Balance(premium=50, parity="x")))
    assert len(rounds) == 1 and rounds[0].tokens.keys() == {"en", "hi", "ru"}
    (alone,) = search_parity(lambda weights: train_from_counts(table, settings, weights), sizes, parallel,
                             Balance(premium=50, parity="x", above=0.3))
    assert alone.tokens.keys() == {"en", "hi"} - ({"hi"} if sizes["hi"] < 0.3 * sum(sizes.values()) else set())
    with pytest.raises(TokenizerError, match=r"name another language as balance\.reference"):
        next(search_parity(lambda weights: "", sizes, parallel, Balance(reference="fr", parity="x")))


def test_a_parallel_file_that_is_not_one_is_refused(tmp_path):
    with pytest.raises(TokenizerError, match="has 99 sentences in hi and 100 in en; give the same ones in each language"):
        read_parallel(tmp_path / write_parallel(tmp_path / "a.jsonl", PARALLEL | {"hi": PARALLEL["hi"][1:]}))
    (tmp_path / "b.jsonl").write_text('{"language": "en", "text": "x"}\n{"language": null, "text": "y"}\n')
    with pytest.raises(TokenizerError, match="has a row without `language`"):
        read_parallel(tmp_path / "b.jsonl")


@pytest.mark.parametrize(("values", "problem"), [
    ({"exponent": 2.0}, "balance.exponent is 2.0"), ({"shares": {"en": 0.9, "de": 0.2}}, "all together at most 1"),
    ({"shares": {"en": 0.5}, "parity": "x"}, "both shares and parity"), ({"premium": 0.5}, "balance.premium is 0.5"),
    ({"above": 1.0}, "balance.above is 1.0"), ({"rounds": 0}, "balance.rounds is 0")])
def test_balances_that_cannot_be(values, problem):
    assert any(problem in sentence for sentence in Balance(**values).problems())


def test_the_command_balances_by_the_language_column_of_files(tmp_path, capsys):
    from textmill.cli import main
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": text, "lang": of}) + "\n" for text, of in CORPUS))
    arguments = ["train-tokenizer", str(tmp_path / "a.jsonl"), "--vocab-size", "900", "--special", "<|x|>", "--language-column", "lang"]
    assert main([*arguments, "--to", str(tmp_path / "plain")]) == 0
    assert "times the tokens" not in capsys.readouterr().out
    parity = ["--parity", write_parallel(tmp_path / "parallel.jsonl"), "--premium", "1.2"]
    assert main([*arguments, "--to", str(tmp_path / "fair"), *parity]) == 0
    line = capsys.readouterr().out
    assert "times the tokens of en for the same sentences" in line and "en pays +" in line
    assert main([*arguments, "--to", str(tmp_path / "alike"), "--exponent", "0"]) == 0
    premium = {}
    for name in ("plain", "fair", "alike"):
        encoder = Encoder((tmp_path / name / "tokenizer.json").read_text("utf-8"))
        tokens = {language: len(encoder.encode(pa.array(texts)).values) for language, texts in PARALLEL.items()}
        premium[name] = max(tokens.values()) / tokens["en"]
    assert premium["fair"] < premium["plain"] and premium["alike"] < premium["plain"]
