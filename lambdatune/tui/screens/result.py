"""Result: the decision, its evidence, and what it would be for another target, confidence or cold rate."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from lambdatune.model.errors import LambdatuneError
from lambdatune.model.modes import MODES
from lambdatune.model.quantities import format_number
from lambdatune.model.target import Target
from lambdatune.stats.rows import clocks_of
from lambdatune.tui import figures
from lambdatune.tui.charts.bars import size_bars
from lambdatune.tui.charts.frontier import frontier_chart
from lambdatune.tui.charts.line import line_chart
from lambdatune.tui.charts.percentiles import percentile_curve
from lambdatune.tui.charts.ridge import ridge
from lambdatune.tui.exports import endings_line, export
from lambdatune.tui.phrases import spoken_of
from lambdatune.tui.screens.apply import ApplyDialog, plan_of
from lambdatune.tui.screens.base import LambdatuneScreen
from lambdatune.tui.screens.dialogs import AskText
from lambdatune.tui.what_if import Question
from lambdatune.tui.widgets.chart import Chart
from lambdatune.tui.widgets.decision import Decision
from lambdatune.tui.widgets.table_view import TableView

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual import events
    from textual.widget import Widget

    from lambdatune.model.result import CellResult, RunResult
    from lambdatune.model.target import ClockName, Population
    from lambdatune.session.live.link import Engine
    from lambdatune.session.replay import RecordedRun

View = Literal["sizes", "frontier", "percentiles", "time", "bars", "ridge"]
_VIEWS: tuple[View, ...] = get_args(View)
_BIG_VIEWS: tuple[View, ...] = ("frontier", "percentiles", "time", "bars")
"""Views on a terminal that shows the table of sizes all the time."""

_KINDS: tuple[tuple[Population, ...], ...] = (("warm", "cold"), ("warm",), ("cold",))
_CLOCK_SETS: tuple[tuple[ClockName, ...], ...] = (("duration",), ("response",), ("duration", "response"))
_DELIVERED_CLOCK_SETS: tuple[tuple[ClockName, ...], ...] = (("duration",), ("e2e",), ("duration", "e2e"))
"""Of messages that are delivered: their answer tells only that they were accepted."""

_DEFAULT_MS = 200.0


class ResultScreen(LambdatuneScreen):
    """Shows one recorded run.

    Args:
        run: its rows, in memory.
        result: as it ended.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "target(-1)", "Target", key_display="←→", id="what-if.stricter",
                tooltip="← a stricter target, → a looser one", show=False),
        Binding("right", "target(1)", "Looser", id="what-if.looser", tooltip="a looser target", show=False),
        Binding("y", "which_target", "Which target", id="what-if.which",
                tooltip="the next of several targets is moved; all stay in force", show=False),
        Binding("p", "percentile", "Percentile", id="what-if.percentile", tooltip="the next percentile of the target"),
        Binding("k", "clock", "Clock", id="what-if.clock", tooltip="function clock, response or service time",
                show=False),
        Binding("w", "population", "Warm/cold", id="what-if.population", tooltip="a target on warm, cold or all calls",
                show=False),
        Binding("o", "cold_rate", "Cold rate", id="what-if.cold-rate", tooltip="share of cold starts in the cost",
                show=False),
        Binding("f", "confidence", "Confidence", id="what-if.confidence", tooltip="confidence of the decision",
                show=False),
        Binding("s", "strategy", "Strategy", id="what-if.strategy", tooltip="cheapest, fastest or balanced",
                show=False),
        Binding("0", "as_recorded", "As recorded", id="what-if.reset", tooltip="what the run was made for",
                show=False),
        Binding("v", "view", "View", id="result.view", tooltip="the next chart: frontier, percentiles, time, bars"),
        Binding("c", "kinds", "Cold/warm", id="result.kinds", tooltip="cold and warm calls, or one of them, in charts",
                show=False),
        Binding("l", "curve_clocks", "Clocks", id="result.clocks",
                tooltip="function clock, client clock, or both, in the percentile curve", show=False),
        Binding("g", "scale", "Log/linear", id="result.scale", tooltip="log axis, or from zero", show=False),
        Binding("d", "mark", "Compare", id="result.mark",
                tooltip="mark the size; the second one opens a comparison", show=False),
        Binding("a", "apply", "Apply", id="result.apply",
                tooltip="set your function to the size under the cursor, after its size is typed"),
        Binding("u", "undo_apply", "Undo apply", id="result.undo-apply",
                tooltip="put back the size that your function had before it was applied", show=False),
        Binding("e", "export", "Export", id="result.export", tooltip="write a report to a file"),
        Binding("r,escape", "history", "Runs", id="result.history", tooltip="back to the list of runs"),
    ]  # fmt: skip

    def __init__(self, run: RecordedRun, result: RunResult) -> None:
        super().__init__()
        self.run = run
        self.result = result
        self.own = Question.of(run.plan)
        self.question = self.own
        self.view: View = "sizes"
        self._wanted: Question | None = None
        self._kinds = _KINDS[0]
        self._mode = figures.mode_of(result)
        self._clock_sets = _DELIVERED_CLOCK_SETS if MODES[self._mode].is_delivered else _CLOCK_SETS
        self._curve_clocks = self._clock_sets[0]
        self._log = True
        self._marked: int | None = None

    def body(self) -> Iterable[Widget]:
        """Return the decision, two charts and the table of sizes."""
        yield Decision(id="decision")
        with Horizontal(id="charts"):
            yield Chart(id="chart", classes="panel")
            yield Chart(id="side", classes="panel")
        table = TableView(figures.SIZE_COLUMNS, id="sizes", classes="panel")
        table.border_title = "Memory sizes"
        yield table

    def on_mount(self) -> None:
        """Show the run as it ended, the cursor on the size that the advice speaks of."""
        self._show(self.result, self.question)
        spoken = spoken_of(self.result)
        sizes = [cell.memory_mb for cell in self.result.cells]
        table = self.query_one("#sizes", TableView)
        table.cursor = sizes.index(spoken.memory_mb) if spoken else 0
        table.focus()

    @property
    def target(self) -> Target:
        """What charts and figures are about: the target of the question, or warm p95 where there is none."""
        return self.question.target or self._start()

    def _start(self) -> Target:
        """Return where a what-if begins in a run without a target: at the p95 of the size under the cursor."""
        cell = self._selected()
        target = Target("warm", "duration", 95.0, _DEFAULT_MS)
        reached = figures.percentile_ms(cell, target) if cell else None
        return Target("warm", "duration", 95.0, float(f"{reached:.2g}") if reached else _DEFAULT_MS)

    def _selected(self) -> CellResult | None:
        index = self.query_one("#sizes", TableView).cursor
        return self.result.cells[index] if index < len(self.result.cells) else None

    # --- what-if ---------------------------------------------------------------------------------------------------

    def action_target(self, steps: int) -> None:
        """Move the target."""
        self._ask(self.question.moved(steps, own=self.own, start=self._start()))

    def action_which_target(self) -> None:
        """Move the next of several targets from now on."""
        if self.question.others:
            self._ask(self.question.next_target())
        else:
            self.notify("There is one target or none: no other to move.", markup=False)

    def action_percentile(self) -> None:
        """Take the next percentile."""
        self._ask(self.question.next_percentile(self._start()))

    def action_clock(self) -> None:
        """Take the next clock."""
        self._ask(self.question.next_clock(self._start(), clocks_of(self._mode)))

    def action_population(self) -> None:
        """Take warm, cold or all calls."""
        self._ask(self.question.next_population(self._start()))

    def action_cold_rate(self) -> None:
        """Take the next share of cold starts."""
        self._ask(self.question.next_cold_rate(self.own))

    def action_confidence(self) -> None:
        """Take the next confidence."""
        self._ask(self.question.next_confidence(self.own))

    def action_strategy(self) -> None:
        """Take the next strategy."""
        self._ask(self.question.next_strategy())

    def action_as_recorded(self) -> None:
        """Go back to what the run was made for."""
        self._ask(self.own.at(self.question.which))

    def _ask(self, question: Question) -> None:
        """Decide anew outside the screen's loop; of questions that come meanwhile only the newest is answered."""
        self.question = question
        busy = self._wanted is not None
        self._wanted = question
        self.query_one(Decision).ask(question, self.own, deciding=True)
        self._draw_charts()
        if not busy:
            self.run_worker(self._answer(), group="what-if")

    async def _answer(self) -> None:
        asked = None
        while asked != self._wanted:
            asked = self._wanted
            assert asked is not None
            result = self.run.result() if asked.asks_as(self.own) else await asyncio.to_thread(self._decide, asked)
            if asked == self._wanted:
                self._show(result, asked)
        self._wanted = None

    def _decide(self, question: Question) -> RunResult:
        return self.run.decide(question.as_what_if())

    # --- drawing ---------------------------------------------------------------------------------------------------

    def _show(self, result: RunResult, question: Question) -> None:
        before, self.result = self.result, result
        self._follow_advice(before)
        decision = self.query_one(Decision)
        decision.tell(result, self.target)
        decision.ask(question, self.own, deciding=False)
        table = self.query_one("#sizes", TableView)
        table.show_columns(figures.size_columns(self._mode, self.target.clock))
        table.show_rows(figures.size_rows(result, self.target.clock))
        table.border_subtitle = figures.times_words(self._mode, self.target.clock)
        self._show_bar()
        self._draw_charts()

    def _follow_advice(self, before: RunResult) -> None:
        """Move the cursor along from the size that was spoken of to the one that is now."""
        was, now, cell = spoken_of(before), spoken_of(self.result), self._selected()
        if was is not None and now is not None and cell is not None and cell.memory_mb == was.memory_mb:
            sizes = [each.memory_mb for each in self.result.cells]
            self.query_one("#sizes", TableView).cursor = sizes.index(now.memory_mb)

    def _show_bar(self) -> None:
        function, record = self.result.function, self.result
        glyph, word, role = figures.ADVICE[record.recommendation.status]
        style = {"meets": "$text-success", "misses": "$text-error", "unproven": "$text-warning"}.get(role, "")
        where = "this machine" if record.environment.get("embedded") else record.environment["region"]
        price = f"${record.spend.usd:.4f}"
        status = "" if record.status == "complete" else f"  ({record.status})"
        self.say(
            (function.name, "bold"),
            f"  {where} · {record.architectures} · {function.runtime or 'image'}{figures.mode_words(self._mode)}  ",
            (f"{glyph} {word}{status}", style),
            f"  {record.spend.invocations} calls · {price} · {record.id}",
        )

    @on(TableView.Moved)
    def _draw_charts(self) -> None:
        cell = self._selected()
        views = self._views()
        view = self.view if self.view in views else views[0]
        self.set_class(view == "sizes", "show-sizes")
        chart, side = self.query_one("#chart", Chart), self.query_one("#side", Chart)
        if cell is None:
            return
        self.query_one(Decision).tell_delivery(cell)
        if view != "sizes":
            self._draw(chart, view, cell)
        self._draw(side, "ridge", cell)

    def _draw(self, chart: Chart, view: View, cell: CellResult) -> None:
        target = self.target
        goal = self.question.target.threshold_ms if self.question.target else None
        name = f"{target.population} p{format_number(target.percentile)}"
        rows = self.run.rows_of(cell.memory_mb)
        if view == "frontier":
            chart.border_title = f"Cost against latency · {name}"
            sizes = figures.frontier_sizes(self.result, target)
            chart.show(partial(frontier_chart, sizes, latency=name, target_ms=goal))
        elif view == "bars":
            chart.border_title = "Latency and cost by memory size"
            chart.show(partial(size_bars, figures.size_bar_data(self.result, target), latency=name))
        elif view == "percentiles":
            chart.border_title = f"Percentiles · {cell.memory_mb} MB · {self._clock_names()}"
            curves = figures.curves(rows, self._kinds, self._curve_clocks)
            chart.show(partial(percentile_curve, curves, target_ms=goal, log=self._log))
        elif view == "time":
            kind: Population = "cold" if self._kinds == ("cold",) else "warm"
            chart.border_title = f"Over time · {cell.memory_mb} MB · {kind} · ms, {target.clock}"
            lines = figures.over_time(rows, kind, target.clock)
            chart.show(partial(line_chart, lines, target_ms=goal, log=False))
        else:
            chart.border_title = f"Distribution · {cell.memory_mb} MB · ms, log"
            parts = [part for part in figures.ridge_parts(rows, target.clock) if part.name in self._kinds]
            chart.show(partial(ridge, parts, target_ms=goal))

    def _clock_names(self) -> str:
        names = {"duration": "function clock", "e2e": "end to end"}
        return " and ".join(names.get(clock, "client clock") for clock in self._curve_clocks)

    def _views(self) -> tuple[View, ...]:
        """Return the views that take turns: all of them where only one fits on the screen."""
        return _BIG_VIEWS if self.has_class("-tall") and self.has_class("-wide") else _VIEWS

    def on_resize(self, event: events.Resize) -> None:
        """Take the view that fits after a change of size."""
        super().on_resize(event)
        # The classes of the size are set after this, by Textual's own handler.
        self.call_later(self._draw_charts)

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

    def action_curve_clocks(self) -> None:
        """Show the percentile curve on the next clocks."""
        sets = self._clock_sets
        self._curve_clocks = sets[(sets.index(self._curve_clocks) + 1) % len(sets)]
        self.view = "percentiles"
        self._draw_charts()

    def action_scale(self) -> None:
        """Change between a log axis and one from zero."""
        self._log = not self._log
        self.view = "percentiles"
        self._draw_charts()

    # --- elsewhere -------------------------------------------------------------------------------------------------

    def action_mark(self) -> None:
        """Mark the size under the cursor; with a second one compare the two."""
        cell = self._selected()
        if cell is None:
            return
        if self._marked is None or self._marked == cell.memory_mb:
            self._marked = cell.memory_mb if self._marked is None else None
            said = "marked; d on another size compares the two" if self._marked else "not marked any more"
            self.notify(f"◆ {cell.memory_mb} MB {said}", markup=False)
            return
        sizes, self._marked = (self._marked, cell.memory_mb), None
        self.app.compare([(self.run, self.result, size) for size in sizes])  # type: ignore[attr-defined]

    def action_apply(self) -> None:
        """Show what would set the user's function to the size under the cursor, and do it when that is confirmed."""
        cell = self._selected()
        if cell is not None:
            self.run_worker(self._plan_apply(cell.memory_mb, undo=False), group="apply", exclusive=True)

    def action_undo_apply(self) -> None:
        """Show what would put back what was applied, and do it when that is confirmed."""
        cell = self._selected()
        if cell is not None:
            self.run_worker(self._plan_apply(cell.memory_mb, undo=True), group="apply", exclusive=True)

    async def _plan_apply(self, memory_mb: int, *, undo: bool) -> None:
        path = str(self.run.directory.path.absolute())
        try:
            engine: Engine = await self.app.engine()  # type: ignore[attr-defined]
            planned = await plan_of(engine, path, memory_mb, undo=undo)
        except LambdatuneError as error:
            planned = error.message
        if isinstance(planned, str):
            title = "Nothing to put back" if undo else "Not applied"
            self.notify(planned, title=title, severity="warning", timeout=12, markup=False)
            return

        def done(said: str | None) -> None:
            if said:
                self.notify(said, title="✓ put back" if undo else "✓ applied", timeout=12, markup=False)

        self.app.push_screen(ApplyDialog(engine, path, planned, undo=undo), done)

    def action_export(self) -> None:
        """Ask for a path and write the result as it is on the screen."""
        suggestion = f"{self.result.function.name}-{self.result.id}.txt"
        hint = f"The ending chooses the report: {endings_line()}"
        if not self.question.asks_as(self.own):
            hint += "\nThe what-if on the screen is written, not the result as recorded."

        def written(told: str | None) -> None:
            if told:
                self.notify(told, title="✓ written", markup=False)

        def write(text: str) -> str:
            return str(export(self.run, self.result, text))

        self.app.push_screen(AskText("Export", hint, suggestion, write, is_slow=True), written)

    def action_history(self) -> None:
        """Go back to the list of runs."""
        self.app.show_history()  # type: ignore[attr-defined]
