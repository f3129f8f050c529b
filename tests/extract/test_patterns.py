"""The remembered patterns of trafilatura answer as the originals do, on every page there is."""

from copy import copy
from functools import cache

import pytest
from lxml.etree import XPath
from trafilatura.htmlprocessing import convert_tags, tree_cleaning
from trafilatura.settings import Extractor

from tests.pages import crawl_pages, sample_pages
from textmill.pipelines.extract.pages.patterns import Remembered, pattern, remember_patterns
from textmill.pipelines.extract.pages.tree import parse

REMEMBERED = remember_patterns()


def test_those_that_cost_the_most_are_remembered_once():
    assert {"OVERALL_DISCARD_XPATH[0]", "OVERALL_DISCARD_XPATH[1]", "REMOVE_COMMENTS_AND_LISTS_XPATH[0]", "BODY_XPATH[0]",
            "RAW_TREE_PRUNE_XPATH[0]", "BASIC_CLEAN_XPATH[0]"} <= set(REMEMBERED)
    assert remember_patterns() == REMEMBERED


@cache
def trees():
    """Of every page the tree as it comes and as the library has cleaned and renamed it."""
    options = Extractor(fast=True, comments=False)
    pages = (*sample_pages(), *crawl_pages("news.warc.gz", 40), *crawl_pages("book-git.warc.gz", 400))
    return [tree for html in pages for raw in [parse(html)]
            for tree in (raw, convert_tags(tree_cleaning(copy(raw), options), options))]


@pytest.mark.parametrize("name", REMEMBERED)
def test_finds_what_the_original_finds(name):
    remembered = REMEMBERED[name]
    expected = [remembered.original(tree) for tree in trees()]
    assert [remembered(tree) for tree in trees()] == [
        found[:1] if remembered.asks.first == "of the tree" else found for found in expected]
    assert any(expected) or name not in ("OVERALL_DISCARD_XPATH[0]", "OVERALL_DISCARD_XPATH[1]", "BODY_XPATH[2]")


@pytest.mark.parametrize(("path", "tags", "attributes", "first"), [
    (".//*[self::div or self::p][@class='a' or contains(@id, 'b]')]", ("div", "p"), {"class", "id"}, "all"),
    ("(.//*[self::div][@role='article'])[1]", ("div",), {"role"}, "of the tree"),
    (".//*[self::div][@class='a'][1]", ("div",), {"class"}, "of its parent"),
    (".//*[starts-with(@data-x, 'a')]", (), {"data-x"}, "all"), (".//div[@class='a']", ("div",), {"class"}, "all"),
    (".//p|.//*[@id='|']", (), {"id"}, "all"), (".//*[self::div][@class='a'][.//h1]", ("div",), {"class"}, "all"),
    (".//*[self::div][not(@class)]", ("div",), set(), "all")])
def test_what_a_pattern_asks(path, tags, attributes, first):
    asks = pattern(XPath(path))
    assert (asks.tags, asks.attributes, asks.first) == (tags, attributes, first)
    pages = ["<div class=a><h1>1</h1></div><div class=a>2<p id=a>3</p></div><p class=a id='|'>4</p><div role=article id='b]'>5",
             "<p data-x=ab>1</p><div><div class=a>2<h1>3</h1></div><div>4</div><div class=a>5</div></div><div class=a>6</div>"]
    expected = [XPath(path)(parse(html)) for html in pages]
    assert [len(Remembered(XPath(path), asks)(parse(html))) for html in pages] == list(map(len, expected)) and any(expected)


@pytest.mark.parametrize("path", [
    ".//div/p", "//div", ".//*", ".//*[self::div][@class='a'][2]", ".//*[self::div][@class='a'][last()]",
    ".//*[self::div][@class='a'][.//p]|.//p", ".//p|.//*[self::div][@class='a'][.//p]"])
def test_an_xpath_of_another_kind_stays_as_it_is(path):
    assert pattern(XPath(path)) is None


def test_the_first_of_several_attributes_is_the_first_in_the_page():
    xpath = XPath(".//*[self::div][starts-with(@id|@class, 'a')]")
    tree = parse("<div id=b class=a>1</div><div class=a id=b>2</div>")
    assert [element.text for element in Remembered(xpath, pattern(xpath))(tree)] == ["2"]


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr("textmill.pipelines.extract.pages.patterns._REMEMBERED", 2)
    xpath = XPath(".//*[self::div][@id='3']")
    remembered = Remembered(xpath, pattern(xpath))
    tree = parse("".join(f"<div id={n}></div>" for n in range(9)))
    assert [element.get("id") for element in remembered(tree)] == ["3"] and len(remembered.known) <= 2
