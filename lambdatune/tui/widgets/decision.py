"""The decision in words: the sentence, its evidence, the alternatives, and the what-if it was made for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from lambdatune.model.quantities import format_number
from lambdatune.tui.charts.scale import format_ms, with_unit
from lambdatune.tui.figures import ADVICE
from lambdatune.tui.phrases import delivery_line, evidence_line
from lambdatune.tui.what_if import percent

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from lambdatune.model.result import CellResult, RunResult
    from lambdatune.model.target import Target
    from lambdatune.tui.what_if import Question

_MUTED = "$foreground 70%"


class Decision(Vertical):
    """A panel whose border tells the status as well, in glyph and word."""

    def compose(self) -> ComposeResult:
        """Lay the panel out."""
        yield Static(id="sentence", markup=False)
        yield Static(id="evidence", markup=False)
        yield Static(id="delivery", markup=False)
        yield Static(id="alternatives", markup=False)
        yield Static(id="question", markup=False)

    def tell(self, result: RunResult, target: Target) -> None:
        """Show the decision of a result.

        Args:
            result: of the run or of a what-if.
            target: what the figures of the evidence are about.
        """
        advice = result.recommendation
        glyph, word, role = ADVICE[advice.status]
        self.border_title = f"{glyph} {word}"
        for name in ("meets", "misses", "unproven", "muted"):
            self.set_class(name == role, f"is-{name}")
        self.query_one("#sentence", Static).update(_sentence(advice.sentence))
        self.query_one("#evidence", Static).update(Content.styled(evidence_line(result, target), _MUTED))
        others = [f"or: {alternative.sentence}" for alternative in advice.alternatives]
        notes = [f"note: {note}" for note in result.validity.notes]
        self.query_one("#alternatives", Static).update(Content.styled("\n".join([*others, *notes]), _MUTED))
        self.query_one("#alternatives").set_class(not others and not notes, "is-empty")

    def tell_delivery(self, cell: CellResult) -> None:
        """Show what became of the messages of a size; nothing in modes in which calls wait for their result."""
        line = "" if cell.delivery is None else delivery_line(cell.memory_mb, cell.delivery)
        shown = self.query_one("#delivery", Static)
        shown.update(Content.styled(line, _MUTED))
        shown.display = bool(line)
        self.set_class(bool(line), "has-delivery")

    def ask(self, question: Question, own: Question, *, deciding: bool) -> None:
        """Show what is asked; `deciding` while the answer above is still that to an earlier question."""
        target = question.target
        if target is None:
            text = "no target"
        else:
            text = (
                f"{target.population} {target.clock} p{format_number(target.percentile)} ≤ "
                f"{with_unit(format_ms(target.threshold_ms))}"
            )
        rest = f" · confidence {percent(question.confidence)} · cold rate {percent(question.cold_rate)}"
        count = len(question.others) + 1
        more = f" target {question.which + 1} of {count} (y)" if count > 1 else ""
        tail = "  … deciding" if deciding else ("  as recorded" if question.asks_as(own) else "  0: as recorded")
        self.query_one("#question", Static).update(
            Content.assemble(
                ("What if  ", "$text-accent"), ("◀ ", "$text-accent"), (text, "bold"), (" ▶", "$text-accent"), more,
                f"{rest} · {question.strategy}", (tail, _MUTED),
            )
        )  # fmt: skip


def _sentence(text: str) -> Content:
    """Return the sentence with what it begins with, up to the colon, in bold."""
    head, colon, rest = text.partition(":")
    return Content.assemble((head + colon, "bold"), rest) if colon else Content.styled(text, "bold")
