"""A grid of characters with roles, and the braille dots that are drawn into it.

A role says what a character means ("p95", "target", "cold"); which colour that is, the widget's stylesheet says. Each
character is one column wide, so that a row is always exactly as wide as it was asked to be.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Run = tuple[str, str]
    Row = tuple[Run, ...]
    Floats = NDArray[np.float64]
    Dots = NDArray[np.intp]

PLAIN = ""
"""The role of what has no meaning of its own: text in the foreground colour."""

ROLES = (
    "p50", "p95", "p99", "warm", "cold", "other", "target", "axis", "grid", "muted", "title",
    "best", "meets", "misses", "unproven", "failed", "mark",
)  # fmt: skip
"""Every role that a chart may use, besides `PLAIN`."""

_CODES = {PLAIN: 0, **{role: code for code, role in enumerate(ROLES, start=1)}}
_NAMES = (PLAIN, *ROLES)

_BRAILLE = 0x2800
_DOT_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.int64)
"""Bit of the dot at [row, column] of a braille character (Unicode chart U+2800)."""

DOTS_ACROSS, DOTS_DOWN = 2, 4


class Canvas:
    """A grid of characters.

    Args:
        width: columns; nothing is drawn in a canvas of none.
        height: rows.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width = max(width, 0)
        self.height = max(height, 0)
        self._chars = np.full((self.height, self.width), ord(" "), dtype=np.int64)
        self._roles = np.zeros((self.height, self.width), dtype=np.int64)

    def put(self, x: int, y: int, text: str, role: str = PLAIN) -> None:
        """Write `text` from column `x` of row `y` on; what lies outside is cut off."""
        if not 0 <= y < self.height:
            return
        for column, character in enumerate(text, start=x):
            if 0 <= column < self.width:
                self._chars[y, column] = ord(one_wide(character))
                self._roles[y, column] = _CODES[role]

    def put_right(self, x: int, y: int, text: str, role: str = PLAIN) -> None:
        """Write `text` so that it ends before column `x`."""
        self.put(x - len(text), y, text, role)

    def legend(self, x: int, y: int, entries: Iterable[Sequence[Run]]) -> None:
        """Write entries after each other from column `x` of row `y` on, as many as fit whole."""
        for entry in entries:
            length = sum(len(text) for text, _ in entry)
            if x + length > self.width:
                continue
            for text, role in entry:
                self.put(x, y, text, role)
                x += len(text)
            x += 2

    def is_free(self, x: int, y: int, length: int) -> bool:
        """Return whether `length` columns from `x` on lie inside and hold nothing but dots and spaces."""
        if not 0 <= y < self.height or x < 0 or x + length > self.width:
            return False
        found = self._chars[y, x : x + length]
        return bool(np.all((found == ord(" ")) | ((found >= _BRAILLE) & (found < _BRAILLE + 256))))

    def stamp(self, dots: DotGrid, x: int, y: int) -> None:
        """Draw dots with their upper left corner at column `x` of row `y`."""
        height, width = min(dots.height, self.height - y), min(dots.width, self.width - x)
        if height <= 0 or width <= 0:
            return
        bits = dots.bits[:height, :width]
        chars, roles = self._chars[y : y + height, x : x + width], self._roles[y : y + height, x : x + width]
        drawn = bits > 0
        chars[drawn] = _BRAILLE + bits[drawn]
        roles[drawn] = dots.roles[:height, :width][drawn]

    def rows(self) -> list[Row]:
        """Return the rows, each as runs of characters of one role."""
        return [self._row(y) for y in range(self.height)]

    def _row(self, y: int) -> Row:
        text = "".join(map(chr, self._chars[y].tolist()))
        roles = self._roles[y]
        starts = [0, *(np.flatnonzero(np.diff(roles)) + 1).tolist()]
        ends = [*starts[1:], self.width]
        return tuple(
            (text[start:end], _NAMES[roles[start]]) for start, end in zip(starts, ends, strict=True) if end > start
        )


class DotGrid:
    """Braille dots, 2 x 4 of them to a character; of two series in one character the later one gives the role.

    Args:
        width: columns of characters.
        height: rows of characters.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width = max(width, 0)
        self.height = max(height, 0)
        self.bits = np.zeros((self.height, self.width), dtype=np.int64)
        self.roles = np.zeros((self.height, self.width), dtype=np.int64)

    @property
    def across(self) -> int:
        """Dots in a row."""
        return self.width * DOTS_ACROSS

    @property
    def down(self) -> int:
        """Dots in a column."""
        return self.height * DOTS_DOWN

    def plot(self, x: Dots, y: Dots, role: str) -> None:
        """Set dots; `y` counts from the bottom, and what lies outside is left out."""
        inside = (x >= 0) & (x < self.across) & (y >= 0) & (y < self.down)
        x, y = x[inside], self.down - 1 - y[inside]
        column, line = x // DOTS_ACROSS, y // DOTS_DOWN
        np.bitwise_or.at(self.bits, (line, column), _DOT_BITS[y % DOTS_DOWN, x % DOTS_ACROSS])
        self.roles[line, column] = _CODES[role]

    def plot_columns(self, columns: Sequence[tuple[int, int, int]], role: str) -> None:
        """Set dots column by column: its number, its lowest and its highest dot, both included."""
        x, low, high = np.array(columns, dtype=np.intp).reshape(-1, 3).T
        lengths = np.maximum(high - low + 1, 0)
        begins = np.repeat(np.cumsum(lengths) - lengths, lengths)
        self.plot(np.repeat(x, lengths), np.repeat(low, lengths) + np.arange(lengths.sum()) - begins, role)

    def plot_column(self, x: int, low: int, high: int, role: str) -> None:
        """Set the dots of column `x` from `low` to `high`, both included."""
        y = np.arange(low, high + 1)
        self.plot(np.full(len(y), x), y, role)


def one_wide(character: str) -> str:
    """Return `character`, or ``?`` for one that a terminal draws in two columns or none."""
    if character.isascii():
        return character if character.isprintable() else " "
    narrow = unicodedata.east_asian_width(character) not in "WF"
    # Marks join the character before them, whether they have a combining class or not.
    is_mark = unicodedata.category(character).startswith("M")
    return character if narrow and not is_mark and character.isprintable() else "?"
