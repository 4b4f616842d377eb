"""Every screen in its states at three sizes, as text in golden/: what a user sees, and what a reviewer reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.recorded_runs import ALL, FAILING, FASTER, INVALID, KILLED, MET, MISSED, SLOWER, TWO_TARGETS, UNPROVEN
from support.screens import assert_golden, opened, press, text_of

GOLDEN = Path(__file__).parent / "golden"
SIZES = ((120, 36), (80, 24), (60, 20))
NO_TARGET = replace(MET, targets=())

RESULTS = {
    "result-met": (MET, ()),
    "result-what-if": (MET, ("left", "left", "left", "left", "f", "o", "s")),
    "result-what-if-unproven": (MET, ("p", "p", "k", *["left"] * 12)),
    "result-missed": (MISSED, ()),
    "result-unproven": (UNPROVEN, ()),
    "result-invalid": (INVALID, ()),
    "result-killed": (KILLED, ()),
    "result-failed-size": (FAILING, ("home",)),
    "result-no-target": (NO_TARGET, ()),
    "result-no-call-succeeded": (replace(FAILING, failing=FAILING.sizes, chosen=()), ()),
    "result-frontier": (MET, ("v",)),
    "result-percentiles": (MET, ("l", "l")),
    "result-percentiles-cold-linear": (MET, ("l", "c", "c", "g")),
    "result-time": (MET, ("v", "v", "v")),
    "result-client-clock": (MET, ("k",)),
    "result-export": (MET, ("e", "backspace", "enter")),
    "result-second-target": (TWO_TARGETS, ("y", "left")),
    "result-help": (MET, ("question_mark",)),
}


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("name", RESULTS)
async def test_result(runs, name, width, height) -> None:
    recipe, keys = RESULTS[name]
    (run,) = runs(recipe)
    async with opened(Path("runs"), run, size=(width, height)) as pilot:
        await press(pilot, *keys)
        assert_golden(text_of(pilot), GOLDEN / f"{name}-{width}x{height}.txt")


HISTORIES = {
    "history-empty": ((), ()),
    "history": (ALL, ()),
    "history-filtered": (ALL, ("slash", *"unproven", "enter")),
    "history-marked": (ALL, ("d", "down", "d")),
    "history-delete": (ALL, ("x",)),
    "compare": ((MET, FASTER), ("d", "down", "d", "equals_sign")),
    "compare-three": ((MET, FASTER, SLOWER), ("d", "down", "d", "down", "d", "equals_sign", "end")),
    "compare-cold-client-size": ((MET, FASTER), ("d", "down", "d", "equals_sign", "c", "k", "right")),
}


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("name", HISTORIES)
async def test_history_and_compare(runs, name, width, height) -> None:
    recipes, keys = HISTORIES[name]
    runs(*recipes)
    async with opened(Path("runs"), size=(width, height)) as pilot:
        await press(pilot, *keys)
        assert_golden(text_of(pilot), GOLDEN / f"{name}-{width}x{height}.txt")


@pytest.mark.parametrize("theme", ["textual-light", "ansi-dark", "nord"])
async def test_text_is_the_same_in_every_theme(runs, theme) -> None:
    (run,) = runs(MET)
    async with opened(Path("runs"), run) as pilot:
        pilot.app.theme = theme
        await press(pilot)
        assert_golden(text_of(pilot), GOLDEN / "result-met-120x36.txt")


async def test_no_state_is_told_by_colour_alone(runs, monkeypatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    (run,) = runs(FAILING)
    async with opened(Path("runs"), run) as pilot:
        text = text_of(pilot)
        for state in ("★ target met", "★ best", "✓ meets", "✗ misses", "? unproven", "! failed", "▌ 512 MB"):
            assert state in text
