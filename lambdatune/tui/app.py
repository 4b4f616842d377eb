"""The application: which screen is shown, the keys, the signals, and what is printed when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.drivers.linux_driver import LinuxDriver

from lambdatune.model.errors import ExitCode, LambdatuneError, UsageError
from lambdatune.reports.text import render_text
from lambdatune.session.replay import RecordedRun
from lambdatune.session.run_directory import RunDirectory, default_output, find_run
from lambdatune.tui.driver import LastingDriver
from lambdatune.tui.keymap import keymap_path, read_keymap
from lambdatune.tui.screens.apply import ApplyDialog
from lambdatune.tui.screens.compare import CompareScreen, Entry
from lambdatune.tui.screens.dialogs import AskPath, Confirm
from lambdatune.tui.screens.help import HelpScreen
from lambdatune.tui.screens.history import HistoryScreen
from lambdatune.tui.screens.result import ResultScreen
from lambdatune.tui.widgets.table_view import TableView

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from textual.binding import ActiveBinding
    from textual.driver import Driver
    from textual.screen import Screen

    from lambdatune.model.result import RunResult

_AGAIN_S = 2.0
"""Within this time a second ctrl+c means it."""

_SIGNALS = {signal.SIGTERM: ExitCode.TERMINATED, signal.SIGHUP: ExitCode.TERMINATED}


class LambdatuneApp(App[None]):
    """The screens over recorded runs.

    Args:
        output: the directory of the runs.
        run: the run that is opened at first; None for the list of runs.
        keymap: keys of the user by the name of what they do.
    """

    TITLE = "lambdatune"
    CSS_PATH = "lambdatune.tcss"
    ENABLE_COMMAND_PALETTE = True

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "explain", "Help", id="help", tooltip="keys and glyphs of this screen"),
        Binding("q", "quit", "Quit", id="quit", tooltip="leave; the report of the run that was open is printed"),
        Binding("ctrl+c", "interrupt", "Interrupt", id="interrupt", tooltip="twice within 2 s: leave, exit code 130",
                show=False, system=True, priority=True),
        Binding("ctrl+z", "suspend_process", "Suspend", id="suspend", tooltip="back to the shell; `fg` comes back",
                show=False),
        Binding("ctrl+p", "command_palette", "Commands", id="palette", tooltip="find any command by its name",
                show=False, priority=True),
    ]  # fmt: skip
    COMMAND_PALETTE_BINDING = "ctrl+p"

    def __init__(self, output: Path, run: RunDirectory | None = None, keymap: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.output = output
        self.first_run = run
        self.last_run: tuple[RunDirectory, RunResult] | None = None
        """The run that was open last, which is printed at the end."""
        self._interrupted_at: float | None = None
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
                loop.add_signal_handler(number, partial(self.exit, return_code=code))
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(signal.SIGINT, self.action_interrupt)
        self.push_screen(HistoryScreen(self.output))
        if self.first_run is not None:
            self.open_runs([self.first_run])

    # --- screens ---------------------------------------------------------------------------------------------------

    @work(thread=True, exclusive=True, group="open")
    def open_runs(self, directories: Sequence[RunDirectory]) -> None:
        """Read runs outside the screen's loop, then show the only one, or compare them."""
        try:
            opened = [(run, run.result()) for run in map(RecordedRun, directories)]
        except LambdatuneError as error:
            said = error.message + (f"\nhint: {error.hint}" if error.hint else "")
            self.call_from_thread(self.notify, said, title="Not opened", severity="error", timeout=10, markup=False)
            return
        self.call_from_thread(self._show_opened, opened)

    def _show_opened(self, opened: Sequence[tuple[RecordedRun, RunResult]]) -> None:
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
            said = error.message + (f"\nhint: {error.hint}" if error.hint else "")
            self.notify(said, title="Not comparable", severity="error", timeout=12, markup=False)
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
            self.exit(return_code=ExitCode.INTERRUPTED)
            return
        self._interrupted_at = now
        self.notify("ctrl+c again within 2 s leaves; q leaves at once", timeout=_AGAIN_S, markup=False)


_BOUND = (
    LambdatuneApp, HistoryScreen, ResultScreen, CompareScreen, HelpScreen, AskPath, Confirm, ApplyDialog, TableView,
)  # fmt: skip


def actions() -> dict[str, Binding]:
    """Return everything that a key does on some screen, by the name that keymap.toml uses."""
    bases = [base for kind in _BOUND for base in kind.__mro__ if base.__module__.startswith("lambdatune.")]
    bindings = (binding for base in bases for binding in vars(base).get("BINDINGS", ()))
    return {binding.id: binding for binding in bindings if isinstance(binding, Binding) and binding.id}


def run(*, run: str | None, output: Path | None) -> int:
    """Show the screens until the user leaves; return the exit code.

    Args:
        run: a run's directory, its id, the start of one, or ``latest``; None for the list of runs.
        output: where runs are looked for; None for the user's data directory.

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
    app = LambdatuneApp(directory, None if run is None else find_run(run, directory), keymap)
    app.run()
    _tell(app)
    return app.return_code or ExitCode.OK


def _tell(app: LambdatuneApp) -> None:
    """Print the run that was open last on the normal screen, and where it is."""
    if app.last_run is None:
        return
    directory, result = app.last_run
    # The terminal may be the reason for the end.
    with contextlib.suppress(OSError):
        sys.stdout.write(f"{render_text(result)}\nrecorded in {directory.path}\n")
        sys.stdout.flush()
