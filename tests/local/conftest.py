"""The real endpoint as a real process, and a small client that speaks to it over HTTP."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from support.signing import signed

from lambdatune.model.report_line import Report, parse_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROLE = "arn:aws:iam::123456789012:role/lambda"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str | None:
        return self.headers.get("x-amzn-errortype")

    @property
    def function_error(self) -> str | None:
        return self.headers.get("x-amz-function-error")

    @property
    def tail(self) -> str:
        return base64.b64decode(self.headers["x-amz-log-result"]).decode("utf-8", "replace")

    @property
    def report(self) -> Report:
        report = parse_report(self.tail.encode())
        assert report is not None, self.tail
        return report


def zip_of(files: dict[str, str | bytes], modes: dict[str, int] | None = None) -> str:
    """Return a base64 zip; sources are dedented."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (modes or {}).get(name, 0o100644) << 16
            archive.writestr(entry, textwrap.dedent(content) if isinstance(content, str) else content)
    return base64.b64encode(buffer.getvalue()).decode()


class Endpoint:
    """A running endpoint and its client."""

    def __init__(self, *options: str, temporary: Path | None = None) -> None:
        environment = dict(os.environ)
        if temporary is not None:
            environment["TMPDIR"] = str(temporary)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lambdatune.local", "--exit-with-stdin", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1].decode()
        self.ready: dict[str, Any] = json.loads(line)
        self.url: str = self.ready["endpoint_url"]
        self.port = int(self.url.rpartition(":")[2])

    def end(self, how: int | None = signal.SIGTERM) -> str:
        """End the endpoint by a signal, or by closing its stdin (None); return its log."""
        assert self.process.stdin is not None
        if how is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=15)
        _, log = self.process.communicate(timeout=15)
        return log.decode()

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, data, self._signed(method, path, data, headers))
            response = connection.getresponse()
            answer_headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, answer_headers, response.read())
        finally:
            connection.close()

    def _signed(self, method: str, path: str, data: bytes | None, headers: dict[str, str] | None) -> dict[str, str]:
        """Sign, unless the caller brings an Authorization of its own."""
        if headers is not None and "Authorization" in headers:
            return headers
        return signed(method, f"{self.url}{path}", data or b"", headers)

    def target(self, action: str, body: Any) -> Answer:
        """Send one CloudWatch Logs request."""
        return self.call("POST", "/", body, {"X-Amz-Target": f"Logs_20140328.{action}"})

    def host(self) -> dict[str, Any]:
        """Return what the endpoint says about the host."""
        document: dict[str, Any] = self.call("GET", "/_lambdatune/host").json
        return document

    def create(
        self,
        source: str | None = None,
        *,
        name: str | None = None,
        files: dict[str, str | bytes] | None = None,
        modes: dict[str, int] | None = None,
        wait: bool = True,
        **members: Any,
    ) -> str:
        """Create a function from the source of app.py (or from files) and wait until it is Active; return its name."""
        name = name or f"f-{uuid.uuid4().hex[:12]}"
        body = {
            "FunctionName": name,
            "Runtime": "python3.11",
            "Handler": "app.handler",
            "Role": ROLE,
            "Code": {"ZipFile": zip_of(files or {"app.py": source or ""}, modes)},
            **members,
        }
        answer = self.call("POST", "/2015-03-31/functions", body)
        assert answer.status == 201, answer.body
        if wait:
            self.wait(name)
        return name

    def wait(self, name: str) -> dict[str, Any]:
        """Wait until a function is Active and updated."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            config: dict[str, Any] = self.call("GET", f"/2015-03-31/functions/{name}/configuration").json
            if config["State"] == "Active" and config["LastUpdateStatus"] == "Successful":
                return config
            time.sleep(0.02)
        raise AssertionError(f"{name} did not settle: {config}")

    def invoke(self, name: str, event: Any = None, **headers: str) -> Answer:
        """Invoke synchronously with LogType=Tail."""
        body = event if isinstance(event, bytes) else json.dumps({} if event is None else event).encode()
        sent = {"X-Amz-Log-Type": "Tail", **{key.replace("_", "-"): value for key, value in headers.items()}}
        return self.call("POST", f"/2015-03-31/functions/{name}/invocations", body, sent)

    def invoke_many(self, name: str, count: int, event: Any = None) -> tuple[list[Answer], float]:
        """Invoke `count` times at once; return the answers and the seconds that all took together."""
        with ThreadPoolExecutor(count) as pool:
            began = time.monotonic()
            answers = list(pool.map(lambda _: self.invoke(name, event), range(count)))
            return answers, time.monotonic() - began

    def update(self, name: str, **members: Any) -> Answer:
        """Update the configuration and wait."""
        answer = self.call("PUT", f"/2015-03-31/functions/{name}/configuration", members)
        if answer.status == 200:
            self.wait(name)
        return answer


@pytest.fixture(scope="session")
def endpoint() -> Iterator[Endpoint]:
    """The endpoint that most tests share."""
    endpoint = Endpoint("--init-timeout-s", "2")
    yield endpoint
    log = endpoint.end()
    assert endpoint.process.returncode == 0
    assert "Traceback" not in log, log


@pytest.fixture
def start_endpoint(tmp_path: Path) -> Iterator[Callable[..., Endpoint]]:
    """Start endpoints with options of their own; their temporary files are in tmp_path."""
    started: list[Endpoint] = []

    def start(*options: str) -> Endpoint:
        started.append(Endpoint(*options, temporary=tmp_path))
        return started[-1]

    yield start
    for endpoint in started:
        if endpoint.process.poll() is None:
            endpoint.end()


@pytest.fixture(scope="session")
def make_zip() -> Callable[..., str]:
    """Return `zip_of`."""
    return zip_of
