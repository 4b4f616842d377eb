"""A row of the Setup screen: labels, fields, and what is wrong with them in words beneath."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input, Label, Static, TextArea

from lambdatune.tui.setup_fields import NOT_GIVEN, fault_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual import events
    from textual.app import ComposeResult

    from lambdatune.model.errors import LambdatuneError
    from lambdatune.tui.setup_fields import Choices, Field, FieldRow

TAKEN, OTHER = "◉", "○"
_MOST_LINES = 4


class Choice(Widget, can_focus=True):
    """One of a few words, all of them shown; posts `Changed`.

    Args:
        choices: value and word of each.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space", "take(1)", "Next", id="choice.next", tooltip="take the next choice", show=False),
        Binding("left", "take(-1)", "Previous", id="choice.previous", tooltip="take the previous choice", show=False),
    ]

    value = reactive("", init=False)

    class Changed(Message):
        """Another choice was taken."""

        def __init__(self, choice: Choice) -> None:
            super().__init__()
            self.choice = choice

        @property
        def control(self) -> Choice:
            """Where it was taken."""
            return self.choice

    def __init__(self, choices: Choices, *, id: str | None = None) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id)
        self.choices = choices

    def render(self) -> Content:
        """Return the words, each with a glyph that says whether it is taken."""
        parts: list[Content] = []
        for value, word in self.choices:
            taken = value == self.value
            parts.append(Content.styled(f"{TAKEN if taken else OTHER} {word}", "bold" if taken else ""))
        if self.has_focus:  # which no cursor shows here, and a border by its colour alone
            parts.append(Content.styled("←→", "$text-accent"))
        return Content("  ").join(parts)

    def on_focus(self) -> None:
        """Say which keys take a choice."""
        self.refresh()

    def on_blur(self) -> None:
        """Say it no more."""
        self.refresh()

    def set_value(self, value: str) -> None:
        """Take a value; one that is no choice becomes one, so that what is wrong with it can be said."""
        if value == dict(self.choices).get(NOT_GIVEN):
            value = NOT_GIVEN  # the default by its name
        if value not in dict(self.choices):
            self.choices = (*self.choices, (value, value))
        self.value = value

    def watch_value(self) -> None:
        """Show and tell the choice."""
        self.refresh()
        self.post_message(self.Changed(self))

    def action_take(self, by: int) -> None:
        """Take the choice so many further."""
        values = [value for value, _ in self.choices]
        self.value = values[(values.index(self.value) + by) % len(values)]

    def on_click(self, event: events.Click) -> None:
        """Take the word that was clicked."""
        offset = event.get_content_offset(self)
        left = 0
        for value, word in self.choices:
            right = left + len(word) + 2
            if offset is not None and left <= offset.x < right:
                self.value = value
            left = right + 2


class SettingRow(Vertical):
    """Fields side by side, with what is wrong with them beneath; posts `Edited`.

    Args:
        row: what it shows.
    """

    class Edited(Message):
        """The text of a field is another one."""

        def __init__(self, row: SettingRow) -> None:
            super().__init__()
            self.row = row

    def __init__(self, row: FieldRow) -> None:
        super().__init__(id=f"row-{row.name}")
        self.row = row
        self._editors: dict[str, Input | TextArea | Choice] = {}
        self._labels: dict[str, Label] = {}

    def compose(self) -> ComposeResult:
        """Lay the row out."""
        with Horizontal(classes="fields"):
            for number, field in enumerate(self.row.fields):
                label = Label(field.label, classes="first" if number == 0 else "further")
                self._labels[field.name] = label
                self._editors[field.name] = _editor(field)
                yield label
                yield self._editors[field.name]
        yield Static(classes="wrong", markup=False)

    def on_mount(self) -> None:
        """Say nothing as yet."""
        self.query_one(".wrong").display = False

    def text(self, name: str) -> str:
        """Return what stands in a field."""
        editor = self._editors[name]
        return editor.text if isinstance(editor, TextArea) else editor.value

    def set_text(self, name: str, text: str) -> None:
        """Write into a field."""
        editor = self._editors[name]
        if isinstance(editor, TextArea):
            editor.text = text
        elif isinstance(editor, Choice):
            editor.set_value(text)
        else:
            editor.value = text
            editor.cursor_position = len(text)

    def offer(self, name: str, choices: Choices) -> None:
        """Offer other words in a field of choices, unless one is taken that is none of them."""
        editor = self._editors[name]
        if isinstance(editor, Choice) and editor.choices != choices and editor.value in dict(choices):
            editor.choices = choices
            editor.refresh(layout=True)

    def editor(self, name: str) -> Widget:
        """Return what takes the focus for a field."""
        return self._editors[name]

    def show_field(self, name: str, *, shown: bool) -> None:
        """Show or hide one of the fields."""
        self._labels[name].display = self._editors[name].display = shown
        first = next((label for label in self._labels.values() if label.display), None)
        for label in self._labels.values():
            label.set_class(label is first, "first")
            label.set_class(label is not first, "further")

    def show_faults(self, faults: Mapping[str, LambdatuneError]) -> None:
        """Say what is wrong, with a red border besides; nothing when nothing is."""
        several = len(self.row.fields) > 1
        said: list[str] = []
        for field in self.row.fields:
            error = faults.get(field.name)
            self._editors[field.name].set_class(error is not None, "is-wrong")
            if error is not None:
                words = fault_words(error)
                said.append(words.replace("✗ ", f"✗ {field.label}: ", 1) if several else words)
        wrong = self.query_one(".wrong", Static)
        wrong.display = bool(said)
        wrong.update("\n".join(said))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Pass it on."""
        event.stop()
        self.post_message(self.Edited(self))

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Make room for the lines, and pass it on."""
        event.stop()
        event.text_area.set_class(event.text_area.document.line_count > 1, "has-lines")
        self.post_message(self.Edited(self))

    def on_choice_changed(self, event: Choice.Changed) -> None:
        """Pass it on."""
        event.stop()
        self.post_message(self.Edited(self))


def _editor(field: Field) -> Input | TextArea | Choice:
    name = f"field-{field.name}"
    if field.choices:
        return Choice(field.choices, id=name)
    if field.lines:
        area = TextArea(id=name, placeholder=field.placeholder, soft_wrap=False, highlight_cursor_line=False)
        area.match_cursor_bracket = False
        return area
    return Input(id=name, placeholder=field.placeholder, select_on_focus=False)
