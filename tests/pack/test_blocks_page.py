"""docs/blocks.md: its code, as it stands there, reads what pack wrote."""

import re

import numpy as np
import pytest

import textmill
from tests.model.test_blocks import dialogue_blocks
from tests.paths import ROOT
from textmill.base.blocks_format import COLUMNS, FORMATS, LEARN, METADATA, SHARES, SPAN_FIELDS

PAGE = (ROOT / "docs/blocks.md").read_text("utf-8")
NUMPY, DATASETS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def page_code(code):
    names = {}
    exec(code, names)
    return names


def test_the_page_names_everything_that_the_format_has():
    for name in (*COLUMNS, *METADATA, SHARES, LEARN, *FORMATS):
        assert f"`{name}`" in PAGE, name
    assert all(name in PAGE for name in SPAN_FIELDS)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_numpy_reads_the_same_tokens_and_targets_as_we_do(milled, split):
    page, folder = page_code(NUMPY), milled[0] / "blocks/mixture" / split
    blocks = textmill.load_blocks(folder)
    rows = list(page["read_blocks"](folder))
    assert len(rows) == len(blocks) > 0
    ours = blocks.read(range(len(blocks)))
    assert np.array_equal(np.stack([tokens for tokens, _, _ in rows]), ours.tokens.numpy())
    assert np.array_equal(np.stack([page["targets"](tokens, spans) for tokens, _, spans in rows]), ours.targets.numpy())
    assert [entry for _, entry, _ in rows] == list(ours.entries)
    assert not rows[0][0].flags.owndata, "tokens are copied, not mapped"


def test_targets_go_on_across_the_pieces_of_a_document():
    spans = [{"id": id, "piece": piece, "start": begin, "end": end, "offset": 0} for id, piece, begin, end in
             (("a", 0, 0, 2), ("a", 1, 2, 4), ("b", 0, 4, 5), ("b", 0, 5, 7))]
    assert page_code(NUMPY)["targets"](np.arange(10, 18), spans).tolist() == [11, 12, 13, -100, -100, 16, -100, -100]


def test_numpy_reads_what_is_learned_of_a_dialogue_as_we_do(tmp_path):
    page, folder = page_code(NUMPY), dialogue_blocks(
        tmp_path / "b", [("a", 0, 10, [(0, 1), (3, 5), (8, 10)]), ("page", 10, 14, None), ("c", 20, 24, [])], [("d", 0, 32, [(1, 2), (30, 32)])])
    ours = textmill.load_blocks(folder / "train").read([0, 1]).targets.numpy()
    theirs = np.stack([page["targets"](tokens, spans) for tokens, _, spans in page["read_blocks"](folder / "train")])
    assert np.array_equal(ours, theirs) and (ours != -100).sum() == 7 + 3
    old = [{name: value for name, value in span.items() if name != "learn"} for span in next(page["read_blocks"](folder / "train"))[2]]
    assert (page["targets"](np.arange(32), old) != -100).sum() == 9 + 3 + 3


def test_datasets_reads_the_same_blocks(milled):
    pytest.importorskip("datasets", reason="datasets is not installed: pip install datasets")
    folder = milled[0] / "blocks/mixture/train"
    opened = page_code(DATASETS)["open_blocks"](folder)
    rows = list(page_code(NUMPY)["read_blocks"](folder))
    assert [(row["tokens"], row["entry"], row["spans"]) for row in opened] == [(t.tolist(), e, s) for t, e, s in rows]
