"""A sensible spread of memory sizes over a range."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.model.quantities import FULL_VCPU_MB

if TYPE_CHECKING:
    from lambdatune.model.memory import MemoryChoice

SPREAD = 7
"""Sizes tried over a range that is wide enough for them."""

_MIN_RATIO = 1.15
"""Neighbours closer than this cost and run so alike that telling them apart takes thousands of calls."""

_STEP_MB = 64


def spread_sizes(memory: MemoryChoice) -> tuple[int, ...]:
    """Return the sizes to try: those of the list, or a spread over the range.

    Over a range the sizes stand in a geometric series, since CPU share and price are proportional to
    memory, rounded to 64 MB; 1769 MB, where a function has one whole vCPU, takes the place of its
    nearest neighbour because a single-threaded function gains nothing beyond it.
    """
    if not memory.is_range:
        return memory.sizes_mb
    low, high = memory.low_mb, memory.high_mb
    ratio = max((high / low) ** (1 / (SPREAD - 1)), _MIN_RATIO)
    sizes = {low, high}
    size = low * ratio
    while size * _MIN_RATIO < high:
        sizes.add(min(max(round(size / _STEP_MB) * _STEP_MB, low), high))
        size *= ratio
    if low < FULL_VCPU_MB < high:
        inner = sizes - {low, high}
        if inner:
            sizes.discard(min(inner, key=lambda size: abs(size - FULL_VCPU_MB)))
        sizes.add(FULL_VCPU_MB)
    return tuple(sorted(sizes))
