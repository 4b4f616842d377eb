"""Pieces of charts in SVG that several charts share: axes, scales, labels that do not lie on each other.

Lengths are in user units of a view box that is `WIDTH` wide: about the pixels of a phone held upright, so that text
stays readable there and grows with the page elsewhere. Colours are classes, which the page's style sheet knows for a
dark and a light screen. Every text goes through `Markup.format`, which escapes it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH = 380
LEFT, RIGHT, TOP, BOTTOM = 52, 74, 20, 42
_LETTER, _LINE = 6.8, 13.0
"""About how wide a letter and how high a line of text is."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places along an axis.

    Attributes:
        low: value at the beginning.
        high: value at the end, above `low`.
        begin: place of `low`.
        end: place of `high`.
        is_log: whether equal ratios have equal lengths; values are above zero then.
    """

    low: float
    high: float
    begin: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value; one beyond an end stands at it."""
        value = min(max(value, self.low), self.high)
        if self.is_log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Return round values along the axis, about six at the most."""
        return _log_ticks(self.low, self.high) if self.is_log else _linear_ticks(self.low, self.high)


def scale_of(values: Iterable[float], begin: float, end: float, *, is_log: bool) -> Scale:
    """Return a scale on which all of `values` have a place, with some room at both ends."""
    known = [value for value in values if math.isfinite(value) and (value > 0 or not is_log)]
    low, high = (min(known), max(known)) if known else (1.0, 10.0)
    if is_log:
        room = (high / low) ** 0.06 if high > low else 1.5
        return Scale(low / room, high * room, begin, end, is_log=True)
    room = 0.08 * (high - low) if high > low else 0.5 * abs(high) or 1.0
    return Scale(low - room, high + room, begin, end)


def _linear_ticks(low: float, high: float) -> list[float]:
    raw = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= raw)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for factors in ((1, 2, 5), (1, 3), (1,)):
        ticks = [tick for decade in decades for factor in factors if low <= (tick := factor * 10.0**decade) <= high]
        if len(ticks) <= 7:
            break
    return ticks if len(ticks) > 1 else _linear_ticks(low, high)


def in_time(value_ms: float) -> str:
    """Return a time as short text: ``20 ms``, ``1.5 s``."""
    return f"{value_ms / 1000:g} s" if value_ms >= 1000 else f"{value_ms:g} ms"


def text(x: float, y: float, words: str, *, classes: str = "", anchor: str = "start") -> Markup:
    """Return a text that begins, ends or has its middle at a place."""
    return Markup('<text x="{}" y="{}" text-anchor="{}" class="{}">{}</text>').format(
        number(x), number(y), anchor, classes, words
    )


def line(x1: float, y1: float, x2: float, y2: float, *, classes: str) -> Markup:
    """Return a straight line."""
    ends = [number(each) for each in (x1, y1, x2, y2)]
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(*ends, classes)


def path(points: Sequence[tuple[float, float]], *, classes: str, title: str = "", is_closed: bool = False) -> Markup:
    """Return a line through points, with a title that is shown where a pointer rests on it."""
    steps = " L".join(f"{number(x)} {number(y)}" for x, y in points)
    told = Markup("<title>{}</title>").format(title) if title else Markup()
    return Markup('<path d="M{}{}" class="{}">{}</path>').format(steps, " Z" if is_closed else "", classes, told)


def circle(x: float, y: float, radius: float, *, classes: str, title: str) -> Markup:
    """Return a dot with a title."""
    return Markup('<circle cx="{}" cy="{}" r="{}" class="{}"><title>{}</title></circle>').format(
        number(x), number(y), number(radius), classes, title
    )


def number(value: float) -> str:
    """Return a length with a decimal."""
    return f"{value:.1f}".removesuffix(".0")


def figure(parts: Iterable[Markup], height: float, name: str, description: str) -> Markup:
    """Return a whole picture, which a screen reader reads out by its description."""
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, number(height), f"{name}: {description}", Markup().join(parts)
    )


def time_axis_below(scale: Scale, top: float, bottom: float, title: str) -> list[Markup]:
    """Return a horizontal axis of times, with lines through the picture."""
    return axis_below(scale, top, bottom, title, [in_time(tick) for tick in scale.ticks()])


def axis_below(scale: Scale, top: float, bottom: float, title: str, labels: Sequence[str]) -> list[Markup]:
    """Return a horizontal axis with a label for each tick."""
    parts = []
    for tick, label in zip(scale.ticks(), labels, strict=True):
        parts.append(line(scale(tick), top, scale(tick), bottom, classes="grid"))
        parts.append(text(scale(tick), bottom + 14, label, classes="tick", anchor="middle"))
    return [*parts, text((scale.begin + scale.end) / 2, bottom + 30, title, classes="axis", anchor="middle")]


def time_axis_left(scale: Scale, left: float, right: float) -> list[Markup]:
    """Return a vertical axis of times, with lines through the picture."""
    parts = []
    for tick in scale.ticks():
        parts.append(line(left, scale(tick), right, scale(tick), classes="grid"))
        parts.append(text(left - 6, scale(tick) + 4, in_time(tick), classes="tick", anchor="end"))
    return parts


def spread(places: Sequence[float], low: float, high: float, gap: float = _LINE) -> list[float]:
    """Return places at least `gap` apart, near to those given, and within the ends where there is room."""
    order = sorted(range(len(places)), key=places.__getitem__)
    moved = list(places)
    before = low - gap
    for index in order:
        before = moved[index] = max(moved[index], before + gap)
    after = high + gap
    for index in reversed(order):
        after = moved[index] = min(moved[index], after - gap)
    return moved


def label_beside(x: float, y: float, words: str, taken: list[tuple[float, float, float, float]]) -> Markup:
    """Return a label near a dot where it covers no label in `taken`, to which its own place is added."""
    width = _LETTER * len(words)
    choices = [
        (x + 6, y - 6, "start", x + 6), (x + 6, y + 15, "start", x + 6),
        (x - 6, y - 6, "end", x - 6 - width), (x - 6, y + 15, "end", x - 6 - width),
        (x, y - 20, "middle", x - width / 2), (x, y + 29, "middle", x - width / 2),
    ]  # fmt: skip
    for at_x, at_y, anchor, begin in choices:
        box = (begin, at_y - _LINE + 2, begin + width, at_y + 2)
        if begin >= 0 and begin + width <= WIDTH and not any(_meet(box, other) for other in taken):
            taken.append(box)
            return text(at_x, at_y, words, classes="label", anchor=anchor)
    at_x, at_y, anchor, _ = choices[0]
    return text(at_x, at_y, words, classes="label", anchor=anchor)


def _meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
