"""Legal signals: what a page says of its own use is read as it says it; unknown words are kept and are never a reason."""

import pyarrow as pa
import pytest

from tests.extract.test_extract import SETTINGS, STORY, from_warc, html, ok
from textmill.pipelines.extract.legal_counts import legal_counts, license_kind
from textmill.pipelines.extract.pages.legal import Legal, directives, reservation
from textmill.pipelines.extract.pages.read_page import read_page
from textmill.pipelines.extract.rows import DOCUMENTS
from textmill.pipelines.measure import rights

CC = "https://creativecommons.org/licenses"


def legal(body: str = "", head: str = "") -> Legal:
    return read_page(html(STORY + body, head), SETTINGS).legal


def ld(text: str) -> str:
    return f'<script type="application/ld+json">{text}</script>'


@pytest.mark.parametrize(("value", "expected"), [
    ("NoAI, noimageai", ["noai", "noimageai"]), ("otherbot: noindex, nofollow", []), ("*: noindex", ["noindex"]),
    ("noindex, otherbot: noai", ["noindex"]), ("max-snippet:50, nofollow", ["max-snippet:50", "nofollow"]), ("", []),
    ("noai noimageai;none", ["noai", "noimageai", "none"]), ("Max-Image-Preview: large", ["max-image-preview: large"]),
    ("googlebot: noai", []), (" , ,none", ["none"]), ("notrain", ["notrain"])])
def test_robots_directives(value, expected):
    assert list(directives(value)) == expected


@pytest.mark.parametrize(("given", "expected", "reserved"), [
    ([], None, 0), (["0"], "0", 0), ([" 0 "], "0", 0), (["0", "yes"], "yes", 1), (["1"], "1", 1), (["true"], "true", 1), ([""], "", 1), (["0", "0"], "0", 0)])
def test_one_reservation_is_enough_and_an_unknown_value_reserves(given, expected, reserved):
    assert reservation(given) == expected
    documents = pa.RecordBatch.from_pylist([{"tdm_reservation": expected}], pa.schema([DOCUMENTS.field("tdm_reservation")]))
    assert rights.tdm_reservation(documents).tolist() == [reserved]


def test_signals_of_headers_and_page_add_up():
    page = html(STORY, '<meta name="ROBOTS" content="noindex"><meta name="tdm-reservation" content="0"><meta name="tdm-policy" content="/t">')
    headers = (("X-Robots-Tag", "otherbot: none"), ("X-Robots-Tag", "NOAI"), ("TDM-Reservation", "2"))
    both, page_only, header_only, neither = from_warc(ok(page, *headers), ok(page), ok(html(), *headers), ok(html()))
    assert [(row.robots, row.tdm_reservation, row.tdm_policy) for row in (both, page_only, header_only, neither)] == [
        (["noai", "noindex"], "2", "/t"), (["noindex"], "0", "/t"), (["noai"], "2", None), ([], None, None)]


def test_directives_in_comments_and_examples_are_none():
    found = legal("<p>Write &lt;meta name=robots content=noai&gt; into it.</p>", "<!-- <meta name=robots content=noai> --><meta name=googlebot content=noindex>")
    assert found == Legal()


@pytest.mark.parametrize(("body", "head", "expected"), [
    ('<p><a rel="nofollow license" href="//creativecommons.org/licenses/by-sa/3.0/">x</a></p>', "", ("//creativecommons.org/licenses/by-sa/3.0/", "rel", "body")),
    (f'<p><a rel="license" href="{CC}/by/2.0/">x</a></p><div id="Site-Footer"><a rel="LICENSE" href="{CC}/by-nd/4.0/">x</a></div>', "", (f"{CC}/by-nd/4.0/", "rel", "footer")),
    (f'<footer><a rel="license" href="{CC}/by/2.0/">x</a></footer>', f'<link rel="license" href="{CC}/by-nc/4.0/">', (f"{CC}/by-nc/4.0/", "rel", "head")),
    (f'<figure><a rel="license" href="{CC}/by/2.0/">x</a></figure>', "", (None, None, None)),
    ('<p><a rel="license">no address</a></p>', "", (None, None, None)),
    (f'<p><a href="{CC}/by/4.0/">a licence</a></p>', "", (None, None, None)),
    (f'<footer><a href="{CC}/by/4.0/">CC</a></footer>', "", (f"{CC}/by/4.0/", "link", "footer")),
    (f'<footer><figure><a href="{CC}/by/4.0/">CC</a></figure></footer>', "", (None, None, None)),
    ("", '<meta name="dcterms.rights" content="https://example.org/l">', ("https://example.org/l", "meta", "head")),
    ("", ld('{"license": {"@id": "https://example.org/l"}}'), ("https://example.org/l", "json-ld", None)),
    ("", ld('{"@type": "ImageObject", "license": "https://example.org/l"}'), (None, None, None))])
def test_licences_are_claims_of_the_page_itself(body, head, expected):
    found = legal(body, head)
    assert (found.license, found.license_from, found.license_position) == expected


@pytest.mark.parametrize(("head", "expected"), [
    (ld('{"isAccessibleForFree": false}'), True), (ld('{"isAccessibleForFree": "http://schema.org/False"}'), True),
    (ld('{"isAccessibleForFree": "True"}'), False), ('<meta itemprop="isAccessibleForFree" content="false">', True),
    (ld('{"isAccessibleForFree": true, "hasPart": {"isAccessibleForFree": "false"}}'), True), (ld("{}"), None), (ld("{no json"), None)])
def test_paywalls(head, expected):
    assert legal(head=head).paywalled is expected


@pytest.mark.parametrize(("body", "head", "expected"), [
    ("<footer>&copy; 2020 Acme &amp; Co.</footer>", "", "© 2020 Acme & Co."),
    ("<footer><p><span>©</span> <b>1999–2024</b> <a href=/>Acme</a><br>Imprint</p></footer>", "", "© 1999–2024 Acme"),
    ("<footer><p>Made with care. Copyright © by Acme 2024</p><p>Imprint</p></footer>", "", "Copyright © by Acme 2024"),
    ("<footer><p>2015 Copyright by Acme</p></footer>", "", "2015 Copyright by Acme"),
    ("<footer><p>(c) 2015 Acme</p></footer>", "", "(c) 2015 Acme"),
    ("<footer><p>COPYRIGHT 2015 Acme</p></footer>", "", "COPYRIGHT 2015 Acme"),
    ("<footer>© Acme</footer>", "", "© Acme"),
    ("<footer><p>© Acme</p><p>© 2021 Acme Ltd</p></footer>", "", "© 2021 Acme Ltd"),
    ("<div class=page-footer>© Acme</div>", "", "© Acme"),
    ("<p>© 2003 Elsewhere</p><p>© 2004 Acme</p>", "", "© 2004 Acme"),
    ("<p>© 2003 Elsewhere</p><footer><p>© 2002 Acme</p></footer><p>© 2004 Partner</p>", "", "© 2002 Acme"),
    ("<footer>© 2020 " + "Acme " * 60 + "</footer>", "", "© 2020 " + " ".join(["Acme"] * 38)),
    ("<footer>© 2020 " + "A" * 300 + "</footer>", "", "© 2020"),
    # No notice of the page: a picture's, a name in running text, a list, a policy, a script.
    ("<figure><figcaption>© 2020 Photographer</figcaption></figure>", "", None),
    ("<p>Photo: © Photographer</p>", "", None),
    ("<footer><p>(c) the third point</p><a href=/c>Copyright</a><a href=/p>Copyright policy</a></footer>", "", None),
    ("<script>/* Copyright 2020 Library */ var f = function(c){return '© 2020 Library'}</script>", "", None),
    # What a page declares goes before what it shows.
    ("<footer>© 2020 Shown</footer>", '<meta name="Copyright" content=" 2019  Declared ">', "2019 Declared"),
    ("<footer>© 2020 Shown</footer>", '<meta name="dc.rights" content="https://example.org/l">', "© 2020 Shown"),
    ("<footer>© 2020 Shown</footer>", ld('{"copyrightNotice": "(c) Noted"}'), "(c) Noted"),
    ("", ld('{"copyrightYear": "2018", "copyrightHolder": [{"@type": "Person", "name": "Ada"}]}'), "© 2018 Ada"),
    ("", ld('{"copyrightHolder": "Ada", "copyrightYear": "soon"}'), "© Ada"),
    ("", ld('{"copyrightHolder": {"@id": "#ada"}}'), None),
    ("", ld('{"@type": "ImageObject", "copyrightHolder": "Ada"}'), None)])
def test_the_copyright_notice(body, head, expected):
    assert legal(body, head).copyright == expected


def test_a_notice_costs_no_more_on_a_page_made_of_marks():
    """Places that are looked at are counted: the page is full of marks, and the notice among the last of them is found."""
    assert legal("<footer>© 2020 First</footer>" * 5000 + "<footer>© 2021 Last</footer>").copyright == "© 2021 Last"
    assert legal("<p>" + "© x<br>" * 30_000 + "</p>").copyright is None
    assert legal("<footer>©" + "<a></a>" * 5000 + "2020 Far</footer>").copyright is None


def test_counts_by_signal():
    rows = [{"robots": ["max-snippet:50", "noai", "notrain"], "tdm_reservation": "0", "license": f"{CC}/by-nc/4.0/", "license_from": "rel", "license_position": "footer"},
            {"robots": ["noai", "rubbish"], "tdm_reservation": "maybe", "tdm_policy": "/t", "license": "https://example.org/l", "license_from": "json-ld", "paywalled": True, "copyright": "© A"},
            {"robots": [], "paywalled": False, "copyright": "© B"}]
    documents = pa.RecordBatch.from_pylist(rows, pa.schema([DOCUMENTS.field(name) for name in (
        "robots", "tdm_reservation", "tdm_policy", "license", "license_from", "license_position", "paywalled", "copyright")]))
    assert legal_counts(documents) == {
        "robots": {"max-snippet": 1, "noai": 2, "unknown": 2}, "tdm_reservation": {"not_reserved": 1, "reserved": 1}, "tdm_policy": 1,
        "license": {"cc-by-nc": 1, "other": 1}, "license_from": {"json-ld": 1, "rel": 1}, "license_position": {"footer": 1},
        "paywalled": {"no": 1, "yes": 1}, "copyright": 2}
    assert legal_counts(documents.slice(0, 0)) == {
        "robots": {}, "tdm_reservation": {}, "tdm_policy": 0, "license": {}, "license_from": {}, "license_position": {}, "paywalled": {}, "copyright": 0}


@pytest.mark.parametrize(("address", "kind"), [
    ("//creativecommons.org/licenses/by-sa/3.0/de/", "cc-by-sa"), ("https://creativecommons.org/publicdomain/zero/1.0/", "cc0"),
    ("http://www.creativecommons.org/publicdomain/mark/1.0/", "public-domain"), ("https://creativecommons.org/licenses/", "other"),
    ("https://creativecommons.org/licenses/nonsense/", "other"), ("https://www.gnu.org/licenses/fdl.html", "other")])
def test_kinds_of_licence(address, kind):
    assert license_kind(address) == kind
