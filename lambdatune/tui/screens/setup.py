"""Setup: the plan in fields, and beside them what it would do, before anything is done."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Input, Label, Static, TextArea

from lambdatune.model.errors import LambdatuneError, UsageError
from lambdatune.session.live.messages import CardShown, ListFunctions, LookUp, PlanSettings, Refused
from lambdatune.session.live.plans import settings_of
from lambdatune.session.mode_settings import MODE_SETTINGS
from lambdatune.session.profile import placed_values, read_profile, save_profile
from lambdatune.session.samples import bundled_profiles
from lambdatune.session.setting_table import Given, check_kind, check_name
from lambdatune.tui.screens.base import LambdatuneScreen
from lambdatune.tui.screens.dialogs import AskText, Confirm
from lambdatune.tui.screens.pick_function import PickFunction
from lambdatune.tui.setup_fields import (
    CODE,
    COMMON,
    DELIVERED_LOADS,
    FIELDS,
    IMAGE,
    LOAD,
    LOADS,
    MORE,
    NOT_GIVEN,
    fault_sentence,
    faults_of_values,
    fields_of_mode,
    help_of,
    is_delivered,
    needs_code_fields,
    text_of,
    value_of,
)
from lambdatune.tui.widgets.plan_card import LOOKING, PlanCard, question, summary
from lambdatune.tui.widgets.setting_row import SettingRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from textual.timer import Timer
    from textual.widget import Widget

    from lambdatune.session.live.link import Engine

_OPEN_LOADS = ("rate", "ramp", "burst")


class SetupScreen(LambdatuneScreen):
    """Shows a plan to be changed and begun; posts `Go` and `Left`.

    Args:
        engine: is asked what a plan would do, and which functions there are.
        settings: the plan that the fields show at first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "start", "Start", id="setup.start", tooltip="begin the run that the card describes"),
        Binding("ctrl+f", "functions", "Functions", id="setup.functions", priority=True,
                tooltip="choose from the functions of the account or endpoint, and the bundled ones"),
        Binding("ctrl+o", "open", "Open", id="setup.open", tooltip="fill the fields from a run profile"),
        Binding("ctrl+s", "save", "Save", id="setup.save", tooltip="write the fields to a run profile"),
        Binding("ctrl+t", "card", "Card", id="setup.card", tooltip="go to the card, and back to the fields"),
        Binding("escape", "leave", "Back", id="setup.leave", tooltip="leave the plan; nothing is begun"),
        Binding("f1", "help_here", "Help", id="setup.help", tooltip="keys and glyphs, where ? is typed into a field"),
    ]  # fmt: skip

    LOOK_UP_AFTER_S: ClassVar[float] = 0.4
    """How long the fields rest before the engine is asked: not at every letter that is typed."""

    class Go(Message):
        """The plan is to be begun."""

        def __init__(self, settings: PlanSettings) -> None:
            super().__init__()
            self.settings = settings

    class Left(Message):
        """The plan is left; nothing is begun."""

    def __init__(self, engine: Engine, settings: PlanSettings) -> None:
        super().__init__()
        self._engine = engine
        self._settings = settings
        self._directory = Path.cwd()
        self._filled: dict[str, tuple[str, Any]] = {}
        """Text and value of what the fields were filled with: a field that was not touched keeps its very value."""
        self._number = 0
        """Of the newest question; the answer to an older one is not shown."""
        self._timer: Timer | None = None
        self._answered: tuple[PlanSettings, CardShown] | None = None
        self._why_not: str | None = None
        self._wrong: str | None = None
        """Name of the first field that is wrong, as far as was looked."""
        self._last_field: Widget | None = None

    # --- layout ----------------------------------------------------------------------------------------------------

    def body(self) -> Iterable[Widget]:
        """Return the fields, and the card beside them."""
        fields = VerticalScroll(
            *(SettingRow(row) for row in COMMON),
            Label("More, rarely needed", id="more"),
            *(SettingRow(row) for row in MORE),
            id="rows",
            can_focus=False,
        )
        form = Vertical(fields, Static(id="about", markup=False), Static(id="summary", markup=False), id="form")
        yield Horizontal(form, PlanCard(id="card", classes="panel"), id="setup")

    def on_mount(self) -> None:
        """Fill the fields and look the plan up."""
        values, complaints = _usable(self._settings)
        self._fill(values)
        for complaint in complaints:
            self.notify(complaint, title="A setting was left out", severity="warning", timeout=10, markup=False)
        self.say("New run")
        self._row("function").editor("function").focus()

    def _row(self, name: str) -> SettingRow:
        return self.query_one(f"#row-{_ROWS[name]}", SettingRow)

    def _text(self, name: str) -> str:
        return self._row(name).text(name)

    def _fill(self, values: Mapping[str, Any]) -> None:
        """Write a plan into the fields, each that it does not speak of gets its default."""
        self._filled = {name: (text_of(name, value), value) for name, value in values.items()}
        load = next((name for name in _OPEN_LOADS if name in values), NOT_GIVEN)
        for name in FIELDS:
            text, _ = self._filled.get(name, (NOT_GIVEN, None))
            self._row(name).set_text(name, load if name == LOAD else text)
        self._edited()

    # --- what the fields say ---------------------------------------------------------------------------------------

    def _read(self) -> tuple[dict[str, Any], dict[str, UsageError]]:
        """Return the values of the fields, and what is wrong with those that cannot be read."""
        values: dict[str, Any] = {}
        faults: dict[str, UsageError] = {}
        hidden = {name for name in _OPEN_LOADS if name != self._text(LOAD)} | self._of_other_modes()
        if self._text(LOAD) not in ("rate", "ramp"):
            hidden.add("arrivals")
        for name in FIELDS:
            if name == LOAD or name in hidden:
                continue
            text = self._text(name)
            if name in self._filled and self._filled[name][0] == text and text:
                values[name] = self._filled[name][1]
                continue
            try:
                value = value_of(name, text)
            except UsageError as error:
                faults[name] = error
            else:
                if value is not None:
                    values[name] = value
        chosen = self._text(LOAD)
        if chosen and chosen not in values and chosen not in faults:
            example = FIELDS[chosen].placeholder
            faults[chosen] = UsageError(f"no {chosen} yet", hint=f"for example {example}", setting=chosen)
        return values, faults

    def _mode(self) -> str:
        return self._text("mode").strip() or "invoke"

    def _of_other_modes(self) -> set[str]:
        """Return the fields that mean nothing in the mode: they keep their text, for when it is changed back."""
        others = set(MODE_SETTINGS) - fields_of_mode(self._mode(), self._text("http-kind"))
        return others | {"concurrency"} if is_delivered(self._mode()) else others

    @on(SettingRow.Edited)
    def _edited(self) -> None:
        """Look the plan up once the fields rest."""
        self._number += 1
        self._answered = None
        self._why_not = "the card is not there yet: it comes a moment after the last change"
        self._show_what_belongs()
        self.query_one(PlanCard).show_looking("at the fields")
        self._summarise(LOOKING)
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(self.LOOK_UP_AFTER_S, self._rested)

    def _rested(self) -> None:
        self._timer = None
        self._look_up()

    @property
    def is_resting(self) -> bool:
        """Whether what the fields say was looked at; the engine's answer may be on its way."""
        return self._timer is None

    def _show_what_belongs(self) -> None:
        """Show the fields that mean something beside what the others say."""
        load, delivered = self._text(LOAD), is_delivered(self._mode())
        for name in _OPEN_LOADS:
            self._row(name).show_field(name, shown=name == load)
        self._row(LOAD).offer(LOAD, DELIVERED_LOADS if delivered else LOADS)
        when = self._row("concurrency")
        when.show_field("concurrency", shown=not delivered)
        when.display = not delivered or load in _OPEN_LOADS
        others = self._of_other_modes()
        for name in MODE_SETTINGS:
            self._row(name).display = not all(field.name in others for field in self._row(name).row.fields)
        self._row("arrivals").display = load in ("rate", "ramp")
        of_code = any(self._text(name) for name in ("runtime", "handler", "timeout"))
        is_code = needs_code_fields(self._text("function"), self._directory)
        self.query_one(f"#row-{CODE}").display = of_code or is_code
        has_runtime = bool(self._text("runtime") or self._text("handler"))
        self.query_one(f"#row-{IMAGE}").display = bool(self._text("entry-point")) or (is_code and not has_runtime)

    @work
    async def _look_up(self) -> None:
        """Say what is wrong with the fields, or else ask what the plan would do."""
        number = self._number
        values, unread = self._read()
        found = await asyncio.to_thread(faults_of_values, values, self._directory)
        if number != self._number:
            return
        faults = {**found, **unread}
        self._show_faults(faults)
        if faults:
            return
        settings = PlanSettings(values, str(self._directory))
        self.query_one(PlanCard).show_looking("at the function")
        try:
            answer = await self._engine.ask(LookUp(0, settings))
        except LambdatuneError as error:
            answer = Refused(None, error.message, error.hint)
        if number == self._number:
            self._show_answer(settings, answer)

    def _show_faults(self, faults: Mapping[str, LambdatuneError]) -> None:
        no_function = "function" in faults and not self._text("function").strip()
        for row in self.query(SettingRow):
            # An empty form is not wrong yet.
            row.show_faults({name: error for name, error in faults.items() if not (no_function and name == "function")})
        self._wrong = next((name for name in FIELDS if name in faults), None)
        if not faults:
            return
        if no_function and len(faults) == 1:
            self._why_not = "no function yet: type one, or choose one from the list"
            self.query_one(PlanCard).show_empty()
            self._summarise("○ no function yet")
            return
        labels = [FIELDS[name].label for name in FIELDS if name in faults]
        first = next(error for name, error in faults.items() if not (no_function and name == "function"))
        self._why_not = f"{', '.join(labels)}: {fault_sentence(first)}"
        self.query_one(PlanCard).show_wrong(labels)
        self._summarise(f"✗ wrong: {', '.join(labels)}")

    def _show_answer(self, settings: PlanSettings, answer: object) -> None:
        card = self.query_one(PlanCard)
        if isinstance(answer, CardShown):
            self._answered = settings, answer
            self._why_not = None
            card.show_card(
                answer,
                f"{self._key('setup.start')} starts. It can be stopped at any time: what was measured is kept, and "
                "what was changed is undone.",
            )
            self._summarise(f"✓ {summary(answer)}")
            return
        if not isinstance(answer, Refused):
            answer = Refused(None, "the engine gave no card", "leave this screen and come back")
        self._why_not = answer.message
        if answer.setting in FIELDS:
            self._wrong = answer.setting
            error = UsageError(answer.message, hint=answer.hint, setting=answer.setting)
            self._row(answer.setting).show_faults({answer.setting: error})
        card.show_refused(answer)
        self._summarise(f"✗ {answer.message}")

    def _summarise(self, line: str) -> None:
        """Say in one line what the card says, where there is no room for it."""
        self.query_one("#summary", Static).update(f"{line}  ({self._key('setup.card')}: card)", layout=False)

    def _key(self, name: str) -> str:
        """Return the key of a binding, which the user may have changed."""
        for active in self.active_bindings.values():
            if active.binding.id == name:
                return self.app.get_key_display(active.binding)
        return next(
            self.app.get_key_display(one) for one in self.BINDINGS if isinstance(one, Binding) and one.id == name
        )

    def on_descendant_focus(self) -> None:
        """Say what the focused field means."""
        focused = self.focused
        name = (focused.id or "").removeprefix("field-") if focused else ""
        self.query_one("#about", Static).update(help_of(name) if name in FIELDS else "")

    # --- keys ------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002  Textual's signature
        """Offer the other key for help only where ? is typed into a field."""
        return action != "help_here" or isinstance(self.focused, (Input, TextArea))

    async def action_help_here(self) -> None:
        """Show the help."""
        await self.run_action("app.explain")

    def action_start(self) -> None:
        """Begin the run, after a question if it costs money; what is wrong refuses it."""
        if self._answered is None:
            if self._wrong is not None:
                self._row(self._wrong).editor(self._wrong).focus()
            self.notify(self._why_not or "", title="Not started", severity="error", timeout=8, markup=False)
            return
        settings, card = self._answered
        if not card.costs_money:
            self.post_message(self.Go(settings))
            return

        def answered(answer: bool | None) -> None:
            if answer:
                self.post_message(self.Go(settings))

        self.app.push_screen(Confirm("Start this run?", question(card)), answered)

    def action_functions(self) -> None:
        """Choose a function from a list."""

        def chosen(name: str | None) -> None:
            if name is not None:
                self._row("function").set_text("function", name)
                self._row("memory").editor("memory").focus()

        place = [self._text(name).strip() or None for name in ("endpoint-url", "region", "aws-profile")]
        self.app.push_screen(PickFunction(self._engine, ListFunctions(0, *place)), chosen)

    def action_open(self) -> None:
        """Ask for a profile and fill the fields from it."""
        hint = f"A path to a TOML file, or a bundled profile: {', '.join(bundled_profiles())}."
        self.app.push_screen(AskText("Open a run profile", hint, "", self._open, does="opens it"), self._tell)

    def _open(self, text: str) -> str:
        text = text.strip()
        given = read_profile(str(Path(text).expanduser()) if text.startswith("~/") else text)
        loads = [name for name in _OPEN_LOADS if name in given]
        if len(loads) > 1:
            raise UsageError(
                f"{given[loads[1]].origin}: the load is given already by {loads[0]}", hint="leave one out of the file"
            )
        _refuse_what_is_hidden(given)
        self._directory = Path.cwd()
        self._fill(settings_of(given).values)
        self.say("New run", (f"  from {text}", "$foreground 70%"))
        return f"The fields are those of {text}."

    def action_save(self) -> None:
        """Ask for a path and write a profile, unless a field is wrong."""
        values, faults = self._read()
        if "function" in values:
            faults = {**faults_of_values(values, self._directory), **faults}
        if faults:
            name, error = next(iter(faults.items()))
            said = f"{FIELDS[name].label}: {fault_sentence(error)}"
            self.notify(said, title="Not saved", severity="error", timeout=8, markup=False)
            return

        def save(text: str) -> str:
            path = Path(text.strip()).expanduser()
            if path.suffix != ".toml":
                raise UsageError(f"`{path.name}` does not end in .toml", hint=f"for example {path.name or 'plan'}.toml")
            save_profile(path, values, self._directory)
            return f"Written to {path.absolute()}; `lambdatune run {shlex.quote(str(path))}` runs it."

        hint = "A new TOML file; one that exists is not overwritten."
        self.app.push_screen(AskText("Save as a run profile", hint, "plan.toml", save), self._tell)

    def _tell(self, told: str | None) -> None:
        if told:
            self.notify(told, markup=False)

    def action_card(self) -> None:
        """Go to the card, which may take the place of the fields, or back to them."""
        card = self.query_one(PlanCard)
        shown = not card.has_focus
        self.set_class(shown, "show-card")
        if shown:
            self._last_field = self.focused
            card.focus()
        else:
            (self._last_field or self._row("function").editor("function")).focus()

    def action_leave(self) -> None:
        """Go back to the fields where the card took their place; else leave."""
        if self.has_class("show-card") and self.has_class("-narrow"):
            self.action_card()
            return
        self.post_message(self.Left())


def _refuse_what_is_hidden(given: Mapping[str, Given]) -> None:
    """Refuse what the fields of a profile's mode would hide, and so leave out.

    Raises:
        UsageError: naming it.
    """
    mode = str(given["mode"].value) if "mode" in given else "invoke"
    kind = str(given["http-kind"].value) if "http-kind" in given else ""
    for name in MODE_SETTINGS:
        if name in given and name not in fields_of_mode(mode, kind):
            raise UsageError(f"{given[name].origin}: mode {mode} does not take it", hint="leave it out of the file")
    if is_delivered(mode) and "concurrency" in given:
        raise UsageError(
            f"{given['concurrency'].origin}: in mode {mode} calls in flight are no load",
            hint="give a rate, ramp or burst in the file instead",
        )


_ROWS = {field.name: row.name for row in (*COMMON, *MORE) for field in row.fields}
"""The row of each field."""


def _usable(settings: PlanSettings) -> tuple[dict[str, Any], list[str]]:
    """Return the values that a field can show, with paths that do not depend on a directory; and what was left out."""
    directory = Path(settings.directory)
    given: dict[str, Given] = {}
    complaints: list[str] = []
    for name, value in settings.values.items():
        try:
            check_name(name, "settings")
            given[name] = Given(check_kind(name, value, name), name, directory)
        except UsageError as error:
            complaints.append(error.message)
    return placed_values(given), complaints
