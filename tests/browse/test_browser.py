"""The browser in a browser: search, a page, its twin, a block, moved bounds; nothing on the console, nothing that axe finds."""

import sys
import time
from importlib import resources

import pytest

from tests.browse.served import HOSTILE, hostile_data
from tests.browser import NEEDS_CHROMIUM, Browser, chromium_at
from tests.command_line import MIXTURE, SETTINGS
from tests.paths import ROOT
from tests.servers import free_port, server

pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM]
DESKTOP, PHONE = (1280, 900), (390, 844)
FOUND = "axe.run(document, {resultTypes: ['violations']}).then(all => JSON.stringify(all.violations.map(one => [one.id, one.nodes.map(node => node.html).slice(0, 3)])))"


class Tab(Browser):
    """A tab in which an element counts as true."""

    def until(self, script, seconds=60):
        super().until(f"!!({script})", seconds)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with chromium_at(tmp_path_factory.mktemp("chromium")) as address:
        yield address


def opened(data, folder):
    port = free_port()
    command = [sys.executable, "-m", "textmill", "browse", "--data", str(data), "--config", str(SETTINGS), "--rules", str(ROOT / "rules.yaml"),
               "--mixture", str(MIXTURE), "--port", str(port)]
    return server(command, port, folder / "browse.log", host="127.0.0.1"), f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def address(browsed, tmp_path_factory):
    running, at = opened(browsed.context.data.uri, tmp_path_factory.mktemp("served"))
    with running:
        yield at


def settle(tab):
    """Until htmx has put every part in its place."""
    tab.until("[...document.querySelectorAll('.note')].every(each => !each.textContent.includes(' …') || each.closest('.pieces'))")


def test_from_search_to_page_to_twin_to_block_to_what_if(address, chromium):
    tab = Tab(chromium, *DESKTOP)
    tab.open(address, "document.querySelector('h1')")
    tab.run("document.querySelector('#q').focus()")
    tab.call("Input.insertText", text="tide table")
    tab.run("document.querySelector('form').requestSubmit()")
    tab.until("document.readyState == 'complete' && location.pathname == '/search' && document.querySelectorAll('.result').length >= 2")
    assert tab.run("document.querySelector('.excerpt mark').textContent").lower() == "tide"
    tab.run("document.querySelector('#q').value = ''; document.querySelector('#q').focus()")
    tab.call("Input.insertText", text="bearing*")
    tab.until("document.querySelector('#results').textContent.includes('hub')")          # as one types, without another page
    assert tab.run("location.search").count("q=bearing") == 1
    tab.run("document.querySelector('.filters').open = true; document.querySelector('[name=outcome]').value = 'copy'; "
            "document.querySelector('[name=outcome]').dispatchEvent(new Event('change', {bubbles: true}))")
    tab.until("location.search.includes('outcome=copy')")
    tab.open(f"{address}/search?language=en", "document.querySelectorAll('.result').length")
    tab.run("document.querySelector('#results details').open = true")
    tab.until("document.querySelector('#results .facets a[href*=\"kind=near\"]')")
    tab.run("document.querySelector('#results .facets a[href*=\"kind=near\"]').click()")
    tab.until("document.readyState == 'complete' && location.search.includes('kind=near') && document.querySelectorAll('.result').length")
    tab.open(f"{address}/search?kind=near", "document.querySelectorAll('.result').length")
    tab.run("document.querySelector('.result h2 a').click()")
    tab.until("location.pathname.startsWith('/document/') && document.querySelector('.reading')")
    settle(tab)
    assert tab.run("document.querySelectorAll('.reading').length") == 2 and tab.run("document.querySelectorAll('.dropped').length") > 0
    tab.run("document.querySelector('a[href^=\"/twins/\"]').click()")
    tab.until("location.pathname.startsWith('/twins/') && document.querySelector('ins') && document.querySelector('del')")
    tab.run("document.querySelector('.twins h2 a').click()")
    tab.until("document.querySelector('a[href^=\"/blocks/mixture\"]')")
    tab.run("document.querySelector('a[href^=\"/blocks/mixture\"]').click()")
    tab.until("document.querySelectorAll('.span').length && document.querySelector('.span:target')")
    tab.run("document.querySelector('nav a[href=\"/rules\"]').click()")
    tab.until("document.readyState == 'complete' && location.pathname == '/rules' && document.querySelector('#effect .figure')")
    before = tab.run("document.querySelectorAll('#effect .figure')[1].textContent")
    tab.run("const slider = document.querySelector('[data-for=\"word_count.low\"]'); slider.value = slider.min; slider.dispatchEvent(new Event('input', {bubbles: true}))")
    tab.until(f"document.querySelectorAll('#effect .figure')[1].textContent != '{before}'")
    assert tab.run("document.querySelector('[id=\"word_count.low\"]').value") == "0" and tab.run("document.querySelector('#rule-word_count').classList.contains('moved')")
    tab.until("document.querySelectorAll('#effect .result').length > 0")
    tab.run("document.querySelector('.bounds button[type=reset]').click()")
    tab.until(f"document.querySelectorAll('#effect .figure')[1].textContent == '{before}' && !document.querySelector('.moved')")
    assert tab.said == [] and {url.split("/")[2] for url in tab.asked} == {address.split("/")[2]}


def test_edited_recipes_and_moved_bounds_are_downloaded(address, chromium, tmp_path):
    """And a record without a document is reached from the overview, its rule by its name."""
    tab = Tab(chromium, *DESKTOP)
    tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    tab.open(f"{address}/mixture", "document.querySelector('#plan').textContent.includes('textmill pack --mixture mixtures/mixture.yaml')")
    tab.run("document.querySelector('#recipe').value = '# mine\\n' + document.querySelector('#recipe').value; document.querySelector('form button').click()")
    wait_for(tmp_path / "mixture.yaml", lambda text: text.startswith("# mine\nname: mixture\n"))
    tab.open(f"{address}/rules?word_count.low=20", "document.querySelector('a[download]')")
    tab.run("document.querySelector('#find-rule').focus()")
    tab.call("Input.insertText", text="digit")
    assert tab.run("[...document.querySelectorAll('.bound-row')].filter(each => !each.hidden).map(each => each.id).join()").split(",")[0] == "rule-digit_share"
    tab.run("document.querySelector('a[download]').click()")
    wait_for(tmp_path / "rules-moved.yaml", lambda text: "low: 20\n" in text and "# Gopher" in text)
    tab.open(address, "document.querySelector('a[href=\"/records?rule=http_status\"]')")
    tab.run("document.querySelector('a[href=\"/records?rule=http_status\"]').click()")
    tab.until("location.pathname == '/records' && document.querySelector('.result h2 a')")
    tab.run("document.querySelector('.result h2 a').click()")
    tab.until("location.pathname.startsWith('/record/') && document.querySelector('.reading')")
    assert tab.said == []


def wait_for(path, holds):
    deadline = time.monotonic() + 30
    while not (path.exists() and holds(path.read_text("utf-8"))):
        assert time.monotonic() < deadline, path
        time.sleep(0.1)


def test_a_recipe_is_planned_as_one_types_and_sql_is_answered(address, chromium):
    tab = Tab(chromium, *DESKTOP)
    tab.open(f"{address}/mixture", "document.querySelector('#plan').textContent.includes('mixture-plan')")
    tab.run("document.querySelector('#recipe').focus(); document.querySelector('#recipe').select()")
    tab.call("Input.insertText", text="name: x\nblok: 2")
    tab.until("document.querySelector('.problems')?.textContent.includes('block')")
    tab.open(f"{address}/sql", "document.querySelector('#sql')")
    tab.run("document.querySelector('#sql').value = \"SELECT '<img src=x>' AS a, count(*) AS n FROM documents\"; document.querySelector('form').requestSubmit()")
    tab.until("document.querySelectorAll('#answer td').length == 2")
    assert tab.run("document.querySelector('#answer td').textContent") == "<img src=x>" and tab.run("document.querySelectorAll('img').length") == 0
    tab.run("document.querySelector('#sql').value = \"COPY documents TO 'x'\"; document.querySelector('form').requestSubmit()")
    tab.until("document.querySelector('#answer [role=alert]')?.textContent.includes('one SELECT')")
    assert tab.said == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(address, chromium, browsed, size, dark):
    axe = pytest.importorskip("axe_core_python", reason="axe-core comes with axe-core-python")
    source = next(each for each in resources.files(axe).iterdir() if each.name == "axe.min.js").read_text("utf-8")
    one = {where: browsed.indexes.connection.execute(f"SELECT id FROM facts WHERE {where} ORDER BY number LIMIT 1").fetchall()[0][0]
           for where in ("kind = 'near'", "NOT kept")}
    near, rejected = one.values()
    keys = [browsed.indexes.records.of_rule(rule, 0, 1)[0].key for rule in ("http_status", "bad_json")]
    tab = Tab(chromium, *size, dark)
    for page in ("/", "/search?q=tide&source=sample", f"/document/{near}", f"/document/{rejected}", f"/twins/{near}", "/clusters", "/rules?word_count.low=20", "/blocks",
                 "/blocks/mixture/train/0", "/mixture", "/runs", "/records", "/records?rule=bad_json", *(f"/record/{key}" for key in keys), "/search?q=https://en.vandrel.example/about", "/sql?sql=SELECT * FROM documents LIMIT 9", "/nothing"):
        tab.open(address + page.replace(" ", "%20"), "document.querySelector('main')")
        settle(tab)
        tab.run("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        tab.until("!document.querySelector('.counting')")
        tab.run(source + ";0")
        assert tab.run(FOUND, awaitPromise=True) == "[]", page
        assert tab.run("document.documentElement.scrollWidth") <= size[0], page
    luminance = sum(map(int, tab.run("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).join()").split(",")))
    assert (luminance < 200) == dark
    assert [each for each in tab.said if "404" not in str(each)] == []


def test_hostile_documents_stay_text(chromium, tmp_path):
    data = hostile_data(tmp_path / "data")
    running, at = opened(data, tmp_path)
    with running:
        tab = Tab(chromium, *PHONE)
        for page in ("/", "/records", "/records?page=0&rule=<b>", "/search", "/search?page=1", f"/search?q={HOSTILE[0]}", "/clusters", "/rules?word_count.low=1", "/sql?sql=SELECT%20*%20FROM%20documents"):
            tab.open(at + page.replace("<", "%3C").replace(">", "%3E").replace("'", "%27"), "document.querySelector('main')")
            tab.until("!document.querySelector('.htmx-request')")
            assert "owned" not in tab.run("document.title") and tab.run("document.querySelectorAll('main img, main script, main style').length") == 0, page
            assert tab.run("document.documentElement.scrollWidth") <= 390, page
        tab.open(f"{at}/search", "document.querySelector('.result')")
        tab.run("document.querySelector('.result h2 a').click()")
        tab.until("location.pathname.startsWith('/document/') && document.readyState == 'complete'")
        settle(tab)
        assert tab.run("document.documentElement.scrollWidth") <= 390
        tab.open(f"{at}/records", "document.querySelectorAll('.result').length > 5")
        for number in range(3):
            tab.open(f"{at}/records", "document.querySelector('.result')")
            tab.run(f"document.querySelectorAll('.result h2 a')[{number}].click()")
            tab.until("location.pathname.startsWith('/record/') && document.readyState == 'complete'")
            settle(tab)
            assert tab.run("document.querySelectorAll('main img, main script, main style').length") == 0 and tab.run("document.documentElement.scrollWidth") <= 390
        assert "owned" not in tab.run("document.title").replace("title='owned'", "") and tab.said == [] and tab.run("document.documentElement.scrollWidth") <= 390
        assert {url.split("/")[2] for url in tab.asked} == {at.split("/")[2]}
