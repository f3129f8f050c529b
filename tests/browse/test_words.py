"""Word index: it finds what stands in texts, in any script, whatever is typed; and nobody by personal data."""

import re

import pytest

from tests.browse.served import HOSTILE
from textmill.pipelines.browse.search import Query, search
from textmill.pipelines.browse.snapshot import interval
from textmill.pipelines.browse.words import Terms, documents_with, page_with, parse
from textmill.pipelines.contract.part_files import aligned, read_batches


@pytest.mark.parametrize(("typed", "terms"), [
    ("Mill  wheel", Terms(("Mill", "wheel"), (), (), ())),
    ('"tide table" -"cheap shoes" wat*', Terms(("tide", "table"), ("wat",), ("cheap", "shoes"), ("tide table",))),
    ('"one"', Terms(("one",), (), (), ())),
    ("水車は", Terms(("水", "車", "は"), (), (), ())),
    ('AND OR NOT NEAR(', Terms(("AND", "OR", "NOT", "NEAR"), (), (), ())),
    ("", Terms((), (), (), ())), ("- * \"\"", Terms((), (), (), ()))])
def test_what_is_typed_as_terms(typed, terms):
    assert parse(typed) == terms


def texts(browsed):
    """Title and text of every document, by number."""
    found = []
    snapshot = browsed.indexes.snapshot
    for part in snapshot.manifests["documents"].parts:
        for batch in read_batches(snapshot.data / "documents", part, ["title", "text"]):
            found += [f"{row['title'] or ''}\n{row['text']}" for row in batch.to_pylist()]
    return found


@pytest.mark.parametrize("word", ["tide", "Moor", "grease"])
def test_finds_the_documents_that_have_a_word(browsed, word):
    expected = [number for number, text in enumerate(texts(browsed)) if re.search(rf"(?<![^\W_]){word}(?![^\W_])", text, re.I)]
    assert expected and documents_with(browsed.indexes.words, parse(word)).tolist() == expected
    assert page_with(browsed.indexes.words, parse(word), 1, 2) == (expected[1:3], len(expected))


def test_a_script_without_spaces_is_found_by_any_of_its_characters(browsed):
    whole = texts(browsed)
    pair = next(text[at:at + 2] for text in whole for at in range(len(text)) if re.fullmatch("[一-鿿]{2}", text[at:at + 2]))
    expected = [number for number, text in enumerate(whole) if set(pair) <= set(text)]
    assert expected and documents_with(browsed.indexes.words, parse(pair)).tolist() == expected


def test_without_and_beginnings(browsed):
    both = set(documents_with(browsed.indexes.words, parse("tide")))
    assert both - set(documents_with(browsed.indexes.words, parse("tide -table"))) == set(documents_with(browsed.indexes.words, parse("tide table")))
    assert both <= set(documents_with(browsed.indexes.words, parse("tid*")))


@pytest.mark.parametrize("typed", [*HOSTILE, '"', "a\0b", "\ud800", "x" * 100_000, "a" + " b" * 5_000, "NEAR(a b)", "title:x", "{a b}: c", "^a", "ᬀ\u1b34 𞤀"])
def test_nothing_that_is_typed_is_an_error(browsed, typed):
    documents_with(browsed.indexes.words, parse(typed[:1000].encode("utf-8", "replace").decode()))


def test_nobody_is_found_by_personal_data(browsed):
    """Every e-mail address and telephone number that measure found in a text."""
    snapshot = browsed.indexes.snapshot
    sought = set()
    for one, two in zip(snapshot.manifests["documents"].parts, snapshot.manifests["signals"].parts, strict=True):
        for documents, signals in aligned([read_batches(snapshot.data / "documents", one, ["text"]), read_batches(snapshot.data / "signals", two, ["findings"])]):
            for text, findings in zip(documents["text"].to_pylist(), signals["findings"].to_pylist(), strict=True):
                sought |= {text[slice(*interval(each))] for each in findings if each["kind"] in ("EMAIL", "IBAN", "CREDIT_CARD")}
    assert len(sought) > 10
    assert [text for text in sought if search(browsed.indexes, Query(f'"{text}"')).found] == []
