"""Billed Durations added up, for the mean cost of a size and how sure it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(slots=True)
class Billed:
    """Billed Durations of successful calls: their number, sum and sum of squares, in ms.

    Attributes:
        invocations: that the calls stand for: fewer than the calls where these are messages of batches.
    """

    calls: int = 0
    total_ms: float = 0.0
    total_squared: float = 0.0
    invocations: float = 0.0

    def add(self, billed_ms: NDArray[np.float64], invocations: NDArray[np.float64]) -> None:
        """Take in further calls, and how many invocations each stands for."""
        self.calls += len(billed_ms)
        self.invocations += float(invocations.sum())
        self.total_ms += float(billed_ms.sum())
        self.total_squared += float(billed_ms @ billed_ms)

    @property
    def mean_ms(self) -> float | None:
        """The mean, None without calls."""
        return self.total_ms / self.calls if self.calls else None

    @property
    def invocations_per_call(self) -> float:
        """The mean, 1 without calls."""
        return self.invocations / self.calls if self.calls else 1.0

    @property
    def standard_error_ms(self) -> float | None:
        """The standard error of the mean, None below two calls."""
        if self.calls < 2:
            return None
        mean = self.total_ms / self.calls
        variance = max(self.total_squared / self.calls - mean * mean, 0.0) * self.calls / (self.calls - 1)
        return math.sqrt(variance / self.calls)
