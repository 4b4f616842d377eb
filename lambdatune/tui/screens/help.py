"""Help: the keys that work on the screen one came from, and what the glyphs mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

GLYPHS = (
    ("▶ ‖ …", "running, paused, pausing: a run, and the size that it measures"),
    ("■ ↺", "a size that was ended, a run that stops; a run that undoes what it changed"),
    ("★ best", "the size that is advised, or would be now"),
    ("✓ meets", "proven to meet every target, at the stated confidence"),
    ("✗ misses", "proven to miss a target"),
    ("? unproven", "neither is proven by the calls so far; with how sure it is as yet"),
    ("! failed", "no call succeeded at this size"),
    ("○ not tried", "no call was made, or queued; or no target was set"),
    ("⚠ 12", "calls that failed or were throttled; a run that is invalid"),
    ("430+", "these calls do not bound the percentile from above"),
    ("–", "nothing as yet"),  # noqa: RUF001  the glyph of the screens
    ("· ▸", "what happened; what was steered"),
    ("▌", "the row under the cursor"),
    ("◆", "marked for a comparison"),
    ("◉ ○", "in a field: the choice that is taken, and the others"),
    ("… looking", "the answer is on its way; what stands there is older"),
    ("━ ╍ ┅", "lines of a chart: median, p95, largest"),
    ("● ▲ ■ ◆", "percentile curves, in the order of the legend"),
    ("╌  ▲", "the target: across a chart, and on the axis of a distribution"),
)
"""Every glyph of the screens, and what it says."""


class HelpScreen(ModalScreen[None]):
    """Shows keys and glyphs.

    Args:
        title: which screen it is about.
        keys: key, name and explanation of each.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "Close", id="help.close", tooltip="back to the screen"),
    ]

    def __init__(self, title: str, keys: Sequence[tuple[str, str, str]]) -> None:
        super().__init__()
        self._title = title
        self._keys = keys

    def compose(self) -> ComposeResult:
        """Lay the help out."""
        with VerticalScroll(id="help") as box:
            box.border_title = f"Help: {self._title}"
            box.border_subtitle = "↑↓ scroll   esc closes"
            yield Static(Content("\n").join(self._lines()))

    def _lines(self) -> list[Content]:
        width = max((len(key) for key, _, _ in self._keys), default=0)
        keys = [
            Content.assemble((key.rjust(width), "bold $text-accent"), f"  {name}: {tooltip}")
            for key, name, tooltip in self._keys
        ]
        glyphs = [Content.assemble((glyph.ljust(12), "bold"), f"  {meaning}") for glyph, meaning in GLYPHS]
        return [
            Content.styled("Keys", "bold underline"), *keys, Content(""),
            Content.styled("Glyphs", "bold underline"), *glyphs,
            Content(""), Content("Keys can be changed in keymap.toml; see docs/tui.md."),
        ]  # fmt: skip

    def action_dismiss(self, result: None = None) -> None:  # type: ignore[override]  # at once, not awaited
        """Close."""
        self.dismiss(result)
