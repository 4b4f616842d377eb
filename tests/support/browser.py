"""A headless Chromium, driven over the DevTools protocol: what a page logs, asks for, and looks like."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome")
_PATIENCE_S = 30.0
_COMPLAINTS = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Audits.issueAdded")


class Browser:
    """One Chromium. Messages go over pipes and end with a NUL (`--remote-debugging-pipe`); events are kept.

    Args:
        profile: an empty directory of its own.
    """

    def __init__(self, profile: Path) -> None:
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        assert program, f"no browser is installed: apt-get install {PROGRAMS[0]}"
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        options = [
            "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe",
            "--disable-background-networking", "--disable-dev-shm-usage", "--no-first-run",
            f"--user-data-dir={profile}",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "about:blank",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}', program, *options],
            pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        """End it; it ends when its pipe does, too."""
        self.call("Browser.close")
        os.close(self._to)
        self._process.wait(_PATIENCE_S)
        os.close(self._from)

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Return the answer to a command."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        os.write(self._to, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def wait_for(self, method: str, first: int, **parameters: Any) -> None:
        """Wait until one of the events from number `first` on has these parameters."""
        seen = first
        while True:
            for event in self.events[seen:]:
                if event["method"] == method and parameters.items() <= event["params"].items():
                    return
            seen = len(self.events)
            self.events.append(self._next())

    def _next(self) -> dict[str, Any]:
        until = time.monotonic() + _PATIENCE_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(until - time.monotonic(), 0))
            part = os.read(self._from, 1 << 20) if ready else b""
            assert part, f"the browser says nothing any more, exit code {self._process.poll()}"
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


@dataclass
class Page:
    """A page that was loaded.

    Attributes:
        complaints: what stood in its console: errors, warnings and refusals of the security policy included.
        requests: the URLs it asked for, its own first.
    """

    browser: Browser
    session: str
    complaints: list[Any] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression; works where the page itself may run nothing."""
        told = self.browser.call(
            "Runtime.evaluate", self.session, expression=f"JSON.stringify({expression})", returnByValue=True
        )
        assert "exceptionDetails" not in told, told
        return json.loads(told["result"]["value"])

    def prefer(self, scheme: Literal["light", "dark"]) -> None:
        """Let the user prefer a colour scheme."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.browser.call("Emulation.setEmulatedMedia", self.session, features=features)

    def width(self) -> float:
        """Return how wide all of it is, in CSS pixels."""
        return self.browser.call("Page.getLayoutMetrics", self.session)["cssContentSize"]["width"]


@contextmanager
def opened(browser: Browser, url: str, *, width: int, script: bool = False) -> Iterator[Page]:
    """Open a page in a tab of its own, on a phone's screen where it is narrow.

    Args:
        browser: running.
        url: of the page.
        width: of the screen in CSS pixels.
        script: whether JavaScript may run.
    """
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Log", "Runtime", "Network", "Audits"):
        browser.call(f"{domain}.enable", session)
    browser.call("Emulation.setScriptExecutionDisabled", session, value=not script)
    browser.call(
        "Emulation.setDeviceMetricsOverride", session,
        width=width, height=740, deviceScaleFactor=1, mobile=width < 600,
    )  # fmt: skip
    browser.call("Page.setLifecycleEventsEnabled", session, enabled=True)
    first = len(browser.events)
    loader = browser.call("Page.navigate", session, url=url)["loaderId"]
    browser.wait_for("Page.lifecycleEvent", first, name="load", loaderId=loader)
    # Taking a picture draws all of it, with whatever has to be loaded for that.
    browser.call("Page.captureScreenshot", session, format="jpeg", captureBeyondViewport=True)
    told = [event for event in browser.events[first:] if event.get("sessionId") == session]
    yield Page(
        browser, session,
        [event["params"] for event in told if event["method"] in _COMPLAINTS],
        [event["params"]["request"]["url"] for event in told if event["method"] == "Network.requestWillBeSent"],
    )  # fmt: skip
    browser.call("Target.closeTarget", targetId=target)


class Site(ThreadingHTTPServer):
    """Serves pages on loopback, each by its path.

    Attributes:
        pages: the text of each path.
        asked: the paths that were asked for.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, str] = {}
        self.asked: list[str] = []

    def put(self, path: str, text: str) -> str:
        """Serve a page; return its URL."""
        self.pages[path] = text
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        body = self.server.pages.get(self.path, "").encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Site]:
    """Serve pages while it lasts."""
    with Site() as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield site
        finally:
            site.shutdown()
            thread.join()
