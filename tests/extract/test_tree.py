"""What a reader sees of a page, its links, and the limits of its tree."""

import pytest

from textmill.pipelines.extract.pages.tree import links_inside, oversized, parse, visible
from textmill.pipelines.extract.settings import ExtractSettings


def seen(html: str):
    found = visible(parse(html))
    return found.letters, [(found.letters[start:end], size) for start, end, size in found.links], found.characters


def test_visible_text_and_links_in_order():
    html = ("<head><title>no</title></head><body>One <a href=x>two - three</a> four<script>no</script>\n five<a> </a>"
            "<noscript>no</noscript>|<svg><a>no</a></svg> <a>six<b>seven</b></a></body>")
    assert seen(html) == ("Onetwothreefourfivesixseven", [("twothree", 9), ("sixseven", 8)], 29)


def test_a_link_in_a_link_counts_once():
    tree = parse("<p><a>out <i>er</i></a></p>")
    outer = tree.find(".//a")
    outer.append(parse("<a>inner</a>").find(".//a"))
    assert [size for _, _, size in visible(tree).links] == [10]


def test_the_tree_is_left_as_it_was():
    tree = parse("<p>a <a>b</a> c<style>d</style></p>")
    visible(tree)
    assert tree.text_content() == "a b cd"


def test_the_characters_used_for_marks_are_none_of_a_page():
    assert seen("<p>a\ufdd0b \ufdd1<a>c\ufdd1</a></p>") == ("abc", [("c", 1)], 3)


def test_text_content_is_that_of_lxml():
    tree = parse("<div>a<p>b<i>c</i>d</p>e<p></p><br>f</div>")
    assert [element.text_content() for element in tree.iter()] == ["".join(element.itertext()) for element in tree.iter()]


@pytest.mark.parametrize("others", [0, 300])    # beyond a hundred links the main text is taken apart once
def test_links_inside_the_main_text(others):
    menu = "".join(f"<li><a>entry number {n} of the menu</a></li>" for n in range(others + 2))
    main = "The mill stands by the river since <a>the year of the flood</a>, and <a>it</a> grinds what comes down the road."
    found = visible(parse(f"<ul>{menu}</ul><p>{main}</p>"))
    text = "- The mill stands by the river since the year of\nthe flood, and it grinds what comes down the road."
    assert [found.letters[start:end] for start, end, _ in links_inside(found, text)] == ["theyearoftheflood", "it"]


def test_depth_is_counted_to_the_element():
    def deep(levels: int) -> str:
        return "<html><body>" + "<div>" * (levels - 2) + "x"

    assert oversized(parse(deep(30)), ExtractSettings(max_depth=30)) is None
    assert oversized(parse(deep(31)), ExtractSettings(max_depth=30)).rule == "too_deep"


def test_nesting_is_the_sum_of_depths():
    tree = parse("<html><head></head><body><p>a<i>b</i></p><p>c</p></body></html>")      # 1 + 2 + 2 + 3 + 4 + 3
    assert oversized(tree, ExtractSettings(max_nesting=15)) is None
    assert oversized(tree, ExtractSettings(max_nesting=14)).rule == "too_nested"


def test_cells_of_a_row():
    tree = parse("<table><tr><td>a<td>b<td>c</table>")
    assert oversized(tree, ExtractSettings(max_row_cells=3)) is None
    assert oversized(tree, ExtractSettings(max_row_cells=2)).value == "3"
