"""Merges learned from counts are those of a naive trainer that counts everything anew at each step."""

import json
import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from textmill.tokenizer.bpe import character_of_byte
from textmill.tokenizer.merging import learn_merges


def learned(counts: dict[bytes, int], tokens: int, least: int = 2) -> list[tuple[int, int]]:
    return learn_merges(pa.array(list(counts), pa.large_binary()), np.array(list(counts.values()), np.int64), tokens, least)


def joined(symbols: list[int], pair: tuple[int, int], token: int) -> list[int]:
    out: list[int] = []
    place = 0
    while place < len(symbols):
        if tuple(symbols[place:place + 2]) == pair:
            out.append(token)
            place += 2
        else:
            out.append(symbols[place])
            place += 1
    return out


def naive(counts: dict[bytes, int], tokens: int, least: int = 2) -> list[tuple[int, int]]:
    """Byte-pair encoding by the letter: all pairs are counted before each merge."""
    words = [(list(word), count) for word, count in counts.items()]
    spellings = [bytes([byte]) for byte in range(256)]
    merges: dict[tuple[int, int], int] = {}

    def rank(id: int) -> tuple[int, str]:
        return (id, "") if id > 255 else (0, character_of_byte[id])

    while len(spellings) < 256 + tokens:
        pairs: Counter[tuple[int, int]] = Counter()
        for symbols, count in words:
            for pair in pairwise(symbols):
                pairs[pair] += count
        again = [pair for pair in merges if pairs[pair]]            # in the order learned
        if again:
            pair = again[0]
        else:
            pair = min(pairs, key=lambda pair: (-pairs[pair], rank(pair[0]), rank(pair[1])), default=None)
            if pair is None or pairs[pair] < least:
                break
            spelling = spellings[pair[0]] + spellings[pair[1]]
            if spelling not in spellings:
                spellings.append(spelling)
            merges[pair] = spellings.index(spelling)
        words = [(joined(symbols, pair, merges[pair]), count) for symbols, count in words]
    return list(merges)


@pytest.mark.parametrize("seed", range(60))
def test_equals_counting_everything_anew(seed):
    at_random = random.Random(seed)
    alphabet = bytes(at_random.sample([*b"ab \n\x00\xff\xc3", 0xa9, 0x41], at_random.randrange(1, 6)))
    words = {bytes(at_random.choices(alphabet, k=at_random.randrange(1, 12))): at_random.choice([0, 1, 1, 2, 3, 50, 1000])
             for _ in range(at_random.randrange(1, 60))}
    tokens = at_random.randrange(1, 120)
    assert learned(words, tokens) == naive(words, tokens)


@pytest.mark.parametrize("seed", range(100))
def test_no_token_is_learned_twice(seed):
    at_random = random.Random(1000 + seed)
    words = {bytes(at_random.choices(b"aab", k=at_random.randrange(2, 14))): at_random.randrange(1, 30) for _ in range(20)}
    merges = learned(words, 60)
    assert merges == naive(words, 60)
    spellings = [bytes([byte]) for byte in range(256)]
    for left, right in merges:
        spellings.append(spellings[left] + spellings[right])
    assert len(set(spellings)) == len(spellings)


def test_the_order_of_the_pretokens_does_not_matter():
    at_random = random.Random(3)
    words = {bytes(at_random.choices(b"abcde ", k=at_random.randrange(1, 9))): at_random.randrange(1, 99) for _ in range(500)}
    shuffled = dict(at_random.sample(list(words.items()), len(words)))
    assert learned(words, 200) == learned(shuffled, 200)


def test_counts_beyond_32_and_53_bits():
    """A double holds 2**53 and 2**53 + 1 as one number."""
    assert learned({b"ab": 2**53, b"cd": 2**53 + 1, b"ef": 2**40}, 3) == [(99, 100), (97, 98), (101, 102)]


def test_ends_where_no_pair_occurs_often_enough():
    assert learned({b"ab": 5, b"cd": 1}, 10) == [(97, 98)]
    assert learned({b"ab": 5, b"cd": 4}, 10, least=5) == [(97, 98)]
    assert learned({}, 10) == learned({b"a": 9}, 10) == learned({b"ab": 0}, 10) == []


def test_hugging_faces_trainer_learns_the_same():
    at_random = random.Random(7)
    syllables = [bytes(at_random.choices(range(33, 127), k=at_random.randrange(1, 4))).decode() for _ in range(40)]
    words = Counter("".join(at_random.choices(syllables, k=at_random.randrange(1, 4))) for _ in range(3000))
    theirs = Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    theirs.train_from_iterator(([word] * count for word, count in words.items()), trainers.BpeTrainer(
        vocab_size=256 + 300, min_frequency=2, special_tokens=[], show_progress=False, initial_alphabet=character_of_byte))
    expected = [(left, right) for left, right in json.loads(theirs.to_str())["model"]["merges"]]
    spellings = list(character_of_byte)
    ours = []
    for left, right in learned({word.encode(): count for word, count in words.items()}, 300):
        ours.append((spellings[left], spellings[right]))
        spellings.append(spellings[left] + spellings[right])
    assert ours == expected
