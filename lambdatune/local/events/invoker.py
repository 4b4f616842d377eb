"""Invocations that no client waits for: which function they are of, and whether there is room for one more."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from lambdatune.local.call import Call
from lambdatune.local.errors import not_found
from lambdatune.local.invoke_api import check_state

if TYPE_CHECKING:
    from lambdatune.local.capacity import Capacity
    from lambdatune.local.fleet import Fleet
    from lambdatune.local.functions import Functions
    from lambdatune.local.names import Naming
    from lambdatune.local.outcomes import Outcome
    from lambdatune.local.records import Function, Version
    from lambdatune.local.response_stream import ResponseStream


class Invoker:
    """Runs the calls of queues and mappings.

    Args:
        functions: the registry.
        fleet: runs the calls.
        naming: makes ARNs.
        account_concurrency: executions at once over all functions.
        capacity: of the host.
    """

    def __init__(
        self, functions: Functions, fleet: Fleet, naming: Naming, account_concurrency: int, capacity: Capacity
    ) -> None:
        self._functions = functions
        self._fleet = fleet
        self._naming = naming
        self._account_concurrency = account_concurrency
        self._capacity = capacity
        self._begun: Counter[str] = Counter()
        self._ahead = max(math.ceil(capacity.cores), 1)

    def find(self, name: str, qualifier: str | None) -> tuple[Function, Version]:
        """Return a function and the version that calls with a qualifier get.

        Raises:
            ApiError: ResourceNotFoundException.
        """
        function = self._functions.get(name, qualifier)
        version = function.find_serving(qualifier)
        if version is None:
            raise not_found(f"Function not found: {self._naming.function_arn(name, qualifier)}")
        return function, version

    def has(self, name: str, qualifier: str | None) -> bool:
        """Whether there is such a function, in a state to be called."""
        function = self._functions.find(name)
        version = None if function is None else function.find_serving(qualifier)
        return function is not None and version is not None and function.state_of(version).name == "Active"

    def has_room(self, name: str, qualifier: str | None) -> bool:
        """Whether a queue or mapping should begin another call.

        A queue may wait, where a client may not. Beyond the environments that wait for calls, no more are started at
        once than the host has cores, and none while work already waits for the host: they would take its CPU from the
        calls, and make a backlog out of a burst.
        """
        function = self._functions.find(name)
        version = None if function is None else function.find_serving(qualifier)
        if version is None:
            return True
        idle, starting = self._fleet.outlook(version, qualifier)
        short = self._begun[name] - idle
        return short < 0 or (short + starting < self._ahead and not self._capacity.waiting)

    def begin(self, name: str) -> None:
        """Note that a call is about to be run, by a task that has not started yet."""
        self._begun[name] += 1

    def started(self, name: str) -> None:
        """Note that the task of a call has started; it runs the call at once."""
        self._begun[name] -= 1
        if not self._begun[name]:
            del self._begun[name]

    async def run(
        self,
        name: str,
        qualifier: str | None,
        request_id: str,
        payload: bytes,
        trace_id: str | None = None,
        stream: ResponseStream | None = None,
    ) -> tuple[Outcome, Version]:
        """Run one call; return its outcome and the version that was called. `stream` takes a streamed response.

        Raises:
            ApiError: ResourceNotFoundException, or a refusal that may pass: a throttle, a state, the host.
        """
        function, version = self.find(name, qualifier)
        check_state(function.state_of(version), is_snapshot=version.configuration.snap_start != "None")
        call = Call(request_id, payload, self._naming.function_arn(name, qualifier), trace_id, stream=stream)
        unreserved = self._account_concurrency - self._functions.held_total()
        outcome, queued_ns = await self._fleet.invoke(function, version, call, unreserved, qualifier)
        outcome.host_queued_ns = queued_ns
        return outcome, version
