"""A widget that shows whatever a chart function draws, in the theme's colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from lambdatune.tui.charts.canvas import PLAIN, ROLES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.style import Style

    from lambdatune.tui.charts.canvas import Row

    Drawing = Callable[[int, int], list[Row]]


class Chart(Widget):
    """Draws rows of text with roles; a role's colour is that of the component class ``chart--<role>``.

    The colours are those that keep their contrast in dark and light themes ($text-...). $text and its shades are
    left out: they are worked out for a background, and have none inside `render_line`.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"chart--{role}" for role in ROLES}

    DEFAULT_CSS = """
    Chart {
        .chart--p50, .chart--warm { color: $text-primary; }
        .chart--p95, .chart--cold { color: $text-warning; }
        .chart--p99, .chart--misses, .chart--failed { color: $text-error; }
        .chart--other { color: $text-accent; }
        .chart--target, .chart--meets { color: $text-success; }
        .chart--best { color: $text-success; text-style: bold; }
        .chart--unproven { color: $text-warning; }
        .chart--axis, .chart--muted { color: $foreground 70%; }
        .chart--grid { color: $foreground 35%; }
        .chart--title { color: $foreground; text-style: bold; }
        .chart--mark { color: $text-success; text-style: bold; }
    }
    """

    def __init__(self, drawing: Drawing | None = None, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id, classes=classes)
        self._drawing = drawing
        self._painted: list[Row] = []
        self._strips: list[Strip] = []
        self._styles: dict[str, Style] = {}
        self._drawn_for: tuple[int, int] | None = None

    def show(self, drawing: Drawing) -> None:
        """Draw another chart from now on: a function of width and height."""
        self._drawing = drawing
        self.redraw()

    def redraw(self) -> None:
        """Draw anew: at once where there is a picture already, of which only the rows that differ are refreshed."""
        if self._drawn_for is None or self._drawn_for != (*self.size,):
            self._drawn_for = None
            self.refresh()
            return
        before = self._painted
        self._draw_rows(before)
        changed = [y for y, row in enumerate(self._painted) if y >= len(before) or row != before[y]]
        if len(self._painted) != len(before):
            self.refresh()
        elif changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def _draw_rows(self, before: Sequence[Row] = ()) -> None:
        """Draw; rows that are as `before` keep their strips."""
        self._drawn_for = (*self.size,)
        self._painted = self.draw(*self.size)
        self._strips = [
            self._strips[y] if y < len(before) and before[y] == row else self.strip_of(row, y)
            for y, row in enumerate(self._painted)
        ]

    def notify_style_update(self) -> None:
        """Forget rows in the colours of another theme."""
        super().notify_style_update()
        self._drawn_for = None
        self._styles = {}

    def render_line(self, y: int) -> Strip:
        """Return a row; all of them are drawn when the first is asked for."""
        if self._drawn_for != (*self.size,):
            # What is behind the widget may have changed with its place.
            self._styles = {}
            self._draw_rows()
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the rows of the chart."""
        return [] if self._drawing is None else self._drawing(width, height)

    def strip_of(self, row: Row, number: int) -> Strip:  # noqa: ARG002  subclasses style rows by their number
        """Return a row in the theme's colours."""
        return Strip([Segment(text, self.style_of(role)) for text, role in row], self.size.width)

    def style_of(self, role: str) -> Style:
        """Return the style of a role, which is worked out once for a theme."""
        style = self._styles.get(role)
        if style is None:
            style = self.rich_style if role == PLAIN else self.get_component_rich_style(f"chart--{role}")
            self._styles[role] = style
        return style
