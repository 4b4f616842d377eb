"""The application: which screen is shown, the keys, the signals, and what is printed when it ends.

History lies at the bottom. Over it are Setup, then the run that it begins, then its result; Result and Compare also
come from History.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.drivers.linux_driver import LinuxDriver

from lambdatune.model.errors import ExitCode, LambdatuneError, UsageError
from lambdatune.reports.text import render_text
from lambdatune.session.last_plan import last_plan, remember_plan
from lambdatune.session.replay import RecordedRun
from lambdatune.session.run_directory import RunDirectory, default_output, find_run
from lambdatune.tui.driver import LastingDriver
from lambdatune.tui.keymap import keymap_path, read_keymap
from lambdatune.tui.live import LiveRun, yield_the_cores
from lambdatune.tui.screens.apply import ApplyDialog
from lambdatune.tui.screens.compare import CompareScreen, Entry
from lambdatune.tui.screens.dialogs import AskText, Confirm
from lambdatune.tui.screens.help import HelpScreen
from lambdatune.tui.screens.history import HistoryScreen
from lambdatune.tui.screens.pick_function import PickFunction
from lambdatune.tui.screens.result import ResultScreen
from lambdatune.tui.screens.run import RunScreen
from lambdatune.tui.screens.setup import SetupScreen
from lambdatune.tui.widgets.setting_row import Choice
from lambdatune.tui.widgets.table_view import TableView

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from textual.binding import ActiveBinding
    from textual.driver import Driver
    from textual.screen import Screen

    from lambdatune.model.result import RunResult
    from lambdatune.session.live.link import Engine
    from lambdatune.session.live.messages import PlanSettings

_AGAIN_S = 2.0
"""Within this time a second ctrl+c means it."""

_SIGNALS = {signal.SIGTERM: ExitCode.TERMINATED, signal.SIGHUP: ExitCode.TERMINATED}


class LambdatuneApp(App[None]):
    """The screens.

    Args:
        output: the directory of the runs.
        run: a recorded run that is opened at first.
        settings: the plan that Setup shows at first, where no run is opened; None for the list of runs.
        starts: whether that plan is run at once.
        keymap: keys of the user by the name of what they do.

    Attributes:
        live: the run that is made here.
        lacks_payload: whether the plan of the last time had payloads that were not kept, which is to be told.
    """

    TITLE = "lambdatune"
    CSS_PATH = "lambdatune.tcss"
    ENABLE_COMMAND_PALETTE = True

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "explain", "Help", id="help", tooltip="keys and glyphs of this screen"),
        Binding("q", "quit", "Quit", id="quit",
                tooltip="leave; a run under way is stopped and undone, and the report is printed"),
        Binding("ctrl+n", "setup", "New run", id="setup", tooltip="the last plan, to be changed and begun", show=False),
        Binding("ctrl+c", "interrupt", "Interrupt", id="interrupt", tooltip="twice within 2 s: leave, exit code 130",
                show=False, system=True, priority=True),
        Binding("ctrl+z", "suspend_process", "Suspend", id="suspend", tooltip="back to the shell; `fg` comes back",
                show=False),
        Binding("ctrl+p", "command_palette", "Commands", id="palette", tooltip="find any command by its name",
                show=False, priority=True),
    ]  # fmt: skip
    COMMAND_PALETTE_BINDING = "ctrl+p"

    def __init__(
        self,
        output: Path,
        run: RunDirectory | None = None,
        keymap: Mapping[str, str] | None = None,
        *,
        settings: PlanSettings | None = None,
        starts: bool = False,
    ) -> None:
        super().__init__()
        self.live = LiveRun(self)
        self.lacks_payload = False
        self._settings = settings
        self._starts = starts
        self.output = output
        self.first_run = run
        self.last_run: tuple[RunDirectory, RunResult] | None = None
        """The run that was open last, which is printed at the end."""
        self._interrupted_at: float | None = None
        self._leaving = False
        self._keys_of_the_user = dict(keymap or {})

    def get_driver_class(self) -> type[Driver]:
        """Return Textual's driver, or ours in its place where that is the one for POSIX terminals."""
        usual = super().get_driver_class()
        return LastingDriver if usual is LinuxDriver else usual

    def on_mount(self) -> None:
        """Take over the signals, then show the first screen."""
        self.set_keymap(self._keys_of_the_user)
        loop = asyncio.get_running_loop()
        for number, code in _SIGNALS.items():
            # Textual restores the terminal when it ends by itself, not when a signal ends the process.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self.leave, code)
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(signal.SIGINT, self.action_interrupt)
        self.push_screen(HistoryScreen(self.output))
        if self.first_run is not None:
            self.open_runs([self.first_run])
        elif self._starts and self._settings is not None:
            self.start_run(self._settings)
        elif self._settings is not None:
            self.open_setup(self._settings)

    # --- screens ---------------------------------------------------------------------------------------------------

    @work(exclusive=True, group="engine")
    async def open_setup(self, settings: PlanSettings) -> None:
        """Show a plan, to be changed and begun."""
        if (engine := await self._engine()) is not None:
            await self.push_screen(SetupScreen(engine, settings))
            if self.lacks_payload:
                self.lacks_payload = False
                said = "The payload of the last plan was not kept: events may hold what is private."
                self.notify(said, title="Give the payload again", severity="warning", timeout=15, markup=False)

    async def engine(self) -> Engine:
        """Return the engine, which does what calls AWS.

        Raises:
            LambdatuneError: when it cannot be started.
        """
        return await self.live.engine()

    async def _engine(self) -> Engine | None:
        try:
            return await self.engine()
        except LambdatuneError as error:
            self._complain(error, "No engine")
            return None

    def action_setup(self) -> None:
        """Show the last plan; not in the middle of a run, whose screen would be gone."""
        if self.live.is_under_way:
            self.notify("a run is under way: x stops it and keeps what it measured", severity="warning", markup=False)
            return
        self.show_history()
        self.open_setup(self._settings or last_plan().settings)

    @on(SetupScreen.Go)
    def _go(self, event: SetupScreen.Go) -> None:
        # A key that is pressed twice begins one run.
        if not self.live.is_under_way:
            remember_plan(event.settings)
            self.start_run(event.settings)

    @on(SetupScreen.Left)
    def _left(self) -> None:
        self.show_history()

    @work(exclusive=True, group="engine")
    async def start_run(self, settings: PlanSettings) -> None:
        """Begin a run and show it."""
        self._settings = settings
        self.show_history()
        try:
            await self.live.start(settings, self.output)
        except LambdatuneError as error:
            self._complain(error, "Not started")

    @work(exclusive=True, group="engine")
    async def continue_run(self, directory: RunDirectory) -> None:
        """Go on with a recorded run that ended early, and show it."""
        self.show_history()
        try:
            await self.live.go_on(directory)
        except LambdatuneError as error:
            self._complain(error, "Not continued")

    def run_ended(self, directory: RunDirectory | None, failure: str | None, *, was_continued: bool) -> None:
        """Show what a run came to; where it did not begin, its plan again, or the list that it was chosen from."""
        if self._leaving:
            return
        if failure is not None:
            title = "Not continued" if was_continued and directory is None else "The run ended early"
            self.notify(failure, title=title, severity="error", timeout=30, markup=False)
        if directory is not None:
            self.open_runs([directory], from_history=True)
            return
        self.show_history()
        if self._settings is not None and not was_continued:
            self.open_setup(self._settings)

    @work(thread=True, exclusive=True, group="open")
    def open_runs(self, directories: Sequence[RunDirectory], *, from_history: bool = False) -> None:
        """Read runs outside the screen's loop, then show the only one, or compare them.

        Args:
            directories: of the runs.
            from_history: leave every screen over the list of runs for that.
        """
        try:
            opened = [(run, run.result()) for run in map(RecordedRun, directories)]
        except LambdatuneError as error:
            self.call_from_thread(self._complain, error, "Not opened")
            return
        self.call_from_thread(self._show_opened, opened, from_history=from_history)

    def _complain(self, error: LambdatuneError, title: str) -> None:
        said = error.message + (f"\nhint: {error.hint}" if error.hint else "")
        self.notify(said, title=title, severity="error", timeout=12, markup=False)

    def _show_opened(self, opened: Sequence[tuple[RecordedRun, RunResult]], *, from_history: bool) -> None:
        if from_history:
            self.show_history()
        self.last_run = opened[-1][0].directory, opened[-1][1]
        if len(opened) == 1:
            self.push_screen(ResultScreen(*opened[0]))
        else:
            self.compare([(run, result, None) for run, result in opened])

    def compare(self, parts: Sequence[tuple[RecordedRun, RunResult, int | None]]) -> None:
        """Compare sizes of runs; None for the size that a run advises.

        What cannot be compared is said, and nothing else is shown.
        """
        try:
            entries = [Entry.of(run, result, memory_mb) for run, result, memory_mb in parts]
            screen = CompareScreen(entries)
        except LambdatuneError as error:
            self._complain(error, "Not comparable")
            return
        self.push_screen(screen)

    def show_history(self) -> None:
        """Go back to the list of runs."""
        while len(self.screen_stack) > 1 and not isinstance(self.screen, HistoryScreen):
            self.pop_screen()

    # --- keys ------------------------------------------------------------------------------------------------------

    def action_explain(self) -> None:
        """Show the keys and the glyphs of the screen."""
        keys = [
            (self.get_key_display(active.binding), active.binding.description, active.binding.tooltip)
            for active in self.keys_of(self.screen)
        ]
        self.push_screen(HelpScreen(type(self.screen).__name__.removesuffix("Screen"), keys))

    @staticmethod
    def keys_of(screen: Screen[Any]) -> list[ActiveBinding]:
        """Return what the keys do on a screen, once each."""
        found: dict[str, ActiveBinding] = {}
        for active in screen.active_bindings.values():
            if active.binding.id and active.binding.id not in found:
                found[active.binding.id] = active
        return list(found.values())

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Offer everything that a key does here, and the themes, in the command palette."""
        # The palette lies over the screen that it was opened from.
        for active in self.keys_of(screen):
            if active.binding.id == "palette":
                continue
            key = self.get_key_display(active.binding)
            run = partial(self.run_action, active.binding.action, default_namespace=active.node)
            yield SystemCommand(f"{active.binding.description} ({key})", active.binding.tooltip, run)
        yield SystemCommand("Theme", "choose colours: dark, light, or those of the terminal", self.action_change_theme)

    def action_interrupt(self) -> None:
        """Warn at first; the second time within two seconds leave with exit code 130."""
        now = time.monotonic()
        if self._interrupted_at is not None and now - self._interrupted_at <= _AGAIN_S:
            self.leave(ExitCode.INTERRUPTED)
            return
        self._interrupted_at = now
        what = (
            "stops the run, undoes what it changed and leaves" if self.live.is_under_way else "leaves; q leaves at once"
        )
        self.notify(f"ctrl+c again within 2 s {what}", timeout=_AGAIN_S, markup=False)

    async def action_quit(self) -> None:
        """Leave; ask before a run is stopped for it."""
        if not self.live.is_under_way:
            self.leave(ExitCode(self.live.ended.exit_code) if self.live.ended else ExitCode.OK)
            return
        question = "The run is stopped. What was measured is kept, and what was changed is undone."
        self.push_screen(Confirm("Leave?", question), self._leave_if)

    def _leave_if(self, answer: bool | None) -> None:
        if answer:
            self.leave(ExitCode.INTERRUPTED)

    def leave(self, code: ExitCode) -> None:
        """End the screens, after a run under way was stopped and undone."""
        if not self._leaving:
            self._leaving = True
            self.run_worker(self._leave(code), group="leave")

    async def _leave(self, code: ExitCode) -> None:
        if self.live.is_under_way:
            self.notify("stopping the run and undoing what it changed", timeout=60, markup=False)
            await self.live.stop()
            if self.live.directory is not None:
                with contextlib.suppress(LambdatuneError):
                    recorded = await asyncio.to_thread(RecordedRun, self.live.directory)
                    self.last_run = self.live.directory, recorded.result()
        await self.live.close()
        self.exit(return_code=code)


_BOUND = (
    LambdatuneApp, SetupScreen, RunScreen, HistoryScreen, ResultScreen, CompareScreen, HelpScreen, AskText, Confirm,
    ApplyDialog, TableView, PickFunction, Choice,
)  # fmt: skip


def actions() -> dict[str, Binding]:
    """Return everything that a key does on some screen, by the name that keymap.toml uses."""
    bases = [base for kind in _BOUND for base in kind.__mro__ if base.__module__.startswith("lambdatune.")]
    bindings = (binding for base in bases for binding in vars(base).get("BINDINGS", ()))
    return {binding.id: binding for binding in bindings if isinstance(binding, Binding) and binding.id}


def run(
    *, run: str | None = None, output: Path | None = None, settings: PlanSettings | None = None, starts: bool = False
) -> int:
    """Show the screens until the user leaves; return the exit code, that of a run that was made and ended here.

    Args:
        run: a run's directory, its id, the start of one, or ``latest``, which is opened at first.
        output: where runs are looked for and made; None for the user's data directory.
        settings: the plan that is shown at first; None for the last one.
        starts: whether it is run at once.

    Raises:
        UsageError: when there is no terminal, no such run, or keymap.toml is wrong.
    """
    # Textual draws on stderr, and the report goes to stdout at the end.
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "the screens need a terminal, and stdin, stdout or stderr is none",
            hint="`lambdatune show RUN` prints a run, `lambdatune runs` lists them",
        )
    keymap = read_keymap(keymap_path(), actions())
    directory = output or default_output()
    opened = None if run is None else find_run(run, directory)
    kept = last_plan()
    app = LambdatuneApp(directory, opened, keymap, settings=settings or kept.settings, starts=starts)
    app.lacks_payload = settings is None and kept.without_payload
    yield_the_cores()
    app.run()
    _tell(app)
    return app.return_code or ExitCode.OK


def _tell(app: LambdatuneApp) -> None:
    """Print the run that was open last on the normal screen, and where it is."""
    # The terminal may be the reason for the end.
    with contextlib.suppress(OSError):
        if app.last_run is not None:
            directory, result = app.last_run
            sys.stdout.write(f"{render_text(result)}\nrecorded in {directory.path}\n")
            sys.stdout.flush()
        if app.live.failure is not None:
            sys.stderr.write(f"{app.live.failure}\n")
