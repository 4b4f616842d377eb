"""An execution environment: init, calls, and what becomes of them when the runtime misbehaves."""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import re
import shutil
import signal
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lambdatune.local import outcomes
from lambdatune.local.capture import Capture
from lambdatune.local.last_words import LIMIT_S as LAST_WORDS_S
from lambdatune.local.last_words import LastWords
from lambdatune.local.outcomes import Happening, Outcome
from lambdatune.local.platform_log import Figures, platform_log
from lambdatune.local.response_stream import MAX_BYTES as MAX_STREAM_BYTES
from lambdatune.local.runtime_api import RuntimeApi
from lambdatune.local.sandbox import Sandbox
from lambdatune.local.sweep import kill_daemons_of
from lambdatune.local.variables import variables_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.local.call import Call, Services
    from lambdatune.local.httpd import Request
    from lambdatune.local.records import Version
    from lambdatune.local.snapshot import Snapshot

_log = logging.getLogger(__name__)

_AHEAD_LIMITS = 13
"""130 s instead of 10 s, or the function's timeout (AWS docs, "Lambda execution environment lifecycle")."""

_ERROR_TYPE = "lambda-runtime-function-error-type"
_PLATFORM_ERROR = re.compile(r"(?:Runtime|Function|Extension|Sandbox)\.[A-Za-z]+")


class Environment:
    """One execution environment of one version; at most one call at a time.

    Args:
        services: what all environments share.
        version: code and configuration.
        name: unique name of its cage and directory.
        initialization_type: AWS_LAMBDA_INITIALIZATION_TYPE: on-demand, provisioned-concurrency or snap-start.
        snapshot: from which it is restored; None runs the init.
    """

    def __init__(
        self,
        services: Services,
        version: Version,
        name: str,
        initialization_type: str,
        snapshot: Snapshot | None = None,
    ) -> None:
        self._services = services
        self.version = version
        self.name = name
        self._initialization_type = initialization_type
        self._ahead = initialization_type == "provisioned-concurrency"
        self._snapshot = snapshot
        self._asked_ns = self._forked_ns = 0
        self._restore_ms: float | None = None
        self._billed_restore_ms = 0
        self.idle_since_ns = 0
        config = version.configuration
        self._config = config
        day = datetime.now(UTC).strftime("%Y/%m/%d")
        self._stream = f"{day}/[{version.version}]{uuid.uuid4().hex}"
        self._capture = Capture(services.logs, config.logging.group, self._stream)
        self._lines = platform_log(config.logging.log_format, config.logging.system_level, initialization_type)
        self._directory = services.directory / name
        self._api: RuntimeApi | None = None
        self._sandbox: Sandbox | None = None
        self._starts = 0
        self._ready = False
        self._init_ms: float | None = None
        self._waiting: asyncio.Future[Happening] | None = None
        self._call: Call | None = None
        self._last_words = LastWords(self._happen, lambda: self._api is not None and self._api.connected)
        self._deadline_ms = 0
        self._dispatched_ns: int | None = None
        self._cpu_before_ns = 0
        self._turn = asyncio.Lock()
        self._closing = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether the runtime is initialised; if not, the next call begins with an init."""
        return self._ready

    @property
    def spent(self) -> bool:
        """Whether it serves no call any more: what was restored is never initialised again, but restored anew."""
        return self._snapshot is not None and not self._ready

    async def initialise(self) -> None:
        """Run the init phase, or the restore. When an init fails, the first call runs it again, as on AWS.

        Raises:
            ApiError: SnapStartException or SnapStartTimeoutException when a restore fails.
        """
        async with self._turn:
            if self._snapshot is not None:
                await self._restore()
            else:
                await self._initialise()

    async def invoke(self, call: Call) -> Outcome:
        """Run one call and return what the client gets; never raises for what the handler does."""
        async with self._turn:
            return await self._invoke(call)

    async def close(self) -> None:
        """End the process, which ends a call under way, and remove everything of this environment."""
        self._closing.set()
        if self._sandbox is not None:
            self._sandbox.kill()
        async with self._turn:
            self._ready = False
            await self._close_sandbox()
        if self._directory.exists():
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    async def _initialise(self) -> None:
        program = self._services.runtimes.at_start(self._config, self.version.package.root)
        self._capture.platform(self._lines.init_start(program.version, program.note))
        began_ns = time.monotonic_ns()
        happening = await self._start(self._init_limit_s())
        init_ms = (happening.at_ns - began_ns) / 1e6
        if happening.kind == "ready":
            self._init_ms = init_ms
        else:
            await self._init_failed(happening, init_ms, "init")

    async def _restore(self) -> None:
        program = self._services.runtimes.at_start(self._config, self.version.package.root)
        self._capture.platform(self._lines.restore_start(program.version, program.note))
        happening = await self._start(self._services.options.init_timeout_s)
        restore_ms = (happening.at_ns - self._asked_ns) / 1e6
        if happening.kind == "ready":
            self._capture.platform(self._lines.restore_report(restore_ms, "success"))
            self._restore_ms = restore_ms
            # Billed is the time from when the runtime runs again (AWS docs, "SnapStart pricing").
            self._billed_restore_ms = math.ceil((happening.at_ns - self._forked_ns) / 1e6)
            return
        status = "timeout" if happening.kind == "timeout" else "error"
        self._capture.platform(self._lines.restore_report(restore_ms, status))
        self._ready = False
        await self._close_sandbox()
        raise outcomes.restore_refusal(happening, self._services.options.init_timeout_s)

    def _init_limit_s(self) -> float:
        """Return the limit of the init phase: AWS gives one ahead of a call more time than one inside it."""
        limit_s = self._services.options.init_timeout_s
        return max(_AHEAD_LIMITS * limit_s, float(self._config.timeout_s)) if self._ahead else limit_s

    async def _invoke(self, call: Call) -> Outcome:
        self._capture.platform(self._lines.start(call.request_id, self.version.version))
        began_ns = time.monotonic_ns()
        self._dispatched_ns = None
        timeout_s = float(self._config.timeout_s)
        suppressed = not self._ready
        if not suppressed:
            happening = await self._serve(call, timeout_s)
            suppressed = self._was_gone(happening)
        if suppressed:
            happening = await self._start(timeout_s)
            timeout_s -= (happening.at_ns - began_ns) / 1e9
            if happening.kind == "ready":
                happening = await self._serve(call, timeout_s)
            else:
                await self._init_failed(happening, (happening.at_ns - began_ns) / 1e6, "invoke", close=False)
        began_ns = began_ns if suppressed else self._clock_start(began_ns)
        happening, duration_ms = await self._hold(happening, began_ns)
        outcome = await self._finish(call, happening, duration_ms)
        unix_ns = time.time_ns() - time.monotonic_ns()
        outcome.began_ns = began_ns + unix_ns
        outcome.ended_ns = outcome.began_ns + round(duration_ms * 1e6)
        return outcome

    def _was_gone(self, happening: Happening) -> bool:
        """Whether the runtime ended by itself before it took the call, which so begins with an init."""
        return happening.kind == "exit" and self._dispatched_ns is None and self._snapshot is None

    def _clock_start(self, began_ns: int) -> int:
        """Return when Duration began: at the dispatch, or at `began_ns` when the runtime never took the call."""
        return began_ns if self._dispatched_ns is None else self._dispatched_ns

    # What the runtime does (RuntimeEvents).

    def next_requested(self) -> None:
        """Note that the runtime asks for an event: the init is done, or a call waits for it."""
        if not self._ready:
            self._ready = True
            if self._sandbox is not None:
                self._sandbox.throttle()
            self._happen(Happening("ready", time.monotonic_ns()))
        elif self._call is not None and self._dispatched_ns is None:
            self._dispatch(self._call)

    def responded(self, request_id: str, request: Request) -> bool:
        """Note that the handler returned."""
        now_ns = time.monotonic_ns()
        # An error in the middle of a stream comes after it (AWS docs, "Building a custom runtime").
        error_type = request.trailers.get(_ERROR_TYPE)
        if error_type is not None:
            body = outcomes.error_in_trailer(error_type, request.trailers.get("lambda-runtime-function-error-body"))
            return self._ended(request_id, Happening("error", now_ns, body, error_type=error_type))
        kind = "too-large" if request.too_large else "response"
        content_type = request.headers.get("content-type", "application/json")
        happening = Happening(kind, now_ns, request.body, size=request.body_bytes, content_type=content_type)
        return self._ended(request_id, happening)

    def streaming(
        self, request_id: str, request: Request, source: asyncio.Transport | None
    ) -> Callable[[bytes], object] | None:
        """Return what takes a response that the client of the call wants as it comes."""
        call = self._call
        if call is None or call.request_id != request_id or self._dispatched_ns is None or call.stream is None:
            return None
        stream = call.stream
        stream.begin(request.headers.get("content-type", "application/octet-stream"), source)

        def feed(data: bytes) -> None:
            if not stream.feed(data):
                too_large = Happening("too-large", time.monotonic_ns(), size=stream.size, limit=MAX_STREAM_BYTES)
                self._ended(request_id, too_large)

        return feed

    def truncated(self, request_id: str) -> None:
        """Note that a streamed response has no end, all of which that came was passed on.

        A process that ends loses its connection too; then its end counts, which is known a little earlier or later.
        """
        if self._last_words.pending:
            return
        body = outcomes.error_in_trailer("Runtime.TruncatedResponse", None)
        happening = Happening("error", time.monotonic_ns(), body, error_type="Runtime.TruncatedResponse")
        asyncio.get_running_loop().call_later(LAST_WORDS_S, self._ended, request_id, happening)

    def failed(self, request_id: str, request: Request) -> bool:
        """Note that the handler raised."""
        error_type = request.headers.get(_ERROR_TYPE)
        return self._ended(request_id, Happening("error", time.monotonic_ns(), request.body, error_type=error_type))

    def disconnected(self) -> None:
        """Note that all that the runtime has sent was read: if its process has ended, that is how the call ends."""
        self._last_words.disconnected()

    def init_failed(self, request: Request) -> None:
        """Note that the runtime could not initialise."""
        error_type = request.headers.get(_ERROR_TYPE) or "Runtime.Unknown"
        if _PLATFORM_ERROR.fullmatch(error_type) is None:
            error_type = "Runtime.Unknown"
        if not self._ready:
            self._happen(Happening("init-error", time.monotonic_ns(), request.body, error_type=error_type))

    def _exited(self, code: int) -> None:
        self._ready = False
        happening = Happening("exit", time.monotonic_ns(), code=code)
        if self._call is None:
            self._happen(happening)
        else:
            self._last_words.hold(happening)

    def _ended(self, request_id: str, happening: Happening) -> bool:
        if self._call is None or self._call.request_id != request_id or self._dispatched_ns is None:
            return False
        self._happen(happening)
        self._call = None
        return True

    def _happen(self, happening: Happening) -> None:
        self._last_words.drop()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(happening)

    # The steps of an init and of a call.

    async def _start(self, limit_s: float) -> Happening:
        """Start the process and wait until it is ready or has failed."""
        await self._close_sandbox()
        self._starts += 1
        self._api = RuntimeApi(self)
        address = await self._api.listen()
        temporary = self._directory / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        if self._snapshot is not None and any(self._snapshot.temporary.iterdir()):
            await asyncio.to_thread(shutil.copytree, self._snapshot.temporary, temporary, dirs_exist_ok=True)
        program = self._services.runtimes.at_start(self._config, self.version.package.root)
        variables = variables_of(
            self.version, self._services.naming, program, address, self._stream, temporary, self._initialization_type
        )
        self._waiting = asyncio.get_running_loop().create_future()
        self._sandbox = Sandbox(
            f"{self.name}.{self._starts}",
            self._services.limits,
            self._config.memory_mb,
            on_output=self._capture.feed,
            on_exit=self._exited,
        )
        if self._closing.is_set():
            return Happening("exit", time.monotonic_ns(), code=-signal.SIGKILL)
        if not program.command:
            return Happening("entrypoint", time.monotonic_ns(), program.note.encode())
        if self._ahead:
            self._sandbox.throttle()
        if self._snapshot is not None:
            self._asked_ns = time.monotonic_ns()
            self._forked_ns = await self._sandbox.restore(self._snapshot, variables)
            if self._closing.is_set():
                self._sandbox.kill()
            return await self._wait(limit_s)
        try:
            directory = program.directory or self.version.package.root
            self._sandbox.spawn(program.command_at(self._config.memory_mb), variables, directory)
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.EACCES, errno.ENOEXEC}:
                raise  # the host is out of something: no fault of the function
            root, is_image = self.version.package.root, self._config.image is not None
            sentence = outcomes.not_started(error, Path(program.command[0]), root, is_image=is_image)
            return Happening("entrypoint", time.monotonic_ns(), sentence.encode())
        return await self._wait(limit_s)

    async def _serve(self, call: Call, limit_s: float) -> Happening:
        """Give the call to the runtime, which is ready or will be, and wait for its end."""
        assert self._api is not None
        assert self._sandbox is not None
        self._waiting = asyncio.get_running_loop().create_future()
        self._deadline_ms = int((time.time() + limit_s) * 1_000)
        self._call = call
        if self._api.waiting:
            self._dispatch(call)
        happening = await self._wait(max(limit_s, 0.0))
        self._call = None
        self._sandbox.drain()
        return happening

    def _dispatch(self, call: Call) -> None:
        assert self._api is not None
        assert self._sandbox is not None
        headers = {
            "Lambda-Runtime-Aws-Request-Id": call.request_id,
            "Lambda-Runtime-Deadline-Ms": str(self._deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": call.arn,
        }
        if call.trace_id:
            headers["Lambda-Runtime-Trace-Id"] = call.trace_id
        if call.client_context:
            headers["Lambda-Runtime-Client-Context"] = call.client_context
        if self._services.limits.cpu == "delay":
            self._cpu_before_ns = self._sandbox.cpu_ns(0)
        self._dispatched_ns = time.monotonic_ns()
        self._api.send_event(headers, call.payload)

    async def _wait(self, limit_s: float) -> Happening:
        """Return what happens first; the process is watched, not touched."""
        assert self._waiting is not None
        assert self._sandbox is not None
        loop = asyncio.get_running_loop()
        timer = loop.call_later(limit_s, lambda: self._happen(Happening("timeout", time.monotonic_ns())))
        watch = None
        if self._services.limits.memory == "rss" or self._sandbox.is_forked:
            watch = loop.create_task(self._sandbox.watch_memory())
        try:
            return await self._waiting
        finally:
            timer.cancel()
            if watch is not None:
                watch.cancel()
                with suppress(asyncio.CancelledError):
                    await watch

    async def _hold(self, happening: Happening, began_ns: int) -> tuple[Happening, float]:
        """Apply the delay model; return what happened by then, and the duration in milliseconds."""
        elapsed_ns = happening.at_ns - began_ns
        timeout_ns = self._config.timeout_s * 1_000_000_000
        if self._services.limits.cpu == "delay" and happening.kind in {"response", "error", "too-large"}:
            assert self._sandbox is not None
            used_ns = max(self._sandbox.cpu_ns(elapsed_ns) - self._cpu_before_ns, 0)
            end_ns = happening.at_ns + self._services.limits.delay_ns(used_ns, self._config.memory_mb)
            late = end_ns - began_ns > timeout_ns
            with suppress(TimeoutError):
                hold_s = (min(end_ns, began_ns + timeout_ns) - time.monotonic_ns()) / 1e9
                await asyncio.wait_for(self._closing.wait(), hold_s)
            elapsed_ns = end_ns - began_ns
            if late:
                happening = Happening("timeout", began_ns + timeout_ns)
        if happening.kind == "timeout":
            elapsed_ns = timeout_ns
        return happening, elapsed_ns / 1e6

    async def _finish(self, call: Call, happening: Happening, duration_ms: float) -> Outcome:
        assert self._sandbox is not None
        outcome = outcomes.outcome_of(happening, call.request_id, self._config.timeout_s)
        oom = outcome.ends_process and self._sandbox.out_of_memory()
        if outcome.sentence is not None:
            fault = self._lines.fault(call.request_id, outcome.sentence, outcome.error_type or "")
            self._capture.platform(fault)
        figures = Figures(
            call.request_id,
            duration_ms,
            self._config.memory_mb,
            self._config.memory_mb if oom else self._sandbox.max_memory_mb(),
            self._init_ms,
            outcome.status,
            "Runtime.OutOfMemory" if oom else outcome.error_type,
            # Provisioned concurrency pays for its init when it is allocated (AWS Lambda pricing).
            init_billed=not self._ahead,
            restore_ms=self._restore_ms,
            billed_restore_ms=self._billed_restore_ms,
        )
        self._init_ms = self._restore_ms = None
        self._billed_restore_ms = 0
        self._capture.platform(self._lines.end(figures))
        if outcome.ends_process:
            self._ready = False
            await self._close_sandbox()
        outcome.tail = self._capture.take_tail()
        return outcome

    async def _init_failed(self, happening: Happening, init_ms: float, phase: str, *, close: bool = True) -> None:
        status = "timeout" if happening.kind == "timeout" else "error"
        error_type = None if status == "timeout" else outcomes.error_type_of(happening)
        self._capture.platform(self._lines.init_report(init_ms, phase, status, error_type))
        if close:
            self._ready = False
            await self._close_sandbox()

    async def _close_sandbox(self) -> None:
        self._waiting = None
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            await sandbox.close()
            if self._services.limits.factory is None:
                await asyncio.to_thread(kill_daemons_of, self._stream)
        if self._api is not None:
            self._api.close()
            self._api = None
        self._ready = False  # the runtime may have asked for an event while it was ended
