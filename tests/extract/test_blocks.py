"""Blocks of a page, what the model decides on them, and the text that is laid out of those kept."""

import numpy as np
import pytest

from textmill.pipelines.extract.pages.blocks import read_blocks
from textmill.pipelines.extract.pages.layout import laid_out
from textmill.pipelines.extract.pages.model import ACTIVATION, KINDS, WEIGHT, chance, decide, model
from textmill.pipelines.extract.pages.read_page import read_page
from textmill.pipelines.extract.pages.tree import parse
from textmill.pipelines.extract.settings import ExtractSettings


def text_of(html, markdown=False):
    page = read_blocks(parse(html))
    return laid_out(page, range(len(page.blocks)), markdown)


@pytest.mark.parametrize(("html", "text", "markdown"), [
    ("<h2>The ferry</h2><p>It <b>crosses</b> at noon.</p><p>Twice.</p>", "The ferry\nIt crosses at noon.\nTwice.",
     "## The ferry\n\nIt crosses at noon.\n\nTwice."),
    ("<ol><li>Boil</li><li>Stir<ul><li>slowly</li></ul></li><li>Serve</li></ol>", "1. Boil\n2. Stir\n  - slowly\n3. Serve", None),
    ("<ul><li><p>One</p></li><li>Two</li></ul>", "- One\n- Two", None),
    ("<pre>if a:\n\n    b()\n</pre>", "if a:\n\n    b()", "```\nif a:\n\n    b()\n```"),
    ("<table><tr><th>City</th><th>People</th></tr><tr><td>Ulm</td><td>126,000</td></tr></table>",
     "City | People\nUlm | 126,000", None),
    ("<blockquote><p>So it is.</p></blockquote>", "So it is.", "> So it is."),
    ("<dl><dt>Weir</dt><dd>A low dam.</dd></dl>", "Weir\nA low dam.", None),
    ("<p>Over the hill<br>under the tree</p>", "Over the hill\nunder the tree", "Over the hill  \nunder the tree"),
    ("<div>First.<br><br>Second.</div>", "First.\nSecond.", None),
    ("<p><ruby>桜<rp>(</rp><rt>さくら</rt><rp>)</rp></ruby>が咲く</p>", "桜が咲く", None),
    ("<p><ruby>桜<rt>さくら</rt></ruby>が咲く</p>", "桜が咲く", None),
    ("<figure><img src=a><figcaption>The weir in May</figcaption></figure>", "The weir in May", None),
    ("<p>שלום <b>עולם</b></p>", "שלום עולם", None),
    ("<p>1 &lt; 2 &amp;amp; 3 &gt; 2</p>", "1 < 2 &amp; 3 > 2", None)])
def test_structure(html, text, markdown):
    assert text_of(html) == text
    if markdown is not None:
        assert text_of(html, markdown=True) == markdown


def test_a_long_text_is_written_once():
    line = "The ferry across the river runs again from Monday on."
    assert text_of(f"<p>{line}</p><p>Yes.</p><p>Yes.</p><p>{line}</p>") == f"{line}\nYes.\nYes."


def test_texts_of_json_ld_stand_where_the_page_does_not_show_them():
    said = "A kettle of steel that boils a litre of water in three minutes and switches itself off."
    page = read_blocks(parse("<p>Kettle</p>"), [{"@type": "Product", "description": said}])
    assert [block.text for block in page.blocks] == ["Kettle", said]
    assert len(read_blocks(parse(f"<p>{said}</p>"), [{"description": said}]).blocks) == 1


def test_every_sum_of_the_model_is_exact():
    """All weights are whole, and the greatest sum of products is below 2^53, so no order of adding changes a bit."""
    weights = model().weights
    assert all((table == np.floor(table)).all() for table in weights.values())
    most = max(np.abs(table).sum(axis=0).max() for name, table in weights.items() if name in ("dense", "two", "three", "out"))
    assert most * 1024 * ACTIVATION * WEIGHT < 2 ** 53


def test_the_model_reads_an_article_and_knows_its_kind():
    story = "".join(f"<p>The river rose again on day {n}, and the ferry at the old weir stayed in the harbour all day.</p>"
                    for n in range(8))
    menu = "<nav><ul>" + "".join(f"<li><a href=/{n}>Section {n}</a></li>" for n in range(9)) + "</ul></nav>"
    html = (f"<html><head><meta property=og:type content=article></head><body>{menu}<article><h1>The flood</h1>{story}</article>"
            "<footer><p>© 2024 <a href=/>All rights reserved</a></p></footer></body></html>")
    page = read_page(html, ExtractSettings(engine="model"))
    assert "day 0," in page.text and "day 7," in page.text and "Section" not in page.text and "reserved" not in page.text
    assert page.kind == "article" and page.kind_score > 0.5
    again = decide(read_blocks(parse(html)), ["og:article"])
    assert again.kind in KINDS and len(again.scores) == len(read_blocks(parse(html)).blocks)


def test_the_share_of_a_logit():
    assert chance(np.array([1.0, 1.0]), 0) == 0.5 and chance(np.array([100.0, 0.0]), 0) > 0.99
