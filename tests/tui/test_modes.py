"""The screens in other modes than invoke: what only such a mode measures, told at every size."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.mode_runs import SQS, STREAM, make_mode_run
from support.screens import assert_golden, opened, press, text_of

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
