"""The fast library, Hugging Face's and a naive encoder of a few lines give the same ids, in the worst of texts too."""

import json
import random
from itertools import pairwise

import pyarrow as pa
import pytest
from tokenizers import Regex, pre_tokenizers

from textmill.tokenizer import encoder as module
from textmill.tokenizer.bpe import END_OF_TEXT, TokenizerError, tokenizer_json
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.patterns import PATTERNS
from textmill.tokenizer.settings import TokenizerSettings
from textmill.tokenizer.training import train

TEXTS = ["The miller grinds the corn, and the mill grinds on.\n" * 3, "Der Müller mahlt das Korn, 1234 Säcke.\n" * 3,
         "Мельник мелет зерно. " * 4, "粉屋は麦を挽く。" * 5, "  indented\n\n\tlines don't stop  \n" * 3, "हिन्दी में लिखा " * 5,
         " " * 40 + "aaaaaaaaaaaaaaaaaaaaaaaa" + "\n" * 20 + "<|endoftext|>"]
TRAINED = {pattern: train([TEXTS], TokenizerSettings(390, pattern, [END_OF_TEXT, "<|user|>"])) for pattern in PATTERNS}
CHARACTERS = [*" \t\n\r'!.<|>\0\x85\u2028", *"aesthmillergrndkoz1270SD", "<|endoftext|>", "<|user|>", "ü", "ä", "м", "е", "粉", "麦", "हि",
              "न्", "दी", "🙂", "e\u0301", "\U0010ffff", "ſ", "aaaa", "    ", "\n\n"]


def texts_of(seed: int, number: int = 300) -> list[str]:
    at_random = random.Random(seed)
    return ["".join(at_random.choices(CHARACTERS, k=at_random.randrange(60))) for _ in range(number)]


def naive(text: str, tokenizer: dict) -> list[int]:
    """Byte-pair encoding by the letter: the earliest merge first, from the left, in every pre-token by itself."""
    pattern, _ = tokenizer["pre_tokenizer"]["pretokenizers"]
    cutter = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern["pattern"]["Regex"]), "isolated"),
                                      pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    ranks = {tuple(merge): rank for rank, merge in enumerate(tokenizer["model"]["merges"])}
    ids = []
    for pretoken, _ in cutter.pre_tokenize_str(text):
        symbols = list(pretoken)
        while True:
            pairs = {pair: ranks[pair] for pair in pairwise(symbols) if pair in ranks}
            if not pairs:
                break
            pair = min(pairs, key=lambda one: pairs[one])
            joined, place = [], 0
            while place < len(symbols):
                both = tuple(symbols[place:place + 2]) == pair
                joined.append("".join(pair) if both else symbols[place])
                place += 1 + both
            symbols = joined
        ids += [tokenizer["model"]["vocab"][symbol] for symbol in symbols]
    return ids


@pytest.mark.parametrize("pattern", PATTERNS)
def test_three_encoders_give_the_same_ids(pattern):
    fast, slow = Encoder(TRAINED[pattern]), Encoder(TRAINED[pattern], fast=False)
    assert (fast.library, slow.library) == ("gigatoken", "tokenizers")
    tokenizer = json.loads(TRAINED[pattern])
    for seed in range(3):
        texts = texts_of(seed)
        array = pa.array([*texts, None])
        assert fast.encode(array).equals(slow.encode(array))
        assert slow.encode(array).to_pylist() == [*(naive(text, tokenizer) for text in texts), None]


def test_characters_newer_than_pythons_tables_are_encoded_by_one_library():
    """U+323B0 is a letter since Unicode 17, and to gigatoken; U+1C89 since 16. Unknown ones cut where no letter would."""
    fast, slow = Encoder(TRAINED["gpt-4o"]), Encoder(TRAINED["gpt-4o"], fast=False)
    texts = [f"the {chr(code)}mill{chr(code)}粉 a" for code in (0x323B0, 0x1C89, 0xFDD0, 0x4E00, 0xE0020, 0xF0000, 0x10FFFF, 0x378)]
    many = pa.array([*texts, "plain"] * 5000)           # so many that Arrow looks for them, and few that `re` does
    for array in (pa.array(texts), many, many.slice(3, 30), pa.array(["plain", None, texts[0]])):
        assert fast.encode(array).equals(slow.encode(array))
    assert module.with_newer_characters(pa.array(texts)).tolist()[2:] == [True, False, False, False, False, True]
    assert module.with_newer_characters(many).tolist() == [*module.with_newer_characters(pa.array(texts)).tolist(), False] * 5000


def test_newer_characters_do_not_keep_the_fast_library_from_use():
    """U+1AE9 is a mark to it and nothing to `tokenizers`, so only one of them joins its last byte and the `a` that follows."""
    encoder = Encoder(tokenizer_json([("©", "a")], "gpt-4o", [END_OF_TEXT]))
    assert encoder.library == "gigatoken"
    text = pa.array(["\u1ae9a"])
    assert encoder.encode(text).equals(Encoder(tokenizer_json([("©", "a")], "gpt-4o", [END_OF_TEXT]), fast=False).encode(text))


def test_no_text_becomes_a_special_token_with_either_library():
    for fast in (True, False):
        encoder = Encoder(TRAINED["gpt-4o"], fast)
        ids = encoder.encode(pa.array([f"{END_OF_TEXT}<|user|>{END_OF_TEXT}"]))[0].as_py()
        assert max(ids) < 388 and encoder.decode(ids).decode() == f"{END_OF_TEXT}<|user|>{END_OF_TEXT}"


WORST = {"spaces": " " * 10_000_000 + "a", "one word": "ab" * 1_000_000,
         "emoji with joiners": "👩\u200d👩\u200d👧\u200d👦" * 40_000, "digits": "7" * 1_000_000, "newlines": "\n" * 1_000_000,
         "spaces and newlines": " \n" * 500_000, "replacement characters": "\ufffd" * 300_000}


@pytest.mark.parametrize("name", WORST)
def test_the_worst_texts_come_back_without_a_panic_with_either_library(name):
    """Hugging Face's regex engine panics at long runs of spaces; a panic is no Exception."""
    fast, slow = Encoder(TRAINED["qwen2"]), Encoder(TRAINED["qwen2"], fast=False)
    text = pa.array(["short", WORST[name]])
    encoded = slow.encode(text)
    assert encoded.equals(fast.encode(text))
    assert slow.decode(encoded[1].as_py()) == WORST[name].encode()


def test_a_foreign_pattern_at_which_the_library_panics_is_a_sentence():
    foreign = json.loads(TRAINED["qwen2"])
    foreign["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = PATTERNS["qwen2"].replace("|'ve", "|'vé")
    encoder = Encoder(json.dumps(foreign))
    assert encoder.library == "tokenizers"          # the other does not know the pattern
    with pytest.raises(TokenizerError, match="a text is too much for this tokenizer's pattern"):
        encoder.encode(pa.array([" " * 10_000_000 + "a"]))


def test_a_library_whose_ids_differ_is_not_used(monkeypatch):
    """It is given another tokenizer than the file's, and the trial texts tell."""
    other = module._gigatoken(TRAINED["gpt-2"], "gpt-2")
    monkeypatch.setattr(module, "_gigatoken", lambda *_: other)
    encoder = Encoder(TRAINED["gpt-4o"])
    assert encoder.library == "tokenizers"
    assert encoder.encode(pa.array(TEXTS)).equals(Encoder(TRAINED["gpt-4o"], fast=False).encode(pa.array(TEXTS)))


def test_a_difference_beyond_the_trial_texts_stops_a_run():
    encoder = Encoder(TRAINED["gpt-4o"])
    texts = pa.array(["one", "two three", "four"])
    encoder.check(texts, encoder.encode(texts))
    with pytest.raises(TokenizerError, match=r"gigatoken and tokenizers give other ids for one text \('two three' …\)"):
        encoder.check(texts, encoder.encode(pa.array(["one", "two  three", "four"])))
    Encoder(TRAINED["gpt-4o"], fast=False).check(texts, pa.array([[1]] * 3))       # nothing to compare with
    encoder.check(pa.array([None], pa.string()), pa.array([None], pa.list_(pa.uint16())))


def test_without_the_library_hugging_faces_encodes(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gigatoken", None)
    assert Encoder(TRAINED["gpt-4o"]).library == "tokenizers"


def test_slices_and_large_strings_and_no_text_at_all():
    encoder = Encoder(TRAINED["gpt-4o"])
    texts = pa.array(["x", "one two", None, "", "three"])
    expected = encoder.encode(texts).to_pylist()
    assert encoder.encode(texts.slice(1, 3)).to_pylist() == expected[1:4]
    assert encoder.encode(texts.cast(pa.large_string())).to_pylist() == expected
    assert encoder.encode(pa.array([], pa.string())).to_pylist() == []
    assert encoder.encode(pa.array([None, None], pa.string())).to_pylist() == [None, None]


def test_a_bare_vocabulary_and_a_single_token():
    bare = tokenizer_json([], "gpt-4o", [END_OF_TEXT])
    assert Encoder(bare).encode(pa.array(["é"]))[0].as_py() == [0xC3, 0xA9]
