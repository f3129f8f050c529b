"""The report in a real browser: nothing that axe finds, nothing on the console, nothing asked of a network; hostile text is text."""

import re
from importlib import resources

import pytest

from tests.browser import NEEDS_CHROMIUM, Browser, chromium_at
from tests.report.test_report import IDS, MIXTURE, batch, in_parts, put, train, world
from textmill.pipelines.curate.rows import CURATED
from textmill.pipelines.extract.rows import DOCUMENTS
from textmill.pipelines.report.page import publish

pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM]

HOSTILE = ["<script>document.title='owned'</script>", "\"'><img src=x onerror=document.title='owned'>", "\u202e\u2066dlrow olleh\u2069", "w" * 3000,
           "</style></title><b>", "{{ 7 * 7 }} ${7*7} javascript:alert(1)", "=HYPERLINK(1)"]
DESKTOP, PHONE = (1200, 900), (390, 844)
FOUND = "axe.run(document, {resultTypes: ['violations']}).then(all => JSON.stringify(all.violations.map(one => [one.id, one.nodes.map(node => node.html).slice(0, 3)])))"
OPENED = "document.querySelectorAll('details').forEach(each => { each.open = true; })"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with chromium_at(tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The report of a corpus whose every text, title, host and source is hostile."""
    data = world(tmp_path_factory.mktemp("hostile"))
    counts = {"read": 9, "kept": 7, "rejected": {"http_status": 1}, "quarantined": {"damaged": 1}, "charset_from": {HOSTILE[0]: 7},
              "source": {name: {"documents": 1, "payload_bytes": 1, "text_bytes": 1} for name in HOSTILE}}
    put(data, "documents", "extract", in_parts(DOCUMENTS, [
        {"id": i, "source": text, "url": f"https://{text}.example/{text}", "host": text, "domain": text, "title": text, "text": text}
        for i, text in zip(IDS, HOSTILE, strict=True)]), counts)
    texts = [{"text": text, "id": i, "url": text, "piece": 0, "pieces": 1, "source": text, "language": "en"} for i, text in zip(IDS, HOSTILE, strict=True)]
    put(data, "curated", "curate", {"0": batch(CURATED, texts)}, {
        "read": 7, "kept": 2, "pieces": 3, "bytes": 630, "rejected": {"word_count": 2, "duplicate_exact": 1, "duplicate_near": 1, "personal_data": 1}})
    train(data, *({"step": step, "validation": 8.0 - step, "entries": {HOSTILE[0]: 8.0}} for step in range(3)))
    publish(data, MIXTURE)
    return f"file://{data.uri}/report/index.html"


@pytest.fixture(scope="module")
def milled_report(milled):
    from tests.paths import ROOT
    from textmill.pipelines.contract.storage import Folder
    from textmill.pipelines.pack.mixture import read_mixture
    folder, _ = milled
    publish(Folder(str(folder)), read_mixture(ROOT / "tests/mixture.yaml"))
    return f"file://{folder}/report/index.html"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_folded_or_open(milled_report, chromium, size, dark):
    axe = pytest.importorskip("axe_core_python", reason="axe-core comes with axe-core-python")
    tab = Browser(chromium, *size, dark)
    tab.open(milled_report)
    tab.run((resources.files(axe) / "axe.min.js").read_text("utf-8"))
    assert tab.run(FOUND, awaitPromise=True) == "[]"
    tab.run(OPENED)
    assert tab.run(FOUND, awaitPromise=True) == "[]"
    assert tab.run("[...document.querySelectorAll('th')].filter(each => !each.textContent.trim()).length") == 0
    assert tab.run("document.documentElement.scrollWidth") <= size[0]
    assert tab.said == [] and tab.asked == [milled_report]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_hostile_text_stays_text_and_fits(hostile, chromium, size):
    tab = Browser(chromium, *size)
    tab.open(hostile)
    tab.run(OPENED)
    assert tab.run("document.title") == "textmill report: tiny"
    assert tab.run("document.querySelectorAll('img, body script, iframe, style:not(head style)').length") == 0
    assert tab.run("document.documentElement.scrollWidth") <= size[0]
    shown = tab.run("document.body.textContent")
    assert HOSTILE[0] in shown and HOSTILE[5] in shown and not re.search("[\u202e\u2066\u2069]", shown)
    assert tab.said == [] and tab.asked == [hostile]


def test_a_phone_shows_the_report_in_a_few_screens_and_the_navigation_stays(milled_report, chromium):
    tab = Browser(chromium, *PHONE)
    tab.open(milled_report)
    assert tab.run("document.documentElement.scrollHeight") < 10 * PHONE[1]         # 46 screens with every section open
    tab.run("[...document.querySelectorAll('nav a')].find(each => each.hash == '#rules').click()")
    tab.until("document.querySelector('#rules > details').open")
    tab.until("Math.abs(document.querySelector('nav').getBoundingClientRect().top) < 2 && document.querySelector('#rules h2').getBoundingClientRect().top < 120")
    tab.until("document.querySelector('nav a[aria-current]')?.hash == '#rules'")


def test_tables_sort_filter_and_values_show_on_hover(milled_report, chromium):
    tab = Browser(chromium, *DESKTOP)
    tab.open(milled_report)
    column = "[...document.querySelectorAll('#languages table')[0].tBodies[0].rows].filter(row => !row.hidden).map(row => row.cells[%d].textContent.trim())"
    documents = tab.run(column % 1)
    head = "document.querySelectorAll('#languages table')[0].tHead.rows[0].cells[%d]"
    tab.run(f"{head % 0}.querySelector('button').click()")
    names = tab.run(column % 0)
    assert names == sorted(names) and len(names) > 8 and tab.run(f"{head % 0}.ariaSort") == "ascending"
    tab.run(f"{head % 1}.querySelector('button').click()")
    assert tab.run(column % 1) == documents and tab.run(f"{head % 1}.ariaSort") == "descending" and tab.run(f"{head % 0}.ariaSort") is None
    tab.run("(() => {const box = document.querySelector('#languages .files input'); box.value = 'DE'; box.dispatchEvent(new Event('input'))})()")
    assert tab.run(column % 0) == ["de"]
    tab.run("document.querySelector('svg.histogram').scrollIntoView({block: 'center'})")
    tab.run("new Promise(done => setTimeout(done, 100))", awaitPromise=True)
    at = tab.run("(() => {const box = document.querySelector('svg.histogram .hit').getBoundingClientRect(); return [box.x + box.width / 2, box.y + 3]})()")
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=at[0], y=at[1])
    tab.until("!document.querySelector('#tip').hidden && /^[\\d.,]+ to [\\d.,]+: [\\d,]+ documents?, [\\d,]+ rejected$/.test(document.querySelector('#tip').textContent)")
    assert tab.said == []


def test_without_scripts_every_row_and_section_is_there(milled_report, chromium):
    tab = Browser(chromium, *PHONE, scripts=False)
    tab.open(milled_report)
    assert tab.run("document.querySelectorAll('details.section:not([open])').length") == 0
    assert tab.run("document.querySelectorAll('tr[hidden], th button').length") == 0 and tab.run("document.querySelectorAll('svg title').length") > 100
