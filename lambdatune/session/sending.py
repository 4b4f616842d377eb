"""How the orders of a plan are sent, and when their rows are complete: one way for each kind of linking."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lambdatune.load.order import WeightedPayload
from lambdatune.model.errors import AwsRefused
from lambdatune.stats.rows import empty_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from lambdatune.aws.executions import ExecutionLog
    from lambdatune.aws.isolation import Version
    from lambdatune.aws.modes.protocol import InvocationMode
    from lambdatune.load.driver import LoadDriver
    from lambdatune.load.order import Order
    from lambdatune.load.outcome import OrderOutcome
    from lambdatune.model.plan import Payload
    from lambdatune.session.delivered.joining import Joiner
    from lambdatune.stats.rows import Rows

_MOST_DRAIN_WHEN_STOPPED_S = 10.0

_SKEW_MS = 1_000.0
"""By how much AWS's clock may be behind this host's."""

_DEAF_S = 15.0
"""An endpoint on this machine that has told nothing of the first messages after so long lacks what would tell."""


class Sender(Protocol):
    """Sends orders, one after another.

    Attributes:
        grace_s: seconds that the end of a stopped run takes beyond the function's timeout.
    """

    grace_s: float

    @property
    def last_outcome(self) -> OrderOutcome | None:
        """What the generator did in the last order that ended."""

    @property
    def given_up(self) -> int:
        """Messages whose execution was not waited for, because the run was stopped."""

    async def point_to(self, version: Version) -> None:
        """Let orders from now on reach `version`."""

    def payloads(self, version: Version, payloads: Sequence[Payload]) -> tuple[WeightedPayload, ...]:
        """Return the events of an order to `version`, as they are sent."""

    def run(self, order: Order) -> AsyncIterator[Rows]:
        """Carry out an order; yield its rows when they are complete."""

    def end_order(self) -> None:
        """Send nothing new in this order; `run` ends when what was sent has ended."""

    def stop(self) -> None:
        """End the order too, and wait for what was sent no longer than a person would."""


class AnsweredCalls:
    """Calls whose answers hold all that is to be known of them.

    Args:
        driver: the load driver.
        mode: how calls are made; None for Invoke.
    """

    given_up = 0
    grace_s = 0.0

    def __init__(self, driver: LoadDriver, mode: InvocationMode | None = None) -> None:
        self._driver = driver
        self._mode = mode
        self._target: Version | None = None

    @property
    def last_outcome(self) -> OrderOutcome | None:
        """What the generator did in the last order that ended."""
        return self._driver.last_outcome

    async def point_to(self, version: Version) -> None:
        """Let orders from now on reach `version`."""
        if self._mode is not None and version != self._target:
            await self._mode.point_to(version)
            self._target = version

    def payloads(self, version: Version, payloads: Sequence[Payload]) -> tuple[WeightedPayload, ...]:
        """Return the events of an order to `version`, as they are sent."""
        mode = self._mode
        return tuple(
            WeightedPayload(
                payload.body, payload.weight, payload.tokens,
                None if mode is None else mode.request(version, payload.body, tokens=payload.tokens),
            )
            for payload in payloads
        )  # fmt: skip

    def run(self, order: Order) -> AsyncIterator[Rows]:
        """Carry out an order; yield its rows as answers come."""
        return self._driver.run(order)

    def end_order(self) -> None:
        """Make no new call."""
        self._driver.stop()

    def stop(self) -> None:
        """Make no new call; who asks for it decides when those in flight are given up."""
        self._driver.stop()


class JoinedMessages(AnsweredCalls):
    """Messages, or calls, whose execution is read from the log after they were sent.

    Rows are yielded at the end of an order: a message may be executed again after it seemed done.

    Args:
        driver: the load driver.
        mode: how messages are sent.
        log: of the clone.
        joiner_of: makes what joins the rows of an order.
        pause_s: between two looks at the log.
        settle_s: for how long nothing more must come where the end of a message cannot be known; 0 where it can.
        timeout_s: of the function.
        waiting: is told how many messages were sent, and how many of them have not ended.
        is_aws: whether this is AWS itself, which may be slow, but tells of executions.
    """

    grace_s = 15.0

    def __init__(
        self,
        driver: LoadDriver,
        mode: InvocationMode,
        log: ExecutionLog,
        *,
        joiner_of: Callable[[Order], Joiner],
        pause_s: float,
        settle_s: float,
        timeout_s: float,
        waiting: Callable[[int, int], None],
        is_aws: bool = True,
    ) -> None:
        super().__init__(driver, mode)
        self._messages = mode
        self._log = log
        self._joiner_of = joiner_of
        self._pause_s = pause_s
        self._settle_s = settle_s
        self._timeout_s = timeout_s
        self._waiting = waiting
        self._is_aws = is_aws
        self._is_heard = False
        self._deadline_s: float | None = None
        self.given_up = 0

    def stop(self) -> None:
        """Send nothing new; what was sent is waited for for the function's timeout, and some seconds at the most."""
        super().stop()
        if self._deadline_s is None:
            patience_s = min(self._timeout_s, _MOST_DRAIN_WHEN_STOPPED_S)
            self._deadline_s = asyncio.get_running_loop().time() + patience_s

    async def run(self, order: Order) -> AsyncIterator[Rows]:
        """Carry out an order; yield its rows when all of its messages have ended, or were waited for in vain."""
        joiner = self._joiner_of(order)
        # What ran before belongs to an order that was given up.
        since_ms = time.time() * 1_000 - _SKEW_MS
        batches = [batch async for batch in self._driver.run(order)]
        rows = np.concatenate(batches) if batches else empty_rows(0)
        if not len(rows):
            return
        await self._drain(rows, joiner, since_ms)
        joined = joiner.joined(rows)
        if self._is_hurried():
            # Nobody waited long enough to call them lost.
            unknown = joiner.unknown(joined)
            self.given_up += int(np.count_nonzero(unknown))
            joined = joined[~unknown]
        yield joined

    def _is_hurried(self) -> bool:
        return self._deadline_s is not None

    async def _drain(self, rows: Rows, joiner: Joiner, since_ms: float) -> None:
        """Read the log until every message has ended, or nothing more came for too long.

        Raises:
            AwsRefused: when AWS refuses, or an endpoint does not tell what is needed.
        """
        loop = asyncio.get_running_loop()
        last_news_s = loop.time()
        executed = ended = 0
        while True:
            executions = [found for found in await self._log.read() if found.started_ms >= since_ms]
            endings = await self._messages.endings()
            joiner.take(executions, endings)
            executed, ended = executed + len(executions), ended + len(endings)
            now_s = loop.time()
            if executions or endings:
                last_news_s = now_s
            awaited = joiner.awaited(rows)
            if awaited == 0:
                awaited = await self._messages.backlog() or 0
            self._is_heard = self._is_heard or awaited < len(rows)
            self._waiting(len(rows), awaited)
            quiet_s = now_s - last_news_s
            if awaited == 0 and quiet_s >= self._settle_s:
                return
            if self._is_late(now_s):
                return
            if quiet_s > self._messages.patience_s:
                # Lines that arrived later than any before: the last look, before messages are called lost.
                late = await self._log.read(from_start=True)
                joiner.take([found for found in late if found.started_ms >= since_ms], [])
                return
            if not self._is_aws and not self._is_heard and quiet_s > _DEAF_S:
                raise _unheard(len(rows), executed, ended)
            await asyncio.sleep(self._pause_s)

    def _is_late(self, now_s: float) -> bool:
        return self._deadline_s is not None and now_s > self._deadline_s


def _unheard(sent: int, executed: int, ended: int) -> AwsRefused:
    """Return the refusal to go on with an endpoint that does not tell what a mode is measured by."""
    if not executed:
        lacking = "the clone's log tells of no execution: it has no START and REPORT lines that belong together"
    elif not ended:
        lacking = (
            f"the clone's log tells of {executed} execution(s), but no record of them came to the clone's destination "
            "(OnSuccess, OnFailure)"
        )
    else:
        lacking = f"{executed} executions and {ended} records of ends came, but none belongs to a message that was sent"
    return AwsRefused(
        f"{_DEAF_S:.0f} s after {sent} message(s) were sent this endpoint has not told what became of them: {lacking}",
        hint="another mode may work there; `lambdatune local` and AWS itself tell all that is needed",
    )
