"""Pacers: when the next call is intended, on a virtual clock of nanoseconds that is zero when the order starts.

A pacer knows no real clock, no socket and no count of calls; the engine asks it, and it is tested in
virtual time.
"""

from __future__ import annotations

import heapq
import math
import random
from typing import TYPE_CHECKING, Protocol

from lambdatune.load.order import Burst, ClosedLoop, ConstantRate, Poisson, Stages, TimedBurst

if TYPE_CHECKING:
    from lambdatune.load.order import Pacing

_NS_PER_S = 1_000_000_000
_ROUNDING = 1e-6
"""Of an arrival."""


class Pacer(Protocol):
    """What the engine asks. Times are ns since the start of the order."""

    one_call_per_wave: bool
    """Whether a connection that made its call rests until no call is in flight."""

    relays: bool
    """Whether a call that ends makes another one due at that instant, and nothing else does after the start.

    The engine may then make that call without asking."""

    def due_ns(self) -> int | None:
        """Return the intended time of the next call; None while that depends on calls in flight."""

    def take(self) -> None:
        """Take the call that is due: the one after it becomes the next."""

    def ended(self, done_ns: int) -> None:
        """Learn that a call ended at `done_ns`."""


class ClosedLoopPacer:
    """Each of N callers calls again when its answer arrived, after its think time."""

    one_call_per_wave = False

    def __init__(self, pacing: ClosedLoop) -> None:
        self.relays = pacing.think_time_ms == 0
        self._think_ns = round(pacing.think_time_ms * 1e6)
        self._ready = [0] * pacing.concurrency

    def due_ns(self) -> int | None:
        """Return when the first idle caller wants to call."""
        return self._ready[0] if self._ready else None

    def take(self) -> None:
        """Make the first idle caller busy."""
        heapq.heappop(self._ready)

    def ended(self, done_ns: int) -> None:
        """Let a caller think, then want to call."""
        heapq.heappush(self._ready, done_ns + self._think_ns)


class BurstPacer:
    """Waves of N calls that are all intended at the same instant."""

    one_call_per_wave = True
    relays = False

    def __init__(self, pacing: Burst) -> None:
        self._size = pacing.concurrency
        self._to_take = pacing.concurrency
        self._in_flight = 0
        self._wave_ns = 0

    def due_ns(self) -> int | None:
        """Return the time of the wave while calls of it are left."""
        return self._wave_ns if self._to_take else None

    def take(self) -> None:
        """Take one call of the wave."""
        self._to_take -= 1
        self._in_flight += 1

    def ended(self, done_ns: int) -> None:
        """Begin the next wave at the end of this one's last call."""
        self._in_flight -= 1
        if not self._in_flight and not self._to_take:
            self._wave_ns = max(self._wave_ns, done_ns)
            self._to_take = self._size


class TimedBurstPacer:
    """Waves at equal intervals; each is computed from its number, so that nothing adds up to a drift."""

    one_call_per_wave = False
    relays = False

    def __init__(self, pacing: TimedBurst) -> None:
        self._size = pacing.concurrency
        self._interval_ns = pacing.every_s * _NS_PER_S
        self._taken = 0
        self._due_ns = 0

    def due_ns(self) -> int | None:
        """Return the time of the wave of which calls are left."""
        return self._due_ns

    def take(self) -> None:
        """Take one call of the wave."""
        self._taken += 1
        self._due_ns = round(self._taken // self._size * self._interval_ns)

    def ended(self, done_ns: int) -> None:
        """Waves do not depend on answers."""


class ConstantRatePacer:
    """Arrivals at equal intervals; each is computed from its number, so that nothing adds up to a drift."""

    one_call_per_wave = False
    relays = False

    def __init__(self, pacing: ConstantRate) -> None:
        self._interval_ns = _NS_PER_S / pacing.rate_per_s
        self._offset = pacing.offset
        self._taken = 0
        self._due_ns = round(self._offset * self._interval_ns)

    def due_ns(self) -> int | None:
        """Return the next arrival."""
        return self._due_ns

    def take(self) -> None:
        """Go on to the next arrival."""
        self._taken += 1
        self._due_ns = round((self._taken + self._offset) * self._interval_ns)

    def ended(self, done_ns: int) -> None:
        """Arrivals do not depend on answers."""


class PoissonPacer:
    """Arrivals of a Poisson process, reproducible from the seed."""

    one_call_per_wave = False
    relays = False

    def __init__(self, pacing: Poisson, seed: int) -> None:
        self._draw = random.Random(seed)  # noqa: S311  load, not secrets
        self._per_ns = pacing.rate_per_s / _NS_PER_S
        self._due = self._draw.expovariate(self._per_ns)

    def due_ns(self) -> int | None:
        """Return the next arrival."""
        return round(self._due)

    def take(self) -> None:
        """Draw the interval to the arrival after."""
        self._due += self._draw.expovariate(self._per_ns)

    def ended(self, done_ns: int) -> None:
        """Arrivals do not depend on answers."""


class StagesPacer:
    """Arrivals at the times when the integral of the rate reaches given values.

    Evenly spread arrivals are those where it reaches 0, 1, 2, ...; a Poisson process has them where it reaches the
    arrivals of a Poisson process of rate one. Each is computed by itself, so that nothing adds up to a drift.
    """

    one_call_per_wave = False
    relays = False

    def __init__(self, pacing: Stages, seed: int) -> None:
        self._draw = random.Random(seed) if pacing.is_poisson else None  # noqa: S311  load, not secrets
        self._lines: list[tuple[float, float, float, float]] = []
        """Of each stage: the arrivals before it, when it begins, the rate there, and its change per second."""
        self._ends: list[float] = []
        arrivals, at_s, rate = 0.0, 0.0, pacing.start_rate_per_s
        for duration_s, next_rate in pacing.stages:
            if duration_s > 0:
                self._lines.append((arrivals, at_s, rate, (next_rate - rate) / duration_s))
                arrivals += (rate + next_rate) / 2 * duration_s
                self._ends.append(arrivals)
                at_s += duration_s
            rate = next_rate
        self._lines.append((arrivals, at_s, rate, 0.0))
        self._stage = 0
        self._offset = pacing.offset
        self._taken = 0
        self._wanted = 0.0 if self._draw is None else self._draw.expovariate(1.0)
        self._due_ns = self._invert(self._offset if self._draw is None else self._wanted)

    def due_ns(self) -> int | None:
        """Return the next arrival; None after the last one when the rate ends at zero."""
        return self._due_ns

    def take(self) -> None:
        """Go on to the next arrival."""
        self._taken += 1
        if self._draw is None:
            self._wanted = self._taken + self._offset
        else:
            self._wanted += self._draw.expovariate(1.0)
        self._due_ns = self._invert(self._wanted)

    def ended(self, done_ns: int) -> None:
        """Arrivals do not depend on answers."""

    def _invert(self, wanted: float) -> int | None:
        """Return when the integral of the rate reaches `wanted`, which never gets smaller."""
        # Shares of shards are rounded: the last arrival of all stages must not fall behind their end.
        while self._stage < len(self._ends) and wanted > self._ends[self._stage] + _ROUNDING:
            self._stage += 1
        arrivals, begin_s, rate, slope = self._lines[self._stage]
        missing = wanted - arrivals
        if missing <= 0:
            return round(begin_s * _NS_PER_S)
        # The root of missing = rate t + slope t^2 / 2 in the form that does not subtract near equals.
        below = rate + math.sqrt(max(rate * rate + 2 * slope * missing, 0.0))
        return round((begin_s + 2 * missing / below) * _NS_PER_S) if below else None


def make_pacer(pacing: Pacing, seed: int) -> Pacer:
    """Return the pacer of a pacing."""
    match pacing:
        case ClosedLoop():
            return ClosedLoopPacer(pacing)
        case Burst():
            return BurstPacer(pacing)
        case TimedBurst():
            return TimedBurstPacer(pacing)
        case ConstantRate():
            return ConstantRatePacer(pacing)
        case Poisson():
            return PoissonPacer(pacing, seed)
        case Stages():
            return StagesPacer(pacing, seed)
