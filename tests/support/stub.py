"""The stub program of tests/load as a child process, and what it saw."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from lambdatune.load.endpoint import Endpoint, endpoint_from_url

STUB = Path(__file__).parents[1] / "load" / "stub_endpoint.py"


class StubProcess:
    """A running stub on loopback; `url` is where."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(STUB), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def endpoint(self) -> Endpoint:
        return endpoint_from_url(self.url, "us-east-1")

    def stats(self) -> dict[str, Any]:
        return self.ask("/stats")  # type: ignore[no-any-return]

    def ask(self, path: str) -> Any:
        """Return what the stub says to `/stats`, `/close-idle` or `/release`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
