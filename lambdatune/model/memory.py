"""Which memory sizes a run may try: a list, or a range in which any 1 MB step may be chosen."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lambdatune.model.errors import UsageError
from lambdatune.model.quantities import MAX_MEMORY_MB, MIN_MEMORY_MB

_RANGE = re.compile(r"(\d+)\s*(?:-|\.\.)\s*(\d+)")

_MOST_DIGITS = 12
"""Far more than any size has; Python refuses to read a number of thousands of digits."""


@dataclass(frozen=True, slots=True)
class MemoryChoice:
    """The memory sizes of a plan.

    Attributes:
        sizes_mb: the sizes to try, ascending; empty when a range was given.
        low_mb: lower end of the range (the least size of a list).
        high_mb: upper end of the range (the largest size of a list).
    """

    sizes_mb: tuple[int, ...]
    low_mb: int
    high_mb: int

    @property
    def is_range(self) -> bool:
        """Whether the search may choose any 1 MB step between the ends."""
        return not self.sizes_mb

    def __str__(self) -> str:
        """Return the text form that `parse_memory` reads."""
        return f"{self.low_mb}-{self.high_mb}" if self.is_range else ",".join(map(str, self.sizes_mb))


def parse_memory(text: str) -> MemoryChoice:
    """Read ``128,512,1024``, ``512`` or ``128-3008``.

    Raises:
        UsageError: when a size is not a whole number of MB between 128 and 10240, or the range is empty.
    """
    bounds = _RANGE.fullmatch(text.strip())
    if bounds:
        low_mb, high_mb = (_checked(part, text) for part in bounds.groups())
        if low_mb > high_mb:
            raise UsageError(
                f"memory range `{text}` is empty: its lower end is above its upper end",
                hint=f"write {high_mb}-{low_mb}",
            )
        if low_mb == high_mb:
            return MemoryChoice((low_mb,), low_mb, low_mb)
        return MemoryChoice((), low_mb, high_mb)
    sizes = sorted({_checked(part, text) for part in text.split(",")})
    return MemoryChoice(tuple(sizes), sizes[0], sizes[-1])


def _checked(part: str, text: str) -> int:
    part = part.strip().upper().removesuffix("MB").strip()
    if not part.isdecimal() or len(part) > _MOST_DIGITS:
        raise UsageError(
            f"memory `{text}` is not a size, a list or a range: `{part}` is not a whole number of MB",
            hint="for example 512, 128,512,1024 or 128-3008",
        )
    size_mb = int(part)
    if not MIN_MEMORY_MB <= size_mb <= MAX_MEMORY_MB:
        nearest_mb = min(max(size_mb, MIN_MEMORY_MB), MAX_MEMORY_MB)
        raise UsageError(
            f"memory size {size_mb} MB is out of range: expected {MIN_MEMORY_MB} to {MAX_MEMORY_MB} MB",
            hint=f"the nearest valid size is {nearest_mb}",
        )
    return size_mb
