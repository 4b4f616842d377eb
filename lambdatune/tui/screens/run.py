"""Run: a session while it measures, and what can be changed about it meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec
from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Static

from lambdatune.model.errors import LambdatuneError
from lambdatune.session.live.messages import EndSize, Follow, Pause, Resume, Stop
from lambdatune.tui import live_figures as figures
from lambdatune.tui.charts.events import Event
from lambdatune.tui.screens.dialogs import AskText, Confirm
from lambdatune.tui.screens.run_picture import RunPicture
from lambdatune.tui.widgets.live_table import LiveTable
from lambdatune.tui.wishes import load_as_text, read_load, read_size, read_targets

if TYPE_CHECKING:
    from lambdatune.session.live.link import Engine
    from lambdatune.session.live.messages import Refused, Said, Snapshot, ToEngine

_STEERING = {"pause", "resume", "end_size", "add_size", "targets", "load"}


class RunScreen(RunPicture):
    """Shows a session under way, and steers it.

    Args:
        engine: that runs it.
        snapshot: what is known of it at first.
    """

    MEANWHILE = "running on; q leaves"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "Pause", id="run.pause", tooltip="send nothing new; calls in flight end"),
        Binding("space", "resume", "Go on", id="run.resume", tooltip="resume: send calls again"),
        Binding("n", "end_size", "End", id="run.end-size",
                tooltip="no more calls for the size under the cursor; what it has is kept"),
        Binding("a", "add_size", "Add", id="run.add-size", tooltip="measure another size as well"),
        Binding("t", "targets", "Target", id="run.targets", tooltip="decide for another target from now on"),
        Binding("l", "load", "Load", id="run.load", tooltip="other calls in flight, or another rate, from now on"),
        Binding("x", "stop", "Stop", id="run.stop",
                tooltip="end the run, keep what was measured, undo what was changed; again: give up calls in flight"),
        Binding("escape", "follow", "Follow", id="run.follow", tooltip="charts follow the size that is measured",
                show=False),
        Binding("r", "history", "Runs", id="run.history", tooltip="to the list of runs"),
    ]  # fmt: skip

    def __init__(self, engine: Engine, snapshot: Snapshot | None = None) -> None:
        super().__init__(snapshot)
        self._engine = engine
        self._told: int | None = None
        self._wish: Literal["pause", "resume"] | None = None

    # --- news --------------------------------------------------------------------------------------------------------

    def show(self, snapshot: Snapshot) -> None:
        """Show a newer snapshot, at most four in a second, and one in a second while the terminal has no focus."""
        self.snapshot = snapshot
        if self._wish is not None and (snapshot.state in {"pausing", "paused"}) == (self._wish == "pause"):
            self._wish = None
        self._follow()
        self._draw_soon()

    def said(self, said: Said) -> None:
        """Write into the log what happened."""
        self._write(figures.event_of(said))

    def refused(self, refused: Refused) -> None:
        """Say why a wish was not followed."""
        self._wish = None
        said = refused.message + (f"\nhint: {refused.hint}" if refused.hint else "")
        self.notify(said, title="✗ not followed", severity="error", timeout=12, markup=False)
        self._write(Event(self.snapshot.elapsed_s if self.snapshot else 0.0, "✗", said, "misses"))

    def gone(self, sentence: str, run_path: str | None) -> None:
        """Say that the engine is gone, where the rows are, and how to undo what is left."""
        where = (
            f"What was measured is in {run_path}\n`lambdatune restore {run_path}` undoes what the run may have left"
            if run_path
            else "No run had begun, and nothing was changed"
        )
        self._gone = f"✗ {sentence}\n{where}"
        if self.snapshot is not None:
            cells = tuple(
                msgspec.structs.replace(cell, state="ended") if cell.state == "running" else cell
                for cell in self.snapshot.cells
            )
            self.snapshot = msgspec.structs.replace(
                self.snapshot, cells=cells, running=None, in_flight=0, calls_per_s=0.0
            )
        self.query_one("#banner", Static).update(self._gone)
        self.add_class("is-gone")
        self._draw()

    def _tell(self, message: ToEngine) -> None:
        if self._gone is None:
            self._engine.tell(message)

    # --- which cell --------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Tell the engine which cell is followed, where it does not know: a size that was added moves the others."""
        index = self._index_of(self._picked)
        if index != self._told:
            self._told = index
            self._tell(Follow(index))

    @on(LiveTable.Picked)
    def _pick(self, event: LiveTable.Picked) -> None:
        if self.snapshot is None or event.index >= len(self.snapshot.cells):
            return
        self._picked = figures.key_of(self.snapshot.cells[event.index])
        self._follow()
        self._draw()

    def action_follow(self) -> None:
        """Follow the size that is measured."""
        self._picked = None
        self._follow()
        self._draw()

    # --- steering ----------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002  Textual's signature
        """Return whether a key means something now."""
        if action in {"pause", "resume"} and self._is_paused == (action == "pause"):
            return False
        if action in _STEERING:
            return self._can_be_steered
        if action == "stop":
            return self._gone is None
        if action == "history":
            return self._gone is not None
        return True

    @property
    def _is_paused(self) -> bool:
        if self._wish is not None:
            return self._wish == "pause"
        return self.snapshot is not None and self.snapshot.state in {"pausing", "paused"}

    @property
    def _can_be_steered(self) -> bool:
        if self._gone is not None or self._is_stopping or self.snapshot is None:
            return False
        return self.snapshot.state in {"running", "pausing", "paused"}

    def action_pause(self) -> None:
        """Pause the load."""
        self._wish = "pause"
        self._tell(Pause())
        self.refresh_bindings()

    def action_resume(self) -> None:
        """Go on."""
        self._wish = "resume"
        self._tell(Resume())
        self.refresh_bindings()

    def action_end_size(self) -> None:
        """End the size under the cursor."""
        cell = self._cell()
        if cell is not None:
            self._tell(EndSize(cell.memory_mb))
            self.notify(f"{cell.memory_mb} MB gets no more calls; what it has is kept", markup=False)

    def action_add_size(self) -> None:
        """Ask for a size and add it."""
        hint = "One more memory size in MB, from 128 to 10240; a size that was ended goes on."

        def use(text: str) -> str:
            wish = read_size(text, self._known())
            self._wish_for(wish)
            return f"{wish.memory_mb} MB is measured as well"

        self._ask(AskText("Add a size", hint, "", use, does="adds it"))

    def action_targets(self) -> None:
        """Ask for other targets and decide for them."""
        hint = (
            "[warm|cold|all.][duration|response|service|e2e.]pNN<=TIME, several with commas between them; empty for "
            "none. What was measured counts on."
        )

        def use(text: str) -> str:
            wish = read_targets(text)
            self._wish_for(wish)
            return f"decided for {' and '.join(wish.targets) or 'no target'} from now on"

        self._ask(AskText("Target", hint, ", ".join(self._known().targets), use, does="decides for it"))

    def action_load(self) -> None:
        """Ask for another load and send it."""
        hint = "20 keeps that many calls in flight, 50/s sends at that rate. Warm calls so far will be in no figure."

        def use(text: str) -> str:
            wish = read_load(text)
            self._wish_for(wish)
            return f"sending {wish.rate or f'{wish.concurrency} in flight'} from now on"

        self._ask(AskText("Load", hint, load_as_text(self._known()), use, does="sends it"))

    def _ask(self, dialog: AskText) -> None:
        def told(sentence: str | None) -> None:
            if sentence:
                self.notify(sentence, title="✓ asked for", markup=False)

        self.app.push_screen(dialog, told)

    def _wish_for(self, wish: ToEngine) -> None:
        if not self._can_be_steered:
            raise LambdatuneError("the run is over: nothing about it can be changed any more", hint="esc goes back")
        self._tell(wish)

    def _known(self) -> Snapshot:
        assert self.snapshot is not None  # The keys that need one do nothing before.
        return self.snapshot

    def action_stop(self) -> None:
        """Ask, then end the run; once that is asked for, give up the calls in flight."""
        if self._is_stopping:
            self._tell(Stop(abandon=True))
            self.notify("the calls in flight are given up", markup=False)
            return
        question = (
            "The run ends when the calls in flight have. What was measured is kept, and what was changed is undone.\n"
            "x again gives up the calls in flight."
        )

        def answered(answer: bool | None) -> None:
            if answer:
                self._is_stopping = True
                self._tell(Stop())
                self._draw()

        self.app.push_screen(Confirm("Stop and keep?", question), answered)

    def action_history(self) -> None:
        """Go to the list of runs."""
        self.app.show_history()  # type: ignore[attr-defined]
