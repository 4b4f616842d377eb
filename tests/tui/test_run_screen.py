"""The Run screen: what each state looks like at three sizes, and what each key tells the engine."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest
from support import snapshots
from support.live_screens import watched
from support.screens import assert_golden, press, settled, text_of

from lambdatune.session.live.messages import (
    AddSize,
    ChangeLoad,
    ChangeTargets,
    EndSize,
    Follow,
    Pause,
    Refused,
    Resume,
    Said,
    Stop,
)  # fmt: skip
from lambdatune.tui.app import actions
from lambdatune.tui.screens.history import HistoryScreen
from lambdatune.tui.screens.run import RunScreen

GOLDEN = Path(__file__).parent / "golden"
SIZES = ((120, 36), (80, 24), (60, 20))

STATES = {
    "run-starting": (None, (), ()),
    "run-waiting": (snapshots.BEGUN, snapshots.SAID[:1], ()),
    "run-running": (snapshots.RUNNING, snapshots.SAID, ()),
    "run-paused": (snapshots.PAUSED, snapshots.SAID, ()),
    "run-throttled": (snapshots.THROTTLED, snapshots.SAID, ()),
    "run-unproven": (snapshots.UNPROVEN, snapshots.SAID, ()),
    "run-met": (snapshots.MET, snapshots.SAID, ()),
    "run-stopping": (snapshots.STOPPING, snapshots.SAID, ()),
    "run-undoing": (snapshots.UNDOING, snapshots.SAID, ()),
    "run-second-view": (snapshots.MET, snapshots.SAID, ("v",)),
    "run-third-view": (snapshots.MET, snapshots.SAID, ("v", "v")),
    "run-last-view": (snapshots.MET, snapshots.SAID, ("v", "v", "v")),
    "run-cold-log": (snapshots.RUNNING, snapshots.SAID, ("c", "c", "g")),
    "run-picked-queued": (snapshots.RUNNING, snapshots.SAID, ("end",)),
    "run-wrong-size": (snapshots.RUNNING, (), ("a", *"64", "enter")),
    "run-wrong-target": (snapshots.RUNNING, (), ("t", "home", "x", "enter")),
    "run-wrong-load": (snapshots.RUNNING, (), ("l", *"0x", "enter")),
    "run-stop": (snapshots.RUNNING, (), ("x",)),
    "run-help": (snapshots.RUNNING, (), ("question_mark",)),
}


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_states(width, height) -> None:
    async with watched((width, height)) as watch:
        for name, (snapshot, said, keys) in STATES.items():
            await watch.open(snapshot, said)
            await press(watch.pilot, *keys)
            assert_golden(watch.text(), GOLDEN / f"{name}-{width}x{height}.txt")
        screen, engine = await watch.open(snapshots.RUNNING, snapshots.SAID)
        screen.gone("the engine was killed (SIGKILL)", "runs/20261125-101500-a1b2")
        await settled(watch.pilot)
        assert_golden(watch.text(), GOLDEN / f"run-gone-{width}x{height}.txt")
        await press(watch.pilot, "space", "n", "a", "t", "l", "x", "up")
        assert engine.heard == []
        await press(watch.pilot, "r")
        assert isinstance(watch.app.screen, HistoryScreen)


TELLING = {
    "space pauses": (snapshots.RUNNING, ("space",), [Pause()]),
    "space goes on": (snapshots.PAUSED, ("space",), [Resume()]),
    "space before the calls in flight ended goes on": (snapshots.PAUSING, ("space",), [Resume()]),
    "space twice": (snapshots.RUNNING, ("space", "space"), [Pause(), Resume()]),
    "n ends the size that is measured": (snapshots.RUNNING, ("n",), [EndSize(512)]),
    "n ends the size that was picked": (
        snapshots.RUNNING,
        ("down", "down", "n"),
        [Follow(3), Follow(4), EndSize(1024)],
    ),
    "up picks, esc follows": (snapshots.RUNNING, ("up", "escape"), [Follow(1), Follow(None)]),
    "esc alone changes nothing": (snapshots.RUNNING, ("escape",), []),
    "a adds": (snapshots.RUNNING, ("a", *"1536", "enter"), [AddSize(1536)]),
    "a again after a wrong size": (snapshots.RUNNING, ("a", *"5", "enter", *"13", "enter"), [AddSize(513)]),
    "a goes on with a size that was ended": (snapshots.MET, ("a", *"256", "enter"), [AddSize(256)]),
    "a of a size that is there": (snapshots.RUNNING, ("a", *"512", "enter"), []),
    "a of a range": (snapshots.RUNNING, ("a", *"512-1024", "enter"), []),
    "a, cancelled": (snapshots.RUNNING, ("a", *"1536", "escape"), []),
    "t": (
        snapshots.RUNNING,
        ("t", "end", *",cold.p99<=1s", "enter"),
        [ChangeTargets((snapshots.TARGET, "cold.duration.p99<=1s"))],
    ),
    "t, none": (snapshots.RUNNING, ("t", "ctrl+u", "enter"), [ChangeTargets(())]),
    "t, wrong": (snapshots.RUNNING, ("t", "end", "x", "enter"), []),
    "l, in flight": (snapshots.RUNNING, ("l", "0", "enter"), [ChangeLoad(concurrency=100)]),
    "l, a rate": (snapshots.RUNNING, ("l", "ctrl+u", *"50/s", "enter"), [ChangeLoad(rate="50/s")]),
    "l, wrong": (snapshots.RUNNING, ("l", *"/h", "enter", "ctrl+u", "0", "enter"), []),
    "x, yes": (snapshots.RUNNING, ("x", "y"), [Stop()]),
    "x, no": (snapshots.RUNNING, ("x", "n"), []),
    "x again gives the calls in flight up": (snapshots.RUNNING, ("x", "y", "x"), [Stop(), Stop(abandon=True)]),
    "nothing is steered after x": (snapshots.RUNNING, ("x", "y", "space", "n", "a", "t", "l"), [Stop()]),
    "nothing is steered while it is undone": (snapshots.UNDOING, ("space", "n", "a", "t", "l"), []),
    "nothing is steered before the first snapshot": (None, ("space", "n", "a", "t", "l"), []),
    "views tell nothing": (snapshots.RUNNING, ("v", "c", "g", "v"), []),
}


@pytest.mark.slow
async def test_what_keys_tell_the_engine() -> None:
    async with watched((80, 24)) as watch:
        for name, (snapshot, keys, heard) in TELLING.items():
            _, engine = await watch.open(snapshot)
            await watch.pilot.press(*keys)
            await settled(watch.pilot)
            assert engine.heard == heard, name


async def test_a_size_that_is_added_moves_the_picked_one_and_the_engine_is_told() -> None:
    async with watched() as watch:
        screen, engine = await watch.open(snapshots.RUNNING)
        pilot = watch.pilot
        await press(pilot, "down")
        cells = (snapshots.queued(192), *snapshots.RUNNING.cells)
        screen.show(msgspec.structs.replace(snapshots.RUNNING, cells=cells, running=3, over_time=None))
        await settled(pilot)
        assert engine.heard == [Follow(3), Follow(4)]
        screen._draw()
        assert screen.query_one("#sizes").cursor == 4


async def test_the_cursor_follows_the_size_that_is_measured_until_one_is_picked() -> None:
    async with watched() as watch:
        screen, engine = await watch.open(snapshots.RUNNING)
        pilot = watch.pilot
        table = screen.query_one("#sizes")
        assert table.cursor == 2
        for running, shown in ((4, 4), (5, 5)):
            screen.show(msgspec.structs.replace(snapshots.RUNNING, running=running))
            screen._draw()
            await settled(pilot)
            assert table.cursor == shown
        # Between two orders nothing is measured: the last one is shown on.
        screen.show(msgspec.structs.replace(snapshots.RUNNING, running=None, over_time=None))
        screen._draw()
        await settled(pilot)
        assert table.cursor == 5
        assert engine.heard == []
        await press(pilot, "home")
        screen.show(msgspec.structs.replace(snapshots.RUNNING, running=6))
        screen._draw()
        assert table.cursor == 0
        assert engine.heard == [Follow(0)]


async def test_the_footer_says_what_space_does_now() -> None:
    async with watched() as watch:
        screen, _ = await watch.open(snapshots.RUNNING)
        pilot = watch.pilot
        assert "space Pause" in text_of(pilot)
        await press(pilot, "space")
        assert "space Go on" in text_of(pilot)
        screen.refused(Refused(None, "a ramp is sent as a whole", "wait for its end"))
        screen._draw()
        await settled(pilot)
        text = text_of(pilot)
        assert "✗ a ramp is sent as a whole" in text
        assert "hint: wait for its end" in text
        screen.refresh_bindings()
        await settled(pilot)
        assert "space Pause" in text_of(pilot)


async def test_at_most_eight_keys_in_the_footer_and_all_in_help_and_palette() -> None:
    async with watched() as watch:
        screen, _ = await watch.open(snapshots.RUNNING)
        pilot = watch.pilot
        app = pilot.app
        keys = app.keys_of(screen)
        assert len([active for active in keys if active.binding.show]) <= 8
        own = {binding.id for binding in RunScreen.BINDINGS}
        assert own <= actions().keys()
        assert own - {"run.resume", "run.history"} <= {active.binding.id for active in keys}
        commands = {command.title for command in app.get_system_commands(screen)}
        for active in keys:
            assert active.binding.tooltip
            if active.binding.id != "palette":
                assert f"{active.binding.description} ({app.get_key_display(active.binding)})" in commands


@pytest.mark.parametrize(("focused", "least_s"), [(True, 0.25), (False, 1.0)])
async def test_redraws_are_few_however_many_snapshots_come(focused, least_s, monkeypatch) -> None:
    async with watched() as watch:
        screen, _ = await watch.open(snapshots.RUNNING)
        pilot = watch.pilot
        pilot.app.app_focus = focused
        await settled(pilot)
        drawn: list[float] = []
        draw = screen._draw
        monkeypatch.setattr(screen, "_draw", lambda: (drawn.append(time.monotonic()), draw()))
        draw()
        began = screen._drawn_at
        for number in range(200):
            screen.show(msgspec.structs.replace(snapshots.RUNNING, calls=number))
            screen.said(Said(1.0, f"said {number}"))
        assert drawn == []
        while not drawn:
            await pilot.pause(0.02)
        assert drawn[0] - began >= least_s - 0.01
        assert len(drawn) == 1
        await settled(pilot)
        assert "199 of" in text_of(pilot)
        assert "said 199" in text_of(pilot)


async def test_too_small_a_terminal_says_what_is_needed_and_that_the_run_goes_on() -> None:
    async with watched((50, 15)) as watch:
        _, engine = await watch.open(snapshots.RUNNING)
        pilot = watch.pilot
        assert text_of(pilot).splitlines()[0] == "60x20 needed, have 50x15; running on; q leaves"
        await pilot.resize_terminal(120, 36)
        await settled(pilot)
        await settled(pilot)
        assert "▶ running" in text_of(pilot)
        assert engine.heard == []


async def test_no_state_is_told_by_colour_alone(monkeypatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with watched() as watch:
        screen, _ = await watch.open(snapshots.MET)
        pilot = watch.pilot
        text = text_of(pilot)
        for state in (
            "▶ running",
            "✓ measured",
            "■ ended",
            "★ 512 MB",
            "✓ meets",
            "✗ misses",
            "? 87 % sure",
            "▌  768 MB",
        ):
            assert state in text
        for snapshot, state in (
            (snapshots.PAUSED, "‖ paused"), (snapshots.PAUSING, "… pausing"), (snapshots.STOPPING, "■ stopping"),
            (snapshots.UNDOING, "↺ undoing"), (snapshots.UNPROVEN, "! failed"), (snapshots.THROTTLED, "⚠ throttled 12"),
        ):  # fmt: skip
            screen.show(snapshot)
            screen._draw()
            await settled(pilot)
            assert state in text_of(pilot)


async def test_a_confidence_of_none_is_not_said() -> None:
    cells = (snapshots.measured(512, how_sure=0.004), snapshots.measured(768, how_sure=0.9999))
    async with watched() as watch:
        await watch.open(msgspec.structs.replace(snapshots.RUNNING, cells=cells, running=0, leading=None))
        assert "? unproven" in watch.text()
        assert "? 99.9 % sure" in watch.text()


async def test_cells_of_one_size_are_told_apart_by_what_they_differ_in() -> None:
    cells = tuple(
        snapshots.measured(size, mode=mode) for size in (256, 512) for mode in ("invoke", "function-url", "event")
    )
    async with watched() as watch:
        await watch.open(msgspec.structs.replace(snapshots.RUNNING, cells=cells))
        pilot = watch.pilot
        text = text_of(pilot)
        assert text.count("function-url") == 2
        assert text.count("  event") == 2
