"""Training on the counts of parts: what is taken of each language, and the same tokenizer as from the texts at once."""

import json
import shutil
from collections import Counter

import pytest

from tests.command_line import MIXTURE, ROOT, SETTINGS, manifest, table
from textmill.base.sealed import unseal
from textmill.cli import main
from textmill.tokenizer.settings import TokenizerSettings
from textmill.tokenizer.training import train

pytestmark = pytest.mark.slow


@pytest.fixture
def data(milled, tmp_path):
    shutil.copytree(milled[0], tmp_path / "data", ignore=shutil.ignore_patterns("checkpoints", "blocks", "tokens", "raw"))
    return tmp_path / "data"


def tokenizer(data, name: str, *changes: str) -> int:
    sets = [argument for change in changes for argument in ("--set", f"tokenizer.{change}")]
    return main(["tokenizer", "--alone", "--checked", "--data", str(data), "--config", str(SETTINGS), "--rules",
                 str(ROOT / "rules.yaml"), "--mixture", str(MIXTURE), "--workers", "1", "--tokenizer", name, *sets])


def test_from_counts_of_parts_as_from_all_texts_at_once(milled):
    data, _ = milled
    texts = table(data, "curated")["text"].to_pylist()
    expected = train([texts], TokenizerSettings(vocab_size=1024))
    assert (data / "tokenizers/test-1k/tokenizer.json").read_text("utf-8") == expected
    record = json.loads((data / "tokenizers/test-1k/training.json").read_text("utf-8"))
    assert sum(record["bytes"].values()) == sum(record["source"].values()) == sum(len(text.encode()) for text in texts)
    assert record["texts"] == len(texts) and set(record["weights"].values()) == {1.0}
    assert {"Latin", "Han", "Arabic", "Cyrillic"} <= set(record["script"])


def test_a_budget_takes_texts_by_the_hash_of_their_ids_and_counts_what_is_left_out(data, capsys):
    before = table(data, "curated").to_pylist()
    assert tokenizer(data, "small", "sample_bytes=60k", "vocab_size=600", "balance.exponent=0") == 0
    assert "beyond" not in capsys.readouterr().out
    counts = unseal((data / "ledger/pretokens/small/stats.json").read_bytes())
    assert counts["read"] == len(before) == counts["kept"] + counts["rejected"]["beyond_sample_bytes"]
    assert 30_000 < counts["bytes"] < 90_000
    taken = {language: of["bytes"] for language, of in counts["language"].items()}
    whole = Counter()
    for row in before:
        whole[row["language"]] += len(row["text"].encode())
    assert taken["sv"] == whole["sv"] and taken["en"] < whole["en"] / 2      # the scarce one whole


def test_counts_are_reused_where_only_the_vocabulary_changes(data, capsys):
    assert tokenizer(data, "test-1k", "vocab_size=700") == 0
    first = {part["path"]: part["sha256"] for part in manifest(data, "pretokens/test-1k")["parts"]}
    run = json.loads((data / "ledger/pretokens/test-1k/run.json").read_text())
    assert tokenizer(data, "test-1k", "vocab_size=800") == 0
    assert {part["path"]: part["sha256"] for part in manifest(data, "pretokens/test-1k")["parts"]} == first
    assert json.loads((data / "ledger/pretokens/test-1k/run.json").read_text()) == run        # nothing was run again
    assert tokenizer(data, "test-1k", "vocab_size=800", "pattern=qwen2") == 0
    assert {part["path"] for part in manifest(data, "pretokens/test-1k")["parts"]}.isdisjoint(first)


def test_a_parallel_file_is_an_input_of_the_tokenizer(data, tmp_path, capsys):
    parallel = tmp_path / "parallel.jsonl"
    rows = [{"language": language, "text": text} for language, text in (
        ("en", "the mill grinds the corn of the village"), ("de", "die Mühle mahlt das Korn des Dorfes"),
        ("ru", "мельница мелет зерно деревни"))]
    parallel.write_text("".join(json.dumps(row) + "\n" for row in rows))
    changes = ("vocab_size=900", f"balance.parity={parallel}", "balance.premium=1.05", "balance.rounds=3")
    assert tokenizer(data, "fair", *changes) == 0
    record = json.loads((data / "tokenizers/fair/training.json").read_text("utf-8"))
    assert record["parity"]["rounds"][0]["tokens"].keys() == {"en", "de", "ru"}
    assert "up to date" not in capsys.readouterr().out
    assert tokenizer(data, "fair", *changes) == 0
    assert "up to date" in capsys.readouterr().out
    parallel.write_text("".join(json.dumps(row | {"text": row["text"] * 2}) + "\n" for row in rows))
    assert tokenizer(data, "fair", *changes) == 0
    assert "up to date" not in capsys.readouterr().out
    parallel.unlink()
    assert tokenizer(data, "fair", *changes) == 1
    assert "cannot be read (No such file or directory); check the path" in capsys.readouterr().err
