"""Shards on the workers of a Dask cluster: the same load processes, reached through the scheduler.

Everything travels through the scheduler's own connections: orders and credentials to the workers, rows back. Only
this module imports distributed, and only when a cluster is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import lambdatune
from lambdatune.load import hosted
from lambdatune.load.messages import MESSAGE_KIND, decode_from_shard, message_frame
from lambdatune.model.errors import LambdatuneError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from lambdatune.load.messages import FromShard, ToShard

try:
    from distributed import Client
except ImportError as missing:
    raise UsageError(
        "--dask needs distributed, which is not installed", hint="pip install 'lambdatune[dask]'"
    ) from missing

_CONNECT_WITHIN_S = 10.0
_ANSWER_WITHIN_S = 10.0
"""A worker that is silent for so long is lost, although its connection may still stand."""
_WAIT_S = 0.5
_SIGN_OF_LIFE_S = hosted.SILENCE_S / 4


def is_exposed(address: str) -> bool:
    """Return whether what travels to the scheduler at `address` can be read on the way: no TLS, and not loopback."""
    parts = urlsplit(address)
    if parts.scheme in {"tls", "wss"}:
        return False
    host = parts.hostname or ""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


class WorkerShard:
    """A load process on a Dask worker, as `LoadDriver` sees it.

    Args:
        number: of the shard.
        client: of the cluster.
        worker: address of the worker.

    Attributes:
        number: of the shard.
    """

    survivable = True
    """The loss of one is no reason to end an order: the others go on."""

    def __init__(self, number: int, client: Client, worker: str) -> None:
        self.number = number
        self._client = client
        self._worker = worker
        self._key = f"lambdatune-{uuid.uuid4().hex}"
        self._frames: list[tuple[int, bytes]] = []
        self._outgoing = bytearray()
        self._wake = asyncio.Event()
        self._lost: str | None = None
        self._pump: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the load process on the worker.

        Raises:
            UsageError: when the worker has no lambdatune, or another version.
            LambdatuneError: when it starts no process.
        """
        try:
            version = await self._call(hosted.open_shard, self._key, self.number)
        except ImportError as error:
            raise UsageError(
                f"Dask worker {self._worker} cannot load lambdatune: {error}",
                hint=f"install lambdatune {lambdatune.__version__} on the workers",
            ) from error
        if self._lost is not None:
            raise LambdatuneError(f"Dask worker {self._worker} did not start a load process: {self._lost}")
        if version != lambdatune.__version__:
            raise UsageError(
                f"Dask worker {self._worker} has lambdatune {version}, expected {lambdatune.__version__}",
                hint=f"install lambdatune {lambdatune.__version__} on the workers",
            )
        self._pump = asyncio.create_task(self._send_on())

    def send(self, message: ToShard) -> None:
        """Send a message; nothing happens when the worker is gone, which `receive` tells."""
        self._outgoing += message_frame(message)
        self._wake.set()

    async def receive(self) -> FromShard | bytes | None:
        """Return the next message or batch of rows; None when the process ended or the worker is lost."""
        while not self._frames:
            found = await self._call(hosted.take_frames, self._key, _WAIT_S)
            if found is None:
                return None
            self._frames = found
        kind, payload = self._frames.pop(0)
        return decode_from_shard(payload) if kind == MESSAGE_KIND else payload

    async def obituary(self) -> str:
        """Return what became of the process, after `receive` returned None."""
        if self._lost is None:
            said = await self._call(hosted.close_shard, self._key)
            if said is not None:
                return f"on Dask worker {self._worker} {said}"
        return f"on Dask worker {self._worker} was lost ({self._lost or 'the process is gone'})"

    async def close(self) -> None:
        """End the load process, if the worker is still there."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        if self._lost is None:
            await self._call(hosted.close_shard, self._key)

    async def _send_on(self) -> None:
        """Pass on what `send` was given, and a sign of life in between."""
        while self._lost is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _SIGN_OF_LIFE_S)
            self._wake.clear()
            frames, self._outgoing = hosted.Frames(self._outgoing), bytearray()
            await self._call(hosted.put_frames, self._key, frames)

    async def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function of `load.hosted` on the worker; None, and remembered, when the worker is lost."""
        if self._lost is not None:
            return None
        try:
            pending = self._client.run(function, *arguments, workers=[self._worker])
            answers = await asyncio.wait_for(pending, _ANSWER_WITHIN_S)
            return answers[self._worker]
        except TimeoutError:
            self._lost = f"no answer within {_ANSWER_WITHIN_S:g} s"
        except (OSError, KeyError, ValueError) as error:
            # What the scheduler says of a worker that it does not have, or no longer.
            self._lost = str(error) or type(error).__name__
        return None


@contextlib.asynccontextmanager
async def open_cluster(address: str, per_worker: int) -> AsyncIterator[list[WorkerShard]]:
    """Start load processes on every worker that the scheduler at `address` has now.

    Args:
        address: ``tcp://host:port`` or ``tls://host:port``; certificates come from Dask's own configuration.
        per_worker: load processes on each worker.

    Raises:
        UsageError: when no scheduler answers, it has no workers, or a worker has no or another lambdatune.
        LambdatuneError: when a worker starts no process.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it has to tell is told by the driver
    try:
        client = await Client(  # type: ignore[no-untyped-call]
            address, asynchronous=True, timeout=_CONNECT_WITHIN_S, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise UsageError(
            f"no Dask scheduler answers at {address}: {error}", hint="for example --dask tcp://127.0.0.1:8786"
        ) from error
    shards: list[WorkerShard] = []
    try:
        workers = sorted(await client.nthreads())
        if not workers:
            raise UsageError(f"the Dask scheduler at {address} has no workers", hint=f"dask worker {address}")
        for number, worker in enumerate(workers * per_worker):
            shards.append(WorkerShard(number, client, worker))
            await shards[-1].start()
        yield shards
    finally:
        await asyncio.gather(*(shard.close() for shard in shards))
        await client.close()
