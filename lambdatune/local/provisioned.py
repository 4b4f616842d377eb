"""Provisioned concurrency: execution environments that are initialised before a call comes, and kept.

Facts: AWS docs, "Configuring provisioned concurrency for a function", and the API reference of
PutProvisionedConcurrencyConfig. It is allocated to a version or an alias, never to $LATEST; calls that find every
allocated environment busy spill over to environments on demand; the init runs with the CPU of the memory size,
not with the burst that an init on demand has.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lambdatune.local.records import timestamp
from lambdatune.model.quantities import cpu_share

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from lambdatune.local.capacity import Capacity
    from lambdatune.local.environment import Environment
    from lambdatune.local.records import Version

INITIALIZATION_TYPE = "provisioned-concurrency"

_INIT_FAILED = "FUNCTION_ERROR_INIT_FAILURE"


@dataclass(slots=True, eq=False)
class Allocation:
    """Provisioned concurrency of one version or alias.

    Attributes:
        function_name: bare name.
        qualifier: version number or name of the alias; calls with exactly this qualifier are served.
        version: whose environments these are.
        requested: how many environments are asked for.
        status: IN_PROGRESS, READY or FAILED.
        reason: why it failed.
        last_modified: ISO 8601.
        idle: ready environments without a call.
        busy: environments with a call.
    """

    function_name: str
    qualifier: str
    version: Version
    requested: int
    status: str = "IN_PROGRESS"
    reason: str | None = None
    last_modified: str = field(default_factory=timestamp)
    idle: list[Environment] = field(default_factory=list)
    busy: set[Environment] = field(default_factory=set)
    starting: set[Environment] = field(default_factory=set)
    released: bool = False

    @property
    def allocated(self) -> int:
        """How many environments are initialised."""
        return len(self.idle) + len(self.busy)

    @property
    def environments(self) -> set[Environment]:
        """All of them, in whatever state."""
        return {*self.idle, *self.busy, *self.starting}

    def to_api(self) -> dict[str, Any]:
        """Return the API's members of a provisioned concurrency configuration."""
        answer: dict[str, Any] = {
            "RequestedProvisionedConcurrentExecutions": self.requested,
            "AvailableProvisionedConcurrentExecutions": self.allocated,
            "AllocatedProvisionedConcurrentExecutions": self.allocated,
            "Status": self.status,
            "LastModified": self.last_modified,
        }
        if self.reason is not None:
            answer["StatusReason"] = self.reason
        return answer


class Provisioned:
    """All provisioned concurrency of an endpoint.

    Args:
        capacity: the honest gate, through which each init goes.
        make: makes an execution environment of a version for an initialisation type.
        background: runs the work that nobody waits for.
    """

    def __init__(
        self,
        capacity: Capacity,
        make: Callable[[Version, str], Environment],
        background: Callable[[Coroutine[None, None, None]], None],
    ) -> None:
        self._capacity = capacity
        self._make = make
        self._background = background
        self._allocations: dict[tuple[str, str], Allocation] = {}
        self._leaving: set[Environment] = set()

    def find(self, function_name: str, qualifier: str | None) -> Allocation | None:
        """Return the allocation of a qualifier."""
        return self._allocations.get((function_name, qualifier)) if qualifier else None

    def of_function(self, function_name: str) -> list[Allocation]:
        """Return the allocations of a function in the order of their qualifiers."""
        return [found for (name, _), found in sorted(self._allocations.items()) if name == function_name]

    def requested_total(self, function_name: str | None = None, *, without: Allocation | None = None) -> int:
        """Return how many environments are asked for, of one function or of all, but for `without`."""
        return sum(
            found.requested
            for (name, _), found in self._allocations.items()
            if found is not without and function_name in {None, name}
        )

    def environments(self) -> set[Environment]:
        """Return every environment that is there, those included that only finish a call."""
        return self._leaving.union(*(found.environments for found in self._allocations.values()))

    def put(self, function_name: str, qualifier: str, version: Version, requested: int) -> Allocation:
        """Ask for environments; those that are there already are kept as far as they are of this version."""
        current = self.find(function_name, qualifier)
        if current is not None and current.version is not version:
            self.release(function_name, qualifier)
            current = None
        if current is None:
            current = Allocation(function_name, qualifier, version, requested)
            self._allocations[function_name, qualifier] = current
        current.requested = requested
        current.last_modified = timestamp()
        self._adjust(current)
        return current

    def release(self, function_name: str, qualifier: str) -> bool:
        """End the environments of a qualifier as soon as they are idle; return whether there was an allocation."""
        allocation = self._allocations.pop((function_name, qualifier), None)
        if allocation is None:
            return False
        allocation.released = True
        self._leaving |= allocation.busy | allocation.starting
        for environment in allocation.idle:
            self._background(environment.close())
        allocation.idle.clear()
        return True

    def retire(self, function_name: str, keep: set[str]) -> None:
        """Release the allocations of a function's versions whose revisions are not in `keep`."""
        for allocation in self.of_function(function_name):
            if allocation.version.revision_id not in keep:
                self.release(function_name, allocation.qualifier)

    def take(self, function_name: str, qualifier: str | None) -> tuple[Allocation, Environment] | None:
        """Return an idle environment for a call with `qualifier`; None when the call has to spill over."""
        allocation = self.find(function_name, qualifier)
        if allocation is None or not allocation.idle:
            return None
        environment = allocation.idle.pop()
        allocation.busy.add(environment)
        return allocation, environment

    def give_back(self, allocation: Allocation, environment: Environment) -> None:
        """Take an environment back after its call."""
        allocation.busy.discard(environment)
        self._leaving.discard(environment)
        if allocation.released or allocation.allocated >= allocation.requested:
            self._background(environment.close())
        elif environment.ready:
            allocation.idle.append(environment)
        else:
            # The handler ended its process: another environment is initialised in its place.
            self._background(environment.close())
            self._adjust(allocation)

    def _adjust(self, allocation: Allocation) -> None:
        """Start what is missing and end what is idle and too much."""
        while allocation.idle and allocation.allocated > allocation.requested:
            self._background(allocation.idle.pop(0).close())
        missing = allocation.requested - allocation.allocated - len(allocation.starting)
        for _ in range(missing):
            environment = self._make(allocation.version, INITIALIZATION_TYPE)
            allocation.starting.add(environment)
            self._background(self._start(allocation, environment))
        allocation.reason = None
        allocation.status = "IN_PROGRESS" if allocation.starting else "READY"

    async def _start(self, allocation: Allocation, environment: Environment) -> None:
        share = cpu_share(allocation.version.configuration.memory_mb)
        await self._capacity.acquire(share)
        try:
            await environment.initialise()
        finally:
            self._capacity.release(share)
        allocation.starting.discard(environment)
        self._leaving.discard(environment)
        if allocation.released or allocation.allocated >= allocation.requested:
            await environment.close()
        elif environment.ready:
            allocation.idle.append(environment)
        else:
            await environment.close()
            allocation.status, allocation.reason = "FAILED", _INIT_FAILED
        if allocation.status == "IN_PROGRESS" and not allocation.starting:
            allocation.status = "READY"

    async def close(self) -> None:
        """End every environment."""
        everything = self.environments()
        for allocation in self._allocations.values():
            allocation.released = True
        self._allocations.clear()
        await asyncio.gather(*(environment.close() for environment in everything))
