"""The parent's side of the load: orders in, batches of invocation rows out."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lambdatune.load.messages import (
    Begin,
    Configure,
    Fault,
    OrderDone,
    Prepare,
    Prepared,
    Ready,
    StopOrder,
    UpdateCredentials,
)
from lambdatune.load.order import Burst, ClosedLoop, connections_of, split_order
from lambdatune.load.outcome import OrderOutcome, merge_outcomes
from lambdatune.load.process import ShardProcess
from lambdatune.model.errors import AwsRefused, LambdatuneError, UsageError
from lambdatune.stats.rows import ROW_DTYPE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from lambdatune.load.endpoint import Credentials, Endpoint
    from lambdatune.load.messages import FromShard, ToShard
    from lambdatune.load.order import Order
    from lambdatune.stats.rows import Rows

_WAITING_FRAMES = 64
_HEAD_START_NS = 2_000_000
"""Between the parent's word and the start of the clocks, so that all shards start together."""


class ShardLink(Protocol):
    """A shard as the driver sees it, wherever its process runs; see `ShardProcess`."""

    survivable: bool
    number: int

    def send(self, message: ToShard) -> None:
        """Send a message."""

    async def receive(self) -> FromShard | bytes | None:
        """Return the next message or batch of rows; None when there will be no more."""

    async def obituary(self) -> str:
        """Return what became of the process, after `receive` returned None."""

    async def close(self) -> None:
        """End the process."""


_Frame = tuple[ShardLink, "FromShard | bytes | None"]


class LoadDriver:
    """Load processes, to which orders are given one after another; made by `LoadDriver.start`.

    Attributes:
        last_outcome: of the last order that `run` ended; None before.
    """

    def __init__(self, shards: Sequence[ShardLink]) -> None:
        self._shards = list(shards)
        self._frames: asyncio.Queue[_Frame] = asyncio.Queue(_WAITING_FRAMES)
        self._readers = [asyncio.create_task(self._read(shard)) for shard in shards]
        self._awaited: set[ShardLink] = set()
        self._dead: set[ShardLink] = set()
        self._left: dict[ShardLink, int] = {}
        self._connections: dict[int, int] = {}
        self._running = False
        self._stopped = False
        self.last_outcome: OrderOutcome | None = None

    @classmethod
    @asynccontextmanager
    async def start(
        cls, endpoint: Endpoint, credentials: Credentials, *, shards: int = 1, dask: str | None = None
    ) -> AsyncIterator[LoadDriver]:
        """Start load processes, and end them with the context, whatever happens in it.

        Args:
            endpoint: where all orders go.
            credentials: that calls are signed with.
            shards: how many processes; one makes tens of thousands of calls per second.
            dask: address of a Dask scheduler, each of whose workers then runs so many; None for this machine.

        Raises:
            UsageError: when `shards` is below one, or the Dask cluster is not there or not fit.
            LambdatuneError: when a process cannot be started.
        """
        if shards < 1:
            raise UsageError(f"the load needs at least 1 shard, not {shards}", hint="leave --shards out")
        async with _launched(shards, dask) as links:
            for link in links:
                link.send(Configure(endpoint, credentials, link.number))
                if not isinstance(await link.receive(), Ready):
                    raise LambdatuneError(f"a load process could not start: it {await link.obituary()}")
            driver = cls(links)
            try:
                yield driver
            finally:
                await driver._end_readers()

    def stop(self) -> None:
        """Make no new call; `run` ends as usual when the calls in flight have ended.

        May be called at any time from the event loop, also from a signal handler that the loop runs.
        """
        self._stopped = True
        for shard in self._awaited:
            shard.send(StopOrder())

    def update_credentials(self, credentials: Credentials) -> None:
        """Sign every call from now on with `credentials`."""
        for shard in self._shards:
            shard.send(UpdateCredentials(credentials))

    async def run(self, order: Order) -> AsyncIterator[Rows]:
        """Carry out an order; yield its rows in batches, several times a second.

        Each batch is a read-only structured array of `ROW_DTYPE`, shape ``(calls,)``, about in the order in
        which calls ended on a shard. When the iteration ended, `last_outcome` tells about the order. A caller that
        leaves the iteration early stops the order; rows of calls that were in flight are lost then.

        Raises:
            UsageError: when the order cannot be carried out as it stands.
            AwsRefused: when the endpoint cannot be reached.
            LambdatuneError: when a load process died, or the last worker of a cluster was lost; the rows that
                arrived were yielded before. While workers are left, the order goes on without the lost one's
                share, which `last_outcome` tells.
        """
        if self._running:
            raise UsageError("one order at a time: the order before is still running", hint="await its end")
        self._running = True
        self._stopped = False
        try:
            await self._discard_leftovers()
            async for batch in self._carry_out(order):
                yield batch
        finally:
            self._running = False
            for shard in self._awaited:
                shard.send(StopOrder())
                shard.send(Begin(0))

    async def _carry_out(self, order: Order) -> AsyncIterator[Rows]:
        if self._is_crippled():
            raise LambdatuneError("a load process has died: no more orders can be carried out")
        died_before = len(self._dead)
        await self._prepare(order)
        reports: list[OrderDone] = []
        start_ns = time.time_ns() + _HEAD_START_NS
        for shard in self._awaited:
            # Another machine has a clock of its own: its shard begins when it is told to.
            shard.send(Begin(0 if shard.survivable else start_ns))
        rows = 0
        while self._awaited:
            shard, message = await self._frames.get()
            if message is None:
                self._bury(shard)
                if not shard.survivable:
                    # The others end their part, so that what was measured is complete up to here.
                    self.stop()
            elif isinstance(message, bytes):
                batch = np.frombuffer(message, ROW_DTYPE)
                rows += len(batch)
                self._left[shard] -= len(batch)
                yield batch
            elif isinstance(message, OrderDone):
                self._awaited.discard(shard)
                reports.append(message)
        complete = len(self._dead) == died_before
        lost = sum(left for shard, left in self._left.items() if shard in self._dead)
        self.last_outcome = merge_outcomes(
            order.id, reports, complete=complete, connections=self._connections,
            lost=lost, shards_lost=len(self._dead) - died_before,
        )  # fmt: skip
        if not complete and self._is_crippled():
            lost = order.calls - rows - self.last_outcome.unmade
            raise LambdatuneError(
                f"a load process {await self._obituaries()}; "
                f"{rows} of {order.calls} calls were recorded, what became of up to {lost} others is not known",
                hint="calls that were in flight may still have run; run it again",
            )

    async def _prepare(self, order: Order) -> None:
        """Let every shard that takes part open its connections."""
        preparing: set[ShardLink] = set()
        self._left = {}
        self._connections = {}
        living = [shard for shard in self._shards if shard not in self._dead]
        for shard, part in zip(living, split_order(order, len(living)), strict=True):
            if part is not None:
                shard.send(Prepare(part))
                preparing.add(shard)
                self._left[shard] = part.calls
                if not isinstance(part.pacing, ClosedLoop | Burst):
                    self._connections[shard.number] = connections_of(part.pacing)
        self._awaited = set(preparing)
        fault: Fault | None = None
        while preparing:
            shard, message = await self._frames.get()
            if message is None:
                self._bury(shard)
                preparing.discard(shard)
                if self._is_crippled():
                    raise LambdatuneError(f"a load process {await self._obituaries()}")
            if isinstance(message, Fault):
                fault = fault or message
                self._awaited.discard(shard)
            if isinstance(message, Fault | Prepared):
                preparing.discard(shard)
        if fault is not None:
            raise AwsRefused(fault.message, hint=fault.hint)
        if self._stopped:
            self.stop()

    async def _discard_leftovers(self) -> None:
        """Wait until the shards have ended an order that the caller left early."""
        while self._awaited:
            shard, message = await self._frames.get()
            if message is None:
                self._bury(shard)
            elif isinstance(message, OrderDone | Fault):
                self._awaited.discard(shard)

    def _bury(self, shard: ShardLink) -> None:
        self._awaited.discard(shard)
        self._dead.add(shard)

    def _is_crippled(self) -> bool:
        """Whether the shards that are left cannot go on: a process of this machine died, or none is left."""
        return len(self._dead) == len(self._shards) or any(not shard.survivable for shard in self._dead)

    async def _obituaries(self) -> str:
        return ", another one ".join([await shard.obituary() for shard in self._dead])

    async def _read(self, shard: ShardLink) -> None:
        """Pass on what a shard sends; None is the last of it."""
        message: FromShard | bytes | None = b""
        while message is not None:
            message = await shard.receive()
            await self._frames.put((shard, message))

    async def _end_readers(self) -> None:
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)


@asynccontextmanager
async def _launched(shards: int, dask: str | None) -> AsyncIterator[Sequence[ShardLink]]:
    """Start load processes here or on a cluster, and end them whatever happens."""
    if dask is not None:
        from lambdatune.load.cluster import open_cluster  # noqa: PLC0415  an extra, and slow to import

        async with open_cluster(dask, shards) as links:
            yield links
        return
    processes: list[ShardProcess] = []
    try:
        for number in range(shards):
            processes.append(await ShardProcess.start(number))  # noqa: PERF401  those before a failure are kept
        yield processes
    finally:
        await asyncio.gather(*(process.close() for process in processes))
