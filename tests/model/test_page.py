"""The page in a real browser: what is typed streams, stops and is explained; hostile text is text; no request goes elsewhere."""

import json
import urllib.request

import pytest

from tests.browser import NEEDS_CHROMIUM, Browser, chromium_at
from tests.model.served import served, write_run
from tests.model.test_blocks import write_mixture
from tests.model.test_origins import block
from textmill.model.data.blocks import PackedMixture
from textmill.model.evaluation.origins_index import build_index, index_folder

pytestmark = [pytest.mark.slow, NEEDS_CHROMIUM]

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


class Tab(Browser):
    """A tab with the chat page."""

    def open(self, address, ready="document.querySelector('#model')?.textContent.includes('context')"):
        super().open(address, ready)

    def key(self, key, **more):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode={"Enter": 13, "Escape": 27, "ArrowRight": 39}[key],
                      **({"text": "\r"} if key == "Enter" else {}), **more)

    def say(self, text):
        self.run("document.querySelector('#text').focus()")
        self.call("Input.insertText", text=text)
        self.key("Enter")

    def set(self, **settings):
        for name, value in settings.items():
            self.run(f"document.querySelector('#settings').elements[{name!r}].value = {value!r};"
                     "document.querySelector('#settings').dispatchEvent(new Event('change'))")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    with served(write_run(folder / "run"), folder) as address:
        yield address


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with chromium_at(tmp_path_factory.mktemp("chromium")) as address:
        yield address


FINISHED = "document.querySelector('#send').textContent == 'Send' && document.querySelectorAll('.turn').length >= 2 && !document.querySelector('.busy')"


def test_several_answers_stream_and_each_token_says_how_likely_it_was(server, chromium):
    tab = Tab(chromium)
    tab.open(server)
    tab.set(n="2", max_tokens="40", seed="3", temperature="1")
    tab.say(HOSTILE)
    tab.until(FINISHED)
    assert tab.run("document.querySelector('.said').textContent") == HOSTILE
    assert tab.run("document.querySelectorAll('main img, main script').length") == 0 and tab.run("document.title") == "textmill"
    body = {"model": "run", "messages": [{"role": "user", "content": HOSTILE}], "max_tokens": 40, "n": 2, "seed": 3, "temperature": 1}
    asked = urllib.request.Request(f"{server}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    expected = [choice["message"]["content"] for choice in json.load(urllib.request.urlopen(asked, timeout=60))["choices"]]
    shown = tab.run("[...document.querySelectorAll('.answer .body')].map(each => each.textContent)")
    assert [text.rstrip("\ufffd") for text in shown] == [text.rstrip("\ufffd") for text in expected] and len(shown) == 2
    assert tab.run("document.querySelectorAll('.answer .token.d1, .answer .token.d2, .answer .token.d3').length") > 0
    tab.run("document.querySelector('.answer .body').focus()")
    for _ in range(2):
        tab.key("ArrowRight")
    assert tab.run("!document.querySelector('#card').hidden") and tab.run("document.querySelectorAll('#card tr').length") >= 5
    assert tab.run("document.querySelector('#card tr.drawn .number').textContent").endswith("%")
    tab.key("Escape")
    assert tab.run("document.querySelector('#card').hidden")
    at = tab.run("(() => {const box = document.querySelectorAll('.token')[1].getBoundingClientRect(); return [box.x + 1, box.y + box.height / 2]})()")
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=at[0], y=at[1])
    tab.until("!document.querySelector('#card').hidden")
    first = tab.run("document.querySelector('.answer .body').textContent")
    tab.set(seed="4")
    tab.run("[...document.querySelectorAll('button')].find(each => each.textContent == 'Regenerate').click()")
    tab.until(FINISHED)
    assert tab.run("document.querySelector('.answer .body').textContent") != first
    assert tab.said == [] and {url.split("/")[2] for url in tab.asked} == {server.split("/")[2]}


def test_an_answer_can_be_stopped_and_is_kept(chromium, tmp_path):
    """Of a model that cannot chat, and says one token for ever."""
    with served(write_run(tmp_path / "run", chat=False), tmp_path) as address:
        tab = Tab(chromium)
        tab.open(address)
        assert tab.run("document.querySelector('#settings').elements.mode.value") == "text"
        tab.set(max_tokens="3900", temperature="0")
        tab.say("the river")
        tab.until("document.querySelectorAll('.token').length > 5")
        tab.key("Escape")
        tab.until(FINISHED)
        assert "stopped" in tab.run("document.querySelector('.facts').textContent")
        assert 5 < tab.run("document.querySelectorAll('.token').length") < 3900 and tab.said == []


def test_what_stands_in_the_training_text_is_underlined_with_its_source(chromium, tmp_path):
    said = "river runs through a green valley"
    blocks = write_mixture(tmp_path / "blocks/small", [[block(tmp_path, f"the {said}", "the-document")]], [[block(tmp_path, "the hare")]])
    build_index(mixture := PackedMixture(blocks), index_folder(mixture.folder))
    with served(write_run(tmp_path / "run"), tmp_path, "--blocks", str(blocks)) as address:
        tab = Tab(chromium)
        tab.open(address)
        tab.set(least="4", schema=json.dumps({"const": said}))
        tab.say("where?")
        tab.until(FINISHED)
        tab.until("document.querySelectorAll('.sources li').length == 1")
        underlined = tab.run("[...document.querySelectorAll('.token.run')].map(each => each.textContent).join('')")
        assert said.endswith(underlined) and len(underlined) > 20
        assert "the-docu" in tab.run("document.querySelector('.sources li').textContent")
        assert "in training text" in tab.run("document.querySelector('.facts').textContent") and tab.said == []


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_it_all_without_scrolling_sideways(server, chromium, dark):
    tab = Tab(chromium, 390, 780, dark)
    tab.open(server)
    tab.run("document.querySelector('#open-settings').click()")
    assert tab.run("document.documentElement.scrollWidth") <= 390 and tab.run("document.querySelector('#settings').scrollWidth") <= 390
    tab.run("document.querySelector('#open-settings').click()")
    tab.set(max_tokens="30")
    tab.say("x" * 300)
    tab.until(FINISHED)
    assert tab.run("document.documentElement.scrollWidth") <= 390 and tab.run("document.querySelector('main').scrollWidth") <= 390
    luminance = sum(map(int, tab.run("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).join()").split(",")))
    assert (luminance < 200) == dark and tab.said == []
