"""Compare: sizes of one run or of several, distributions stacked, and what is shown to differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from lambdatune.model.errors import UsageError
from lambdatune.recommend.compare import cautions, differences, require_comparable
from lambdatune.tui import figures
from lambdatune.tui.charts.canvas import PLAIN
from lambdatune.tui.charts.ridge import Distribution, ridge
from lambdatune.tui.charts.scale import format_ms, format_usd
from lambdatune.tui.charts.table import Column, TableRow
from lambdatune.tui.phrases import spoken_of
from lambdatune.tui.screens.base import LambdatuneScreen
from lambdatune.tui.widgets.chart import Chart
from lambdatune.tui.widgets.table_view import TableView

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.widget import Widget

    from lambdatune.model.result import CellResult, RunResult
    from lambdatune.model.target import ClockName
    from lambdatune.recommend.compare import Difference
    from lambdatune.session.replay import RecordedRun
    from lambdatune.stats.comparison import Ratio

_CLOCKS: tuple[ClockName, ...] = ("duration", "response", "service")
"""Those on which `differences` compares."""

_ROLES = ("warm", "cold", "other", "p99")
_GLYPHS = {"faster": "✓", "cheaper": "✓", "slower": "✗", "dearer": "✗", "no difference shown": "=", "not known": "-"}
_WORD_ROLES = {"✓": "meets", "✗": "misses", "=": PLAIN, "-": "muted"}

_COLUMNS = (
    Column("pair", "", right=False),
    Column("measure", "measure", right=False),
    Column("base", "first", drop=2),
    Column("figure", "second", drop=3),
    Column("change", "change"),
    Column("interval", "interval", drop=1),
    Column("verdict", "verdict", right=False),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A size of a run that is compared.

    Attributes:
        run: its rows, in memory.
        result: of the run.
        cell: the size.
    """

    run: RecordedRun
    result: RunResult
    cell: CellResult

    @classmethod
    def of(cls, run: RecordedRun, result: RunResult, memory_mb: int | None) -> Entry:
        """Return the entry of a size; None for the one that the run's advice speaks of.

        Raises:
            UsageError: when the run has no such size that was measured.
        """
        named = [cell for cell in result.cells if cell.memory_mb == memory_mb]
        cell = named[0] if named else spoken_of(result)
        if cell is None:
            raise UsageError(
                f"run {result.id} has no size with a call that succeeded, so there is nothing to compare",
                hint="open it to see what failed",
            )
        return cls(run, result, cell)

    def moved(self, by: int) -> Entry:
        """Return the entry of another size of the same run, that of so many sizes further."""
        sizes = [cell.memory_mb for cell in self.result.cells]
        index = (sizes.index(self.cell.memory_mb) + by) % len(sizes)
        return replace(self, cell=self.result.cells[index])

    @property
    def name(self) -> str:
        """Its function, size and run."""
        mode = "" if self.cell.mode == "invoke" else f" by {self.cell.mode}"
        return f"{self.cell.function} {self.cell.memory_mb} MB{mode} ({self.result.id})"


class CompareScreen(LambdatuneScreen):
    """Shows entries against the first of them.

    Args:
        entries: two at the least.

    Raises:
        UsageError: when two of them must not be compared.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "size(-1)", "Size", key_display="←→", id="compare.smaller",
                tooltip="← a smaller size of the run under the cursor, → a larger one"),
        Binding("right", "size(1)", "Larger", id="compare.larger",
                tooltip="a larger size of the run under the cursor", show=False),
        Binding("b", "base", "Swap", id="compare.base", tooltip="compare with the run under the cursor instead"),
        Binding("c", "population", "Cold/warm", id="compare.population", tooltip="cold or warm calls"),
        Binding("k", "clock", "Clock", id="compare.clock", tooltip="function clock, response or service time"),
        Binding("r,escape", "back", "Back", id="compare.back", tooltip="back to where one came from"),
    ]  # fmt: skip

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__()
        self.entries = list(entries)
        for entry in self.entries[1:]:
            require_comparable(entry.result, self.entries[0].result)
        self.population: Literal["warm", "cold"] = "warm"
        self.clock: ClockName = "duration"

    def body(self) -> Iterable[Widget]:
        """Return the verdict in words, the distributions and the table of differences."""
        yield Static(id="verdict", markup=False)
        yield Chart(id="chart", classes="panel")
        yield TableView(_COLUMNS, id="differences", classes="panel")

    def on_mount(self) -> None:
        """Show the comparison."""
        self._show()
        self.query_one("#differences").focus()

    def _show(self) -> None:
        base = self.entries[0]
        chart = self.query_one("#chart", Chart)
        chart.border_title = f"Distributions · {self.population} · ms, log · {figures.CLOCKS[self.clock]}"
        chart.show(partial(ridge, [self._distribution(index) for index in range(len(self.entries))]))
        found = [
            (index, difference)
            for index, entry in enumerate(self.entries[1:], start=1)
            for difference in differences(entry.cell, base.cell, population=self.population, clock=self.clock)
        ]
        table = self.query_one("#differences", TableView)
        confidence = min(entry.result.recommendation.confidence for entry in self.entries)
        table.border_title = f"Differences, each at {confidence:.0%} confidence"
        table.show_rows([_row(index, difference) for index, difference in found])
        self.query_one("#verdict", Static).update(self._verdict(found))
        self.say("Compare  ", (f"{len(self.entries)} sizes, A is what the others are compared with", ""))

    def _distribution(self, index: int) -> Distribution:
        entry = self.entries[index]
        rows = entry.run.rows_of(entry.cell.memory_mb)
        times_ms = figures.times_of(rows, self.population, self.clock)
        return Distribution(f"{_letter(index)} {entry.name}", _ROLES[index % len(_ROLES)], times_ms)

    def _verdict(self, found: Sequence[tuple[int, Difference]]) -> Content:
        base = self.entries[0]
        lines = []
        for index, entry in enumerate(self.entries[1:], start=1):
            words = ", ".join(
                f"{difference.measure} {difference.word}" for number, difference in found if number == index
            )
            head = f"{_letter(index)} {entry.name} against A {base.name}: "
            lines.append(Content.assemble(head, (words, "bold")))
        notes = {note for entry in self.entries[1:] for note in cautions(entry.result, base.result)}
        lines += [Content.styled(f"note: {note}", "$foreground 70%") for note in sorted(notes)]
        return Content("\n").join(lines)

    def _under_cursor(self) -> int:
        """Return which entry the row under the cursor is about."""
        return 1 + self.query_one("#differences", TableView).cursor // (len(self._measures()))

    def _measures(self) -> tuple[Difference, ...]:
        first, second = self.entries[:2]
        return differences(second.cell, first.cell, population=self.population, clock=self.clock)

    @on(TableView.Moved)
    def _moved(self) -> None:
        index = self._under_cursor()
        run = self.entries[index].run.directory.path
        self.query_one("#differences").border_subtitle = f"{_letter(index)}: {run}"

    def action_size(self, by: int) -> None:
        """Take another size of the run under the cursor."""
        index = self._under_cursor()
        self.entries[index] = self.entries[index].moved(by)
        self._show()

    def action_base(self) -> None:
        """Compare with the run under the cursor."""
        index = self._under_cursor()
        self.entries[0], self.entries[index] = self.entries[index], self.entries[0]
        self._show()
        self._moved()

    def action_population(self) -> None:
        """Compare cold or warm calls."""
        self.population = "cold" if self.population == "warm" else "warm"
        self._show()

    def action_clock(self) -> None:
        """Compare on the next clock."""
        self.clock = _CLOCKS[(_CLOCKS.index(self.clock) + 1) % len(_CLOCKS)]
        self._show()

    def action_back(self) -> None:
        """Go back."""
        self.app.pop_screen()


def _letter(index: int) -> str:
    """Return what an entry is called: A to Z, then A2 and on."""
    turn, place = divmod(index, 26)
    return chr(ord("A") + place) + (str(turn + 1) if turn else "")


def _row(index: int, difference: Difference) -> TableRow:
    write = format_usd if difference.measure == "cost" else format_ms
    glyph = _GLYPHS[difference.word]
    return {
        "pair": (f"{_letter(index)}/A", _ROLES[index % len(_ROLES)]),
        "measure": ("$ per million" if difference.measure == "cost" else f"{difference.measure} ms", PLAIN),
        "base": (write(difference.base), PLAIN),
        "figure": (write(difference.figure), PLAIN),
        "change": (_change(difference), PLAIN),
        "interval": (_interval(difference.ratio), PLAIN),
        "verdict": (f"{glyph} {difference.word}", _WORD_ROLES[glyph]),
    }


def _change(difference: Difference) -> str:
    if not difference.base or difference.figure is None:
        return "-"
    return f"{difference.figure / difference.base - 1:+.0%}"


def _interval(found: Ratio | None) -> str:
    if found is None:
        return "-"
    low = "not bounded" if found.low is None else f"{found.low - 1:+.0%}"
    high = "not bounded" if found.high is None else f"{found.high - 1:+.0%}"
    return f"{low} to {high}"
