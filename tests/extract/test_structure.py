"""Structure of a page in its text: every kind of element with the exact text that comes of it."""

import pytest

from textmill.pipelines.extract.pages.blocks import read_blocks
from textmill.pipelines.extract.pages.layout import laid_out
from textmill.pipelines.extract.pages.tree import parse


def text_of(html: str, markdown: bool = False) -> str:
    page = read_blocks(parse(html))
    return laid_out(page, range(len(page.texts)), markdown)


@pytest.mark.parametrize(("html", "text", "markdown"), [
    ("<h2>The ferry</h2><p>It <b>crosses</b> at noon.</p><p>Twice.</p>", "The ferry\nIt crosses at noon.\nTwice.",
     "## The ferry\n\nIt crosses at noon.\n\nTwice."),
    ("<blockquote><p>So it is.</p></blockquote>", "So it is.", "> So it is."),
    ("<blockquote><p>Over the hill<br>and home</p></blockquote>", "Over the hill\nand home", "> Over the hill  \n> and home"),
    ("<dl><dt>Weir</dt><dd>A low dam.</dd></dl>", "Weir\nA low dam.", None),
    ("<p>Over the hill<br>under the tree<br><br>There we rest</p><p>Good.</p>",
     "Over the hill\nunder the tree\n\nThere we rest\nGood.", None),
    ("<h1>Rest</h1><p>Over the hill<br>under the tree</p><p>There we<br>rest</p><p>By Anna</p>",
     "Rest\nOver the hill\nunder the tree\n\nThere we\nrest\nBy Anna", None),
    ("<div>First.<br><br>Second.</div>", "First.\nSecond.", None),
    ("<figure><img src=a><figcaption>The weir in May</figcaption></figure>", "The weir in May", None),
    ("<p>שלום <b>עולם</b></p>", "שלום עולם", None),
    ("<p>1 &lt; 2 &amp;amp; 3 &gt; 2</p>", "1 < 2 &amp; 3 > 2", None),
    ("<h2>The weir<a class=headerlink href=#weir>¶</a></h2>", "The weir", "## The weir"),
    ("<button>How deep is it?</button><div>Two metres.</div>", "How deep is it?\nTwo metres.", None)])
def test_paragraphs_and_headings(html, text, markdown):
    assert text_of(html) == text
    if markdown is not None:
        assert text_of(html, markdown=True) == markdown


@pytest.mark.parametrize(("html", "text"), [
    ("<ol><li>Boil</li><li>Stir<ul><li>slowly</li></ul></li><li>Serve</li></ol>", "1. Boil\n2. Stir\n  - slowly\n3. Serve"),
    ("<ol start=4><li>Boil<li>Stir<li value=9>Serve<li>Eat</ol>", "4. Boil\n5. Stir\n9. Serve\n10. Eat"),
    ("<ul><li><p>One</p></li><li>Two</li></ul>", "- One\n- Two"),
    ("<ul><li><a href=x>report.pdf</a></li><li><a href=y>map.pdf</a></li></ul>", "- report.pdf\n- map.pdf"),
    ("<ol><li>a<ol><li>b</li><li>c</li></ol></li><li>d</li></ol>", "1. a\n  1. b\n  2. c\n2. d")])
def test_lists(html, text):
    assert text_of(html) == text


@pytest.mark.parametrize(("html", "text"), [
    ("<pre>if a:\n\n    b()\n</pre>", "if a:\n\n    b()"),
    ("<pre><code>if a:<br><br>    b()<br></code></pre>", "if a:\n\n    b()"),
    ("<pre><div>if a:</div><div><br></div><div>    b()</div></pre>", "if a:\n\n    b()"),
    ("<pre><div>if a:\n</div><div>\n</div><div>    b()\n</div></pre>", "if a:\n\n    b()"),
    ("<pre><span class=k>if</span> <span class=n>a</span><span class=o>(</span>)</pre>", "if a()"),
    ("<pre><span class=lineno>1</span>if a:\n<span class=lineno>2</span>    b()</pre>", "if a:\n    b()"),
    ("<pre><table><tr><td class=gutter>1</td><td>if a:</td></tr><tr><td class=gutter>2</td><td>    b()</td></tr></table></pre>",
     "if a:\n    b()"),
    ("<table><tr><td class=linenos><pre>1\n2</pre></td><td class=code><pre>if a:\n    b()</pre></td></tr></table>",
     "if a:\n    b()"),
    ("<pre>if a:\n    b()</pre><pre>c()\nd()</pre>", "if a:\n    b()\n\nc()\nd()"),
    ("<p>Call <code>b()</code> twice.</p>", "Call b() twice.")])
def test_code(html, text):
    assert text_of(html) == text


def test_code_is_fenced_in_markdown():
    assert text_of("<p>So:</p><pre>a\n\n  b</pre>", markdown=True) == "So:\n\n```\na\n\n  b\n```"


@pytest.mark.parametrize(("html", "text", "markdown"), [
    ("<table><tr><th>City</th><th>People</th></tr><tr><td>Ulm</td><td>126,000</td></tr></table>", "City | People\nUlm | 126,000",
     "| City | People |\n| --- | --- |\n| Ulm | 126,000 |"),
    ("<table><tr><td><p>Ulm</p></td><td></td><td><div>on the Danube</div></td></tr></table>", "Ulm |  | on the Danube", None),
    ("<table><tr><th>Tea</th><td><ul><li>green</li><li>black</li></ul></td></tr></table>", "Tea | green; black", None),
    # A page laid out by a table: each text is a line of its own, and what is in a table inside it is a row.
    (f"<table><tr><td>Menu</td><td><h1>Flood</h1><p>{'The river rose. ' * 5}</p>"
     "<table><tr><td>Ulm</td><td>3 m</td></tr></table></td></tr></table>",
     f"Menu\nFlood\n{' '.join(['The river rose.'] * 5)}\nUlm | 3 m", None),
    # A forum's table: who writes, and a long post.
    (f"<table><tr><td>anna</td><td><div>{'The kettle leaks again. ' * 20}</div></td></tr></table>",
     f"anna\n{' '.join(['The kettle leaks again.'] * 20)}", None)])
def test_tables(html, text, markdown):
    assert text_of(html) == text
    if markdown is not None:
        assert text_of(html, markdown=True) == markdown


@pytest.mark.parametrize(("html", "text"), [
    ("<p>about 10<sup>23</sup> of H<sub>2</sub>O, 5 m<sup>2</sup>, x<sup>-n</sup></p>", "about 10^23 of H2O, 5 m^2, x^-n"),
    ("<p>the 1<sup>st</sup> of May<sup><a href=#n>[2]</a></sup></p>", "the 1st of May[2]"),
    ("<p>so <math><msup><mi>x</mi><mn>2</mn></msup><mo>=</mo><mfrac><mrow><mi>a</mi><mo>+</mo><mn>1</mn></mrow><mi>b</mi></mfrac>"
     "</math> holds</p>", "so x^2 = (a+1)/b holds"),
    ("<p>so <math><semantics><mi>x</mi><annotation encoding='application/x-tex'>x_1</annotation></semantics></math> holds</p>",
     "so $x_1$ holds"),
    ("<p>so <span class=katex><span class=katex-mathml><math><semantics><mi>x</mi><annotation encoding='application/x-tex'>x^2"
     "</annotation></semantics></math></span><span class=katex-html aria-hidden=true><span>x2</span></span></span> holds</p>",
     "so $x^2$ holds"),
    ("<p>so <span class=MathJax_Preview>x2</span><script type='math/tex'>x^2</script> holds</p>", "so $x^2$ holds"),
    ("<p>so <span class=mwe-math-element><span style='display: none'><math alttext=x><semantics><mi>E</mi><annotation encoding="
     "'application/x-tex'>{\\displaystyle E=mc^{2}}</annotation></semantics></math></span><img class=mwe-math-fallback-image-inline "
     "alt='{\\displaystyle E=mc^{2}}'></span> holds</p>", "so $E=mc^{2}$ holds"),
    ("<p>so <img class=tex alt='a_1'> holds</p>", "so $a_1$ holds"),
    ("<div>then <script type='math/tex; mode=display'>\\sum_i a_i</script></div>", "then $$\\sum_i a_i$$")])
def test_formulas(html, text):
    assert text_of(html) == text


@pytest.mark.parametrize("html", ["<p><ruby>桜<rp>(</rp><rt>さくら</rt><rp>)</rp></ruby>が咲く</p>",
                                  "<p><ruby>桜<rt>さくら</rt></ruby>が咲く</p>"])
def test_ruby_is_written_once(html):
    assert text_of(html) == "桜が咲く"


@pytest.mark.parametrize(("html", "text"), [
    ("<div><span class=y>2026</span><span class=r>1h 54m</span><span class=p>$9.99</span></div>", "2026 1h 54m $9.99"),
    ("<div><a href=a>Shangwen Sun</a><a href=b>Yann LeCun</a></div>", "Shangwen Sun Yann LeCun"),
    ("<h2><span class=l>F</span><span class=l>l</span><span class=l>o</span></h2>", "Flo"),
    ("<p><span class=a>桜が</span><span class=b>咲く</span></p>", "桜が咲く"),
    ("<p><span class=a>sin</span><span class=b>(</span><span class=c>x</span>)</p>", "sin(x)"),
    ("<p>un<b>believ</b>able</p>", "unbelievable"),
    ("<div>Flood<p>The river rose.</p>Later</div>", "Flood\nThe river rose.\nLater")])
def test_nothing_is_glued_or_torn(html, text):
    assert text_of(html) == text


def test_a_long_text_is_written_once():
    line = "The ferry across the river runs again from Monday on."
    wide, narrow = f"<div class=wide><p>{line}</p><p>Yes.</p></div>", f"<div class=narrow><p>{line}</p><p>Yes.</p></div>"
    assert text_of(wide + narrow) == f"{line}\nYes.\nYes."


def test_a_refrain_is_written_each_time():
    refrain = "Row, row, row your boat<br>gently down the stream and home"
    assert text_of(f"<p>{refrain}</p><p>One.</p><p>{refrain}</p>").count("gently down") == 2


def test_advertisements_of_amp_are_no_text():
    assert text_of("<p>One.</p><amp-ad><div>Advertisement</div></amp-ad><p>Two.</p>") == "One.\nTwo."


LONG = "A kettle of steel that boils a litre of water in three minutes and switches itself off."


def test_texts_of_json_ld_stand_where_the_page_does_not_show_them():
    def texts(html: str, description: str) -> list[str]:
        return read_blocks(parse(html), [{"@type": "Product", "description": description}]).texts

    assert texts("<p>Kettle</p>", LONG) == ["Kettle", LONG]
    assert texts("<p>Kettle</p>", f"&lt;p&gt;{LONG}&lt;/p&gt;\nMade of steel.") == ["Kettle", LONG, "Made of steel."]
    assert texts(f"<p>{LONG}</p>", LONG) == [LONG]


@pytest.mark.parametrize("html", [
    f'<div id=__next></div><script id=__NEXT_DATA__ type=application/json>{{"props":{{"body":"{LONG}","id":"a-b-c-1"}}}}</script>',
    f'<div id=data-preloaded data-preloaded=\'{{"topic_1":"{{\\"posts\\":[{{\\"cooked\\":\\"<p>{LONG}</p>\\"}}]}}"}}\'></div>',
    f'<iframe srcdoc="<p>{LONG}</p>"></iframe>'])
def test_a_page_that_shows_nothing_is_read_from_its_state(html):
    assert text_of(f"<body>{html}</body>") == LONG
    shown = "".join(f"<p>The river rose again on day {day}, and the ferry stayed in the harbour all day.</p>" for day in range(9))
    assert LONG not in text_of(f"<body>{html}{shown}</body>")
