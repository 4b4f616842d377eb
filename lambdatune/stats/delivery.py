"""What became of the messages of a cell, counted from its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.invocation import Status
from lambdatune.model.result import Delivery

if TYPE_CHECKING:
    from lambdatune.stats.rows import Rows

_EXECUTED = (Status.OK, Status.RETRIED, Status.DUPLICATED)
_NS_PER_MS = 1e6
_NS_PER_S = 1e9


def delivery_of(rows: Rows) -> Delivery:
    """Return the counts of messages that are delivered, and how long orders took to drain.

    Args:
        rows: of a cell, of a mode in which messages are delivered.
    """

    def count(*statuses: Status) -> int:
        return int(np.count_nonzero(np.isin(rows["status"], statuses)))

    executed = np.isin(rows["status"], _EXECUTED)
    sizes = rows["batch_size"][rows["batch_size"] > 0]
    invocations = float(rows["invocations"].sum())
    return Delivery(
        sent=len(rows),
        accepted=count(*_EXECUTED, Status.DEAD_LETTERED, Status.LOST),
        executed=count(*_EXECUTED),
        retried=count(Status.RETRIED),
        duplicated=count(Status.DUPLICATED),
        dead_lettered=count(Status.DEAD_LETTERED),
        lost=count(Status.LOST),
        invocations=round(invocations),
        batch_size_mean=float(rows["attempts"].sum()) / invocations if invocations > 0 else None,
        batch_size_max=int(sizes.max()) if len(sizes) else None,
        **_pace(rows[executed & (rows["finished_ns"] > 0)]),
    )


def _pace(rows: Rows) -> dict[str, float | None]:
    """Return the longest drain of an order, and the throughput of the one with the most messages."""
    drain_ms: float | None = None
    throughput: float | None = None
    most = 0
    for order in np.unique(rows["order"]):
        mine = rows[rows["order"] == order]
        last_ns = int(mine["finished_ns"].max())
        drain_ms = max(drain_ms or 0.0, (last_ns - int(mine["sent_ns"].max())) / _NS_PER_MS)
        if len(mine) > most:
            most = len(mine)
            throughput = most / max((last_ns - int(mine["sent_ns"].min())) / _NS_PER_S, 1e-3)
    return {"drain_ms": drain_ms, "throughput_per_s": throughput}
