"""The shapes of a load in the open loop: ramps and bursts, as people write them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from lambdatune.model.errors import UsageError
from lambdatune.model.quantities import format_duration, format_number, parse_duration_ms, parse_rate_per_s

MAX_BURST = 10_000
_ZERO_RATE = re.compile(r"0+(\.0*)?\s*(/\s*(s|m|min))?")
_ZERO_TIME = re.compile(r"0+(\.0*)?\s*(us|ms|s|m|min)")
_RAMP_HINT = "for example 30s:10/s,60s:50/s: to 10 calls a second within 30 s, then to 50 within a minute"
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Ramp:
    """Arrivals whose rate changes linearly from stage to stage, beginning at zero.

    Attributes:
        stages: of each, its length in seconds and the arrivals per second at its end.
    """

    stages: tuple[tuple[float, float], ...]

    @property
    def calls(self) -> int:
        """Arrivals of the whole ramp: the area below its rates."""
        total = before = 0.0
        for duration_s, rate_per_s in self.stages:
            total += (before + rate_per_s) / 2 * duration_s
            before = rate_per_s
        return math.floor(total + _ROUNDING)

    @property
    def duration_s(self) -> float:
        """Length of the whole ramp in seconds."""
        return sum(duration_s for duration_s, _ in self.stages)

    @property
    def peak_per_s(self) -> float:
        """Highest rate, in arrivals per second."""
        return max(rate_per_s for _, rate_per_s in self.stages)

    def __str__(self) -> str:
        """Return the text that `parse_ramp` reads."""
        return ",".join(f"{_time(duration_s)}:{format_number(rate)}/s" for duration_s, rate in self.stages)


@dataclass(frozen=True, slots=True)
class BurstLoad:
    """Calls that come together, again and again.

    Attributes:
        size: calls at one instant.
        every_s: seconds from one instant to the next, whether answers came or not.
    """

    size: int
    every_s: float

    def __str__(self) -> str:
        """Return the text that `parse_burst` reads."""
        return f"{self.size}/{_time(self.every_s)}"


def parse_ramp(text: str) -> Ramp:
    """Return the ramp of ``30s:10/s,60s:50/s``: each stage a length and the rate at its end.

    Raises:
        UsageError: when it is none, or makes no call.
    """
    ramp = Ramp(tuple(_stage(part.strip()) for part in text.split(",")))
    if ramp.calls < 1:
        raise UsageError(f"ramp `{text}` makes no call: expected at least one", hint=_RAMP_HINT)
    return ramp


def _stage(text: str) -> tuple[float, float]:
    length, colon, rate = (part.strip() for part in text.partition(":"))
    if not colon:
        raise UsageError(f"`{text}` is no stage of a ramp: expected TIME:RATE", hint=_RAMP_HINT)
    seconds = 0.0 if _ZERO_TIME.fullmatch(length) else parse_duration_ms(length) / 1000
    return seconds, 0.0 if _ZERO_RATE.fullmatch(rate) else parse_rate_per_s(rate)


def parse_burst(text: str) -> BurstLoad:
    """Return the burst of ``20/5s``, 20 calls at once every 5 s; of ``20`` alone, every second.

    Raises:
        UsageError: when it is none.
    """
    size, slash, every = (part.strip() for part in text.partition("/"))
    if not size.isascii() or not size.isdecimal() or not 1 <= int(size) <= MAX_BURST:
        raise UsageError(
            f"`{text}` is no burst: expected 1 to {MAX_BURST:,} calls, and how often",
            hint="for example 20/5s: 20 calls at once every 5 s",
        )
    return BurstLoad(int(size), parse_duration_ms(every) / 1000 if slash else 1.0)


def _time(seconds: float) -> str:
    return format_duration(seconds * 1000) if seconds else "0s"
