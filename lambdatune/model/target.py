"""A latency target: which calls, which clock, which percentile, how long at most."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from lambdatune.model.errors import UsageError, nearest
from lambdatune.model.quantities import format_duration, format_number, parse_duration_ms

Population = Literal["warm", "cold", "all"]
ClockName = Literal["duration", "response", "service", "e2e"]

_TARGET = re.compile(
    r"(?:(?P<population>[a-z]+)\.)??(?:(?P<clock>[a-z0-9]+)\.)?p(?P<percentile>\d+(?:\.\d+)?)\s*"
    r"(?P<sign><=|<|=<|≤)\s*(?P<threshold>.+)",
    re.IGNORECASE,
)
_EXAMPLE = "for example 'p95<=200ms', 'cold.duration.p99<=1s' or 'response.p95<=300ms'"


@dataclass(frozen=True, slots=True)
class Target:
    """At most ``100 - percentile`` per cent of the calls of a population take longer than a threshold.

    Attributes:
        population: ``warm``, ``cold`` or ``all`` calls.
        clock: ``duration`` (REPORT; for cold calls with init or restore), ``response`` (client, from the
            intended send), ``service`` (client, from the actual send) or ``e2e`` (from the intended send to the
            result: the end of the execution of a message that is delivered, else as ``response``).
        percentile: between 0 and 100, both excluded.
        threshold_ms: the longest time allowed, in ms.
    """

    population: Population
    clock: ClockName
    percentile: float
    threshold_ms: float

    @property
    def quantile(self) -> float:
        """The percentile as a share, 0.95 for p95."""
        return self.percentile / 100

    @property
    def exceedance(self) -> float:
        """The share of calls that may exceed the threshold, 0.05 for p95."""
        return round(1 - self.percentile / 100, 12)

    def __str__(self) -> str:
        """Return the text form that `parse_target` reads."""
        threshold = format_duration(self.threshold_ms)
        return f"{self.population}.{self.clock}.p{format_number(self.percentile)}<={threshold}"


def parse_target(text: str) -> Target:
    """Read ``[warm|cold|all.][duration|response|service|e2e.]pNN<=TIME``; ``warm.duration`` when left out.

    Raises:
        UsageError: naming the part that is wrong and the nearest valid choice.
    """
    match = _TARGET.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"target `{text}` is not of the form [warm|cold|all.][duration|response|service|e2e.]pNN<=TIME",
            hint=_EXAMPLE,
        )
    if match["sign"] not in {"<=", "≤"}:
        hint = f"write {text.replace(match['sign'], '<=')}"
        raise UsageError(f"target `{text}` compares with `{match['sign']}`: expected <=", hint=hint)
    population, clock = _qualifiers(text, match["population"], match["clock"])
    percentile = float(match["percentile"])
    if not 0 < percentile < 100:
        raise UsageError(
            f"target `{text}` has percentile {match['percentile']}: expected above 0 and below 100",
            hint=_EXAMPLE,
        )
    return Target(population, clock, percentile, parse_duration_ms(match["threshold"]))


def _qualifiers(text: str, *parts: str | None) -> tuple[Population, ClockName]:
    """Sort the dotted words before ``pNN`` into a population and a clock, each once at the most."""
    populations: tuple[Population, ...] = get_args(Population)
    clocks: tuple[ClockName, ...] = get_args(ClockName)
    found_population: Population | None = None
    found_clock: ClockName | None = None
    for part in (word.lower() for word in parts if word):
        for population in populations:
            if part == population and found_population is None and found_clock is None:
                found_population = population
                break
        else:
            for clock in clocks:
                if part == clock and found_clock is None:
                    found_clock = clock
                    break
            else:
                match = nearest(part, [*populations, *clocks])
                hint = f"did you mean {match}?" if match and match != part else _EXAMPLE
                raise UsageError(
                    f"target `{text}` does not know `{part}` there: expected warm, cold or all, "
                    "then duration, response, service or e2e",
                    hint=hint,
                )
    return found_population or "warm", found_clock or "duration"
