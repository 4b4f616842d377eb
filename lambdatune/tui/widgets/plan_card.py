"""The card of the Setup screen: what a plan would do, before it does anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from lambdatune.pricing.cost import decimals_of, money

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from lambdatune.session.live.messages import CardShown, Refused

LOOKING = "… looking"
REAL = "The calls are real: whatever the function does (writes, mails, payments), it does."


class PlanCard(VerticalScroll):
    """What a plan would do, or why that is not known."""

    def compose(self) -> ComposeResult:
        """Lay the card out."""
        yield Static(id="card-state")
        yield Static(id="card-text")

    def on_mount(self) -> None:
        """Give it its title."""
        self.border_title = "Before you start"

    def show_card(self, card: CardShown, closing: str) -> None:
        """Show what a plan would do; `closing` is said beneath."""
        self._show(
            Content(""),
            Content("\n").join([*card_lines(card), Content(""), Content.styled(closing, "$foreground 70%")]),
        )

    def show_looking(self, what: str) -> None:
        """Say that an answer is on its way; one that still stands there is of the fields as they were."""
        text = self.query_one("#card-text", Static)
        old = text.has_class("is-answer")
        self.add_class("is-old")
        state = f"{LOOKING} {what}" + ("\n  Below is what the fields said before." if old else "")
        self._say_state(Content.styled(state, "$text-accent"))

    def show_refused(self, refused: Refused) -> None:
        """Show in full why a plan cannot be looked up."""
        parts = [Content.styled(f"✗ {refused.message}", "$text-error")]
        if refused.hint:
            parts += [Content(""), Content(f"hint: {refused.hint}")]
        parts += [Content(""), Content("Nothing was changed and nothing was called.")]
        self._show(Content(""), Content("\n").join(parts))

    def show_wrong(self, labels: list[str]) -> None:
        """Say which fields have to be put right first."""
        named = ", ".join(labels)
        fields = "this field" if len(labels) == 1 else "these fields"
        text = Content.assemble(
            (f"✗ not looked up: {named}", "$text-error"), f"\n\nPut {fields} right first; beneath it stands why."
        )
        self._show(Content(""), text)

    def show_empty(self) -> None:
        """Say what to begin with."""
        self._show(Content(""), Content(_EMPTY))

    def _show(self, state: Content, text: Content) -> None:
        self.remove_class("is-old")
        self._say_state(state)
        shown = self.query_one("#card-text", Static)
        shown.add_class("is-answer")
        shown.update(text)
        self.scroll_home(animate=False)

    def _say_state(self, state: Content) -> None:
        line = self.query_one("#card-state", Static)
        line.display = bool(state.plain)
        line.update(state)


_EMPTY = """\
○ no function yet

Type its name or ARN, or the path of its code (a directory or a zip), or choose one from the list with the key for \
functions below.

sample:checkout is a bundled one: it runs on this machine and needs no account.

Then this card says, before anything is done: how many calls, what they cost and how long they take, every change \
and how it is undone."""


def card_lines(card: CardShown) -> list[Content]:
    """Return what a plan would do, line by line."""
    about = " · ".join(part for part in (card.runtime or "container image", card.architecture) if part)
    if card.current_memory_mb is not None:
        about += f" · {card.current_memory_mb} MB now"
    count = len(card.sizes_mb)
    lines = [
        Content.assemble((card.function, "bold"), f" {card.place}"),
        Content(about),
        Content(""),
        Content.assemble((str(count), "bold"), f" size{'s' * (count != 1)}: {', '.join(map(str, card.sizes_mb))} MB"),
        Content.assemble("about ", (f"{card.calls:,}", "bold"), " calls"),
        _dollars(card),
        _time(card),
    ]
    if card.load is not None:
        lines.append(Content(_sentence(card.load)))
    lines += [Content(""), Content.styled("Changes, and how each is undone", "bold")]
    lines += [Content(f"• {_sentence(change)}") for change in card.changes] or [Content("• none")]
    if card.warnings:
        lines += [Content(""), Content.styled("What else to know", "bold")]
        lines += [Content.assemble(("⚠ ", "$text-warning"), _sentence(warning)) for warning in card.warnings]
    if card.costs_money:
        lines += [Content(""), Content.styled(f"⚠ {REAL}", "$text-warning")]
    return lines


def summary(card: CardShown) -> str:
    """Return the card in one line."""
    parts = [f"about {card.calls:,} calls", duration_words(card.minutes) or "time not known"]
    parts.insert(1, f"{dollars(card)} per 100 ms" if card.costs_money else "nothing billed")
    return " · ".join(parts)


def question(card: CardShown) -> str:
    """Return what is asked before money is spent."""
    takes = duration_words(card.minutes)
    lines = [
        f"About {card.calls:,} calls of {card.function} {card.place}, about {dollars(card)} if each is billed 100 ms"
        + (f", about {takes}." if takes else "."),
        "",
        *(f"• {_sentence(change)}" for change in card.changes or ("no change is made",)),
        "",
        f"⚠ {REAL}",
    ]
    return "\n".join(lines)


def dollars(card: CardShown) -> str:
    """Return what all calls cost if each is billed 100 ms."""
    return money(card.usd_per_100ms, card.currency, decimals_of(card.usd_per_100ms))


def duration_words(minutes: float | None) -> str | None:
    """Return a time as a person says it: ``40 s``, ``5 min 30 s``, ``1 h 10 min``; None when it is not known."""
    if minutes is None:
        return None
    seconds = max(round(minutes * 60), 1)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min" + (f" {seconds % 60} s" if seconds % 60 else "")
    return f"{seconds // 3600} h" + (f" {seconds % 3600 // 60} min" if seconds % 3600 >= 60 else "")


def _dollars(card: CardShown) -> Content:
    if not card.costs_money:
        return Content.assemble(("nothing", "bold"), " to pay: it runs on this machine")
    return Content.assemble("about ", (dollars(card), "bold"), " if each call is billed 100 ms")


def _time(card: CardShown) -> Content:
    takes = duration_words(card.minutes)
    if takes is None:
        return Content("how long it takes is not known")
    return Content.assemble("about ", (takes, "bold"), " if each call takes 100 ms")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
