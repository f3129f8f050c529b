"""Strays among the kept blocks of an article: what goes is a notice at the end and lone words, and nothing of a short page."""

from textmill.pipelines.extract.pages.blocks import read_blocks
from textmill.pipelines.extract.pages.strays import without_strays
from textmill.pipelines.extract.pages.tree import parse

LONG = "The mill stands where the river leaves the hills, and its wheel has turned since before the bridge was built. " * 6
PAGE = read_blocks(parse("<div>Most read this week</div>" + "".join(f"<p>Link {n}</p>" for n in range(5))
                         + f"<h2>Heading</h2><p>{LONG}</p><p>Short end.</p><p>{LONG}</p><p>© 2026 The Mill. All rights reserved.</p>"))
TEXTS = PAGE.texts


def texts(*kept: str) -> list[str]:
    return [TEXTS[number] for number in without_strays(PAGE, [n for n, text in enumerate(TEXTS) if text in kept])]


def test_lone_words_and_a_notice_go():
    assert texts("Most read this week", "Heading", TEXTS[7], "Short end.", TEXTS[-1]) == ["Heading", TEXTS[7], "Short end.", TEXTS[9]]
    assert texts("Link 4", "Heading", TEXTS[7]) == ["Link 4", "Heading", TEXTS[7], TEXTS[9]]     # near what is kept: it may be of it


def test_a_short_page_and_a_page_of_a_notice_keep_theirs():
    assert texts("Most read this week", "Short end.") == ["Most read this week", "Short end."]
    assert texts(TEXTS[-1]) == [TEXTS[-1]]
    quoted = read_blocks(parse(f"<p>{LONG}{LONG}</p><p>All rights reserved, said the sign, and {LONG}</p>"))
    assert without_strays(quoted, [0, 1]) == [0, 1]


def test_a_menu_before_the_text_goes_and_links_within_it_stay():
    menu = "".join(f"<a href=/{n}>Section {n}</a><br>" for n in range(5))
    page = read_blocks(parse(f"<td>{menu}</td><p>{LONG}</p><ul><li><a href=a>One</a> <a href=b>two</a> <a href=c>three</a></ul>"))
    assert [page.texts[number][:9] for number in without_strays(page, range(len(page.texts)))] == [LONG[:9], "One two t"]
