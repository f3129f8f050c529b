"""Remarks on what is allowed and worth knowing."""

from textmill.pipelines.pack.remarks import remarks


def counts(passes=None, validation=None):
    held = {name: {"documents": documents, "blocks": blocks} for name, (documents, blocks) in (validation or {}).items()}
    return {"train": {"entries": {name: {"passes": number} for name, number in (passes or {}).items()}}, "validation": {"entries": held}}


def test_more_than_four_passes_are_worth_less_and_less():
    assert remarks(counts({"web": 1, "books": 4})) == []
    assert remarks(counts({"web": 1, "books": 5, "wiki": 9})) == [
        "more than 4 passes over books 5, wiki 9: each further one is worth less, by 16 nothing (Muennighoff et al. 2023)"]
    assert remarks(counts({"books": 40})) == [
        "more than 4 passes over books 40: each further one is worth less, 16 and more nothing (Muennighoff et al. 2023)"]


def test_a_validation_of_few_documents_or_blocks_says_how_little_it_is():
    assert remarks(counts({}, {"web": (300, 12), "none": (0, 0)})) == []
    assert remarks(counts({}, {"web": (300, 12), "books": (1, 6), "wiki": (30, 1)})) == [
        "little to validate with: books 1 document in 6 blocks, wiki 30 documents in 1 block"]
