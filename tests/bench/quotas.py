"""The same CPU quota for each shard, by control group, where this host lets us make some."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from lambdatune.local.identity import own_name
from lambdatune.local.limits import choose_limits

if TYPE_CHECKING:
    from lambdatune.load.driver import LoadDriver
    from lambdatune.local.cgroups import Cage

PERIOD_US = 20_000


class Quotas:
    """Control groups, removed at the end.

    Raises:
        UsageError: when this host lets us make none.
    """

    def __init__(self) -> None:
        self._limits = choose_limits("cgroup", "rss", name=own_name(), period_us=PERIOD_US)
        self._cages: list[Cage] = []

    def hold(self, driver: LoadDriver, share: float) -> None:
        """Let each shard of `driver` have `share` of a core, and no more."""
        for shard in driver._shards:
            cage = self._limits.make_cage(f"shard-{shard.pid}", 0)
            assert cage is not None
            self._cages.append(cage)
            cage.set_quota(round(PERIOD_US * share))
            for file in cage.join_files():
                file.write_text(str(shard.pid))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for cage in self._cages:
            cage.close()
            deadline_s = time.monotonic() + 5
            # The kernel holds a group for a moment after its last process was reaped.
            while not cage.remove() and time.monotonic() < deadline_s:
                time.sleep(0.01)
        self._limits.remove()
