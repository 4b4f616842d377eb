"""What goes on now as a card: figures in two columns, and a meter for each limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdatune.tui.charts.bars import meter
from lambdatune.tui.charts.canvas import PLAIN, Canvas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.tui.charts.canvas import Row

_GAP = 3
_LEAST_COLUMN = 18


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure.

    Attributes:
        name: what it is.
        value: as text.
        role: of the value.
    """

    name: str
    value: str
    role: str = PLAIN


@dataclass(frozen=True, slots=True)
class Meter:
    """How much of a limit is used.

    Attributes:
        name: what is limited.
        value: that is used.
        limit: that there is.
        label: both in words.
    """

    name: str
    value: float
    limit: float
    label: str


def gauges(heading: str, figures: Sequence[Figure], meters: Sequence[Meter], width: int, height: int) -> list[Row]:
    """Return a heading, the figures and the meters; what there is no room for is left out from below."""
    canvas = Canvas(width, height)
    canvas.put(0, 0, heading, "title")
    columns = 2 if width >= 2 * _LEAST_COLUMN + _GAP else 1
    room = (width - _GAP * (columns - 1)) // columns
    lines = -(-len(figures) // columns)
    for index, figure in enumerate(figures):
        x, y = index // lines * (room + _GAP), 1 + index % lines
        canvas.put(x, y, figure.name, "muted")
        canvas.put_right(x + room, y, figure.value, figure.role)
    names = max((len(one.name) for one in meters), default=0)
    labels = max((len(one.label) for one in meters), default=0)
    for y, one in enumerate(meters, start=1 + lines):
        canvas.put(0, y, one.name, "muted")
        (row,) = meter(one.value, one.limit, max(width - names - 1, 0), 1, label=one.label.ljust(labels))
        x = names + 1
        for text, role in row:
            canvas.put(x, y, text, role)
            x += len(text)
    return canvas.rows()
