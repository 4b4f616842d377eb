"""What every room's tests share: rows of known values, and a data directory of their own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.recorded_runs import Recipe, make_run

from lambdatune.model.invocation import Start, Status
from lambdatune.stats.rows import empty_rows

if TYPE_CHECKING:
    from pathlib import Path

    from lambdatune.session.run_directory import RunDirectory

NS_PER_MS = 1_000_000
EPOCH_NS = 1_790_000_000_000_000_000

MakeRows = Callable[..., Any]


@pytest.fixture(autouse=True)
def own_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep runs, owed undos and kept prices of a test away from the user's."""
    directory = tmp_path / "data"
    monkeypatch.setenv("LAMBDATUNE_CACHE", str(directory / "cache"))
    monkeypatch.setenv("LAMBDATUNE_DATA", str(directory))
    return directory


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Recipe], RunDirectory]:
    """Return a function from a recipe to its recorded run, which is made once: tests must not change its files."""

    @functools.cache
    def made(recipe: Recipe) -> RunDirectory:
        return make_run(tmp_path_factory.mktemp("recorded"), recipe)

    return made


@pytest.fixture
def make_rows() -> MakeRows:
    """Return rows of given durations: `make_rows([10.0, 11.0], cell=1, start=Start.COLD, init_ms=50.0)`."""

    def make(
        duration_ms: Any,
        *,
        cell: int = 0,
        start: Start = Start.WARM,
        status: Status = Status.OK,
        init_ms: float | None = None,
        error: bytes = b"",
        begin_ns: int = EPOCH_NS,
    ) -> Any:
        durations = np.asarray(duration_ms, dtype=np.float64)
        rows = empty_rows(len(durations))
        init = init_ms or 0.0
        total_ms = durations + init
        rows["cell"], rows["start"], rows["status"], rows["error"] = cell, start, status, error
        rows["http_status"] = 429 if status == Status.THROTTLED else 200
        rows["duration_ms"] = durations
        rows["init_ms"] = np.nan if init_ms is None else init_ms
        rows["billed_ms"] = np.ceil(total_ms)
        rows["max_memory_used_mb"] = 40
        rows["intended_ns"] = begin_ns + np.arange(len(durations)) * 1_000 * NS_PER_MS
        rows["sent_ns"] = rows["intended_ns"] + 20_000
        rows["first_byte_ns"] = rows["sent_ns"] + (total_ms * NS_PER_MS).astype(np.int64)
        rows["done_ns"] = rows["first_byte_ns"] + 1_000
        rows["request_id"] = [f"00000000-0000-0000-0000-{number:012d}".encode() for number in range(len(rows))]
        return rows

    return make


@pytest.fixture
def messages(make_rows: MakeRows) -> Any:
    """Return rows of delivered messages: accepted after 2 ms, started 10 ms later, in batches of five."""
    rows = make_rows(np.full(20, 40.0))
    rows["done_ns"] = rows["sent_ns"] + 2 * NS_PER_MS
    rows["started_ns"] = rows["done_ns"] + 10 * NS_PER_MS
    rows["finished_ns"] = rows["started_ns"] + 40 * NS_PER_MS
    rows["attempts"], rows["batch_size"], rows["invocations"] = 1, 5, 0.2
    rows["billed_ms"] = 8.0
    return rows
