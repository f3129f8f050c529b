"""Background tables: the same bytes from the same texts, numbers that can be counted by hand, null without a table."""

import json
import math
import random

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.command_line import ROOT, refused
from tests.measure.test_measurements import documents
from textmill.base.strict import SettingsError
from textmill.cli import main
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.texts import parse_texts
from textmill.pipelines.learned.background import build, write
from textmill.pipelines.measure.background import (
    Table,
    bits_per_character,
    character_surprise,
    gram_keys,
    read_background,
    term_surplus,
)
from textmill.pipelines.measure.settings import MeasureSettings
from textmill.pipelines.measure.signals import measure_batch, open_tools, table_hashes
from textmill.pipelines.text.words import read_words

PAGES = [path.read_text("utf-8").split("\n\n", 1)[-1] for path in sorted((ROOT / "sample/pages").glob("*.txt"))]
PROSE = next(page for page in PAGES if " the " in page and len(page) > 600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """(data folder with texts.jsonl, the same texts in another order as other.jsonl)."""
    data = tmp_path_factory.mktemp("background")
    texts = [line for page in PAGES for line in page.splitlines() if len(line) > 150]
    for name, order in (("texts", texts), ("other", random.Random(3).sample(texts, len(texts)))):
        (data / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in order))
    return data


def made(data, name, tools):
    return build(parse_texts(str(data / name), ["text"]), Folder(str(data)), tools)


def test_the_same_texts_in_any_order_give_the_same_table(folder):
    tools = open_tools(MeasureSettings())
    (one, told), (two, again) = made(folder, "texts.jsonl", tools), made(folder, "other.jsonl", tools)
    assert one.equals(two) and told == again and "en" in told
    assert all(fact["held_out"] >= 3 and 1.5 < fact["bits"] < 5 for fact in told.values())
    data = Folder(str(folder))
    assert write(one, {"languages": told}, data, "a") == write(two, {"languages": again}, data, "b")
    assert data.read("background/a.parquet") == data.read("background/b.parquet")


def test_grams_of_a_word_know_two_characters_before_and_no_other_word():
    longest, two, one = gram_keys(read_words(["Ab c"]), 0, 10)
    s, a, b, c = (ord(character) for character in " abc")
    key = lambda *points: sum(point << 21 * place for place, point in enumerate(reversed(points)))  # noqa: E731
    assert one.tolist() == [a, b, s, c, s]
    assert two.tolist() == [key(s, a), key(a, b), key(b, s), key(s, c), key(c, s)]
    assert longest.tolist() == [key(s, a), key(s, a, b), key(a, b, s), key(s, c), key(s, c, s)]


def test_bits_back_off_to_shorter_grams():
    s, a = ord(" "), ord("a")
    grams = {a: -1.0, s: -2.0, s << 21 | a: -0.5}                              # known: a alone, space alone, a at the beginning
    table = Table(np.zeros(0, np.uint64), np.zeros(0, np.float32), np.array(sorted(grams), np.uint64),
                  np.array([grams[key] for key in sorted(grams)], np.float32), 0.0)
    unseen_pair = -2.0 + 2 * math.log2(0.4)
    assert bits_per_character(read_words(["a"]), 0, table) == pytest.approx((0.5 - unseen_pair) / 2)
    assert bits_per_character(read_words(["z"]), 0, table) == pytest.approx((20.0 - unseen_pair) / 2)


def test_noise_and_stuffing_stand_out_and_prose_does_not(folder):
    data, tools = Folder(str(folder)), open_tools(MeasureSettings())
    table, told = made(folder, "texts.jsonl", tools)
    write(table, {"languages": told}, data, "web")
    background = read_background(data, "web")
    source = random.Random(5)
    noise = " ".join("".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=source.randint(2, 9))) for _ in range(200))
    stuffed = "cheap garden hose buy garden hose online " * 30
    words = read_words([PROSE, noise, stuffed, noise, "too short", PROSE])
    languages, scripts = ["en", "en", "en", "und", "en", "xx"], ["Latn"] * 6
    surprise = character_surprise(words, languages, scripts, background)
    assert surprise[0] < 1 < 1.5 < surprise[1] and surprise[3] > 1.5
    assert np.isnan(surprise[[4, 5]]).all()                                    # too few words; a language without a table
    surplus = term_surplus(words, languages, background)
    assert surplus[0] < 0.1 < 0.2 < surplus[2] and np.isnan(surplus[[3, 5]]).all()
    assert term_surplus(read_words([PROSE]), ["en"], {}).tolist() != [0] and np.isnan(term_surplus(read_words(["a"]), ["en"], {})[0])


def test_measure_uses_the_table_that_settings_name(folder, capsys):
    data = Folder(str(folder))
    assert main(["background", "--name", "named", "--texts", str(folder / "texts.jsonl"), "--data", str(folder)]) == 0
    assert capsys.readouterr().out.startswith("background: ")
    settings = MeasureSettings(background="named")
    row = measure_batch(documents(PROSE), open_tools(settings, data)).to_pylist()[0]
    assert row["character_surprise"] < 1 and 0 < row["term_surplus"] < 0.1 and row["classifier_score"] is None
    assert set(table_hashes(settings, data)) == {"language_model", "phrases", "stop_words", "spam_model", "background"}
    assert json.loads(pq.read_schema(folder / "background/named.parquet").metadata[b"background"])["languages"].keys() >= {"en"}


def test_errors_are_sentences(folder, tmp_path, capsys):
    data = Folder(str(tmp_path))
    with pytest.raises(SettingsError, match=r"there is no .*background/none.parquet; make it with `textmill background --name none`"):
        open_tools(MeasureSettings(background="none"), data)
    data.write("background/bad.parquet", b"no Parquet")
    with pytest.raises(SettingsError, match=r"bad.parquet is not a background table \(.*\); make it again"):
        read_background(data, "bad")
    (tmp_path / "little.txt").write_text("A few words only.")
    with pytest.raises(StageError, match=r"has no language with 20,000 characters"):
        build(parse_texts(str(tmp_path / "little.txt"), ["text"]), data, open_tools(MeasureSettings()))
    assert refused(capsys, "background", "--name", "x", "--texts", "nowhere", "--data", str(tmp_path)) == (
        f"background: nowhere: there is neither a dataset nowhere in {data.uri} nor a file or folder of this name with "
        ".txt, .jsonl, .jsonl.gz, .jsonl.zst, .parquet in it")
