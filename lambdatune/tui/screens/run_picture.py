"""The picture of a session under way: its charts, its table and its words; it knows no engine."""

from __future__ import annotations

import gc
import time
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from lambdatune.tui import live_figures as figures
from lambdatune.tui.charts.events import Event, event_log
from lambdatune.tui.charts.frontier import frontier_chart
from lambdatune.tui.charts.gauges import gauges
from lambdatune.tui.charts.line import line_chart
from lambdatune.tui.charts.ridge import ridge
from lambdatune.tui.screens.base import LambdatuneScreen
from lambdatune.tui.widgets.chart import Chart
from lambdatune.tui.widgets.live_table import LiveTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual import events
    from textual.timer import Timer
    from textual.widget import Widget

    from lambdatune.model.target import Target
    from lambdatune.session.live.messages import LiveCell, OverTime, Snapshot
    from lambdatune.tui.charts.canvas import Row
    from lambdatune.tui.charts.line import Line

View = Literal["sizes", "time", "ridge", "frontier", "events"]
_VIEWS: tuple[View, ...] = get_args(View)
_KINDS: tuple[tuple[str, ...], ...] = (("warm", "cold"), ("warm",), ("cold",))

_REDRAW_S = 0.25
_UNFOCUSED_S = 1.0
_EVENTS = 500
"""Events that are kept for the log; the run directory has what matters of the others."""


class RunPicture(LambdatuneScreen):
    """Draws a session, at most four times in a second, and once in a second while the terminal has no focus.

    Args:
        snapshot: what is known of it at first.

    Attributes:
        snapshot: the newest; None before the first.
        view: which chart is wanted; None for the first that fits.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "view", "View", id="run.view", tooltip="the next chart: time, distribution, frontier, events",
                show=False),
        Binding("c", "kinds", "Cold/warm", id="run.kinds", tooltip="cold and warm calls, or one of them, in charts",
                show=False),
        Binding("g", "scale", "Log/linear", id="run.scale", tooltip="log axis, or from zero, of latency over time",
                show=False),
    ]  # fmt: skip

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        super().__init__()
        self.snapshot = snapshot
        self.view: View | None = None
        self._events: list[Event] = []
        self._picked: figures.CellKey | None = None
        self._last_running: figures.CellKey | None = None
        self._gone: str | None = None
        self._is_stopping = False
        self._log = False
        self._kinds = _KINDS[0]
        self._drawn_at = float("-inf")
        self._due: Timer | None = None
        self._shown: dict[str, tuple[object, ...]] = {}

    def body(self) -> Iterable[Widget]:
        """Return banner, charts, card, table and log."""
        yield Static(id="banner", markup=False)
        with Horizontal(id="charts"):
            yield Chart(id="chart", classes="panel")
            with Vertical(id="side"):
                yield Chart(id="now", classes="panel")
                yield Chart(id="ridge", classes="panel")
        yield Static(id="now-line", markup=False)
        yield LiveTable(figures.COLUMNS, id="sizes", classes="panel")
        yield Static(id="warnings", markup=False)
        yield Chart(id="events", classes="panel")
        yield Static(id="last-event", markup=False)

    def on_mount(self) -> None:
        """Show what is known."""
        self.query_one("#now").border_title = "Now"
        self.query_one("#events").border_title = "What happened"
        self.query_one("#sizes").border_subtitle = "latency in ms, function clock (REPORT)"
        self.query_one("#sizes").focus()
        self.watch(self.app, "app_focus", self._draw_soon, init=False)
        self._draw()
        # Program and screens are some 200,000 objects that stay: a full collection goes through them in 60 ms, in the
        # middle of a frame. Frozen, they are left out until the screen is gone.
        gc.freeze()

    def on_unmount(self) -> None:
        """Let the collector see everything again."""
        gc.unfreeze()

    def _write(self, event: Event) -> None:
        self._events = [*self._events, event][-_EVENTS:]
        self._draw_soon()

    # --- which cell --------------------------------------------------------------------------------------------------

    def _index(self) -> int | None:
        """Return the cell that charts show: the one picked, the one measured, or the one that was measured last."""
        snapshot = self.snapshot
        if snapshot is None or not snapshot.cells:
            return None
        picked = self._index_of(self._picked)
        if picked is not None:
            return picked
        if snapshot.running is not None:
            self._last_running = figures.key_of(snapshot.cells[snapshot.running])
            return snapshot.running
        last = self._index_of(self._last_running)
        if last is not None:
            return last
        if snapshot.over_time is not None:
            return snapshot.over_time.cell
        return max((place for place, cell in enumerate(snapshot.cells) if cell.calls), default=None)

    def _index_of(self, key: figures.CellKey | None) -> int | None:
        if key is None or self.snapshot is None:
            return None
        keys = [figures.key_of(cell) for cell in self.snapshot.cells]
        return keys.index(key) if key in keys else None

    def _cell(self) -> LiveCell | None:
        index = self._index()
        return None if index is None or self.snapshot is None else self.snapshot.cells[index]

    # --- views -------------------------------------------------------------------------------------------------------

    def _views(self) -> tuple[View, ...]:
        """Return the views that take turns: the first one is shown at first."""
        if self.has_class("is-cramped"):
            return _VIEWS
        if self._is_big:
            return ("time", "frontier", "events")
        return ("time", "ridge", "frontier", "events")

    @property
    def _is_big(self) -> bool:
        return self.has_class("-tall") and self.has_class("-wide")

    def _shown_view(self) -> View:
        views = self._views()
        return self.view if self.view in views else views[0]

    def action_view(self) -> None:
        """Show the next view."""
        views = self._views()
        self.view = views[(views.index(self._shown_view()) + 1) % len(views)]
        self._draw()

    def action_kinds(self) -> None:
        """Show cold and warm calls, or one of them."""
        self._kinds = _KINDS[(_KINDS.index(self._kinds) + 1) % len(_KINDS)]
        self._draw()

    def action_scale(self) -> None:
        """Change between a log axis and one from zero."""
        self._log = not self._log
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """Take the view that fits after a change of size."""
        super().on_resize(event)
        # The classes of the size are set after this, by Textual's own handler.
        self.call_later(self._draw)

    # --- drawing -----------------------------------------------------------------------------------------------------

    def _draw_soon(self) -> None:
        """Draw now, or when it is time again; what comes until then is drawn with it."""
        if not self.is_mounted or self._due is not None:
            return
        every_s = _REDRAW_S if self.app.app_focus else _UNFOCUSED_S
        wait_s = self._drawn_at + every_s - time.monotonic()
        if wait_s <= 0:
            self._draw()
        else:
            self._due = self.set_timer(wait_s, self._draw)

    def _draw(self) -> None:
        if self._due is not None:
            self._due.stop()
            self._due = None
        self._drawn_at = time.monotonic()
        with self.app.batch_update():
            self._draw_words()
            self._draw_table()
            view = self._shown_view()
            for name in _VIEWS:
                self.set_class(view == name, f"show-{name}")
            if view != "sizes":
                self._draw_chart(self.query_one("#chart", Chart), view)
            if self._is_big:
                self._draw_chart(self.query_one("#ridge", Chart), "ridge")
                self._draw_card()
            self.query_one("#events", Chart).show(partial(event_log, self._events))

    def _draw_words(self) -> None:
        snapshot, width = self.snapshot, self.size.width
        self._draw_bar()
        line = "" if snapshot is None else figures.now_line(snapshot, width - 2)
        self._put("#now-line", line)
        warnings = [] if snapshot is None or self._gone else figures.warnings_of(snapshot, width)
        self._put("#warnings", "\n".join(warnings), layout=True)
        self.set_class(bool(warnings), "has-warnings")
        last = self._events[-1] if self._events else None
        text = f"{last.glyph} {last.sentence}".splitlines()[0] if last else ""
        self._put("#last-event", text)

    def _is_new(self, what: str, *shown: object) -> bool:
        """Return whether something else is shown from now on: Textual draws anew whatever it is given."""
        if self._shown.get(what) == shown:
            return False
        self._shown[what] = shown
        return True

    def _put(self, selector: str, text: str, *, layout: bool = False) -> None:
        if self._is_new(selector, text):
            self.query_one(selector, Static).update(text, layout=layout)

    def _entitle(self, widget: Widget, title: str, subtitle: str = "") -> None:
        if self._is_new(f"titles of {widget.id}", title, subtitle):
            widget.border_title, widget.border_subtitle = title, subtitle

    def _draw_bar(self) -> None:
        snapshot = self.snapshot
        if self._gone:
            state, style = "✗ engine gone", "bold $text-error"
        elif snapshot is None:
            state, style = "○ starting", "bold"
        else:
            shown = snapshot.state
            if self._is_stopping and shown != "undoing":
                shown = "stopping"
            state = " ".join(figures.STATES[shown])
            style = "bold $text-success" if shown == "running" else "bold $text-warning"
        times = f"  {figures.times_line(snapshot, is_over=self._gone is not None)} " if snapshot else " "
        function = snapshot.function if snapshot else ""
        room = self.size.width - len(" lambdatune  ") - len(function) - len(state) - len(times) - 4
        middle = f"  {figures.about(snapshot, room)}" if snapshot and room > 0 else ""
        gap = max(self.size.width - len(" lambdatune  ") - len(function) - len(middle) - len(state) - len(times), 1)
        if self._is_new("bar", function, middle, gap, state, times):
            self.say((function, "bold"), (middle, "$foreground 80%"), " " * gap, (state, style), times)
        if self._is_new("state", state):
            self.refresh_bindings()

    def _draw_table(self) -> None:
        snapshot, table = self.snapshot, self.query_one("#sizes", LiveTable)
        if snapshot is None:
            return
        done = sum(cell.state not in {"queued", "running"} for cell in snapshot.cells)
        sizes = f"Memory sizes  {done}/{len(snapshot.cells)}" if snapshot.cells else "Memory sizes"
        goal = f"target {', '.join(snapshot.targets)}" if snapshot.targets else "no target"
        words = "latency in ms, function clock (REPORT)"
        if figures.is_delivered(snapshot):
            words = "ms; warm: REPORT; queued: until start; e2e: until end"
        self._entitle(table, f"{sizes} · {goal}", words)
        table.show_live(figures.columns_for(snapshot), figures.cell_rows(snapshot), self._index())

    def _draw_card(self) -> None:
        snapshot, card = self.snapshot, self.query_one("#now", Chart)
        if snapshot is None:
            return
        parts = figures.now_figures(snapshot), figures.now_meters(snapshot)
        self._entitle(card, "Now", figures.spent(snapshot))
        card.show(partial(gauges, figures.now_heading(snapshot), *parts))

    def _draw_chart(self, chart: Chart, view: View) -> None:
        snapshot, cell = self.snapshot, self._cell()
        if view == "events":
            self._entitle(chart, "What happened")
            chart.show(partial(event_log, self._events))
            return
        targets = figures.targets_of(snapshot) if snapshot else []
        if view == "frontier" and snapshot is not None:
            target = targets[0] if targets else figures.USUAL
            self._entitle(chart, f"Cost against latency · {figures.target_name(target)}", "so far, function clock")
            goal = target.threshold_ms if targets else None
            sizes = figures.frontier_sizes(snapshot, target)
            chart.show(partial(frontier_chart, sizes, latency=figures.target_name(target), target_ms=goal))
        elif view == "ridge":
            self._draw_ridge(chart, cell, targets)
        else:
            self._draw_time(chart, cell, targets)

    def _draw_ridge(self, chart: Chart, cell: LiveCell | None, targets: list[Target]) -> None:
        self._entitle(
            chart, "Distribution" + (f" · {cell.memory_mb} MB" if cell else "") + " · ms, log", "function clock"
        )
        parts = [] if cell is None else figures.ridge_parts(cell, self._kinds)
        goals = [target.threshold_ms for target in targets if target.population in {*self._kinds, "all"}]
        chart.show(partial(ridge, parts, target_ms=goals[0] if goals else None))

    def _draw_time(self, chart: Chart, cell: LiveCell | None, targets: list[Target]) -> None:
        snapshot = self.snapshot
        target = next((one for one in targets if one.population != "cold"), None)
        over_time = None if snapshot is None else snapshot.over_time
        seen = "" if over_time is None else f", {_SEEN[over_time.clock]}"
        self._entitle(chart, "Warm latency" + (f" · {cell.memory_mb} MB" if cell else "") + f" · ms{seen}")
        if over_time is not None and over_time.cell != self._index():
            over_time = None  # The engine has not heard yet which cell is picked.
        chart.show(partial(_time_chart, over_time, target, self._log, self._waiting_for(cell)))

    def _waiting_for(self, cell: LiveCell | None) -> str:
        """Return what is said in place of a chart without values."""
        snapshot = self.snapshot
        if snapshot is None:
            return "preparing: no call was made yet"
        if cell is not None and cell.state == "queued":
            return "○ queued: no call yet"
        if cell is not None and cell.state == "failed":
            return f"! failed: {cell.reason}" if cell.reason else "! failed: no call succeeded"
        if cell is not None and cell.warm.count:
            return "… fetching"
        if snapshot.state == "running":
            what = "warm " if snapshot.calls else ""
            return f"waiting for the first {what}response… {snapshot.in_flight} in flight"
        return "no warm call yet"


_SEEN = {
    "duration": "function clock",
    "response": "seen by the client",
    "service": "seen by the client, from the actual send",
    "e2e": "end to end",
}
"""Whose latency it is, by the clock."""


def _time_chart(
    over_time: OverTime | None, target: Target | None, log: bool, empty: str, width: int, height: int
) -> list[Row]:  # fmt: skip
    """Return the chart of latency over time, with as many lines as its height can tell apart."""
    lines: list[Line] = figures.over_time_lines(over_time, target, height)
    goal = target.threshold_ms if target else None
    return line_chart(lines, width, height, target_ms=goal, log=log, empty=empty)
