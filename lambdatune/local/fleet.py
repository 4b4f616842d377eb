"""All execution environments: which one serves a call, when a new one starts, and when they end."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lambdatune.local.environment import Environment
from lambdatune.local.errors import ApiError, throttled
from lambdatune.local.provisioned import Provisioned
from lambdatune.local.snapshot import INITIALIZATION_TYPE, Snapshot, SnapshotError
from lambdatune.local.throttles import StartRate
from lambdatune.model.quantities import cpu_share

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from lambdatune.local.call import Call, Services
    from lambdatune.local.capacity import Capacity
    from lambdatune.local.outcomes import Outcome
    from lambdatune.local.records import Function, Version

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Pool:
    """The environments of one version; the one used last is used first."""

    idle: list[Environment] = field(default_factory=list)
    busy: set[Environment] = field(default_factory=set)
    retired: bool = False


class Fleet:
    """Runs calls in execution environments.

    Args:
        services: what all environments share.
        capacity: the honest gate.
    """

    def __init__(self, services: Services, capacity: Capacity) -> None:
        self._services = services
        self._capacity = capacity
        self._pools: dict[tuple[str, str, str], _Pool] = {}
        self._in_flight: dict[str, int] = {}
        self._unreserved_in_flight = 0
        self._start_rates: dict[str, StartRate] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._expiry: asyncio.TimerHandle | None = None
        self._retired_busy: set[Environment] = set()
        self._closed = False
        self.started = 0
        self.snapshots_taken = 0
        self.provisioned = Provisioned(capacity, self._make, self._background)
        self._snapshots: dict[str, Snapshot] = {}
        self._snapshots_leaving: set[Snapshot] = set()

    @property
    def alive(self) -> int:
        """How many environments there are now."""
        on_demand = sum(len(pool.idle) + len(pool.busy) for pool in self._pools.values())
        return on_demand + len(self.provisioned.environments())

    def outlook(self, version: Version, qualifier: str | None) -> tuple[int, int]:
        """Return how many environments wait for calls of a version with this qualifier, and how many start now."""
        pool = self._pools.get((version.function_name, version.version, version.revision_id))
        idle, starting = (0, 0) if pool is None else (len(pool.idle), sum(not e.ready for e in pool.busy))
        ahead = self.provisioned.find(version.function_name, qualifier)
        return idle + (0 if ahead is None else len(ahead.idle)), starting

    def packages_in_use(self) -> set[str]:
        """Return the keys of the packages that environments run from, those included that only finish a call."""
        pools = self._pools.values()
        alive = {e for pool in pools for e in (*pool.idle, *pool.busy)} | self._retired_busy
        alive |= self.provisioned.environments()
        snapshots = {*self._snapshots.values(), *self._snapshots_leaving}
        return {environment.version.package.key for environment in alive} | {s.package_key for s in snapshots}

    async def invoke(
        self, function: Function, version: Version, call: Call, unreserved: int, qualifier: str | None
    ) -> tuple[Outcome, int]:
        """Run one call; return its outcome and how long it queued for the host, in nanoseconds.

        Args:
            function: whose reserved concurrency counts.
            version: what is called.
            call: the call.
            unreserved: concurrency that functions without a reservation share.
            qualifier: with which it is called; decides which provisioned concurrency serves it.

        Raises:
            ApiError: TooManyRequestsException with AWS's reason.
        """
        if self._closed:
            raise ApiError("ServiceException", "The embedded lambdatune endpoint is ending.", 500)
        ahead = self.provisioned.take(function.name, qualifier)
        if ahead is not None:
            allocation, environment = ahead
            try:
                return await self._call(environment, call)
            finally:
                self.provisioned.give_back(allocation, environment)
        reserved = function.reserved is not None
        self._admit(function, unreserved)
        self._in_flight[function.name] = self._in_flight.get(function.name, 0) + 1
        self._unreserved_in_flight += not reserved
        try:
            return await self._run(version, call)
        finally:
            self._in_flight[function.name] -= 1
            self._unreserved_in_flight -= not reserved

    async def take_snapshot(self, version: Version) -> None:
        """Run the init of a version once; from then on its environments are restored.

        Raises:
            SnapshotError: when the init fails.
        """
        if self._closed:
            raise SnapshotError("FunctionError", "the endpoint is ending")
        self.snapshots_taken += 1
        name = f"s{self.snapshots_taken}"
        snapshot = self._snapshots[version.revision_id] = Snapshot(self._services, version, name)
        weight = self._capacity.init_weight
        await self._capacity.acquire(weight)
        try:
            await snapshot.take()
        except SnapshotError:
            self._drop_snapshot(version.revision_id)
            raise
        finally:
            self._capacity.release(weight)

    def _drop_snapshots(self, function_name: str, keep: set[str]) -> None:
        for revision_id, snapshot in list(self._snapshots.items()):
            if snapshot.function_name == function_name and revision_id not in keep:
                self._drop_snapshot(revision_id)

    def _drop_snapshot(self, revision_id: str) -> None:
        snapshot = self._snapshots.pop(revision_id, None)
        if snapshot is not None:
            self._snapshots_leaving.add(snapshot)
            self._background(self._close_snapshot(snapshot))

    async def _close_snapshot(self, snapshot: Snapshot) -> None:
        await snapshot.close()
        self._snapshots_leaving.discard(snapshot)

    def retire(self, function_name: str, keep: set[str]) -> None:
        """End the environments of a function except those of revisions in `keep`, as soon as they are idle."""
        self.provisioned.retire(function_name, keep)
        for key, pool in list(self._pools.items()):
            if key[0] == function_name and key[2] not in keep:
                del self._pools[key]
                pool.retired = True
                for environment in pool.idle:
                    self._background(environment.close())
                self._retired_busy.update(pool.busy)
                pool.idle.clear()
        self._drop_snapshots(function_name, keep)

    async def close(self) -> None:
        """End every environment, busy or not; later calls are refused."""
        self._closed = True
        if self._expiry is not None:
            self._expiry.cancel()
        await self.provisioned.close()
        everything = {e for pool in self._pools.values() for e in (*pool.idle, *pool.busy)}
        self._pools.clear()
        await asyncio.gather(*(environment.close() for environment in everything | self._retired_busy))
        for revision_id in list(self._snapshots):
            self._drop_snapshot(revision_id)
        await asyncio.gather(*self._tasks)

    async def _run(self, version: Version, call: Call) -> tuple[Outcome, int]:
        key = (version.function_name, version.version, version.revision_id)
        pool = self._pools.setdefault(key, _Pool())
        fresh = not pool.idle
        environment = self._new(version) if fresh else pool.idle.pop()
        pool.busy.add(environment)
        try:
            waited_ns = await self._initialise(environment) if fresh else 0
            if call.stream is not None:
                call.stream.queued_ns = waited_ns
            outcome, queued_ns = await self._call(environment, call)
            return outcome, waited_ns + queued_ns
        finally:
            self._give_back(pool, environment)

    async def _call(self, environment: Environment, call: Call) -> tuple[Outcome, int]:
        share = cpu_share(environment.version.configuration.memory_mb)
        if not environment.ready:
            # An init runs inside the call, and inits run unthrottled.
            share = max(share, self._capacity.init_weight)
        queued_ns = await self._capacity.acquire(share)
        if call.stream is not None:
            call.stream.queued_ns += queued_ns
        try:
            return await environment.invoke(call), queued_ns
        finally:
            self._capacity.release(share)

    def _admit(self, function: Function, unreserved: int) -> None:
        if function.reserved is not None:
            on_demand = function.reserved - self.provisioned.requested_total(function.name)
            if self._in_flight.get(function.name, 0) >= on_demand:
                raise throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
        elif self._unreserved_in_flight >= unreserved:
            raise throttled("ConcurrentInvocationLimitExceeded")

    def _new(self, version: Version) -> Environment:
        rate = self._start_rates.setdefault(version.function_name, StartRate())
        if not rate.take():
            raise throttled("ConcurrentInvocationLimitExceeded")
        snapshot = self._snapshots.get(version.revision_id)
        return self._make(version, "on-demand" if snapshot is None else INITIALIZATION_TYPE, snapshot)

    def _make(self, version: Version, initialization_type: str, snapshot: Snapshot | None = None) -> Environment:
        self.started += 1
        return Environment(self._services, version, f"e{self.started}", initialization_type, snapshot)

    async def _initialise(self, environment: Environment) -> int:
        weight = self._capacity.init_weight
        queued_ns = await self._capacity.acquire(weight)
        try:
            await environment.initialise()
        finally:
            self._capacity.release(weight)
        return queued_ns

    def _give_back(self, pool: _Pool, environment: Environment) -> None:
        pool.busy.discard(environment)
        if pool.retired or environment.spent:
            self._retired_busy.discard(environment)
            self._background(environment.close())
            return
        environment.idle_since_ns = time.monotonic_ns()
        pool.idle.append(environment)
        if self._expiry is None:
            self._schedule_expiry(self._services.options.idle_s)

    def _schedule_expiry(self, delay_s: float) -> None:
        self._expiry = asyncio.get_running_loop().call_later(delay_s, self._expire)

    def _expire(self) -> None:
        """End environments that have been idle for too long, and look again when the next one is due."""
        self._expiry = None
        now_ns = time.monotonic_ns()
        idle_ns = int(self._services.options.idle_s * 1e9)
        oldest_ns: int | None = None
        for pool in self._pools.values():
            # The list is in the order of use: the environments idle longest stand first.
            while pool.idle and now_ns - pool.idle[0].idle_since_ns >= idle_ns:
                self._background(pool.idle.pop(0).close())
            if pool.idle:
                since_ns = pool.idle[0].idle_since_ns
                oldest_ns = since_ns if oldest_ns is None else min(oldest_ns, since_ns)
        if oldest_ns is not None:
            self._schedule_expiry((oldest_ns + idle_ns - now_ns) / 1e9)

    def _background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
