"""Which execution environment served each call, as numbers that statistics can group by.

Lambda's client is not told which environment served a call; the function's log is: each environment writes a log
stream of its own (AWS docs, "Lambda execution environment"), and each REPORT line names its request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lambdatune.stats.rows import Rows

FEWEST = 5
"""Environments from which on an interval allows for their differences: Student's t at fewer is so wide that it
would bound nothing, and calls are then taken as independent, with a note."""

_ENOUGH_KNOWN = 0.9
"""Share of calls whose environment has to be known; those of the rest count as one environment each."""


class Environments:
    """The environment of each request.

    Args:
        stream_of: request id to log stream.
    """

    def __init__(self, stream_of: Mapping[str, str]) -> None:
        ids = np.array([request_id.encode() for request_id in stream_of], dtype="S36")
        _, numbers = np.unique(np.array(list(stream_of.values()), dtype=np.str_), return_inverse=True)
        order = np.argsort(ids)
        self._ids = ids[order]
        self._numbers = np.asarray(numbers, dtype=np.int64)[order]

    def __len__(self) -> int:
        return len(self._ids)

    def of(self, rows: Rows) -> NDArray[np.int64] | None:
        """Return the environment of each call as a number, shape ``(len(rows),)``.

        Calls that are not known have a negative number each. None when too few are known to group by.
        """
        if not len(self._ids) or not len(rows):
            return None
        wanted = rows["request_id"].astype("S36")
        place = np.minimum(np.searchsorted(self._ids, wanted), len(self._ids) - 1)
        known = self._ids[place] == wanted
        if float(known.mean()) < _ENOUGH_KNOWN:
            return None
        return np.where(known, self._numbers[place], -1 - np.arange(len(rows)))


def count_of(environments: NDArray[np.int64]) -> int:
    """Return how many environments are known among `environments`."""
    return len(np.unique(environments[environments >= 0]))


def groups_of(environments: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    """Return `environments` when there are enough of them for an interval to allow for their differences."""
    return environments if environments is not None and count_of(environments) >= FEWEST else None
