"""Headless Chromium, driven by the DevTools protocol: what a page shows, says on the console and asks the network for."""

import contextlib
import json
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.servers import free_port

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
websocket = pytest.importorskip("websockets.sync.client", reason="drives Chromium by websockets")
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


class Browser:
    """A tab; what it says and asks for is kept."""

    def __init__(self, address, width=1100, height=760, dark=False, scripts=True):
        self.number, self.said, self.asked = 0, [], []
        with urllib.request.urlopen(urllib.request.Request(f"{address}/json/new?about:blank", method="PUT"), timeout=30) as reply:
            self.socket = websocket.connect(json.load(reply)["webSocketDebuggerUrl"], max_size=None).__enter__()
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        if not scripts:
            self.call("Emulation.setScriptExecutionDisabled", value=True)

    def call(self, method, **params):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv(timeout=60))
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            if message["method"] in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
                self.said.append(message["params"])
            if message["method"] == "Network.requestWillBeSent":
                self.asked.append(message["params"]["request"]["url"])

    def run(self, script, **params):
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, **params)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, script, seconds=60):
        deadline = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < deadline, (script, self.said)
            time.sleep(0.05)

    def open(self, address, ready="true"):
        """Go to an address, and wait until the page and this condition are ready."""
        self.call("Page.navigate", url=address)
        self.until(f"location.href != 'about:blank' && document.readyState == 'complete' && ({ready})")


@contextlib.contextmanager
def chromium_at(home: Path):
    """The address of a Chromium's DevTools."""
    port = free_port()
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
               f"--remote-debugging-port={port}", f"--user-data-dir={home}", "--remote-allow-origins=*", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"HOME": str(home)})
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/json/version", timeout=5)
                break
            except OSError:
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
