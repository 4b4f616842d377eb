"""A program between a client and an AWS-compatible endpoint that does harm at one control-plane call.

Run as ``python faulty_proxy.py TARGET_URL PLAN``, where PLAN is a JSON object. It prints its own URL, and then, for
each control-plane call, a line ``NUMBER OPERATION``. Requests are forwarded byte for byte, the Host header too, so
that signatures hold. Invokes, code downloads and ``/_lambdatune`` are passed on and not counted; an invoke is printed
as ``0 Invoke``.

=============  ====================================================================================================
``at``         number of the control-plane call that is meant, counted from 1; 0 or left out: every one
``operation``  only calls of this operation count (AWS's name, ``CreateFunction``)
``skip``       how many of the calls that count pass unharmed first
``every``      only every n-th of the calls that count, the first of them included: 2 lets each repeat through
``times``      to how many calls it happens; left out: 1 with ``at``, else to all
``do``         ``kill-before`` or ``kill-after``: SIGKILL to ``pid_file``'s process, before the call is forwarded, or
               after the target has answered; ``error``: answer ``status``, ``code`` and ``message``; ``reset``: break
               the connection, before the call is forwarded; ``reset-after``: after the target has answered;
               ``delay``: hold the call for ``delay_s`` before it is forwarded; ``silence``: never answer, and nothing
               after it either
=============  ====================================================================================================
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_ROUTES = (
    ("POST", r"/2015-03-31/functions/?", "CreateFunction"),
    ("GET", r"/2015-03-31/functions/?", "ListFunctions"),
    ("GET", r"/2015-03-31/functions/[^/]+", "GetFunction"),
    ("DELETE", r"/2015-03-31/functions/[^/]+", "DeleteFunction"),
    ("GET", r"/2015-03-31/functions/[^/]+/configuration", "GetFunctionConfiguration"),
    ("PUT", r"/2015-03-31/functions/[^/]+/configuration", "UpdateFunctionConfiguration"),
    ("POST", r"/2015-03-31/functions/[^/]+/versions", "PublishVersion"),
    ("GET", r"/2015-03-31/functions/[^/]+/versions", "ListVersionsByFunction"),
    ("GET", r"/2015-03-31/functions/[^/]+/aliases/[^/]+", "GetAlias"),
    ("PUT", r"/2019-09-30/functions/[^/]+/provisioned-concurrency", "PutProvisionedConcurrencyConfig"),
    ("GET", r"/2019-09-30/functions/[^/]+/provisioned-concurrency", "GetProvisionedConcurrencyConfig"),
    ("DELETE", r"/2019-09-30/functions/[^/]+/provisioned-concurrency", "DeleteProvisionedConcurrencyConfig"),
    ("GET", r"/2016-08-19/account-settings/?", "GetAccountSettings"),
    ("GET", r"/2017-03-31/tags/.+", "ListTags"),
)
_UNCOUNTED = re.compile(r"/_lambdatune/.*|/2015-03-31/functions/[^/]+/invocations")


class Proxy:
    def __init__(self, target: str, plan: dict[str, Any]) -> None:
        parts = urlsplit(target)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.plan = plan
        self.calls = 0
        self.eligible = 0
        self.done = 0
        self.silent = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of a client over one of its own to the target."""
        upstream: asyncio.StreamWriter | None = None
        try:
            back, upstream = await asyncio.open_connection(self.host, self.port, limit=1 << 26)
            while (request := await _message(reader)) is not None:
                await self._pass_on(request, writer, back, upstream)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # either side has gone: so has the other then
        finally:
            for side in (writer, upstream):
                if side is not None:
                    side.close()

    async def _pass_on(
        self, request: bytes, writer: asyncio.StreamWriter, back: asyncio.StreamReader, upstream: asyncio.StreamWriter
    ) -> None:
        operation = _operation(request)
        harm = self._harm(operation) if operation else None
        if operation is None and b"/invocations" in request[: request.index(b"\r\n")]:
            print(0, "Invoke", flush=True)
        if self.silent or harm == "silence":
            self.silent = True
            await asyncio.Event().wait()
        if harm == "kill-before":
            self._kill()
        if harm == "error":
            writer.write(_error(self.plan))
            return
        if harm == "reset":
            writer.transport.abort()
            raise ConnectionResetError
        if harm == "delay":
            await asyncio.sleep(self.plan["delay_s"])
        upstream.write(request)
        answer = await _message(back)
        assert answer is not None
        if harm == "kill-after":
            self._kill()
        if harm == "reset-after":
            writer.transport.abort()
            raise ConnectionResetError
        writer.write(answer)
        await writer.drain()

    def _harm(self, operation: str) -> str | None:
        """Count a call; return what is to happen to it."""
        self.calls += 1
        print(self.calls, operation, flush=True)
        plan = self.plan
        if plan.get("operation", operation) != operation or "do" not in plan:
            return None
        at = plan.get("at", 0)
        if at and self.calls < at:
            return None
        self.eligible += 1
        if self.eligible <= plan.get("skip", 0):
            return None
        if (self.eligible - 1) % plan.get("every", 1) or self.done >= plan.get("times", 1 if at else 1 << 30):
            return None
        self.done += 1
        return str(plan["do"])

    def _kill(self) -> None:
        os.kill(int(Path(self.plan["pid_file"]).read_text()), signal.SIGKILL)


async def _message(reader: asyncio.StreamReader) -> bytes | None:
    """Return a whole HTTP message, None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return head + (await reader.readexactly(int(length[1])) if length else b"")


def _operation(request: bytes) -> str | None:
    """Return AWS's name of the operation that is asked for; None when it is not of the control plane."""
    head = request[: request.index(b"\r\n\r\n")].decode("latin-1")
    method, target, _ = head.split("\r\n", 1)[0].split(" ", 2)
    path = unquote(urlsplit(target).path)
    if _UNCOUNTED.fullmatch(path):
        return None
    by_target = re.search(r"(?i)\r\nx-amz-target: *\w+\.(\w+)", head)
    if by_target:
        return by_target[1]
    if path == "/":
        action = re.search(rb"Action=(\w+)", request)
        return action[1].decode() if action else "?"
    return next((name for verb, route, name in _ROUTES if verb == method and re.fullmatch(route, path)), "?")


def _error(plan: dict[str, Any]) -> bytes:
    message = plan.get("message", "as planned")
    body = json.dumps({"__type": plan["code"], "Type": "User", "message": message, "Message": message}).encode()
    head = (
        f"HTTP/1.1 {plan['status']} Planned\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"x-amzn-ErrorType: {plan['code']}\r\nx-amzn-RequestId: 00000000-0000-0000-0000-000000000000\r\n\r\n"
    )
    return head.encode() + body


async def main(target: str, plan: str) -> None:
    proxy = Proxy(target, json.loads(plan))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=1 << 26)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)  # ends with the test that started it
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
