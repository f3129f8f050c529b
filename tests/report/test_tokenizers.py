"""The report on tokenizers: its figures are those of the modules below, and its page shows what texts hold as text."""

import json

import pyarrow as pa
import pytest

from tests.command_line import refused
from tests.paths import SHARED
from textmill.cli import main
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.settings import TokenizerSettings
from textmill.tokenizer.training import train, write_tokenizer

TEXTS = {"en": "The miller grinds the corn <script>alert(1)</script> of the village, and 1234 sacks stand & wait. ",
         "de": "Der Müller mahlt das Korn des Dorfes, und 1234 Säcke stehen da. ", "hi": "चक्की वाला गाँव का अनाज पीसता है। "}


@pytest.fixture
def files(tmp_path):
    for name, size in (("small", 330), ("large", 360)):
        write_tokenizer(tmp_path / name, train([text * 5 for text in TEXTS.values()], TokenizerSettings(size)))
    rows = [{"language": language, "text": text} for language, text in TEXTS.items()]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows * 3))
    (tmp_path / "parallel.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def report(files, *arguments: str) -> int:
    return main(["tokenizer-report", *arguments, "--data", str(files / "data"), "--texts", str(files / "texts.jsonl")])


def test_tokenizers_side_by_side(files, capsys):
    assert report(files, str(files / "small"), str(files / "large/tokenizer.json"), "--parallel", str(files / "parallel.jsonl")) == 0
    said = capsys.readouterr().out
    assert "small: 330 tokens" in said and "large: 360 tokens" in said and "worst premium" in said
    facts = json.loads((files / "data/report/tokenizers.json").read_text("utf-8"))
    small = facts["tokenizers"]["small"]
    assert facts["sample"] == "9 texts of 1 files" and [row["group"] for row in small["language"]] == ["en", "hi", "de"]
    encoder = Encoder((files / "small/tokenizer.json").read_text("utf-8"))
    tokens = {language: len(encoder.encode(pa.array([text])).values) for language, text in TEXTS.items()}
    assert small["premium"]["hi"] == {"tokens": tokens["hi"], "premium": tokens["hi"] / tokens["en"]}
    assert {row["group"]: row["tokens"] for row in small["language"]} == {language: 3 * number for language, number in tokens.items()}
    assert {row["group"] for row in small["script"]} == {"Latin", "Devanagari"}
    assert [point["tokens"] for point in small["curve"]] == [330] and 0 < small["curve"][0]["embedding_share"]["ci"] < 1
    page = (files / "data/report/tokenizers.html").read_text("utf-8")
    assert "<script>" not in page and page.count("<script") == 1 and page.count("small") > 5 and "large" in page
    assert "GPT-4's tokenizer is published to need on average 7 tokens in en, 32 tokens in hi, 72 tokens in my" in page


def test_without_parallel_text_there_is_no_premium_and_one_tokenizer_shows_all_blocks(files):
    assert report(files, str(files / "small")) == 0
    page = (files / "data/report/tokenizers.html").read_text("utf-8")
    assert "same sentences" not in page and all(f"words in {block}" in page for block in (2048, 4096, 8192))


@pytest.mark.skipif(not (SHARED / "gpt2").is_dir(), reason="no folder `shared` beside the checkout")
def test_gpt2_beside_ours(files, capsys):
    assert report(files, str(files / "small"), str(SHARED / "gpt2")) == 0
    assert "gpt2: 50,257 tokens" in capsys.readouterr().out


def test_what_cannot_be_reported_on_is_a_sentence(files, capsys):
    data = ["--data", str(files / "data")]
    assert "there is nothing in" in refused(capsys, "tokenizer-report", str(files / "small"), *data)
    assert "there is no tokenizer 'none'" in refused(capsys, "tokenizer-report", "none", *data, "--texts", str(files / "texts.jsonl"))
    (files / "empty.jsonl").write_text("")
    assert "hold no text to measure on" in refused(capsys, "tokenizer-report", str(files / "small"), *data, "--texts",
                                                   str(files / "empty.jsonl"))
    assert "the parallel text has no 'fr'" in refused(
        capsys, "tokenizer-report", str(files / "small"), *data, "--texts", str(files / "texts.jsonl"), "--parallel",
        str(files / "parallel.jsonl"), "--reference", "fr")


def test_curated_text_by_default(milled, tmp_path, capsys):
    data, _ = milled
    assert main(["tokenizer-report", "test-1k", "--data", str(data)]) == 0
    facts = json.loads((data / "report/tokenizers.json").read_text("utf-8"))
    assert {row["group"] for row in facts["tokenizers"]["test-1k"]["source"]} == {"sample"}
    assert facts["tokenizers"]["test-1k"]["vocabulary"]["tokens"] == 1024
