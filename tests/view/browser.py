"""A headless Chromium that is told what to do over its debugging protocol."""

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_FLAGS = ("--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
          "--remote-debugging-port=0", "--no-first-run")  # fmt: skip


class Page:
    """A page that has been opened."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._count = socket, 0
        self.errors: list[str] = []
        """What the page has complained of."""
        for domain in ("Runtime", "Log", "Page"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, and its answer."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._socket.recv(timeout=60))
            if told.get("id") == self._count:
                return told.get("result", {})
            self._listen(told)

    def run(self, script: str) -> Any:
        """What a piece of JavaScript says."""
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def wait(self, script: str, seconds: float = 120.0) -> Any:
        """Ask until the answer is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.run(script)
            if found:
                return found
            time.sleep(0.2)
        raise AssertionError(f"In {seconds:g} s the page has not come to: {script}")

    def write(self, text: str) -> None:
        """Type into what has the focus, and press Enter."""
        self.call("Input.insertText", text=text)
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13)

    def picture(self, path: Path) -> None:
        """A PNG of it."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def _listen(self, told: dict[str, Any]) -> None:
        method, about = told.get("method"), told.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(about["exceptionDetails"])[:300])
        elif method == "Runtime.consoleAPICalled" and about["type"] == "error":
            self.errors.append(json.dumps(about["args"])[:300])
        elif method == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.errors.append(about["entry"]["text"][:300])


@contextmanager
def opened(address: str, folder: Path) -> Iterator[Page]:
    """A page in a browser of its own, which keeps its things in a folder."""
    from websockets.sync.client import connect

    assert CHROMIUM is not None
    profile = folder / "profile"
    browser = subprocess.Popen(
        [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "--window-size=1100,750", address],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        told, end = profile / "DevToolsActivePort", time.monotonic() + 120
        while not (told.exists() and told.read_text().strip()) and time.monotonic() < end:
            time.sleep(0.2)
        port = told.read_text().split()[0]
        pages: list[dict[str, Any]] = []
        while not pages and time.monotonic() < end:
            listed = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10))
            pages = [page for page in listed if page["type"] == "page" and page["url"].startswith("http")]
        with connect(pages[0]["webSocketDebuggerUrl"], max_size=None) as socket:
            yield Page(socket)
    finally:
        browser.kill()
        browser.wait()
