"""What a page says of itself: title, author, dates, site and description."""

import pytest

from textmill.pipelines.extract.pages.legal import json_ld_nodes
from textmill.pipelines.extract.pages.metadata import metadata
from textmill.pipelines.extract.pages.read_page import meta_elements
from textmill.pipelines.extract.pages.tree import parse


def of(html: str):
    tree = parse(html)
    return metadata(html, tree, meta_elements(tree), json_ld_nodes(tree))


@pytest.mark.parametrize(("html", "title"), [
    ("<title>The flood | Ulm Daily</title><h1>The flood</h1>", "The flood"),
    ("<title>The flood | Ulm Daily</title><p>Text", "The flood"),
    ("<meta property=og:site_name content='Ulm Daily'><title>The flood of last May - Ulm Daily</title>", "The flood of last May"),
    ("<title>Ulm Daily</title><meta property=og:site_name content='Ulm Daily'><h1>A weir is built</h1>", "A weir is built"),
    ("<title>Weir - a history</title><h1>Menu</h1><h1>Search</h1>", "Weir - a history"),
    ("<meta property=og:title content=' The \n flood '><title>x</title>", "The flood"),
    ("<h1>First</h1><h1>Second</h1>", "First"),
    ("<p>Nothing", None)])
def test_title(html, title):
    assert of(f"<html>{html}</html>").title == title


@pytest.mark.parametrize(("html", "author"), [
    ('<script type="application/ld+json">{"@type": "NewsArticle", "author": [{"name": "Ann Li"}, {"name": "Bo Ek"}]}</script>', "Ann Li, Bo Ek"),
    ("<meta name=author content='Ann Li'>", "Ann Li"),
    ("<meta property=article:author content='https://a.example/ann'><p class=byline>By <a>Ann Li</a> on May 3, 2024</p>", "Ann Li"),
    ("<span rel=author>Written by Ann Li | 12 min</span>", "Ann Li"),
    ("<footer><p class=author>By Ann Li</p></footer>", None),
    ("<meta name=author content=admin>", None)])
def test_author(html, author):
    assert of(f"<html>{html}<p>The river rose.</p></html>").author == author


@pytest.mark.parametrize(("html", "dates"), [
    ("<meta name=date content=2024-05-03><span class=date>June 1, 2020</span>", ("2024-05-03",)),
    ('<span class="post-date">3rd May 2024</span>', ("2024-05-03",)),
    ("<time class=published datetime=2024-05-03T10:00:00Z>today</time>", ("2024-05-03",)),
    ("<time datetime=2024-05-03>The fair</time>", ())])
def test_dates(html, dates):
    assert of(f"<html>{html}</html>").dates == dates


def test_site_and_description():
    page = of("<meta property=og:site_name content='Ulm Daily'><meta name=description content=' It  rose. '>")
    assert (page.site, page.description) == ("Ulm Daily", "It rose.")
    assert of("<p>x")[3:] == (None, None)
