"""Two counts of failures compared: Fisher's exact test, one-sided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def chance_of_as_many(failed: int, calls: int, failed_before: int, before: int) -> float:
    """Return how often chance puts as many of all failures, or more, among the `calls` (hypergeometric).

    Args:
        failed: calls that failed.
        calls: of so many.
        failed_before: calls of the baseline that failed.
        before: of so many.
    """
    from scipy.special import gammaln  # noqa: PLC0415  a heavy import that most commands never need

    def log_choose(count: int, chosen: int | NDArray[np.int64]) -> Any:
        return gammaln(count + 1) - gammaln(chosen + 1) - gammaln(count - chosen + 1)

    all_failed = failed + failed_before
    here = np.arange(failed, min(all_failed, calls) + 1)
    logs = log_choose(calls, here) + log_choose(before, all_failed - here) - log_choose(before + calls, all_failed)
    return float(np.exp(logs[all_failed - here <= before]).sum())
