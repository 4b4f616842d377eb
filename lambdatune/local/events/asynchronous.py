"""The asynchronous queue: invocations of type Event, their retries, age and destinations.

Source of the numbers: AWS docs, "How Lambda handles errors and retries with asynchronous invocation".
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lambdatune.local.errors import ApiError
from lambdatune.local.events import endings
from lambdatune.local.events.invoke_settings import MAX_AGE_S, MAX_RETRIES, EventInvokeConfig, settings_of
from lambdatune.local.events.record import DEAD_LETTERED, DROPPED, EXECUTED, FAILED

if TYPE_CHECKING:
    from lambdatune.local.events.deliveries import Deliveries
    from lambdatune.local.events.invoker import Invoker
    from lambdatune.local.events.record import Messages, Origin
    from lambdatune.local.names import Naming
    from lambdatune.local.outcomes import Outcome
    from lambdatune.local.records import Function, Version

MAX_PAYLOAD_BYTES = 1024 * 1024
"""Largest payload of an asynchronous call since October 2025 (AWS docs, "Lambda quotas")."""

_RETRY_WAITS_S = (60.0, 120.0)
_BACK_OFF_S = (1.0, 300.0)
_AGAIN_S = 0.02


@dataclass(slots=True, eq=False)
class AsyncEvent:
    """One event of the queue.

    Attributes:
        request_id: of the invocation, the same for every attempt.
        function: bare name.
        qualifier: version or alias, or None.
        payload: the event, JSON.
        origin: where it came from.
        trace_id: X-Amzn-Trace-Id, or None.
        attempts: executions that ended.
        refusals: throttles in a row.
        queued_ns: when it was queued, on the monotonic clock.
    """

    request_id: str
    function: str
    qualifier: str | None
    payload: bytes
    origin: Origin
    trace_id: str | None = None
    attempts: int = 0
    refusals: int = 0
    queued_ns: int = field(default_factory=time.monotonic_ns)


@dataclass(slots=True, eq=False)
class _Lane:
    """The events of one function and qualifier."""

    ready: deque[AsyncEvent] = field(default_factory=deque)
    in_flight: int = 0
    look_again: asyncio.TimerHandle | None = None


class AsyncQueue:
    """Runs asynchronous invocations.

    Args:
        invoker: runs the calls.
        deliveries: takes what ended to destinations and dead letter queues.
        messages: the record.
        naming: makes ARNs.
        wait_scale: factor on every wait and on the maximum age; 1 is AWS's time.
    """

    def __init__(
        self, invoker: Invoker, deliveries: Deliveries, messages: Messages, naming: Naming, wait_scale: float
    ) -> None:
        self._invoker = invoker
        self._deliveries = deliveries
        self._messages = messages
        self._naming = naming
        self._scale = wait_scale
        self._lanes: dict[tuple[str, str | None], _Lane] = {}
        self._delayed: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def counts(self) -> dict[str, int]:
        """Return how many events are ready, run, and wait for a retry."""
        lanes = self._lanes.values()
        return {
            "ready": sum(len(lane.ready) for lane in lanes),
            "in_flight": sum(lane.in_flight for lane in lanes),
            "delayed": len(self._delayed),
        }

    def put(self, event: AsyncEvent) -> None:
        """Queue an event; it runs as soon as there is room."""
        if self._closed:
            raise ApiError("ServiceException", "The embedded lambdatune endpoint is ending.", 500)
        self._ready(event)

    def stop(self) -> None:
        """Begin nothing any more; what waits is given up."""
        self._closed = True
        for lane in self._lanes.values():
            lane.ready.clear()
            if lane.look_again is not None:
                lane.look_again.cancel()
        for timer in self._delayed:
            timer.cancel()

    async def close(self) -> None:
        """Wait for the calls under way, whose environments have ended by now."""
        await asyncio.gather(*self._tasks)

    def _ready(self, event: AsyncEvent) -> None:
        key = (event.function, event.qualifier)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
        lane.ready.append(event)
        self._pump(key, lane)

    def _pump(self, key: tuple[str, str | None], lane: _Lane) -> None:
        """Begin as many events as there is room for."""
        while lane.ready and self._invoker.has_room(*key):
            lane.in_flight += 1
            self._invoker.begin(key[0])
            task = asyncio.get_running_loop().create_task(self._run(key, lane, lane.ready.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if lane.ready and lane.look_again is None:
            # An init that ends makes room, and tells nobody.
            lane.look_again = asyncio.get_running_loop().call_later(_AGAIN_S, self._look_again, key, lane)
        if not lane.ready and not lane.in_flight:
            self._lanes.pop(key, None)

    def _look_again(self, key: tuple[str, str | None], lane: _Lane) -> None:
        lane.look_again = None
        self._pump(key, lane)

    async def _run(self, key: tuple[str, str | None], lane: _Lane, event: AsyncEvent) -> None:
        self._invoker.started(event.function)
        try:
            await self._attempt(event)
        finally:
            lane.in_flight -= 1
            if not self._closed:
                self._pump(key, lane)

    async def _attempt(self, event: AsyncEvent) -> None:
        try:
            function, version = self._invoker.find(event.function, event.qualifier)
        except ApiError:
            self._messages.add(event.origin, event.function, DROPPED, attempt=event.attempts)
            return
        settings = settings_of(function, event.qualifier)
        max_age_s = MAX_AGE_S if settings.max_age_s is None else settings.max_age_s
        if time.monotonic_ns() - event.queued_ns > max_age_s * self._scale * 1e9:
            self._end(event, function, settings, version, None, endings.AGED)
            return
        try:
            outcome, version = await self._invoker.run(
                event.function, event.qualifier, event.request_id, event.payload, event.trace_id
            )
        except ApiError as error:
            self._refused(event, function, settings, version, error)
            return
        event.attempts += 1
        event.refusals = 0
        retries = MAX_RETRIES if settings.retries is None else settings.retries
        if outcome.function_error is None:
            self._end(event, function, settings, version, outcome, endings.SUCCESS)
        elif event.attempts > retries:
            self._end(event, function, settings, version, outcome, endings.EXHAUSTED)
        else:
            self._record(event, FAILED, outcome)
            self._later(event, _RETRY_WAITS_S[event.attempts - 1])

    def _refused(
        self,
        event: AsyncEvent,
        function: Function,
        settings: EventInvokeConfig,
        version: Version,
        error: ApiError,
    ) -> None:
        """Put an event back that could not be begun: a throttle or a fault of the service, which passes.

        With reserved concurrency 0 AWS tries nothing (AWS docs, "Configuring reserved concurrency").
        """
        if self._closed:
            return
        if error.code == "TooManyRequestsException" and function.reserved == 0:
            self._end(event, function, settings, version, None, endings.EXHAUSTED)
            return
        first_s, longest_s = _BACK_OFF_S
        self._later(event, min(first_s * 2**event.refusals, longest_s))
        event.refusals = min(event.refusals + 1, 16)

    def _later(self, event: AsyncEvent, wait_s: float) -> None:
        if self._closed:
            return

        def due() -> None:
            self._delayed.discard(timer)
            self._ready(event)

        timer = asyncio.get_running_loop().call_later(wait_s * self._scale, due)
        self._delayed.add(timer)

    def _end(
        self,
        event: AsyncEvent,
        function: Function,
        settings: EventInvokeConfig,
        version: Version,
        call: Outcome | None,
        condition: str,
    ) -> None:
        """Record the last attempt of an event and send what is to be sent about it."""
        arn = self._naming.function_arn(function.name, event.qualifier or version.version)
        ending = endings.Ending(event.request_id, arn, version.version, condition, event.attempts, event.payload, call)
        if condition == endings.SUCCESS:
            self._record(event, EXECUTED, call)
            if settings.on_success:
                self._deliveries.send(settings.on_success, endings.destination_parcel(ending))
            return
        kept = False
        if settings.on_failure:
            kept = self._deliveries.send(settings.on_failure, endings.destination_parcel(ending))
        if version.configuration.dead_letter_arn:
            kept |= self._deliveries.send(version.configuration.dead_letter_arn, endings.dead_letter_parcel(ending))
        self._record(event, DEAD_LETTERED if kept else DROPPED, call)

    def _record(self, event: AsyncEvent, outcome: str, call: Outcome | None) -> None:
        self._messages.add(
            event.origin,
            event.function,
            outcome,
            call=call,
            attempt=event.attempts,
            request_id=event.request_id,
        )
