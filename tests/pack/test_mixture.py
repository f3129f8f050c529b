"""Recipes: every problem at once, and each row in one entry at most."""


import numpy as np
import pyarrow as pa
import pytest

from tests.paths import ROOT
from textmill.base.strict import SettingsError
from textmill.pipelines.pack.mixture import Entry, Mixture, MixtureError, entry_of, read_mixture

GOOD = """
name: web-2k
block: 2048
tokens: 400_000_000
seed: 11
validation: 0.005
tokenizer: web-16k
entries:
  english: {where: {source: crawl, language: en}, share: 0.7}
  german: {where: {source: [crawl, books], language: de}, share: 0.3, repeat: 2}
"""


def problems(tmp_path, text):
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(SettingsError) as error:
        read_mixture(tmp_path / "m.yaml")
    return error.value.problems


def test_a_recipe_is_read(tmp_path):
    (tmp_path / "m.yaml").write_text(GOOD)
    assert read_mixture(tmp_path / "m.yaml") == Mixture("web-2k", 2048, 400_000_000, 11, 0.005, "web-16k", {
        "english": Entry({"source": "crawl", "language": "en"}, 0.7, 1),
        "german": Entry({"source": ["crawl", "books"], "language": "de"}, 0.3, 2)})


@pytest.mark.parametrize("block", [128, 512, 1024, 8192])
def test_blocks_are_as_short_as_small_models_want_them(tmp_path, block):
    (tmp_path / "m.yaml").write_text(GOOD.replace("block: 2048", f"block: {block}"))
    assert read_mixture(tmp_path / "m.yaml").block == block


def test_popular_is_cluster_sizes_and_times(tmp_path):
    (tmp_path / "m.yaml").write_text(GOOD.replace("repeat: 2", "repeat_by_cluster_size: {2: 2, 10: 3}"))
    entry = read_mixture(tmp_path / "m.yaml").entries["german"]
    assert entry.weights(np.array([0, 1, 2, 9, 10, 5000])).tolist() == [1, 1, 2, 2, 3, 3]
    assert problems(tmp_path, GOOD.replace("repeat: 2", "repeat_by_cluster_size: {2: 3, 10: 2}")) == [
        f"{tmp_path}/m.yaml.entries.german: repeat_by_cluster_size takes documents of a larger cluster less often than of a smaller one; "
        "let the times not fall"]
    assert [line.split(": ", 1)[1] for line in problems(tmp_path, GOOD.replace("repeat: 2", "repeat_by_cluster_size: {1: 2, 3: 1, x: 2}"))] == [
        f"repeat_by_cluster_size has {held}; give a cluster size and how often to take its documents, both 2 or more"
        for held in ("1: 2", "3: 1", "x: 2")]


def test_all_problems_at_once(tmp_path):
    wrong = GOOD.replace("400_000_000", "100").replace("0.005", "0.5").replace("0.7", "0.6").replace("web-2k", "a/b")
    said = "\n".join(problems(tmp_path, wrong))
    for part in ("name 'a/b' cannot be a file name", "tokens is 100, less than one block; give at least 2048",
                 "validation is 0.5; give 0 or more", "0.6 + 0.3 = 0.9; change them"):
        assert part in said


@pytest.mark.parametrize(("old", "new", "problem"), [
    ("block: 2048", "block: 2000", "block is 2000; give a multiple of 128 from 128 to 8192"),
    ("block: 2048", "block: 8320", "block is 8320; give a multiple of 128"), ("block: 2048", "block: 0", "block is 0; give"),
    ("seed: 11", "sed: 11", "unknown key 'sed'; did you mean 'seed'?"),
    ("share: 0.7", "share: .nan", "share is nan"), ("share: 0.7", "share: 0", "share is 0.0"),
    ("share: 0.7", "share: 0.7000001", "1.0000001"),
    ("repeat: 2", "repeat: 0", "repeat is 0"), ("language: en", "language: no", "has False, which is not text"),
    ("language: en", "langauge: en", "where asks for 'langauge'"), ("[crawl, books]", "[]", "empty list"),
    ("{source: crawl, language: en}", "{}", "where is empty")])
def test_each_problem_is_named(tmp_path, old, new, problem):
    assert problem in "\n".join(problems(tmp_path, GOOD.replace(old, new)))


def test_rows_belong_to_one_entry_or_none_and_overlap_names_both():
    rows = pa.record_batch({"source": ["crawl", "books", "crawl", "books"], "language": ["en", "de", "de", "en"]})
    entries = {"english": Entry({"source": "crawl", "language": "en"}, 0.5), "german": Entry({"language": ["de"]}, 0.5)}
    mixture = Mixture("m", 2048, 4096, 1, 0.0, "t", entries)
    assert entry_of(mixture, rows).to_pylist() == [0, 1, 1, None]
    both = Mixture("m", 2048, 4096, 1, 0.0, "t", entries | {"books": Entry({"source": "books"}, 0.1)})
    with pytest.raises(MixtureError, match="entries german and books both take rows with source=books, language=de"):
        entry_of(both, rows)


@pytest.mark.parametrize("name", ["demo", "dialogue", "multilingual", "smoke", "textbook", "web"])
def test_the_recipes_that_come_along_can_be_read(name):
    assert read_mixture(ROOT / "mixtures" / f"{name}.yaml").name == name
