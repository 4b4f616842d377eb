"""Two measured sizes side by side: what is shown to differ, by how much at the least, and what must not be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lambdatune.model.errors import UsageError
from lambdatune.model.modes import MODES
from lambdatune.model.result import Stats
from lambdatune.stats.comparison import Estimate, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambdatune.model.comparison import Word
    from lambdatune.model.result import CellResult, RunResult
    from lambdatune.model.target import ClockName
    from lambdatune.stats.comparison import Ratio

HERE = "this machine"
"""The place of runs on the embedded endpoint, whichever port it had."""

_WORDS: dict[str, tuple[Word, Word]] = {"time": ("faster", "slower"), "cost": ("cheaper", "dearer")}
_PERCENTILES = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of two cells.

    Attributes:
        measure: ``p50``, ``p95``, ``p99`` in ms, or ``cost`` in dollars per million calls.
        base: of the one that is compared with; None when it is not known.
        figure: of the other.
        ratio: `figure` over `base`; None when one of them is not known or has no interval.
        word: what the interval shows.
    """

    measure: str
    base: float | None
    figure: float | None
    ratio: Ratio | None
    word: Word


def differences(
    cell: CellResult, base: CellResult, *, population: Literal["warm", "cold"], clock: ClockName
) -> tuple[Difference, ...]:
    """Return what is shown to differ between two cells that were measured independently of each other.

    Each word rests on an interval of its own, at the confidence of the results.

    Args:
        cell: what is compared.
        base: what it is compared with.
        population: which calls the times are of.
        clock: which clock they are on; cold calls on the duration clock count init.
    """
    one, other = clock_stats(base, population, clock), clock_stats(cell, population, clock)
    found = [
        _difference(name, _estimate(one, name), _estimate(other, name), getattr(one, name), getattr(other, name))
        for name in _PERCENTILES
    ]
    base_cost, cost = base.cost_usd_per_million, cell.cost_usd_per_million
    found.append(
        _difference(
            "cost",
            _of_interval(base_cost.blended, base_cost.intervals.get("blended")),
            _of_interval(cost.blended, cost.intervals.get("blended")),
            base_cost.blended,
            cost.blended,
        )
    )
    return tuple(found)


def require_comparable(
    result: RunResult, base: RunResult, *, clock: ClockName = "duration", together: bool = False
) -> None:
    """Check that a difference between two runs would be one of what was measured.

    What may differ on purpose is code, runtime, configuration, memory and, on AWS, architecture. What was not recorded
    of both is not compared.

    Args:
        result: what is compared.
        base: what it is compared with.
        clock: of the times; on AWS only the client's clocks depend on the host that sent the load.
        together: whether they were measured side by side, as variants whose mode or events differ on purpose.

    Raises:
        UsageError: naming what differs and makes their figures incomparable.
    """
    for name, one, other, hint in _fingerprints(base, result, clock):
        if one == other or (together and name in _OF_VARIANTS):
            continue
        raise UsageError(
            f"runs {base.id} and {result.id} cannot be compared: the {name} of the first is {one}, of the second "
            f"{other}",
            hint=hint,
        )
    if _place(base) == HERE and base.architectures != result.architectures:
        raise UsageError(
            f"runs {base.id} and {result.id} cannot be compared: the first is {base.architectures}, the second "
            f"{result.architectures}, and both ran on this machine's processor",
            hint="compare architectures on AWS",
        )


_OF_VARIANTS = {"payloads", "invocation mode", "payload hash"}
"""What variants of one comparison may differ in, where runs of different times must not."""

_FUNCTION_ALONE = "compare runs that differ in the function alone"
_AGAIN = "measure the first again, so that both were measured alike"


def _fingerprints(base: RunResult, result: RunResult, clock: ClockName) -> Iterator[tuple[str, Any, Any, str]]:
    """Yield what must be the same in two runs: its name, what it is in each, and what to do when it differs."""
    yield "endpoint", _place(base), _place(result), _FUNCTION_ALONE
    yield "region", base.environment.get("region"), result.environment.get("region"), _FUNCTION_ALONE
    yield "payloads", _payloads(base), _payloads(result), _FUNCTION_ALONE
    yield "invocation mode", base.plan.get("mode"), result.plan.get("mode"), _FUNCTION_ALONE
    hashes = [_payload_hashes(run) for run in (base, result)]
    if all(hashes):
        yield "payload hash", hashes[0], hashes[1], "send both the same events with --payload"
    tools = [run.environment.get("lambdatune") for run in (base, result)]
    if all(tools):
        yield "version of lambdatune", tools[0], tools[1], _AGAIN
    if _place(base) == HERE or clock != "duration":
        for name in ("processor", "cores", "system"):
            told = [(run.environment.get("generator") or {}).get(name) for run in (base, result)]
            if all(told):
                yield f"{name} of the host that sent the load", told[0], told[1], _AGAIN
    limiters = [(run.environment.get("embedded") or {}).get("cpu_limiter") for run in (base, result)]
    if all(limiters):
        yield "CPU limiter of the endpoint", limiters[0], limiters[1], _AGAIN


def cautions(result: RunResult, base: RunResult, *, together: bool = False) -> tuple[str, ...]:
    """Return what a reader should know of a comparison that is allowed, in sentences.

    Args:
        result: what is compared.
        base: what it is compared with.
        together: whether they were measured side by side.
    """
    found = []
    if result.id == base.id:
        found.append("both sizes were measured in one run, in turns: drift hits both alike")
    elif together:
        found.append("measured side by side, their orders in random turns: drift hits all alike")
        found += [f"{name} differ" for name in _differing(base, result)]
    else:
        found.append("measured at different times: a difference may be that of the hosts or of the hour")
    if result.architectures != base.architectures:
        found.append(f"architectures differ: {base.architectures} and {result.architectures}")
    for name, what in () if together else (("runtime", "runtimes"), ("name", "functions")):
        one, other = getattr(base.function, name), getattr(result.function, name)
        if one != other:
            found.append(f"{what} differ: {one or 'an image'} and {other or 'an image'}")
    hosts = [run.environment.get("generator") for run in (base, result)]
    if all(hosts) and hosts[0] != hosts[1]:
        found.append("the loads were sent from hosts that differ: only the function's own clock may be compared")
    loads = [[run.plan.get(name) for name in ("concurrency", "rate_per_s", "ramp", "burst")] for run in (base, result)]
    if loads[0] != loads[1]:
        found.append("loads differ: times on the client's clock hold waiting, and waiting depends on the load")
    invalid = [run for run in (base, result) if not run.validity.valid]
    found += [f"run {run.id} is invalid: {'; '.join(run.validity.reasons)}" for run in invalid]
    return tuple(dict.fromkeys(found))


def _differing(base: RunResult, result: RunResult) -> list[str]:
    """Return what variants differ in besides the function."""
    modes = [run.plan.get("mode") for run in (base, result)]
    payloads = [_payload_hashes(run) or _payloads(run) for run in (base, result)]
    found = [] if modes[0] == modes[1] else [f"invocation modes ({modes[0]} and {modes[1]})"]
    return [*found, *([] if payloads[0] == payloads[1] else ["the events that are sent"])]


def clock_stats(cell: CellResult, population: Literal["warm", "cold"], clock: ClockName) -> Stats:
    """Return the figures of a cell's warm or cold calls on a clock; cold ones on the duration clock with init.

    The end of a call that waits for its result is its answer.
    """
    calls = cell.cold if population == "cold" else cell.warm
    if clock == "duration":
        return cell.cold.total_ms if population == "cold" else cell.warm.duration_ms
    if clock == "service":
        return calls.service_ms
    if clock == "e2e" and MODES[cell.mode].is_delivered:
        return calls.e2e_ms or Stats(0)
    return calls.response_ms


def _estimate(stats: Stats, name: str) -> Estimate | None:
    return _of_interval(getattr(stats, name), stats.intervals.get(name))


def _of_interval(point: float | None, interval: tuple[float, float | None] | None) -> Estimate | None:
    return None if point is None or interval is None else Estimate(point, *interval)


def _difference(
    measure: str, base: Estimate | None, figure: Estimate | None, base_value: float | None, value: float | None
) -> Difference:
    found = None if base is None or figure is None else ratio(figure, base)
    less, more = _WORDS["cost" if measure == "cost" else "time"]
    word: Word = "not known"
    if found is not None:
        word = less if found.is_below_one else more if found.is_above_one else "no difference shown"
    return Difference(measure, base_value, value, found, word)


def _place(result: RunResult) -> str:
    if result.environment.get("embedded"):
        return HERE
    return result.environment.get("endpoint_url") or "AWS"


def _payloads(result: RunResult) -> str:
    """Return the events of a run, as far as they are recorded: sizes and weights."""
    return ", ".join(f"{payload['bytes']} bytes x {payload['weight']:g}" for payload in result.plan["payloads"])


def _payload_hashes(result: RunResult) -> str | None:
    """Return the events of a run by their hashes; None where one was not recorded."""
    hashes = [payload.get("sha256") for payload in result.plan["payloads"]]
    return ", ".join(hashes) if all(hashes) else None
