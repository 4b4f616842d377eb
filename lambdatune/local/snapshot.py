"""SnapStart: a process that has run the init once, from which execution environments are forked.

On AWS a snapshot of the memory of an initialised microVM is restored for each environment. Here the snapshot is a
living process that serves no call, and a restore is a fork of it into a cage of its own: the init has run once, its
memory is shared until it is written to, and what a restore takes is measured, not made up. What differs: threads
that the init started do not live on in a fork, and connections that it opened are shared instead of broken.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import socket
import sys
import time
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lambdatune.local.capture import Capture
from lambdatune.local.errors import ApiError
from lambdatune.local.platform_log import platform_log
from lambdatune.local.sandbox import Sandbox
from lambdatune.local.sweep import kill_daemons_of
from lambdatune.local.variables import variables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lambdatune.local.call import Services
    from lambdatune.local.records import Version

_log = logging.getLogger(__name__)

INITIALIZATION_TYPE = "snap-start"
IS_POSSIBLE = sys.platform == "linux"
"""Whether this host can fork an environment that never outlives its snapshot."""

_MESSAGE_BYTES = 262_144
_LIMITS = 13
"""130 s instead of the 10 s of an init on demand, or the function's timeout (AWS docs, "SnapStart")."""


class SnapshotError(Exception):
    """The init failed, so that there is no snapshot.

    Attributes:
        code: AWS's StateReasonCode.
        reason: in words.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Child:
    """A process that was forked.

    Attributes:
        pid: its process id.
        at_ns: when it was forked, on the monotonic clock.
    """

    pid: int
    at_ns: int


class Snapshot:
    """The initialised process of one version.

    Args:
        services: what all environments share.
        version: code and configuration.
        name: unique name of its cage and directory.
    """

    def __init__(self, services: Services, version: Version, name: str) -> None:
        self._services = services
        self._version = version
        config = version.configuration
        day = datetime.now(UTC).strftime("%Y/%m/%d")
        self._stream = f"{day}/[{version.version}]{uuid.uuid4().hex}"
        self._capture = Capture(services.logs, config.logging.group, self._stream)
        self._lines = platform_log(config.logging.log_format, config.logging.system_level, INITIALIZATION_TYPE)
        self._directory = services.directory / name
        self._loop = asyncio.get_running_loop()
        self._control, self._far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        self._said: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._asked: deque[tuple[asyncio.Future[Child], Callable[[int], None]]] = deque()
        self._children: dict[int, Callable[[int], None]] = {}
        self._childless = asyncio.Event()
        self._childless.set()
        self._closing = False
        self._sandbox = Sandbox(
            name, services.limits, config.memory_mb, on_output=self._capture.feed, on_exit=self._exited
        )

    @property
    def function_name(self) -> str:
        """Whose version it is of."""
        return self._version.function_name

    @property
    def package_key(self) -> str:
        """Key of the package that it runs from."""
        return self._version.package.key

    @property
    def temporary(self) -> Path:
        """Its directory for temporary files, of which each environment gets a copy."""
        return self._directory / "tmp"

    async def take(self) -> None:
        """Run the init.

        Raises:
            SnapshotError: when it fails.
        """
        if self._closing:
            raise SnapshotError("FunctionError", "the version was deleted")
        config = self._version.configuration
        limit_s = max(_LIMITS * self._services.options.init_timeout_s, float(config.timeout_s))
        root = self._version.package.root
        program = self._services.runtimes.program_of(config, root)
        self._capture.platform(self._lines.init_start(program.version, program.note))
        self.temporary.mkdir(parents=True, exist_ok=True)
        variables = variables_of(
            self._version, self._services.naming, program, "", self._stream, self.temporary, INITIALIZATION_TYPE
        )
        began_ns = time.monotonic_ns()
        fd = self._far_end.fileno()
        variables = {**variables, "_LAMBDATUNE_SNAPSHOT": f"{fd}:{program.snapshot_code}"}
        try:
            self._sandbox.spawn(program.command_at(config.memory_mb), variables, root, (fd,))
        except OSError as error:
            raise SnapshotError("FunctionError.InvalidEntryPoint", str(error.strerror or error)) from error
        self._far_end.close()
        self._loop.add_reader(self._control.fileno(), self._read)
        said: dict[str, Any] = {"timeout": True}
        with suppress(TimeoutError):
            said = await asyncio.wait_for(self._said, limit_s)
        init_ms = (time.monotonic_ns() - began_ns) / 1e6
        self._sandbox.drain()
        if "ready" in said:
            self._capture.platform(self._lines.init_report(init_ms, "init", "success", None))
            return
        status = "timeout" if "timeout" in said else "error"
        error_type = None if status == "timeout" else str(said.get("failed") or "Runtime.ExitError")
        self._capture.platform(self._lines.init_report(init_ms, "init", status, error_type))
        code = {None: "FunctionError.InitTimeout", "Runtime.ExitError": "FunctionError.RuntimeExitError"}
        reason = said.get("message") or ("the init phase timed out" if status == "timeout" else "the runtime exited")
        raise SnapshotError(code.get(error_type, "FunctionError"), f"{error_type or 'Timeout'}: {reason}")

    async def fork(self, variables: Mapping[str, str], fds: Sequence[int], on_exit: Callable[[int], None]) -> Child:
        """Fork a child that has `variables` set and its output and cage at `fds`.

        Args:
            variables: environment variables.
            fds: the output pipe, then files into which a child writes ``0`` to join its cage.
            on_exit: called once, with the return code of the child.

        Raises:
            ApiError: SnapStartException when the snapshot has ended.
        """
        child: asyncio.Future[Child] = self._loop.create_future()
        self._asked.append((child, on_exit))
        self._childless.clear()
        message = json.dumps(dict(variables)).encode()
        while not child.done():
            try:
                socket.send_fds(self._control, [message], list(fds))
                break
            except BlockingIOError:
                await asyncio.sleep(0.002)  # more restores at once than the socket holds
            except OSError:
                self._lost()
        return await child

    async def close(self) -> None:
        """End the process when no environment is left of it, and remove everything."""
        self._closing = True
        if not self._said.done():
            self._said.set_result({"failed": "Runtime.ExitError", "message": "the version was deleted"})
        await self._childless.wait()
        await self._sandbox.close()
        self._lost()
        self._far_end.close()
        if self._services.limits.factory is None:
            await asyncio.to_thread(kill_daemons_of, self._stream)
        if self._directory.exists():
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    def _read(self) -> None:
        """Take what the process tells."""
        while True:
            try:
                data = self._control.recv(_MESSAGE_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._lost()
                return
            self._take(json.loads(data))

    def _take(self, message: dict[str, Any]) -> None:
        if "pid" in message:
            child, on_exit = self._asked.popleft()
            self._children[message["pid"]] = on_exit
            if not child.done():
                child.set_result(Child(message["pid"], message["at_ns"]))
        elif "exited" in message:
            self._children.pop(message["exited"])(message["code"])
            self._note_children()
        elif not self._said.done():
            self._said.set_result(message)

    def _exited(self, code: int) -> None:
        self._read_rest()
        if not self._said.done():
            self._said.set_result({"failed": "Runtime.ExitError", "message": f"the runtime exited with code {code}"})
        if not self._closing:
            _log.warning("the snapshot of %s:%s ended", self._version.function_name, self._version.version)

    def _read_rest(self) -> None:
        if self._control.fileno() >= 0:
            self._read()

    def _lost(self) -> None:
        """Tell everybody that the process is gone, and with it its children, which the kernel kills."""
        if self._control.fileno() >= 0:
            self._loop.remove_reader(self._control.fileno())
            self._control.close()
        children, self._children = self._children, {}
        for on_exit in children.values():
            on_exit(-9)
        while self._asked:
            child, _ = self._asked.popleft()
            if not child.done():
                child.set_exception(ApiError("SnapStartException", "The snapshot of the version has ended.", 400))
        self._note_children()

    def _note_children(self) -> None:
        if not self._children and not self._asked:
            self._childless.set()
