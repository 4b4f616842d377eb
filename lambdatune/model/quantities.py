"""Quantities as people write them: 200ms, 1%, 128-3008."""

from __future__ import annotations

import re
from decimal import Decimal

from lambdatune.model.errors import UsageError

MIN_MEMORY_MB = 128
MAX_MEMORY_MB = 10_240
"""Limits of a default function; more belongs to managed instances (AWS docs, configuration-memory)."""

FULL_VCPU_MB = 1_769
"""Memory at which a function has the equivalent of one vCPU (AWS docs, configuration-memory)."""

_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>us|µs|ms|s|m|min)?")
_MS_PER_UNIT = {"us": 0.001, "µs": 0.001, "ms": 1.0, "s": 1_000.0, "m": 60_000.0, "min": 60_000.0}
_RATE = re.compile(r"(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?:/\s*(?P<unit>s|m|min))?")
_S_PER_UNIT = {"s": 1.0, "m": 60.0, "min": 60.0}
_LEAST_TRAFFIC_PER_S, _MOST_TRAFFIC_PER_S = 1e-6, 100_000
_SHARE = re.compile(r"(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<percent>%)?")


def parse_duration_ms(text: str) -> float:
    """Return the milliseconds of ``200ms``, ``1.5s``, ``2m`` or ``800us``; a unit is required.

    Raises:
        UsageError: when `text` is not a positive duration with a unit.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or match["unit"] is None:
        hint = f"write {text.strip()}ms for milliseconds" if match else "for example 200ms, 1.5s or 2m"
        raise UsageError(f"`{text}` is not a duration: expected a number and a unit (us, ms, s, m)", hint=hint)
    value = float(match["number"]) * _MS_PER_UNIT[match["unit"]]
    if value <= 0:
        raise UsageError(f"`{text}` is not a duration: expected more than zero", hint="for example 200ms")
    return value


def format_duration(ms: float) -> str:
    """Return `ms` as a person writes it: ``200ms``, ``1.5s``; exact, so that it can be read back."""
    if ms >= 1_000 and ms % 100 == 0:
        return f"{format_number(ms / 1_000)}s"
    return f"{format_number(ms)}ms"


def format_number(number: float) -> str:
    """Return the shortest decimal text of `number`, without an exponent and without a trailing ``.0``."""
    return f"{Decimal(repr(float(number))):f}".removesuffix(".0")


def parse_share(text: str) -> float:
    """Return the share (0 to 1) of ``1%`` or ``0.01``.

    Raises:
        UsageError: when `text` is not a share between 0 and 1.
    """
    match = _SHARE.fullmatch(text.strip())
    value = float(match["number"]) / (100 if match["percent"] else 1) if match else -1.0
    if not 0 <= value <= 1:
        raise UsageError(f"`{text}` is not a share: expected 0% to 100%", hint="for example 1% or 0.01")
    return value


def parse_rate_per_s(text: str) -> float:
    """Return the arrivals per second of ``200/s``, ``12000/m`` or ``200``.

    Raises:
        UsageError: when `text` is not a rate above zero.
    """
    match = _RATE.fullmatch(text.strip())
    value = float(match["number"]) / _S_PER_UNIT[match["unit"] or "s"] if match else 0.0
    if value <= 0:
        raise UsageError(f"`{text}` is not a rate: expected calls per second or minute", hint="for example 200/s")
    return value


def parse_traffic_per_s(text: str) -> float:
    """Return the calls per second of a function's real traffic: ``50/s``, ``3/min``.

    Raises:
        UsageError: when `text` is not a rate above zero, or more than any function has.
    """
    value = parse_rate_per_s(text)
    if not _LEAST_TRAFFIC_PER_S <= value <= _MOST_TRAFFIC_PER_S:
        raise UsageError(
            f"`{text}` is no traffic that can be reckoned with: expected 1 call in about two weeks to "
            f"{_MOST_TRAFFIC_PER_S:,}/s",
            hint="for example 50/s or 3/min",
        )
    return value


def cpu_share(memory_mb: int) -> float:
    """Return the vCPUs that a function of `memory_mb` MB is given: memory / 1769."""
    return memory_mb / FULL_VCPU_MB
