"""Counts of parts of a corpus add up to the counts of the whole, however it is cut."""

import random
from collections import Counter

import pyarrow as pa
import pytest

from textmill.tokenizer import pretokens
from textmill.tokenizer.pretokens import COUNTS, count_pretokens, merged


def texts_of(seed: int, number: int = 300) -> list[tuple[str | None, str | None]]:
    at_random = random.Random(seed)
    words = ["the", " of", "मन", "a\0b", "x" * 700, "\n\n  ", "7", "'s", "é"]
    return [(None if at_random.random() < .05 else "".join(at_random.choices(words, k=at_random.randrange(12))),
             at_random.choice(["en", "hi", None])) for _ in range(number)]


def arrays(texts: list[tuple[str | None, str | None]]) -> tuple[pa.StringArray, pa.StringArray]:
    return pa.array([text for text, _ in texts], pa.string()), pa.array([language for _, language in texts], pa.string())


def counted(texts: list[tuple[str | None, str | None]], longest: int = 256) -> pa.Table:
    return count_pretokens([arrays(texts)], "gpt-4o", longest)


def test_counts_by_language_with_long_pretokens_cut():
    table = counted([("no no", "en"), ("no", "de"), ("no", None), ("y" * 40, "en"), (None, "en"), ("", "en")], 16)
    assert table.schema == COUNTS
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (b" no", "en", 1), (b"no", "de", 1), (b"no", "en", 1), (b"no", None, 1), (b"y" * 8, "en", 1), (b"y" * 16, "en", 2)]


def test_nothing_gives_an_empty_table():
    assert count_pretokens([], "gpt-4o", 256).equals(COUNTS.empty_table())


@pytest.mark.parametrize("seed", range(4))
def test_any_division_into_batches_gives_the_same(seed, monkeypatch):
    texts = texts_of(seed)
    whole = counted(texts)
    monkeypatch.setattr(pretokens, "_BYTES_AT_ONCE", 3000)
    monkeypatch.setattr(pretokens, "_ROWS_AT_ONCE", 20)
    batches, start = [], 0
    while start < len(texts):
        end = start + random.Random(start).randrange(1, 50)
        batches.append(arrays(texts[start:end]))
        start = end
    assert count_pretokens(batches, "gpt-4o", 256).equals(whole)
    assert sum(whole["count"].to_pylist()) > 1000


@pytest.mark.parametrize("seed", range(4))
def test_parts_merge_to_the_whole_a_batch_at_a_time(seed):
    texts = texts_of(seed)
    parts = [counted(texts[start::7]) for start in range(7)] + [COUNTS.empty_table()]
    pieces = list(merged([iter(part.to_batches(max_chunksize=1 + seed * 3)) for part in parts]))
    assert pa.concat_tables(pieces).combine_chunks().equals(counted(texts))
    seen = Counter(pretoken for piece in pieces for pretoken in set(piece["pretoken"].to_pylist()))
    assert max(seen.values()) == 1          # all rows of a pre-token are in one piece


def test_a_pretoken_whose_languages_lie_in_two_batches_stays_whole():
    rows = pa.table([[b"a", b"a", b"a", b"b"], ["de", "en", "fr", "de"], [1, 2, 3, 4]], schema=COUNTS)
    pieces = list(merged([iter(rows.to_batches(max_chunksize=1)), iter([*rows.slice(0, 0).to_batches(), *rows.slice(3).to_batches()])]))
    assert [piece.to_pydict()["count"] for piece in pieces] == [[1, 2, 3], [8]]
