"""Run: what is measured now, and the keys that steer it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from lambdatune.model.errors import UsageError
from lambdatune.model.memory import parse_memory
from lambdatune.model.quantities import parse_rate_per_s
from lambdatune.model.target import parse_target
from lambdatune.session.live.messages import (
    AddSize,
    ChangeLoad,
    ChangeTargets,
    EndSize,
    Follow,
    Pause,
    Resume,
    Said,
    Stop,
)
from lambdatune.tui.charts.frontier import frontier_chart
from lambdatune.tui.charts.line import line_chart
from lambdatune.tui.charts.ridge import ridge
from lambdatune.tui.figures import CLOCKS
from lambdatune.tui.live_figures import LIVE_COLUMNS, STATES, binned, first_target, live_frontier, live_lines, live_rows
from lambdatune.tui.now import clock, expected_s, log_rows, now_rows, short_rows
from lambdatune.tui.screens.base import LambdatuneScreen
from lambdatune.tui.screens.dialogs import AskPath, Confirm
from lambdatune.tui.widgets.chart import Chart
from lambdatune.tui.widgets.table_view import TableView

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual import events
    from textual.widget import Widget

    from lambdatune.session.live.link import Engine
    from lambdatune.session.live.messages import LiveCell, Refused, Snapshot

View = Literal["sizes", "time", "frontier", "ridge", "log"]
_VIEWS: tuple[View, ...] = get_args(View)
_BIG_VIEWS: tuple[View, ...] = ("time", "frontier")
"""Views on a terminal that shows sizes, distributions and log all the time."""

_KINDS: tuple[tuple[str, ...], ...] = (("cold", "warm"), ("warm",), ("cold",))
_DRAW_EVERY_S = 0.25
_DRAW_UNSEEN_EVERY_S = 1.0
"""When another window of the user's has the focus."""
_MOST_SAID = 200


class RunScreen(LambdatuneScreen):
    """Shows snapshots of a run, and passes on what a person wants otherwise.

    Args:
        engine: which makes the run.
        snapshot: what is shown at first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "Pause", id="run.pause", tooltip="send nothing new; again goes on"),
        Binding("n", "end_size", "End size", id="run.end-size",
                tooltip="no more calls for the size under the cursor; what it has is kept"),
        Binding("a", "add_size", "Add size", id="run.add-size", tooltip="measure another memory size as well"),
        Binding("t", "target", "Target", id="run.target", tooltip="decide for other targets from now on"),
        Binding("l", "load", "Load", id="run.load", tooltip="other concurrency or rate from now on"),
        Binding("x", "stop", "Stop", id="run.stop",
                tooltip="stop, keep what was measured, undo; again gives up the calls in flight"),
        Binding("v", "view", "View", id="run.view", tooltip="the next chart: sizes, time, frontier, distribution, log"),
        Binding("c", "kinds", "Cold/warm", id="run.kinds", tooltip="cold and warm calls, or one of them", show=False),
        Binding("g", "scale", "Log/linear", id="run.scale", tooltip="log axis of time, or from zero", show=False),
        Binding("escape", "follow", "Follow", id="run.follow", tooltip="charts follow the size that is measured",
                show=False),
    ]  # fmt: skip

    def __init__(self, engine: Engine, snapshot: Snapshot | None = None) -> None:
        super().__init__()
        self._engine = engine
        self._snapshot = snapshot
        self._said: list[Said] = []
        self._gone: str | None = None
        self._picked_mb: int | None = None
        self._own_cursor: int | None = None
        self._undrawn = True
        self._drawn_at_s = 0.0
        self._stop_asked = False
        self.view: View = "sizes"
        self._kinds: tuple[str, ...] = _KINDS[0]
        self._log = False

    def body(self) -> Iterable[Widget]:
        """Return the charts, what goes on now, the sizes and the log."""
        yield Static(id="banner", markup=False)
        yield Chart(id="short", classes="")
        with Horizontal(id="charts"):
            yield Chart(id="chart", classes="panel")
            with Vertical(id="right"):
                now = Chart(id="now", classes="panel")
                now.border_title = "Now"
                yield now
                yield Chart(id="side", classes="panel")
        table = TableView(LIVE_COLUMNS, id="sizes", classes="panel")
        table.border_title = "Memory sizes"
        yield table
        log = Chart(id="log", classes="panel")
        log.border_title = "What happened"
        yield log

    def on_mount(self) -> None:
        """Begin to draw what comes, four times a second at the most."""
        self.query_one("#banner").display = False
        self.query_one("#sizes", TableView).focus()
        self._draw()
        self.set_interval(_DRAW_EVERY_S, self._draw_if_due)

    # --- what comes ------------------------------------------------------------------------------------------------

    def show(self, snapshot: Snapshot) -> None:
        """Take a newer snapshot; it is drawn when the next drawing is due, unless a still newer one comes."""
        before = self._snapshot
        self._snapshot = snapshot
        self._undrawn = True
        if self.is_mounted and (before is None or before.state != snapshot.state):
            self._draw()

    def said(self, said: Said) -> None:
        """Take a sentence into the log."""
        self._said = [*self._said[-_MOST_SAID:], said]
        self._undrawn = True

    def refused(self, refused: Refused) -> None:
        """Say why a wish was not followed."""
        hint = f"\nhint: {refused.hint}" if refused.hint else ""
        self.notify(refused.message + hint, title="Not done", severity="error", timeout=8, markup=False)

    def gone(self, sentence: str, run_path: str | None) -> None:
        """Say that the engine is gone, where the rows are and how what is left is undone."""
        self._gone = sentence
        where = f" What was measured is in {run_path}; `lambdatune restore {run_path}` undoes what is left." if (
            run_path) else ""  # fmt: skip
        banner = self.query_one("#banner", Static)
        banner.update(f"✗ {sentence}.{where} q leaves.")
        banner.display = True
        self._draw()

    # --- drawing ---------------------------------------------------------------------------------------------------

    def _draw_if_due(self) -> None:
        pause_s = _DRAW_EVERY_S if self.app.app_focus else _DRAW_UNSEEN_EVERY_S
        if self._undrawn and time.monotonic() - self._drawn_at_s >= pause_s * 0.9:
            self._draw()

    def _draw(self) -> None:
        self._undrawn = False
        self._drawn_at_s = time.monotonic()
        with self.app.batch_update():
            self._draw_bar()
            self._draw_table()
            self._draw_charts()
            snapshot = self._snapshot
            self.query_one("#now", Chart).show(partial(now_rows, snapshot))
            self.query_one("#short", Chart).show(partial(short_rows, snapshot))
            self.query_one("#log", Chart).show(partial(log_rows, self._said))

    def _draw_bar(self) -> None:
        snapshot = self._snapshot
        state: str = "preparing" if snapshot is None else snapshot.state
        if self._gone:
            state = "gone"
        glyph, word, style = STATES[state]
        if snapshot is None:
            self.say((f"{glyph} {word}", style))
            return
        whole_s = expected_s(snapshot)
        about = f" / ~{clock(whole_s)}" if whole_s is not None and state == "running" else ""
        self.say(
            (snapshot.function, "bold"),
            ("  ", ""),
            (f"{glyph} {word}", style),
            f"  {clock(snapshot.elapsed_s)}{about}  ",
            f"{snapshot.load} · {' and '.join(snapshot.targets) or 'no target'} · ",
            f"{snapshot.place} · {snapshot.architecture} · {snapshot.runtime or 'image'} · {snapshot.mode}",
        )

    def _draw_table(self) -> None:
        snapshot = self._snapshot
        if snapshot is None:
            return
        table = self.query_one("#sizes", TableView)
        table.border_subtitle = "ms, function clock, all calls so far; cold with init"
        cursor = self._index_followed(snapshot)
        if cursor is not None and cursor != table.cursor:
            self._own_cursor = cursor
        table.show_rows(live_rows(snapshot), cursor=cursor)

    def _index_followed(self, snapshot: Snapshot) -> int | None:
        """Return the row of the size that charts show; None to leave the cursor where it is."""
        if self._picked_mb is None:
            return snapshot.running
        sizes = [cell.memory_mb for cell in snapshot.cells]
        return sizes.index(self._picked_mb) if self._picked_mb in sizes else None

    def _draw_charts(self) -> None:
        views = self._views()
        view = self.view if self.view in views else views[0]
        for name in _VIEWS:
            self.set_class(view == name, f"show-{name}")
        chart, side, snapshot = self.query_one("#chart", Chart), self.query_one("#side", Chart), self._snapshot
        cell = self._selected()
        if snapshot is None or cell is None:
            chart.border_title = "Latency over time"
            chart.show(partial(line_chart, []))
            side.border_title = "Distribution"
            side.show(partial(ridge, []))
            return
        target = first_target(snapshot)
        goal = target.threshold_ms if target else None
        if view == "frontier":
            name, sizes = live_frontier(snapshot)
            chart.border_title = f"Cost against latency · {name}"
            chart.show(partial(frontier_chart, sizes, latency=name, target_ms=goal))
        else:
            over = snapshot.over_time
            shown = snapshot.cells[over.cell] if over is not None and over.cell < len(snapshot.cells) else cell
            of_clock = f"ms, {CLOCKS[over.clock]}" if over is not None else "ms"
            chart.border_title = f"Warm latency over time · {shown.memory_mb} MB · {of_clock}"
            goal_here = goal if target is not None and target.population != "cold" else None
            span_s = 0.0, snapshot.elapsed_s
            chart.show(partial(line_chart, live_lines(over), target_ms=goal_here, log=self._log, span_s=span_s))
        side.border_title = f"Distribution · {cell.memory_mb} MB · ms, log"
        parts = [binned(kind, kind, cell.cold if kind == "cold" else cell.warm) for kind in self._kinds]
        side.show(partial(ridge, parts, target_ms=goal))

    def _selected(self) -> LiveCell | None:
        """Return the size under the cursor."""
        snapshot = self._snapshot
        index = self.query_one("#sizes", TableView).cursor
        return snapshot.cells[index] if snapshot is not None and index < len(snapshot.cells) else None

    def _views(self) -> tuple[View, ...]:
        """Return the views that take turns: all of them where only one fits on the screen."""
        return _BIG_VIEWS if self.has_class("-tall") and self.has_class("-wide") else _VIEWS

    def on_resize(self, event: events.Resize) -> None:
        """Take the view that fits after a change of size."""
        super().on_resize(event)
        # The classes of the size are set after this, by Textual's own handler.
        self.call_later(self._draw)

    # --- keys ------------------------------------------------------------------------------------------------------

    @on(TableView.Moved)
    def _moved(self, event: TableView.Moved) -> None:
        if event.index == self._own_cursor:
            self._own_cursor = None
            return
        cell = self._selected()
        if (
            cell is None
            or self._picked_mb == cell.memory_mb
            or event.index == (self._snapshot and self._snapshot.running)
        ):
            return
        self._picked_mb = cell.memory_mb
        self._engine.tell(Follow(event.index))
        self._draw_charts()

    def action_follow(self) -> None:
        """Let the charts follow the size that is measured."""
        self._picked_mb = None
        self._engine.tell(Follow(None))
        self._draw()

    def action_pause(self) -> None:
        """Pause the load, or go on."""
        is_paused = self._snapshot is not None and self._snapshot.state in {"paused", "pausing"}
        self._engine.tell(Resume() if is_paused else Pause())

    def action_end_size(self) -> None:
        """Give the size under the cursor no more calls."""
        cell = self._selected()
        if cell is not None:
            self._engine.tell(EndSize(cell.memory_mb))

    def action_add_size(self) -> None:
        """Ask for a size to be measured as well."""

        def use(text: str) -> str:
            memory = parse_memory(text)
            if len(memory.sizes_mb) != 1:
                raise UsageError(f"`{text}` is more than one size", hint="one at a time, for example 768")
            self._engine.tell(AddSize(memory.low_mb))
            return ""

        self.app.push_screen(AskPath("Add a memory size", "In MB, from 128 to 10240.", "", use, does="adds it"))

    def action_target(self) -> None:
        """Ask for other targets."""
        shown = ", ".join(self._snapshot.targets) if self._snapshot else ""

        def use(text: str) -> str:
            wanted = tuple(filter(None, (part.strip() for part in text.split(","))))
            targets = tuple(str(parse_target(part)) for part in wanted)
            self._engine.tell(ChangeTargets(targets))
            return ""

        hint = (
            "[warm|cold|all.][duration|response|service.]pNN<=TIME, several with commas; empty for none.\n"
            "It is decided anew from all calls so far. An answer's confidence is that of its own question."
        )
        self.app.push_screen(AskPath("Target", hint, shown, use, does="decides for it"))

    def action_load(self) -> None:
        """Ask for another load."""
        snapshot = self._snapshot
        shown = "" if snapshot is None else snapshot.rate or str(snapshot.concurrency)

        def use(text: str) -> str:
            text = text.strip()
            if text.isdecimal():
                self._engine.tell(ChangeLoad(concurrency=int(text)))
            else:
                parse_rate_per_s(text)
                self._engine.tell(ChangeLoad(rate=text))
            return ""

        hint = (
            "20 is so many calls in flight; 50/s is a rate, whether answers come or not.\n"
            "Warm calls so far answer another question then: they stay recorded, and are in no figure."
        )
        self.app.push_screen(AskPath("Load", hint, shown, use, does="changes it"))

    def action_stop(self) -> None:
        """Stop after a question; the second time give up the calls in flight."""
        if self._stop_asked:
            self._engine.tell(Stop(abandon=True))
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._stop_asked = True
                self._engine.tell(Stop())

        question = "What was measured is kept, and decided from. What was changed is undone."
        self.app.push_screen(Confirm("Stop the run?", question), answered)

    def action_view(self) -> None:
        """Show the next chart."""
        views = self._views()
        shown = self.view if self.view in views else views[0]
        self.view = views[(views.index(shown) + 1) % len(views)]
        self._draw_charts()

    def action_kinds(self) -> None:
        """Show cold and warm calls, or one of them."""
        self._kinds = _KINDS[(_KINDS.index(self._kinds) + 1) % len(_KINDS)]
        self._draw_charts()

    def action_scale(self) -> None:
        """Change between a log axis of time and one from zero."""
        self._log = not self._log
        self._draw_charts()
