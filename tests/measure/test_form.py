"""Form of a text: each form on small texts, what only looks like one, and texts too short to have one."""

import pytest

from textmill.pipelines.measure.form import FORMS, form
from textmill.pipelines.measure.phrases import stop_terms
from textmill.pipelines.text.words import read_words

PROSE = ("The miller opens the sluice before dawn, when the mist still lies on the meadow. Water runs down the channel and "
         "strikes the paddles, and the great wheel begins to turn with a groan.\nHe listens for a while.")
VERSE = """the wheel goes round and the water goes by
and the miller is only a boy
he counts all the sacks and he counts all the sky
and the moon that comes up like a toy

the wheel goes round and the river is high
and the miller is old as the door
he counts all the sacks and he cannot say why
there was always the one sack more"""
CODE = """/* The level of the pond in millimetres. */
int level(const struct pond *pond)
{
    int sum = 0;
    for (int i = 0; i < pond->sensors; i++) {
        sum += pond->reading[i];    /* raw counts */
    }
    return sum / pond->sensors;
}"""
CONFIGURATION = """mill:
  name: upper-mill
  wheel:
    paddles: [24, 24]     # both sides
    speed: {low: 4, high: 9}
  gates:
    - {side: "left", open: true}
    - {side: "right", open: false}"""
MATHEMATICS = ("Let n > 1 and suppose that n = a b with a, b > 1. If both a > √n and b > √n, then a b > n, a contradiction. "
               "So one of a and b is ≤ √n, and n has a prime p ≤ √n with p | n.")
SPEAKERS = """MILLER: Is the gate open?
BOY: Half of it, the rest is under ice
MILLER: Then take the axe and come along
BOY: I would rather take the dog
MILLER: Take the axe and the dog"""
NAMES_ALONE = """MILLER.
Is the gate open?
BOY.
Half of it, and the rest is under ice
MILLER.
Then take the axe and come along with me
BOY.
I would rather take the dog"""
DASHES = """— Этот мост ведёт к мельнице?
— К мельнице, только его унесло весной
— И как же туда попадают?
— Кому надо, тот переплывает
— А обратно как же?"""
BULLETS = """What the mill needs
- a new sluice of oak before the autumn
- two paddles on the side of the road
- grease for the bearing, a bucket full
- a cat that is not afraid of water"""
TERMS = """Sluice: a gate that lets water in or keeps it out
Race: the channel that leads to the wheel
Paddle: the board that the water strikes
Hopper: the box from which the grain falls
Stone: there are two, and only the upper one turns"""
NOTES = """Bread with caraway, for two days
400 g rye flour and a cup of water
a spoon of caraway and one of salt
mix it in the evening and cover it with a cloth
bake for an hour, and leave it alone until noon"""
KEYWORDS = "\n".join(f"cheap mill tour {place} best price" for place in
                     ("Leeds", "York", "Hull", "Ripon", "Selby", "Whitby", "Malton", "Thirsk", "Settle", "Otley"))
MENU = "\n".join(("Home", "About us", "The mill", "Our flour", "Shop", "Baskets", "Sale", "Find a store", "Opening times", "Contact us",
                  "Terms of use", "Privacy policy", "Log in", "Register", "Newsletter", "Press", "Careers", "Partners", "Sitemap"))
CARDS = "\n".join(f"Rye Flour {kind}\n1 kg bag\n$ {price}.99\nAdd to cart" for kind, price in
                  (("Fine", 3), ("Coarse", 4), ("Dark", 4), ("Light", 5), ("Organic", 6)))
GRID = "\n".join(f"{n}. A bag of {kind} rye flour for the oven and the pan, now $ {n}.99" for n, kind in
                 enumerate(("fine", "coarse", "dark", "light", "organic"), 3))
MINIFIED = "!function(e,t){var n=t[e],r=n||{};for(var i=0;i<r.length;i++){e=r[i];t(e,n);n=e&&e.o?e:{o:e}}return r}(a,b);" * 3
DUMP = "\n".join(f"{n:08x} {n * 7919 % 65521:04x} {n * 104729 % 65521:04x} {n * 31 % 97}" for n in range(12))
RECORDS = "\n".join(f'{{"id": {n}, "sku": "{n * 7919 % 65521:04x}", "qty": {n % 7}}},' for n in range(12))
FIELDS = "\n".join(("Size: 4 cm", "Colour: red", "Weight: 90 g", "Size: 6 cm", "Colour: blue", "Weight: 120 g", "Size: 8 cm", "Colour: red"))


def forms(*texts: str, language: str = "en") -> list[str | None]:
    words = read_words(texts)
    return form(words, stop_terms(words, [language] * len(texts))).to_pylist()


@pytest.mark.parametrize(("text", "language", "expected"), [
    (PROSE, "en", "prose"), (PROSE.replace("\n", "\n\n") * 4, "en", "prose"), (VERSE, "en", "verse"), (VERSE, "und", "verse"),
    (VERSE.replace("\n\n", "\n"), "en", "verse"), (VERSE.rpartition("\n")[0].rpartition("\n")[0], "en", "verse"), (CODE, "und", "code"), (CONFIGURATION, "en", "code"),
    (MATHEMATICS, "en", "mathematics"), (MATHEMATICS.replace(". ", ".\n"), "en", "mathematics"), (SPEAKERS, "en", "dialogue"),
    (NAMES_ALONE, "en", "dialogue"), (DASHES, "ru", "dialogue"), (BULLETS, "en", "list"), (TERMS, "en", "list"), (NOTES, "en", "list")])
def test_a_form_is_seen_in_lines_and_marks(text, language, expected):
    assert forms(text, language=language) == [expected] and expected in FORMS


@pytest.mark.parametrize("text", [KEYWORDS, MENU, CARDS, GRID, MINIFIED, DUMP, RECORDS], ids=["keywords", "menu", "cards", "grid", "minified", "dump", "records"])
def test_what_looks_like_a_form_has_none(text):
    assert forms(text) == forms(text, language="und") == ["prose"]


def test_fields_of_a_product_are_no_speakers():
    assert forms(FIELDS) == ["prose"]


def test_a_few_words_have_no_form_and_neighbours_do_not_matter():
    several = ["", "—", ":", "{", "\n\n", "1", "水車", *(PROSE, VERSE, CODE, MATHEMATICS, SPEAKERS, BULLETS), "one two three\n" * 6]
    assert forms(*several) == [None] * 7 + ["prose", "verse", "code", "mathematics", "dialogue", "list", None]
    assert forms(*reversed(several)) == forms(*several)[::-1]
    assert forms() == []
