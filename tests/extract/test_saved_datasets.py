"""Folders that Hugging Face `datasets` saved are read whole, dialogues and splits with them."""

import datasets
import pytest

from tests.command_line import SETTINGS, table
from textmill.cli import main

PROSE = ("The mill stands where the river leaves the hills, and its wheel has turned since before the bridge was built. In spring "
         "the water is high and the stones grind day and night; in August the miller waits for rain and mends the sacks.")


@pytest.fixture
def saved(tmp_path):
    """A dataset of two splits in several files, as `save_to_disk` leaves it."""
    rows = {"text": [f"{n}. {PROSE}" for n in range(40)], "url": [f"https://mill.example/{n}" for n in range(40)], "score": list(range(40))}
    dialogues = {"messages": [[{"role": "user", "content": f"What is {n} and {n}?"}, {"role": "assistant", "content": f"It is {2 * n}."}]
                              for n in range(5)]}
    folder = tmp_path / "data/raw/saved"
    datasets.Dataset.from_dict(rows).train_test_split(0.25, seed=1).save_to_disk(folder / "pages", num_shards={"train": 2, "test": 1})
    datasets.Dataset.from_dict(dialogues).save_to_disk(folder / "talk")
    return tmp_path / "data"


def test_every_row_of_every_split_becomes_a_document(saved):
    assert main(["extract", "--data", str(saved), "--config", str(SETTINGS), "--workers", "1"]) == 0
    documents = table(saved, "documents").to_pylist()
    pages = [row for row in documents if row["turns"] is None]
    assert sorted(row["url"] for row in pages) == sorted(f"https://mill.example/{n}" for n in range(40))
    assert all(row["text"].endswith(PROSE) and '"score":' in row["extra"] for row in pages)
    talk = [row for row in documents if row["turns"] is not None]
    assert [[turn["role"] for turn in row["turns"]] for row in talk] == [["user", "assistant"]] * 5
    assert not table(saved, "documents", rejected=True).num_rows


def test_an_arrow_stream_that_is_cut_off_is_a_named_record(saved):
    path = next((saved / "raw/saved/talk").glob("*.arrow"))
    path.write_bytes(path.read_bytes()[:-200])
    main(["extract", "--data", str(saved), "--config", str(SETTINGS), "--workers", "1"])
    rejected = table(saved, "documents", rejected=True).to_pylist()
    assert [(row["file"], row["outcome"]) for row in rejected] == [(f"saved/talk/{path.name}", "quarantined")]
