"""The verdict of a pair in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lambdatune.model.quantities import format_number
from lambdatune.stats.environments import FEWEST, count_of
from lambdatune.stats.rows import is_error, is_throttled, is_warm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambdatune.model.comparison import Effect
    from lambdatune.recommend.cell_evidence import CellEvidence

_AS_FAST = 1.5
"""From this factor on times are told as a multiple, below it as a share."""

_ERRORS_TOLD = 0.01


def measure_name(percentile: float) -> str:
    """Return the name of a percentile as results have it: ``p95``, ``p99_9``."""
    return f"p{format_number(percentile)}".replace(".", "_")


def sentence_of(base: str, other: str, time: Effect, cost: Effect) -> str:
    """Return the verdict in a sentence: the effects that are shown with their intervals, or what may be hidden."""
    shown = [time_words(base, time), cost_words(cost)]
    if time.word in {"faster", "slower"}:
        second = shown[1] if cost.word in {"cheaper", "dearer"} else f"no difference of cost is shown{_hidden(cost)}"
        joint = "; " if cost.word not in {"cheaper", "dearer"} else " and is " if shown[0][:2] != "is" else " and "
        return f"{other} {shown[0]}{joint}{second}"
    if cost.word in {"cheaper", "dearer"}:
        return f"{other} is {shown[1]} than {base}; no difference of time is shown{_hidden(time)}"
    if time.word == "not known" and cost.word == "not known":
        return f"not known: {other} and {base} have no calls to compare"
    return f"no difference shown between {other} and {base}: time{_hidden(time)}, cost{_hidden(cost)}"


def time_words(base: str, effect: Effect) -> str:
    """Return what is shown of the time: ``is 1.8x as fast as python at p95 (1.6x to 2.0x)``."""
    ratio, at = effect.ratio or 1.0, effect.measure.replace("_", ".")
    if effect.word == "faster":
        ends = _inverse(effect.high), _inverse(effect.low)
        if 1 / ratio >= _AS_FAST:
            return f"is {1 / ratio:.2g}x as fast as {base} at {at} ({_ends(*ends, form=_times)})"
        less = [None if end is None else 1 - 1 / end for end in ends]
        return f"takes {_share(1 - ratio)} less time than {base} at {at} ({_ends(*less, form=_percent)})"
    if ratio >= _AS_FAST:
        return f"takes {ratio:.2g}x the time of {base} at {at} ({_ends(effect.low, effect.high, form=_times)})"
    more = [None if end is None else end - 1 for end in (effect.low, effect.high)]
    return f"is {_share(ratio - 1)} slower than {base} at {at} ({_ends(*more, form=_percent)})"


def cost_words(effect: Effect) -> str:
    """Return what is shown of the cost: ``31 % cheaper (28 to 34 %)``."""
    ratio = effect.ratio or 1.0
    if effect.word == "cheaper":
        less = [None if end is None else 1 - end for end in (effect.high, effect.low)]
        return f"{_share(1 - ratio)} cheaper ({_ends(*less, form=_percent)})"
    if ratio >= 2:
        return f"{ratio:.2g}x as dear ({_ends(effect.low, effect.high, form=_times)})"
    more = [None if end is None else end - 1 for end in (effect.low, effect.high)]
    return f"{_share(ratio - 1)} dearer ({_ends(*more, form=_percent)})"


def cautions_of(
    cells: tuple[CellEvidence, CellEvidence], labels: tuple[str, str], population: Literal["warm", "cold"]
) -> Iterator[str]:
    """Yield what a reader should know of the evidence of two cells, in sentences."""
    for cell, label in zip(cells, labels, strict=True):
        rows = cell.rows
        if not len(rows):
            continue
        for kind, mask in (("failed", is_error(rows)), ("were throttled", is_throttled(rows))):
            share = float(mask.mean())
            if share > _ERRORS_TOLD:
                yield f"{share:.0%} of the calls of {label} {kind}: its times are those of the others"
        if population == "warm":
            yield from _few_environments(cell, label)


def _few_environments(cell: CellEvidence, label: str) -> Iterator[str]:
    known = cell.environments()
    if known is None:
        yield f"which environments served {label} is not known: they are supposed to differ as those of others do"
        return
    count = count_of(known[is_warm(cell.rows)])
    if 0 < count < FEWEST:
        served = f"{count} environments" if count > 1 else "one environment"
        yield f"{served} served the warm calls of {label}: what others would differ by is supposed; more in flight tell"


def _hidden(effect: Effect) -> str:
    """Return what an effect that is not shown may be all the same: ``(p95 0.97x to 1.06x)``."""
    name = "" if effect.measure == "cost" else f"{effect.measure.replace('_', '.')} "
    if effect.ratio is None:
        return " not known"
    if effect.low is None and effect.high is None:
        return f" ({name}{effect.ratio:.2f}x, not bounded by so few calls)"
    return f" ({name}{_ends(effect.low, effect.high, form=_times)})"


def _ends(low: float | None, high: float | None, *, form: str) -> str:
    if low is None or high is None:
        end = low if high is None else high
        return f"{'at least' if high is None else 'at most'} {_formed(end or 0.0, form)}"
    if form == _percent:
        return f"{100 * low:.0f} to {_formed(high, form)}"
    return f"{_formed(low, form)} to {_formed(high, form)}"


_times, _percent = "times", "percent"


def _formed(value: float, form: str) -> str:
    if form == _percent:
        return f"{100 * value:.0f} %"
    return f"{value:.2f}x" if value < 10 else f"{value:.0f}x"


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _inverse(value: float | None) -> float | None:
    return None if value is None else 1 / value
