"""The main-text model: exact numbers, what is kept of a page, and the same networks in training."""

import numpy as np
import pytest
import torch

from textmill.pipelines.extract.pages.blocks import read_blocks
from textmill.pipelines.extract.pages.elements import Elements
from textmill.pipelines.extract.pages.features import characters, features, log64
from textmill.pipelines.extract.pages.model import ACTIVATION, CHANCE, KINDS, WEIGHT, chances, decide, model, most_expected
from textmill.pipelines.extract.pages.model import share as share_of
from textmill.pipelines.extract.pages.page_words import declared
from textmill.pipelines.extract.pages.read_page import meta_elements, read_page
from textmill.pipelines.extract.pages.tree import parse
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.learned import main_text_network
from textmill.pipelines.learned.main_text import example, inputs

STORY = "".join(f"<p>The river rose again on day {n}, and the ferry at the old weir stayed in the harbour all day.</p>"
                for n in range(8))
MENU = "<nav><ul>" + "".join(f"<li><a href=/{n}>Section {n}</a></li>" for n in range(9)) + "</ul></nav>"
ARTICLE = (f"<html><head><meta property=og:type content=article><title>The flood</title></head><body>{MENU}<article>"
           f"<h1>The flood</h1>{STORY}</article><footer><p>© 2024 <a href=/>All rights reserved</a></p></footer></body></html>")


def test_every_sum_of_the_model_is_exact():
    """All weights are whole, and the greatest sum of products is below 2^53, so no order of adding changes a bit."""
    weights = model().weights
    assert all((table == np.floor(table)).all() for table in weights.values())
    most = max(np.abs(table).sum(axis=-2).max() for name, table in weights.items() if name in ("dense", "deep0", "deep1", "out"))
    assert most * 1024 * ACTIVATION * WEIGHT < 2 ** 53


def test_the_model_reads_an_article_and_knows_its_kind():
    page = read_page(ARTICLE, ExtractSettings(engine="model"))
    assert "day 0," in page.text and "day 7," in page.text and "Section" not in page.text and "reserved" not in page.text
    assert page.kind == "article" and page.kind_score > 0.5
    blocks = read_blocks(parse(ARTICLE))
    again = decide(blocks, ["og:article"])
    assert again.kind in KINDS and len(again.scores) == len(blocks.texts) and 0 < again.expected <= 1


def test_the_blocks_kept_are_those_of_the_highest_expected_f1():
    """Lipton et al. 2014: what is likelier than half of the F1 that can be had. Nothing sure is no reason to keep nothing."""
    size = np.array([10, 10, 10, 10])
    sure, f1 = most_expected(np.array([9.0, 9.0, -9.0, -9.0]), size)
    assert sure == [0, 1] and f1 > 0.98
    unsure, f1 = most_expected(np.array([-2.0, -2.0, -2.1, -9.0]), size)
    assert unsure == [0, 1, 2] and f1 < 0.5
    assert most_expected(np.array([-2.0, 1.0]), np.array([1, 1000]))[0] == [1]


def test_chances_are_whole_and_rise():
    likely = chances(np.linspace(-30, 30, 601))
    assert likely.dtype == np.int64 and (np.diff(likely) >= 0).all() and likely[0] == 0 and likely[-1] < CHANCE
    assert likely[300] == CHANCE // 2
    assert np.abs(likely / CHANCE - 1 / (1 + np.exp(-np.linspace(-30, 30, 601)))).max() < 0.02


def test_the_share_of_a_logit():
    assert share_of(np.array([1.0, 1.0]), 0) == 0.5 and share_of(np.array([100.0, 0.0]), 0) > 0.99


def test_the_numbers_of_a_page():
    page = read_blocks(parse("<h1>Ulm</h1><ul><li class=c>A weir.</li><li class=c>B</li><li class=c><a>C, d</a></li></ul>"))
    assert log64(np.array([0, 1, 3, 7])).tolist() == [0, 64, 128, 192]
    size, counts, first, last = characters(["A weir.", "水, 1"])
    assert size.tolist() == [7, 4] and (chr(first[1]), chr(last[0])) == ("水", ".")
    assert counts[:, :6].tolist() == [[1, 1, 4, 0, 0, 1], [1, 0, 0, 1, 1, 0]]
    elements = Elements.of(page)
    assert elements.sum(np.array([1, 10, 100, 1000]))[0] == 1111
    assert elements.places().tolist()[1:] == [elements.places()[1]] * 3 != elements.places().tolist()[:1] * 3
    depth = elements.along(np.ones(len(elements.name), dtype=np.int64))
    assert depth.tolist() == [4, 5, 5, 5]      # root, html, body, and h1; or ul and li
    assert features(page, elements, "Ulm on the Danube").dense.dtype == np.int64


def test_training_has_the_same_networks(tmp_path):
    torch.manual_seed(0)
    (one,) = example(ARTICLE, {"text": STORY.replace("<p>", "").replace("</p>", "\n"), "url": "https://a.example/", "type": "article"})
    tables = {"names": {"<p": 1, "<article": 2, "<nav": 3}, "text": {"the": 1, "section": 2}, "page": {"og:article": 1}}
    networks = [main_text_network.Network({name: len(words) + 1 for name, words in tables.items()},
                                          torch.full((one.dense.shape[1],), 0.5), torch.full((one.dense.shape[1],), 2.0)).eval()
                for _ in range(2)]
    with torch.no_grad():
        pages = main_text_network.together([inputs(one, tables)] * 2)
        asked = torch.stack([network(pages)[0] for network in networks]).mean(0).numpy()
    assert asked[:len(one.keep)] == pytest.approx(asked[len(one.keep):], abs=1e-5)     # pages do not see each other
    file = tmp_path / "model.npz"
    file.write_bytes(main_text_network.stored(networks, tables))
    tree = parse(ARTICLE)
    says = declared(tree, meta_elements(tree), [])
    assert decide(read_blocks(tree), *says, weights=model(file)).scores == pytest.approx(asked[:len(one.keep)], abs=0.01)


def test_labels_are_the_article():
    (one,) = example(ARTICLE, {"text": STORY.replace("<p>", "").replace("</p>", "\n"), "url": "https://a.example/", "type": "article"})
    kept = [text for text, keep in zip(one.page.texts, one.keep, strict=True) if keep]
    assert len(kept) == 8 and kept[0].startswith("The river rose again on day 0")
