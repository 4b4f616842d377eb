"""History: the recorded runs, newest first."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from lambdatune.model.errors import LambdatuneError
from lambdatune.session.continuing import refuse_ended
from lambdatune.session.run_directory import OwedUndo, list_runs
from lambdatune.tui.charts.canvas import PLAIN
from lambdatune.tui.charts.scale import format_usd
from lambdatune.tui.charts.table import Column, TableRow
from lambdatune.tui.figures import ADVICE, mode_of, mode_words
from lambdatune.tui.screens.base import LambdatuneScreen
from lambdatune.tui.screens.dialogs import Confirm
from lambdatune.tui.widgets.table_view import TableView

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from textual.widget import Widget

    from lambdatune.model.result import RunResult
    from lambdatune.session.run_directory import RunDirectory

_COLUMNS = (
    Column("mark", ""),
    Column("date", "date (UTC)", right=False),
    Column("function", "function", right=False),
    Column("place", "where", right=False, drop=5),
    Column("target", "target", right=False, drop=3),
    Column("sizes", "sizes", drop=4),
    Column("verdict", "verdict", right=False),
    Column("best", "best", drop=1),
    Column("cost", "$/1M", drop=2),
    Column("calls", "calls", drop=6),
)

_EMPTY = """\
No recorded runs yet, so there is nothing to look at.

  lambdatune demo
      tunes a bundled function on this machine:
      no account, about a minute

  lambdatune run --function NAME
      tunes a function of yours on AWS

Runs are looked for in {output}."""


class HistoryScreen(LambdatuneScreen):
    """Lists the runs below a directory.

    Args:
        output: that directory.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", id="history.open", tooltip="open the run under the cursor"),
        Binding("d", "mark", "Mark", id="history.mark", tooltip="mark the run to compare it, or take its mark away"),
        Binding("equals_sign", "compare", "Compare", key_display="=", id="history.compare",
                tooltip="compare the marked runs, two or more, with the oldest of them"),
        Binding("c", "continue_run", "Continue", id="history.continue",
                tooltip="go on with a run that ended early, in its own directory"),
        Binding("slash", "filter", "Filter", id="history.filter", tooltip="show the runs that hold the typed words"),
        Binding("x", "delete", "Delete", id="history.delete", tooltip="delete the run's directory, after a question",
                show=False),
        Binding("r", "reload", "Reload", id="history.reload", tooltip="look for runs again", show=False),
        Binding("escape", "clear", "Clear", id="history.clear", tooltip="clear filter and marks", show=False),
    ]  # fmt: skip

    def __init__(self, output: Path) -> None:
        super().__init__()
        self.output = output
        self._runs: list[tuple[RunDirectory, RunResult | LambdatuneError]] = []
        self._shown: list[tuple[RunDirectory, RunResult | LambdatuneError]] = []
        self._marked: list[RunDirectory] = []

    def body(self) -> Iterable[Widget]:
        """Return the filter, the table and what is shown in place of an empty one."""
        yield Input(placeholder="filter: words of date, function, target or verdict", id="filter")
        table = TableView(_COLUMNS, id="runs", classes="panel")
        table.border_title = "Recorded runs"
        yield table
        yield Static(id="empty", markup=False)

    def on_mount(self) -> None:
        """Begin with the list."""
        self.query_one("#filter").display = False
        self.query_one("#empty").display = False
        self.say("History")
        self.query_one("#runs").focus()

    def on_screen_resume(self) -> None:
        """Look for runs again: one may have been made meanwhile."""
        self.action_reload()

    @work(thread=True, exclusive=True, group="reload")
    def action_reload(self) -> None:
        """Read the runs outside the screen's loop: there may be many."""
        found = [(run, _read(run)) for run in reversed(list_runs(self.output))]
        self.app.call_from_thread(self._take, found)

    def _take(self, runs: list[tuple[RunDirectory, RunResult | LambdatuneError]]) -> None:
        self._runs = runs
        known = {run.path for run, _ in runs}
        self._marked = [run for run in self._marked if run.path in known]
        self._show()

    def _show(self) -> None:
        words = self.query_one("#filter", Input).value.casefold().split()
        self._shown = [
            (run, result) for run, result in self._runs if all(word in _searched(run, result) for word in words)
        ]
        marked = {run.path for run in self._marked}
        table = self.query_one("#runs", TableView)
        table.show_rows([_row(run, result, marked=run.path in marked) for run, result in self._shown])
        count = f"{len(self._shown)} of {len(self._runs)}" if words else str(len(self._runs))
        table.border_title = f"Recorded runs  {count}"
        empty = self.query_one("#empty", Static)
        empty.display = not self._runs
        table.display = bool(self._runs)
        empty.update(_EMPTY.format(output=self.output))
        marks = f"  {len(self._marked)} marked with ◆: = compares them" if self._marked else ""
        self.say("History", (marks, "$text-accent"))
        self._tell_path()

    @on(TableView.Moved)
    def _tell_path(self) -> None:
        run = self._under_cursor()
        self.query_one("#runs", TableView).border_subtitle = str(run.path) if run else ""

    def _under_cursor(self) -> RunDirectory | None:
        index = self.query_one("#runs", TableView).cursor
        return self._shown[index][0] if index < len(self._shown) else None

    @on(TableView.Chosen)
    def action_open(self) -> None:
        """Open the run under the cursor."""
        if run := self._under_cursor():
            self.app.open_runs([run])  # type: ignore[attr-defined]

    def action_mark(self) -> None:
        """Mark the run under the cursor, or take its mark away."""
        run = self._under_cursor()
        if run is None:
            return
        if run.path in {marked.path for marked in self._marked}:
            self._marked = [marked for marked in self._marked if marked.path != run.path]
        else:
            self._marked.append(run)
        self._show()

    def action_compare(self) -> None:
        """Compare the marked runs; a single one with the run under the cursor."""
        chosen = {run.path: run for run in self._marked}
        under = self._under_cursor()
        if len(chosen) == 1 and under is not None:
            chosen[under.path] = under
        if len(chosen) < 2:
            said = "Mark the runs to compare with d: two or more."
            self.notify(said, title="Nothing to compare", severity="warning", markup=False)
            return
        # The oldest one is what the newer ones are compared with.
        self.app.open_runs(sorted(chosen.values(), key=lambda one: one.id))  # type: ignore[attr-defined]

    def action_continue_run(self) -> None:
        """Go on with the run under the cursor, when it ended early."""
        run = self._under_cursor()
        if run is None:
            return
        try:
            refuse_ended(run.read())
        except LambdatuneError as error:
            said = error.message + (f"\nhint: {error.hint}" if error.hint else "")
            self.notify(said, title="Not continued", severity="warning", timeout=10, markup=False)
            return
        self.app.continue_run(run)  # type: ignore[attr-defined]

    def action_filter(self) -> None:
        """Type words to look for."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    @on(Input.Changed)
    def _filter_typed(self) -> None:
        self._show()

    @on(Input.Submitted)
    def _filter_done(self) -> None:
        self.query_one("#filter").display = bool(self.query_one("#filter", Input).value)
        self.query_one("#runs").focus()

    def action_clear(self) -> None:
        """Show all runs again, none marked."""
        field = self.query_one("#filter", Input)
        field.value = ""
        field.display = False
        self._marked = []
        self.query_one("#runs").focus()
        self._show()

    def action_delete(self) -> None:
        """Ask, then delete the directory of the run under the cursor."""
        run = self._under_cursor()
        if run is None:
            return
        why = _owes(run)
        if why:
            self.notify(why, title="Not deleted", severity="error", timeout=10, markup=False)
            return
        question = f"Delete {run.path} with all that was measured? This cannot be taken back."

        def answered(answer: bool | None) -> None:
            if answer:
                self._delete(run)

        self.app.push_screen(Confirm("Delete run", question), answered)

    def _delete(self, run: RunDirectory) -> None:
        # Between the question and the answer a run may have begun to change things again.
        why = _owes(run)
        try:
            if why is None:
                shutil.rmtree(run.path)
        except OSError as error:
            why = f"`{run.path}` cannot be deleted: {error.strerror}"
        if why:
            self.notify(why, title="Not deleted", severity="error", timeout=10, markup=False)
        self.action_reload()


def _read(run: RunDirectory) -> RunResult | LambdatuneError:
    try:
        return run.read()
    except LambdatuneError as error:
        return error


def _owes(run: RunDirectory) -> str | None:
    """Return why a run must not be deleted: its journal is needed to undo what it left; None when it may."""
    try:
        owes = bool(run.journal.pending()) or any(owed.path == run.path for owed in OwedUndo().runs())
    except LambdatuneError as error:
        return f"{error.message}; {error.hint}"
    if not owes:
        return None
    return f"Run {run.id} still owes an undo, and its directory says how: `lambdatune restore {run.path}` first."


def _searched(run: RunDirectory, result: RunResult | LambdatuneError) -> str:
    row = _row(run, result, marked=False)
    return " ".join([run.id, *(text for text, _ in row.values())]).casefold()


def _row(run: RunDirectory, result: RunResult | LambdatuneError, *, marked: bool) -> TableRow:
    mark = ("◆" if marked else " ", "target")
    if isinstance(result, LambdatuneError):
        return {
            "mark": mark,
            "date": (run.id[:13], PLAIN),
            "function": ("-", PLAIN),
            "verdict": ("! unreadable", "failed"),
        }
    glyph, word, role = ADVICE[result.recommendation.status]
    if result.finished is None:
        glyph, word, role = "○", "killed", "unproven"
    elif result.status != "complete":
        word = f"{word}, {result.status}"
    advice = result.recommendation
    targets = result.plan.get("targets", [])
    where = "this machine" if result.environment.get("embedded") else str(result.environment.get("region", ""))
    return {
        "mark": mark,
        "date": (result.started[:16].replace("T", " "), PLAIN),
        "function": (result.function.name, "title"),
        "place": (f"{where} {result.architectures}{mode_words(mode_of(result))}", PLAIN),
        "target": (_targets(targets), PLAIN),
        "sizes": (str(len(result.cells)), PLAIN),
        "verdict": (f"{glyph} {word}", role),
        "best": (f"{advice.memory_mb} MB" if advice.memory_mb else "-", "best" if advice.memory_mb else PLAIN),
        "cost": (format_usd(advice.cost_usd_per_million), PLAIN),
        "calls": ("-" if result.finished is None else str(result.spend.invocations), PLAIN),
    }


def _targets(targets: list[str]) -> str:
    if not targets:
        return "-"
    rest = f" +{len(targets) - 1}" if len(targets) > 1 else ""
    return targets[0].replace("warm.duration.", "").replace("<=", " ≤ ") + rest
