"""Pages of items: what stands at each and is none of its text, and that of items alike all stay or none."""

from textmill.pipelines.extract.pages.blocks import read_blocks
from textmill.pipelines.extract.pages.elements import Elements
from textmill.pipelines.extract.pages.items import LONG_CELL, items_of
from textmill.pipelines.extract.pages.layout import laid_out
from textmill.pipelines.extract.pages.page import Page
from textmill.pipelines.extract.pages.read_page import read_page
from textmill.pipelines.extract.pages.tree import parse
from textmill.pipelines.extract.settings import ExtractSettings

MENU = ("<header><a href=/>Riverside Club</a><nav><ul><li><a href=/a>Home</a></li><li><a href=/b>Forum</a></li><li><a href=/c>Shop"
        "</a></li></ul></nav></header>")
FOOT = "<footer><p>© 2026 Riverside Club. All rights reserved.</p><ul><li><a href=/p>Privacy</a></li></ul></footer>"
POSTS = [("anna", "I bought the small kettle last spring and since Monday it leaks at the spout. Has anyone taken it apart?"),
         ("old_tom", "Mine did the same. The seal under the spout gets hard after a year. A new one costs two euros."),
         ("mira", "Do not use glue, it does not hold above 80 degrees. I tried it twice.")]


def items(html: str) -> str:
    """The text of the items, if the model keeps all but the page's heading."""
    page = read_blocks(parse(html))
    kept = [number for number, node in enumerate(page.node) if page.tag[node] not in ("h1", "h2")]
    return laid_out(page, items_of(page, kept, Elements.of(page).places().tolist()))


def read(title: str, body: str) -> str:
    page = read_page(f"<html lang=en><head><title>{title}</title></head><body>{MENU}<main>{body}</main>{FOOT}</body></html>",
                     ExtractSettings())
    assert isinstance(page, Page)
    return page.text


def test_a_thread_has_its_question_and_no_signatures_and_counters():
    posts = "".join(f"<div class=post><b class=votes>{votes}</b><div class=body>{text}</div><a class=reply>Reply</a>"
                    f"<div class=post-signature>My shop: shop{votes}.example</div></div>" for votes, (_, text) in enumerate(POSTS))
    texts = "\n".join(text for _, text in POSTS)
    assert items(f"<h1>The spout leaks</h1>{posts}") == f"The spout leaks\n{texts}"
    assert items(f"<h2>The spout leaks</h2>{posts}") == f"The spout leaks\n{texts}"
    assert items(posts) == texts


def test_what_is_said_once_or_has_a_number_is_no_button():
    cards = "".join(f"<li><h3>{name}</h3><div>€29.00</div><a>Add to cart</a></li>" for name in ("Small kettle", "Red kettle", "Teapot"))
    assert items(f"<ul>{cards}</ul><p>Read more</p>") == (
        "- Small kettle\n€29.00\n- Red kettle\n€29.00\n- Teapot\n€29.00\nRead more")


def test_a_page_of_buttons_keeps_them():
    assert items("<p>Yes</p>" * 3) == "Yes\nYes\nYes"


def test_a_table_of_posts_is_no_table_of_data():
    page = read_blocks(parse("<table>" + "".join(f"<tr><td>{name}</td><td>{text}</td></tr>" for name, text in POSTS) + "</table>"))
    posts = [f"{name}\n{text}" for name, text in POSTS]
    assert laid_out(page, range(6), long_cell=LONG_CELL) == "\n".join(posts)
    assert laid_out(page, range(6)) == "\n".join(post.replace("\n", " | ") for post in posts)


def test_every_post_of_a_thread_stays():
    posts = "".join(f"<div class=post><p class=author>by {name}</p><div class=content>{text}</div></div>" for name, text in POSTS)
    text = read("The spout leaks - Riverside Club", f"<h1>The spout leaks</h1>{posts}")
    assert all(post in text for _, post in POSTS) and "Forum" not in text


def test_every_question_and_every_card_stays():
    asked = [("How deep is the river?", "At the bridge it is two metres deep in summer and four in spring."),
             ("When does the ferry run?", "From eight in the morning until six in the evening, every half hour."),
             ("May I bring a bicycle?", "Yes, bicycles are carried without charge.")]
    folds = "".join(f"<div class=accordion-item><h3><button>{question}</button></h3><div class=collapse><p>{answer}</p></div></div>"
                    for question, answer in asked)
    assert read("Questions", f"<h1>Questions and answers</h1>{folds}") == (
        "Questions and answers\n" + "\n".join("\n".join(pair) for pair in asked))
    news = [("Ferry runs again", "After three weeks in the harbour the ferry crosses the river again from Monday."),
            ("New bridge planned", "The town asks for opinions on a bridge of wood for walkers and cyclists."),
            ("Eels counted", "Volunteers counted 412 eels below the weir, more than in any year before."),
            ("Museum opens", "The museum of boats opens its doors in June with forty boats from six countries.")]
    cards = "".join(f"<article class=card><a href=/{n}><h3>{title}</h3></a><p>{text}</p><a href=/{n}>Read more</a></article>"
                    for n, (title, text) in enumerate(news))
    text = read("News of the river", f"<h1>News of the river</h1><div class=list>{cards}</div>")
    assert text.endswith("\n".join("\n".join(pair) for pair in news))
