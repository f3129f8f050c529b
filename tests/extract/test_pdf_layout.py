"""What real PDFs have that a plain page has not: code, contents, heads that change, slides in steps, writing from the right."""

from collections import Counter

from tests.extract import pdf_gold
from tests.extract.test_documents import page_of
from textmill.pipelines.extract.document_formats.pdf_columns import Piece, Word, lines_of
from textmill.pipelines.extract.document_formats.pdf_direction import backward_words, is_backward
from textmill.pipelines.extract.document_formats.pdf_layout import glued

PROSE = [f"By the {place} the miller weighed his flour twice before the market day." for place in (
    "wheel", "river", "road", "bridge", "barn", "church", "school", "stable", "garden", "orchard", "meadow", "forest")]


def page_text(*pages: list[tuple[float, float, str]], font: str = "Times") -> str:
    """The text of a PDF of pages, each of lines with their places; a line that begins with "|" is set in Courier."""
    pdf = pdf_gold.new()
    for lines in pages:
        pdf.add_page()
        for x, y, text in lines:
            pdf.set_font("Courier" if text.startswith("|") else font, size=9 if text.startswith("|") else 11)
            pdf.text(x, y, text.removeprefix("|"))
    return page_of("pdf", bytes(pdf.output())).text


def set_below(texts: list[str], x: float = 60, y: float = 80, step: float = 14) -> list[tuple[float, float, str]]:
    return [(x, y + step * number, text) for number, text in enumerate(texts)]


def test_code_keeps_its_lines_indents_and_empty_lines():
    code = set_below(["|def mill(sacks):", "|    for sack in sacks:", "|        weigh(sack)", "|", "|    return len(sacks)   # all"], 70, 140, 11)
    lines = [*set_below(PROSE[:4]), *(line for line in code if line[2] != "|"), *set_below(PROSE[4:8], y=210)]
    assert page_text(lines).split("\n\n", 1)[1].rsplit("\n\n", 1)[0] == (
        "def mill(sacks):\n    for sack in sacks:\n        weigh(sack)\n\n    return len(sacks)   # all")


def test_a_document_on_a_typewriter_is_prose():
    lines = [(60, 80 + 12 * number, f"|the miller weighs his flour twice before line {number}") for number in range(8)]
    assert page_text(lines) == " ".join(text[1:] for _, _, text in lines)


def test_lists_of_contents_go_and_of_prices_the_dots():
    contents = [*(f"{number} Chapter on mills {'. ' * 20}{5 * number}" for number in range(1, 6))]
    assert page_text(set_below([*PROSE[:3], *contents, *PROSE[3:6]])) == " ".join(PROSE[:3]) + "\n\n" + " ".join(PROSE[3:6])
    assert page_text(set_below([f"{name} {'.' * 12} {price}" for name, price in (("Wheat", 30), ("Rye", 12), ("Oats", 9), ("Bran", 3))])) == (
        "Wheat\t30\nRye\t12\nOats\t9\nBran\t3")


def test_an_index_goes():
    entries = ["axle, 12", "barn, 3, 40-42", "cart, 7", "door, 31", "flour, 2", "grain, 18", "hopper, 9", "ledger, 44"]
    assert page_text(set_below(PROSE[:3]), set_below(entries)) == " ".join(PROSE[:3])


def test_heads_with_the_number_of_the_page_go():
    pages = [[(60, 62, f"{number}. {name}    {number + 17}"), *set_below(PROSE[2 * number:2 * number + 2])]
             for number, name in enumerate(("The wheel", "The stones", "The sacks", "The carts", "The ledger"))]
    assert page_text(*pages) == "\n\n".join(map(" ".join, zip(PROSE[0:10:2], PROSE[1:10:2], strict=True)))


def test_of_a_slide_in_steps_the_last_counts():
    steps = [[(60, 80, "How to weigh"), *set_below([f"- step {number} of weighing" for number in range(1, 1 + count)], y=140, step=40)]
             for count in (1, 2, 3)]
    assert page_text(*steps, set_below(PROSE[:2])) == page_text(steps[-1], set_below(PROSE[:2]))


def test_accents_that_stand_before_their_letter():
    assert page_text([(60, 80, "P´eter Br¨oker and the mill of J´er´emie by the river")]) == "Péter Bröker and the mill of Jérémie by the river"


def test_lines_are_joined_as_their_script_asks():
    assert glued("粉は二度", "量られる。", Counter()) == "粉は二度量られる。"
    assert glued("방앗간은", "강가에", Counter()) == "방앗간은 강가에"
    assert glued("configure --enable-", "strict", Counter()) == "configure --enable-strict"
    assert glued("THE CONTRIBU-", "TORS", Counter()) == "THE CONTRIBUTORS"


def test_a_line_that_is_spread_over_its_column_has_no_cells():
    def line(*widths: float) -> str:
        pieces, left = [], 50.0
        for number, width in enumerate(widths):
            pieces.append(Piece(f"w{number}", left, left + width, 100, 10, 0, False))
            left += width + 25
        return lines_of(pieces)[0].text

    assert line(20, 45, 30, 60) == "w0 w1 w2 w3"
    assert line(20, 20, 20, 20) == "w0\tw1\tw2\tw3"


def letters_at(text: str, right: float, width: float = 6) -> list[Word]:
    """Letters from the right to the left, each of a width, on one baseline."""
    return [Word(letter, right - width * (at + 1), right - width * at, 100, 10, 0, 98, 108) for at, letter in enumerate(text)]


def test_words_from_right_to_left_are_read_by_their_places():
    drawn = letters_at("שלום )54( עולם CB A", 200)          # with brackets as they look
    for order in (drawn, drawn[::-1], drawn[5:] + drawn[:5]):
        found = backward_words(order)
        assert [word.text for word in found] == ["שלום", "(45)", "עולם", "A", "BC"]
        assert [word.left for word in found] == sorted(word.left for word in found)
    assert is_backward("שלום abc") and not is_backward("abcdef שלום")


def test_lam_and_alef_of_one_ligature_and_ranges():
    ligature = [word._replace(left=word.left, right=word.right) for word in letters_at("س", 200)]
    ligature += [Word(letter, 188, 194, 100, 10, 0, 98, 108) for letter in "\u0627\u0644"] + letters_at("م", 188)
    assert [word.text for word in backward_words(ligature)] == ["س\u0644\u0627م"]
    assert [word.text for word in backward_words(letters_at("بين 51-02", 200))] == ["بين", "15-20"]
