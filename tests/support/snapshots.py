"""Snapshots of a session under way made of seeded numbers: for the Run screen's tests and pictures."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
import numpy as np

from lambdatune.session.live.messages import (
    BINS,
    BINS_PER_DECADE,
    LOWEST_MS,
    LiveCell,
    LiveFigures,
    OverTime,
    Said,
    Snapshot,
)  # fmt: skip

SIZES = (128, 256, 512, 768, 1024, 1769, 3008)
TARGET = "warm.duration.p95<=60ms"
NOTHING = LiveFigures()


def figures_of(times_ms: Any) -> LiveFigures:
    """Return what a snapshot says of calls that took so long."""
    bins = np.clip(np.floor(np.log10(np.asarray(times_ms) / LOWEST_MS) * BINS_PER_DECADE), 0, BINS - 1)
    counts = np.bincount(bins.astype(int), minlength=BINS).astype("<i4")
    p50, p95, p99 = np.percentile(times_ms, (50, 95, 99), method="inverted_cdf").tolist()
    return LiveFigures(len(times_ms), p50, p95, p99, counts.tobytes())


def queued(memory_mb: int, state: str = "queued") -> LiveCell:
    """Return a cell without a call."""
    return LiveCell("orders-api", memory_mb, "arm64", "invoke", state, "not-tried", 0, NOTHING, NOTHING,
                    None, 0, 0, None)  # fmt: skip


@cache
def measured(memory_mb: int, calls: int = 120, **changes: Any) -> LiveCell:
    """Return a cell with cold and warm calls: work in proportion to the CPU of a size, and a part that waits."""
    rng = np.random.default_rng(memory_mb)
    typical_ms = 6.0 + 20_000 / min(memory_mb, 1_769)
    warm = typical_ms * np.exp(0.14 * rng.standard_normal(calls))
    init = (240 + 30_000 / memory_mb) * np.exp(0.1 * rng.standard_normal(12))
    misses = float(np.percentile(warm, 95)) > 60
    cell = LiveCell(
        "orders-api", memory_mb, "arm64", "invoke", "measured", "misses" if misses else "unproven", calls + 12,
        figures_of(warm), figures_of(init + typical_ms), float(np.median(init)), 0, 0,
        0.5 + 0.0001 * memory_mb, 0.95 if misses else 0.874,
    )  # fmt: skip
    return msgspec.structs.replace(cell, **changes)


@cache
def over_time(cell: int, typical_ms: float, windows: int = 90) -> OverTime:
    """Return latency over time with two spikes."""
    rng = np.random.default_rng(cell)
    at_s = 40.0 + np.arange(windows) + 0.5
    p50 = typical_ms * (1 + 0.08 * np.sin(at_s / 9) + 0.02 * rng.standard_normal(windows))
    p95, largest = p50 * 1.25, p50 * (1.4 + 0.2 * rng.random(windows))
    largest[[windows // 3, 2 * windows // 3]] *= 1.9
    return OverTime(cell, "duration", *(column.astype("<f8").tobytes() for column in (at_s, p50, p95, largest)))


def snapshot(**changes: Any) -> Snapshot:
    """Return a session in the middle of its run, the 512 MB cell measured; other values by name."""
    cells = (
        measured(128), measured(256), measured(512, 240, state="running"), measured(768), measured(1024),
        *map(queued, SIZES[5:]),
    )  # fmt: skip
    usual = Snapshot(
        run_id="20261125-101500-a1b2", function="orders-api", place="in eu-central-1", runtime="python3.13",
        architecture="arm64", mode="invoke", state="running", step="512 MB, warm", elapsed_s=134.2, paused_s=0.0,
        calls=780, calls_expected=1_900, usd=0.00041, costs_money=True, currency="USD", max_invocations=5_000,
        max_usd=1.0, max_minutes=10.0, calls_per_s=186.3, in_flight=10, cold_starts=60, throttles=0, errors=0,
        send_slip_ms_p99=0.21, loop_lag_ms_p99=0.4, targets=(TARGET,), load="10 in flight", concurrency=10, rate=None,
        confidence=0.95, cells=cells, running=2, leading=3, over_time=over_time(2, 48.0),
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


BEGUN = snapshot(
    step="512 MB, cold", elapsed_s=3.4, calls=0, calls_expected=0, usd=0.0, calls_per_s=0.0, in_flight=3,
    cold_starts=0, send_slip_ms_p99=None, loop_lag_ms_p99=None, running=2,
    cells=tuple(queued(size, "running" if size == 512 else "queued") for size in SIZES),
    leading=None, over_time=None,
)  # fmt: skip
"""Nothing was answered yet."""

RUNNING = snapshot()
PAUSED = snapshot(state="paused", running=None, step="512 MB, warm", calls_per_s=0.0, in_flight=0, paused_s=12.0)
PAUSING = snapshot(state="pausing", in_flight=4)
STOPPING = snapshot(state="stopping", in_flight=4)
UNDOING = snapshot(state="undoing", running=None, in_flight=0, calls_per_s=0.0, step="")
THROTTLED = snapshot(
    throttles=12, errors=3, send_slip_ms_p99=31.0, load="20 in flight", concurrency=20, in_flight=20,
    cells=(*RUNNING.cells[:2], measured(512, 240, state="running", throttles=12, errors=3), *RUNNING.cells[3:]),
)  # fmt: skip
UNPROVEN = snapshot(
    running=None, step="deciding", calls=1_400, calls_expected=1_400, leading=2,
    cells=(measured(128), measured(256, state="failed", verdict="failed", reason="every call ran out of memory"),
           *(measured(size, how_sure=0.4 + size / 6_000) for size in SIZES[2:])),
)  # fmt: skip
MET = snapshot(
    running=3, leading=2, calls=1_900, calls_expected=1_900, step="768 MB, warm", over_time=over_time(3, 33.0),
    cells=(measured(128), measured(256, state="ended", reason="by hand"),
           measured(512, 600, verdict="meets", how_sure=0.95),
           measured(768, 600, state="running", verdict="meets", how_sure=0.95), *map(measured, SIZES[4:])),
)  # fmt: skip

SAID = (
    Said(0.2, "orders-api is copied to lambdatune-orders-api-a1b2"),
    Said(38.9, "10 environments are warm at 512 MB"),
    Said(61.0, "12 calls at 256 MB were throttled: the account's concurrency limit is 10", "warning"),
    Said(97.5, "768 MB was added after 520 calls", "steering"),
)
