"""Figures of aws-lambda-power-tuning, and the visualization URL that holds them.

The data is in the URL's fragment, which a browser does not send: sizes as int16, mean durations in ms and mean costs
of a call as float32, each list little-endian and in base64, joined by semicolons (README of
matteo-ronchetti/aws-lambda-power-tuning-ui, "URL format"; `buildVisualizationURL` in that tool's ``lambda/utils.js``).
A comparison has both tunings one after the other, and then their names (``src/app.js`` of the page).
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lambdatune.model.errors import UsageError
from lambdatune.model.quantities import MAX_MEMORY_MB, MIN_MEMORY_MB

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SITE = "https://lambda-power-tuning.show/"
"""The page of that tool; a stack of one's own may name another."""

_PARTS = 3
_COMPARISON = 2 * _PARTS + 2
_CHINA = "?currency=CNY"
_HINT = (
    "give the whole of `stateMachine.visualization` in that tool's output, in quotes: https://.../#sizes;times;costs"
)


@dataclass(frozen=True, slots=True)
class PowerTuning:
    """What aws-lambda-power-tuning measured, as its page is told it: three lists of one length, ascending in size.

    Attributes:
        sizes_mb: memory sizes in MB.
        durations_ms: mean duration of a call at each, init of what was cold included, the slowest and fastest cut off.
        costs: mean cost of a call at each, without the request fee.
        currency: of the costs: USD or CNY.
        name: what a comparison calls it; empty for one by itself.
    """

    sizes_mb: tuple[int, ...]
    durations_ms: tuple[float, ...]
    costs: tuple[float, ...]
    currency: str = "USD"
    name: str = ""

    @property
    def url(self) -> str:
        """The URL of the page that shows it."""
        parts = (
            _encoded("h", self.sizes_mb),
            _encoded("f", self.durations_ms),
            _encoded("f", self.costs),
        )
        return f"{SITE}{_CHINA if self.currency == 'CNY' else ''}#{';'.join(parts)}"

    @property
    def cheapest_mb(self) -> int:
        """The size that strategy ``cost`` takes there: of the lowest mean cost, the faster of two alike."""
        return self._least(lambda at: (self.costs[at], self.durations_ms[at]))

    @property
    def fastest_mb(self) -> int:
        """The size that strategy ``speed`` takes there."""
        return self._least(lambda at: (self.durations_ms[at], self.costs[at]))

    @property
    def balanced_mb(self) -> int:
        """The size that strategy ``balanced`` takes there at weight 0.5: least in the sum of shares of the greatest."""
        dearest, slowest = max(self.costs) or 1.0, max(self.durations_ms) or 1.0
        return self._least(lambda at: self.costs[at] / dearest + self.durations_ms[at] / slowest)

    def _least(self, key: Callable[[int], Any]) -> int:
        return self.sizes_mb[min(range(len(self.sizes_mb)), key=key)]


def is_url(text: str) -> bool:
    """Return whether a text is meant as a URL, and no name or path."""
    return text.strip().lower().startswith(("https://", "http://"))


def read_visualization_url(text: str) -> tuple[PowerTuning, ...]:
    """Return the tuning that a visualization URL holds, or the two that it compares. Nothing is fetched.

    Raises:
        UsageError: when its fragment does not hold figures in that encoding.
    """
    address, _, fragment = text.strip().partition("#")
    parts = fragment.removesuffix(";").split(";")
    if len(parts) not in (_PARTS, _COMPARISON):
        raise UsageError(
            f"`{_short(text)}` is no visualization URL of aws-lambda-power-tuning: expected three lists after the #, "
            f"joined by semicolons, or two tunings and their names, not {len(parts) if fragment else 'nothing'}",
            hint=_HINT,
        )
    currency = "CNY" if _CHINA in address else "USD"
    if len(parts) == _PARTS:
        return (_tuning(parts, currency, "", text),)
    names = [" ".join(unquote(part).split()) or f"tuning {number}" for number, part in enumerate(parts[-2:], 1)]
    lists = (parts[:_PARTS], parts[_PARTS:-2])
    return tuple(_tuning(of, currency, name, text) for of, name in zip(lists, names, strict=True))


def _tuning(parts: Sequence[str], currency: str, name: str, text: str) -> PowerTuning:
    sizes = [int(size) for size in _decoded("h", parts[0], "sizes", text)]
    times, costs = (_decoded("f", part, what, text) for part, what in zip(parts[1:], ("times", "costs"), strict=True))
    if not len(sizes) == len(times) == len(costs):
        raise _malformed(text, f"it has {len(sizes)} sizes, {len(times)} times and {len(costs)} costs")
    if not sizes:
        raise _malformed(text, "it has no size")
    wrong = next((size for size in sizes if not MIN_MEMORY_MB <= size <= MAX_MEMORY_MB), None)
    if wrong is not None:
        raise _malformed(text, f"{wrong} MB is no memory size of a function")
    if any(not math.isfinite(figure) or figure < 0 for figure in (*times, *costs)):
        raise _malformed(text, "a time or a cost is no number from 0 on")
    if len(set(sizes)) != len(sizes):
        raise _malformed(text, "a size stands in it twice")
    order = sorted(range(len(sizes)), key=sizes.__getitem__)
    return PowerTuning(
        tuple(sizes[at] for at in order), tuple(times[at] for at in order), tuple(costs[at] for at in order),
        currency, name,
    )  # fmt: skip


def _encoded(kind: str, values: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}{kind}", *values)).decode("ascii")


def _decoded(kind: str, part: str, what: str, text: str) -> tuple[float, ...]:
    try:
        data = base64.b64decode(part, validate=True)
    except (binascii.Error, ValueError) as error:  # the latter of what is not ASCII
        raise _malformed(text, f"its list of {what} is not base64") from error
    width = struct.calcsize(kind)
    if len(data) % width:
        raise _malformed(text, f"its list of {what} was cut off")
    return struct.unpack(f"<{len(data) // width}{kind}", data)


def _malformed(text: str, why: str) -> UsageError:
    return UsageError(f"`{_short(text)}` is no visualization URL of aws-lambda-power-tuning: {why}", hint=_HINT)


def _short(text: str, length: int = 60) -> str:
    told = "".join(character if character.isprintable() else "\ufffd" for character in text.strip())
    return told if len(told) <= length else f"{told[:length]}..."
