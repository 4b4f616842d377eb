"""What happened, line by line: the newest below, long sentences wrapped."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdatune.tui.charts.canvas import PLAIN, Canvas
from lambdatune.tui.charts.scale import format_clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.tui.charts.canvas import Row

_INDENT = "  "
_LEAST_WRAP = 12


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        at_s: seconds since the beginning.
        glyph: what kind it is.
        sentence: what it was.
        role: of the glyph and the sentence.
    """

    at_s: float
    glyph: str
    sentence: str
    role: str = PLAIN


def event_log(events: Sequence[Event], width: int, height: int) -> list[Row]:
    """Return the newest events, as many as fit whole; of one that does not fit alone, its beginning."""
    canvas = Canvas(width, height)
    shown: list[tuple[str, str, str]] = []
    for event in reversed(events):
        lines = _lines(event, width)
        if shown and len(shown) + len(lines) > height:
            break
        shown[:0] = lines[: max(height, 0)]
    for y, (stamp, text, role) in enumerate(shown):
        canvas.put(0, y, stamp, "muted")
        canvas.put(len(stamp), y, text, role)
    if not shown:
        canvas.put(0, 0, "nothing yet", "muted")
    return canvas.rows()


def _lines(event: Event, width: int) -> list[tuple[str, str, str]]:
    """Return the lines of an event: time, text and role."""
    stamp = f"{format_clock(event.at_s)} "
    parts: list[str] = []
    for paragraph in f"{event.glyph} {event.sentence}".splitlines():
        parts += textwrap.wrap(
            paragraph, max(width - len(stamp), _LEAST_WRAP), subsequent_indent=_INDENT,
            initial_indent=_INDENT if parts else "",
        )  # fmt: skip
    return [(stamp if not number else " " * len(stamp), part, event.role) for number, part in enumerate(parts)]
