"""The embedded endpoint as a child process: started for a run, ended with it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any, Self

import aiohttp
import msgspec

from lambdatune.model.errors import LambdatuneError

_START_TIMEOUT_S = 30.0
_END_TIMEOUT_S = 15.0
_FACTS_PATH = "/_lambdatune/host"


class EmbeddedEndpoint:
    """A running ``python -m lambdatune.local`` that ends when this process does, however that comes about."""

    def __init__(self, process: asyncio.subprocess.Process, ready: dict[str, Any]) -> None:
        self._process = process
        self.endpoint_url: str = ready["endpoint_url"]
        self.pid = process.pid

    @classmethod
    async def start(cls) -> Self:
        """Start the endpoint on a free loopback port and wait until it answers.

        Raises:
            LambdatuneError: when it does not start, with what it said.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "lambdatune.local", "--port", "0", "--exit-with-stdin",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the terminal is the session's to handle
        )  # fmt: skip
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), _START_TIMEOUT_S)
            ready = msgspec.json.decode(line, type=dict[str, Any])
        except (TimeoutError, msgspec.DecodeError) as error:
            said = await _ended(process)
            raise LambdatuneError(
                f"the embedded endpoint did not start: {said or 'it said nothing'}",
                hint="`lambdatune local` starts it by itself and shows why",
            ) from error
        endpoint = cls(process, ready)
        endpoint._drain = asyncio.create_task(_drain(process))
        return endpoint

    _drain: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        """End the endpoint and wait until it has reaped its environments."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _END_TIMEOUT_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        if self._drain is not None:
            await self._drain


async def host_facts(endpoint_url: str) -> dict[str, Any] | None:
    """Return what an embedded endpoint says of its host and limiters; None when it is not one of ours."""
    try:
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(endpoint_url.rstrip("/") + _FACTS_PATH) as answer,
        ):
            if answer.status != 200:
                return None
            facts: dict[str, Any] = await answer.json()
            return facts
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Read the endpoint's narration so that it never blocks on a full pipe."""
    assert process.stderr is not None
    while await process.stderr.read(65_536):
        pass


async def _ended(process: asyncio.subprocess.Process) -> str:
    """Kill the process and return the last line it wrote to stderr."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    _, errors = await process.communicate()
    lines = errors.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""
