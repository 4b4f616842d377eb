"""The screens in other modes than invoke: what only such a mode measures, told at every size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from support import snapshots
from support.live_screens import watched
from support.mode_runs import SQS, STREAM, make_mode_run
from support.screens import assert_golden, opened, press, text_of

from lambdatune.model.invocation import Status
from lambdatune.session.live.messages import LiveCell, LiveDelivery
from lambdatune.session.live.tally import Tally

GOLDEN = Path(__file__).parent / "golden"
SIZES = ((120, 36), (80, 24), (60, 20))


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


RESULTS = {
    "result-sqs": (SQS, SIZES, ()),
    "result-stream": (STREAM, ((80, 24),), ()),
}


@pytest.mark.parametrize("name", RESULTS)
async def test_result(name) -> None:
    recipe, sizes, keys = RESULTS[name]
    run = make_mode_run(Path("runs"), recipe)
    for size in sizes:
        async with opened(Path("runs"), run, size=size) as pilot:
            await press(pilot, *keys)
            assert_golden(text_of(pilot), GOLDEN / f"{name}-{size[0]}x{size[1]}.txt")


async def test_end_to_end_is_a_clock_of_delivered_modes_only() -> None:
    for recipe, clocks in (
        (SQS, ["e2e", "duration", "response", "service", "e2e"]),
        (STREAM, ["duration", "response", "service", "duration"]),
    ):
        run = make_mode_run(Path("runs"), recipe)
        async with opened(Path("runs"), run, size=(80, 24)) as pilot:
            seen = [pilot.app.screen.target.clock]
            for _ in clocks[1:]:
                await press(pilot, "k")
                seen.append(pilot.app.screen.target.clock)
            assert seen == clocks


async def test_what_became_of_messages_is_told_of_the_size_under_the_cursor() -> None:
    run = make_mode_run(Path("runs"), SQS)
    async with opened(Path("runs"), run, size=(120, 36)) as pilot:
        await press(pilot, "home")
        text = text_of(pilot)
        assert "128 MB: 131/132 executed · ⚠ 2 retried · ⚠ 1 twice · ⚠ 1 dead-lettered · 0 lost" in text


async def test_a_session_of_messages_shows_what_waits_and_what_is_lost() -> None:
    def with_messages(cell: LiveCell) -> LiveCell:
        delivery = LiveDelivery(None, None, None, 0, 0, 0, 0, 0)
        if cell.calls:
            typical_ms = cell.warm.p50_ms
            delivery = LiveDelivery(61.0, 66.0 + typical_ms, 190.0 + typical_ms, cell.calls - 5, 3, 1, 2, 1)
        return msgspec.structs.replace(cell, mode="sqs", delivery=delivery)

    target = "warm.e2e.p95<=400ms"
    over_time = msgspec.structs.replace(snapshots.over_time(2, 109.0), clock="e2e")
    cells = tuple(map(with_messages, snapshots.RUNNING.cells))
    sqs = snapshots.snapshot(mode="sqs", load="10/s", rate="10/s", targets=(target,), over_time=over_time, cells=cells)
    async with watched((120, 36)) as watch:
        await watch.open(sqs, snapshots.SAID[:1])
        assert_golden(watch.text(), GOLDEN / "run-sqs-120x36.txt")


def test_a_session_counts_what_became_of_messages(messages) -> None:
    messages["status"][:4] = Status.RETRIED, Status.DUPLICATED, Status.DEAD_LETTERED, Status.LOST
    tally = Tally(0)
    tally.add(messages)
    told = tally.delivery(0)
    assert (told.executed, told.retried, told.duplicated, told.dead, told.lost) == (18, 1, 1, 1, 1)
    assert told.queue_p50_ms == pytest.approx(10.0, rel=0.01)
    over_time = tally.over_time(0, "e2e")
    assert over_time is not None
    assert np.frombuffer(over_time.p50_ms)[0] == pytest.approx(told.e2e_p50_ms, rel=0.01)


async def test_runs_of_other_modes_are_named_in_history_and_in_a_comparison() -> None:
    make_mode_run(Path("runs"), SQS)
    make_mode_run(Path("runs"), replace(SQS, id="20261125-111500-f3a4"))
    async with opened(Path("runs"), size=(120, 36)) as pilot:
        assert "eu-central-1 arm64 · sqs" in text_of(pilot)
        await press(pilot, "d", "down", "d", "equals_sign")
        assert "MB by sqs (20261125-111500-f3a4)" in text_of(pilot)
        await press(pilot, "k", "k", "k")
        assert "function clock" in text_of(pilot)
