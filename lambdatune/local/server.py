"""The endpoint as a program: start, ready line, end."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import platform
import resource
import shutil
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from lambdatune.local.call import Services
from lambdatune.local.capacity import Capacity
from lambdatune.local.events.invoker import Invoker
from lambdatune.local.events.sources import EventSources
from lambdatune.local.fleet import Fleet
from lambdatune.local.front import Front
from lambdatune.local.function_urls import FunctionUrls
from lambdatune.local.functions import Functions
from lambdatune.local.functions_api import FunctionsApi
from lambdatune.local.identity import own_name
from lambdatune.local.invoke_api import InvokeApi
from lambdatune.local.limits import choose_limits, host_cores
from lambdatune.local.logs_api import LogsApi
from lambdatune.local.logstore import LogStore
from lambdatune.local.names import Naming
from lambdatune.local.options import Options, parse_options
from lambdatune.local.package import PackageStore
from lambdatune.local.provisioned_api import ProvisionedApi
from lambdatune.local.runtimes import Runtimes
from lambdatune.local.settings_api import SettingsApi
from lambdatune.local.signatures import SignatureVerifier
from lambdatune.local.sweep import endpoint_directory, kill_processes_of, lock, record_groups, sweep
from lambdatune.model.errors import LambdatuneError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger(__name__)

_LOOPBACK = "127.0.0.1"
_BACKLOG = 1_024


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``python -m lambdatune.local``; return the exit code."""
    return run(parse_options(argv))


def run(options: Options) -> int:
    """Run the endpoint until it is told to end, or only the sweep; return the exit code.

    Prints the ready line on stdout; everything else goes to the log on stderr.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        if options.sweep:
            print(json.dumps({"removed": sweep()}), flush=True)
            return 0
        asyncio.run(serve(options))
    except LambdatuneError as error:
        print(f"{error.message}\n\nhint: {error.hint}" if error.hint else error.message, file=sys.stderr)
        return int(error.exit_code)
    return 0


async def serve(options: Options) -> None:
    """Serve until SIGTERM, SIGINT or (with `exit_with_stdin`) the end of standard input; leaves nothing behind.

    Raises:
        UsageError: when the port is taken, or a limiter that is demanded is not possible here.
    """
    _raise_file_limit()
    stop = _stop_event(options)
    await asyncio.to_thread(sweep)
    endpoint = await Endpoint.start(options)
    try:
        print(json.dumps(endpoint.ready()), flush=True)
        await stop.wait()
    finally:
        await endpoint.close()


class Endpoint:
    """A running endpoint; made by `start`."""

    def __init__(self, options: Options, services: Services, capacity: Capacity, fleet: Fleet) -> None:
        self._options = options
        self._services = services
        self._capacity = capacity
        self._fleet = fleet
        self._lock = lock(services.directory)
        self._server: asyncio.Server | None = None
        self._front: Front | None = None
        self._sources: EventSources | None = None
        self.url = ""

    @classmethod
    async def start(cls, options: Options) -> Endpoint:
        """Set up limiters and directories, and listen.

        Raises:
            UsageError: when the port is taken, or a limiter that is demanded is not possible here.
        """
        name = own_name()
        limits = choose_limits(options.cpu_limiter, options.memory_limiter, name=name, period_us=options.period_us)
        directory = endpoint_directory(name)
        directory.mkdir(mode=0o700)
        if limits.factory is not None:
            record_groups(directory, limits.factory.groups)
        naming = Naming(options.region, options.account_id)
        runtimes = Runtimes(directory / "runtimes")
        services = Services(options, naming, limits, LogStore(), runtimes, directory)
        capacity = Capacity(host_cores(), options.reserve_cores)
        endpoint = cls(options, services, capacity, Fleet(services, capacity))
        try:
            await endpoint._listen()
        except BaseException:
            await endpoint.close()
            raise
        return endpoint

    def ready(self) -> dict[str, object]:
        """Return the document of the ready line."""
        limits = self._services.limits
        return {
            "endpoint_url": self.url,
            "pid": os.getpid(),
            "cpu_limiter": limits.cpu,
            "memory_limiter": limits.memory,
            "machine": platform.machine(),
            "cores": self._capacity.cores,
            "capacity": self._capacity.limit,
            "period_us": limits.period_us,
            "region": self._services.naming.region,
            "account_id": self._services.naming.account_id,
        }

    def host(self) -> dict[str, object]:
        """Return the document of ``GET /_lambdatune/host``: what is in force, and how honest it could be."""
        return {
            **self.ready(),
            "busy_shares": self._capacity.busy,
            "queue_length": self._capacity.waiting,
            "queued_invocations": self._capacity.queued_count,
            "queued_ms_max": round(self._capacity.queued_max_ns / 1e6, 3),
            "environments_started": self._fleet.started,
            "environments_alive": self._fleet.alive,
            "snapshots_taken": self._fleet.snapshots_taken,
            "account_concurrency": self._options.account_concurrency,
            "runtimes": self._services.runtimes.in_use,
            **(self._sources.host() if self._sources is not None else {}),
        }

    async def close(self) -> None:
        """End all environments and remove every trace."""
        if self._server is not None:
            self._server.close()
        if self._sources is not None:
            self._sources.stop()
        await self._fleet.close()
        if self._sources is not None:
            await self._sources.close()
        if self._front is not None:
            await self._front.close()
        if self._services.limits.factory is None:
            kill_processes_of(self._services.directory)  # daemons that handlers left where no cage held them
        self._services.limits.remove()
        shutil.rmtree(self._services.directory, ignore_errors=True)
        self._lock.close()
        _log.info("ended; nothing is left behind")

    async def _listen(self) -> None:
        options, services, fleet = self._options, self._services, self._fleet
        naming = services.naming
        loop = asyncio.get_running_loop()
        packages = PackageStore(services.directory / "code")
        functions = Functions(naming, packages, fleet, options.settle_ms / 1_000)
        invoker = Invoker(functions, fleet, naming, options.account_concurrency, self._capacity)
        signatures = SignatureVerifier(dict(options.credentials))
        sources = self._sources = EventSources(functions, invoker, naming, signatures, options, lambda: self.url)
        front = self._front = Front(
            invoke=InvokeApi(functions, fleet, naming, options.account_concurrency, sources.accept),
            functions=FunctionsApi(functions, packages, services.runtimes, naming, lambda: self.url),
            settings=SettingsApi(functions, naming, options.account_concurrency, sources.mapping),
            provisioned=ProvisionedApi(functions, fleet.provisioned, naming, options.account_concurrency),
            logs=LogsApi(services.logs, naming),
            sources=sources,
            urls=FunctionUrls(functions, invoker, naming, signatures, lambda: self.url),
            signatures=signatures,
            naming=naming,
            host=self.host,
        )
        try:
            self._server = await loop.create_server(front.connection, _LOOPBACK, options.port, backlog=_BACKLOG)
        except OSError as error:
            raise UsageError(
                f"port {options.port} cannot be used: {error.strerror}", hint="use --port 0 for a free one"
            ) from error
        self.url = f"http://{_LOOPBACK}:{self._server.sockets[0].getsockname()[1]}"


def _raise_file_limit() -> None:
    """Allow as many open files as the host does: an execution environment takes five, a client's connection one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS calls the limit infinite and accepts only less
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _stop_event(options: Options) -> asyncio.Event:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.exit_with_stdin:
        # A thread, because the event loop cannot watch every kind of file that stdin may be.
        threading.Thread(target=_wait_for_end_of_stdin, args=(loop, stop), daemon=True).start()
    return stop


def _wait_for_end_of_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(0, 4_096):
        pass
    with suppress(RuntimeError):  # the loop has ended already
        loop.call_soon_threadsafe(stop.set)
