"""Apply: what will be changed of the user's function, the exact call, and the size typed to confirm it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from lambdatune.model.errors import LambdatuneError
from lambdatune.session.live.messages import Applied, Apply, ApplyPlanned, PlanApply, Refused

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from lambdatune.session.live.link import Engine
    from lambdatune.session.live.messages import Answer, Question


class ApplyDialog(ModalScreen[str | None]):
    """Shows a change of the user's function and makes it when its size is typed; returns what is true then.

    Args:
        engine: makes the change.
        run_path: the run whose advice it is.
        planned: the change, as the engine would make it.
        undo: whether it puts back what was applied before.
    """

    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012  Textual declares it

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Cancel", id="apply.cancel", tooltip="go back and change nothing"),
        Binding("up", "scroll(-1)", "Scroll up", id="apply.up", tooltip="the lines above", show=False),
        Binding("down", "scroll(1)", "Scroll down", id="apply.down", tooltip="the lines below", show=False),
    ]

    def __init__(self, engine: Engine, run_path: str, planned: ApplyPlanned, *, undo: bool = False) -> None:
        super().__init__()
        self._engine = engine
        self._run_path = run_path
        self._planned = planned
        self._undo = undo
        self._busy = False

    def compose(self) -> ComposeResult:
        """Lay the question out."""
        planned = self._planned
        with Vertical(id="dialog") as dialog:
            dialog.border_title = f"{'Put back' if self._undo else 'Apply'} {planned.to_mb} MB"
            with VerticalScroll(id="change", can_focus=False):
                yield Static(self._change(), id="what")
                yield Static(planned.call, id="call", markup=False)
                yield Static("\n".join(f"! {warning}" for warning in planned.warnings), id="warnings", markup=False)
            yield Static(f"Type {planned.to_mb} to confirm", id="ask", markup=False)
            yield Input(id="size", compact=True, max_length=12)
            yield Static(id="wrong", markup=False)
            yield Static(f"enter {self._verb}   esc cancels   ↑↓ scroll", classes="keys", markup=False)

    def on_mount(self) -> None:
        """Wait for the size."""
        self.query_one("#size").focus()

    @property
    def _verb(self) -> str:
        return "puts it back" if self._undo else "applies it"

    def _change(self) -> Content:
        planned = self._planned
        again = ", as before it was applied" if self._undo else ""
        return Content.assemble(
            f"The memory size of your function {planned.function} changes from {planned.from_mb} MB to ",
            (f"{planned.to_mb} MB", "bold"), f"{again}, with this call:",
        )  # fmt: skip

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Make the change when the size was typed."""
        event.stop()
        if self._busy:
            return
        typed, wanted = event.value.strip(), str(self._planned.to_mb)
        if typed != wanted:
            what = f"`{typed}` is not {wanted}" if typed else "nothing was typed"
            self._say(f"✗ {what}: nothing was changed")
            return
        self._busy = True
        self._say("… changing, and waiting until it is in force")
        self.run_worker(self._make(), group="apply")

    async def _make(self) -> None:
        planned = self._planned
        answer = await answer_of(
            self._engine, Apply(0, self._run_path, planned.to_mb, planned.revision_id, undo=self._undo)
        )
        self._busy = False
        if isinstance(answer, Applied):
            self.dismiss(answer.sentence)
        else:
            self._say(f"✗ {reason_of(answer)}")

    def _say(self, text: str) -> None:
        self.query_one("#wrong", Static).update(text)

    def action_scroll(self, lines: int) -> None:
        """Scroll what does not fit."""
        self.query_one("#change", VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_leave(self) -> None:
        """Go back without changing anything; a change under way is waited for."""
        if not self._busy:
            self.dismiss(None)


async def plan_of(engine: Engine, run_path: str, memory_mb: int, *, undo: bool = False) -> ApplyPlanned | str:
    """Return the change that applying a size, or undoing what was applied, would make; a reason when there is none."""
    answer = await answer_of(engine, PlanApply(0, run_path, memory_mb))
    if not isinstance(answer, ApplyPlanned):
        return reason_of(answer)
    if undo:
        if answer.undoes is None:
            return f"nothing that was applied from this run is in force: {answer.function} has {answer.from_mb} MB"
        answer = await answer_of(engine, PlanApply(0, run_path, answer.undoes))
        return answer if isinstance(answer, ApplyPlanned) else reason_of(answer)
    if answer.from_mb == memory_mb:
        return f"function {answer.function} has {memory_mb} MB already"
    return answer


async def answer_of(engine: Engine, question: Question) -> Answer:
    """Return an engine's answer; an engine that is gone is a refusal as well."""
    try:
        return await engine.ask(question)
    except LambdatuneError as error:
        return Refused(None, error.message, error.hint)


def reason_of(answer: Answer) -> str:
    """Return why an engine did not do what it was asked, with what to do about it."""
    assert isinstance(answer, Refused), answer
    return answer.message + (f"\nhint: {answer.hint}" if answer.hint else "")
