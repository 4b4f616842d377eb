"""What the screens do: open, ask, mark, delete, export, and never more than they say."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from support.recorded_runs import FASTER, INVALID, KILLED, MET, SLOWER, TWO_TARGETS, UNPROVEN, Recipe
from support.screens import opened, press, settled, text_of

from lambdatune.model.change import Change, Place
from lambdatune.session.run_directory import OwedUndo, RunDirectory
from lambdatune.tui import app
from lambdatune.tui.app import LambdatuneApp, actions
from lambdatune.tui.screens.compare import CompareScreen
from lambdatune.tui.screens.help import GLYPHS
from lambdatune.tui.screens.history import HistoryScreen
from lambdatune.tui.screens.result import ResultScreen
from lambdatune.tui.widgets.chart import Chart

RUNS = Path("runs")


def notices(pilot) -> str:
    return "\n".join(notification.message for notification in pilot.app._notifications)


async def test_the_target_moves_with_the_arrows_and_the_advice_with_it(runs) -> None:
    (run,) = runs(MET)
    async with opened(RUNS, run) as pilot:
        screen = pilot.app.screen
        assert screen.result.recommendation.memory_mb == 512
        await press(pilot, *["left"] * 4)
        assert screen.result.recommendation.memory_mb == 768
        await press(pilot, *["right"] * 4)
        assert screen.result == screen.run.record
        await press(pilot, "left", "left", "left", "left", "0")
        assert screen.result == screen.run.record


async def test_of_questions_asked_in_a_hurry_the_newest_is_answered(runs) -> None:
    (run,) = runs(MET)
    async with opened(RUNS, run) as pilot:
        screen = pilot.app.screen
        for _ in range(30):
            screen.action_target(-1)
        assert "deciding" in str(screen.query_one("#question").content)
        await settled(pilot)
        assert screen.question.target.threshold_ms < 20
        assert screen.result.plan["targets"] == [str(screen.question.target)]
        assert "deciding" not in text_of(pilot)


async def test_a_run_opens_from_the_list_and_the_list_comes_back(runs) -> None:
    runs(MET, FASTER)
    async with opened(RUNS) as pilot:
        await press(pilot, "end", "enter")
        assert isinstance(pilot.app.screen, ResultScreen)
        assert pilot.app.screen.result.id == MET.id
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, HistoryScreen)
        assert pilot.app.last_run[0].id == MET.id


async def test_a_run_that_cannot_be_read_is_listed_and_says_why(runs) -> None:
    (run,) = runs(MET)
    (run.path / "run.json").write_text("{}")
    async with opened(RUNS) as pilot:
        assert "! unreadable" in text_of(pilot)
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, HistoryScreen)
        assert "cannot be read" in notices(pilot)


async def test_a_run_is_deleted_after_a_yes_and_not_after_a_no(runs) -> None:
    _, newest = runs(MET, FASTER)
    async with opened(RUNS) as pilot:
        await press(pilot, "x", "n")
        assert newest.path.exists()
        await press(pilot, "x", "y")
        assert not newest.path.exists()
        assert FASTER.id[:8] not in text_of(pilot)
        assert "Recorded runs  1" in text_of(pilot)


@pytest.mark.parametrize("how", ["its journal", "the list of owed undos"])
async def test_a_run_that_owes_an_undo_is_never_deleted(runs, how) -> None:
    (run,) = runs(MET)
    async with opened(RUNS) as pilot:
        await press(pilot, "x")
        # It came to owe while the question stood there.
        if how == "its journal":
            run.journal.intend(Change("create-function", "lambdatune-shop", Place("eu-central-1")))
        else:
            OwedUndo().note(run)
        await press(pilot, "y")
        assert run.path.exists()
        await press(pilot, "x")
        assert isinstance(pilot.app.screen, HistoryScreen)
        assert f"lambdatune restore {run.path}" in notices(pilot)


async def test_the_filter_takes_words_and_escape_clears_it(runs) -> None:
    runs(MET, FASTER, INVALID)
    async with opened(RUNS) as pilot:
        await press(pilot, "slash", *"invalid")
        assert "1 of 3" in text_of(pilot)
        await press(pilot, "escape")
        assert "Recorded runs  3" in text_of(pilot)


async def test_two_marked_runs_are_compared_older_first_and_swapped(runs) -> None:
    runs(MET, FASTER)
    async with opened(RUNS) as pilot:
        await press(pilot, "d", "down", "d", "equals_sign")
        screen = pilot.app.screen
        assert isinstance(screen, CompareScreen)
        assert [entry.result.id for entry in screen.entries] == [MET.id, FASTER.id]
        assert "p50 faster" in text_of(pilot)
        await press(pilot, "b")
        assert "p50 slower" in text_of(pilot)
        await press(pilot, "left")
        assert screen.entries[1].cell.memory_mb == 256


async def test_three_marked_runs_are_compared_with_the_oldest(runs) -> None:
    runs(MET, FASTER, SLOWER)
    async with opened(RUNS) as pilot:
        await press(pilot, "d", "down", "d", "down", "d")
        assert isinstance(pilot.app.screen, HistoryScreen)
        assert "3 marked with ◆: = compares them" in text_of(pilot)
        await press(pilot, "equals_sign")
        screen = pilot.app.screen
        assert [entry.result.id for entry in screen.entries] == [MET.id, FASTER.id, SLOWER.id]
        said = " ".join(str(screen.query_one("#verdict").content).split())
        assert f"B orders-api 512 MB ({FASTER.id}) against A orders-api 512 MB ({MET.id}): p50 faster" in said
        assert f"C orders-api 768 MB ({SLOWER.id}) against A" in said
        await press(pilot, *["down"] * 4, "left")
        assert [entry.cell.memory_mb for entry in screen.entries] == [512, 512, 512]
        await press(pilot, "b")
        assert [entry.result.id for entry in screen.entries] == [SLOWER.id, FASTER.id, MET.id]


async def test_one_marked_run_is_compared_with_the_one_under_the_cursor_and_none_with_nothing(runs) -> None:
    runs(MET, FASTER)
    async with opened(RUNS) as pilot:
        await press(pilot, "equals_sign")
        assert "Mark the runs to compare with d: two or more." in notices(pilot)
        await press(pilot, "d", "equals_sign")
        assert isinstance(pilot.app.screen, HistoryScreen)
        await press(pilot, "down", "equals_sign")
        assert isinstance(pilot.app.screen, CompareScreen)


async def test_a_mark_is_taken_away_by_the_same_key(runs) -> None:
    runs(MET, FASTER)
    async with opened(RUNS) as pilot:
        await press(pilot, "d", "down", "d", "d")
        assert "1 marked with ◆" in text_of(pilot)


class ContinuingApp(LambdatuneApp):
    """The screens with an engine that would go on with a run."""

    CSS_PATH = Path(app.__file__).with_name("lambdatune.tcss")
    asked: RunDirectory | None = None

    def continue_run(self, directory: RunDirectory) -> None:
        self.asked = directory


@pytest.mark.parametrize("recipe", [KILLED, UNPROVEN])
async def test_a_run_that_ended_early_goes_on(runs, recipe) -> None:
    (run,) = runs(recipe)
    async with opened(RUNS, kind=ContinuingApp) as pilot:
        await press(pilot, "c")
        assert pilot.app.asked.path == run.path


async def test_a_run_that_is_complete_does_not_go_on_and_says_why(runs) -> None:
    runs(MET)
    async with opened(RUNS, kind=ContinuingApp) as pilot:
        await press(pilot, "c")
        assert pilot.app.asked is None
        assert "is complete, so that there is nothing to go on with" in notices(pilot)


async def test_each_of_several_targets_is_moved_and_all_stay_in_force(runs) -> None:
    (run,) = runs(TWO_TARGETS)
    async with opened(RUNS, run) as pilot:
        screen = pilot.app.screen
        assert "◀ warm duration p95 ≤ 60 ms ▶ target 1 of 2 (y)" in text_of(pilot)
        await press(pilot, "y", "left")
        assert "◀ cold duration p90 ≤ 850 ms ▶ target 2 of 2 (y)" in text_of(pilot)
        assert screen.result.plan["targets"] == ["warm.duration.p95<=60ms", "cold.duration.p90<=850ms"]
        await press(pilot, "y", "left")
        assert screen.result.plan["targets"] == ["warm.duration.p95<=57.5ms", "cold.duration.p90<=850ms"]
        await press(pilot, "y", "0")
        assert "target 2 of 2" in text_of(pilot)
        assert "as recorded" in text_of(pilot)
        assert screen.result == screen.run.record


async def test_runs_that_must_not_be_compared_are_refused_with_what_differs(runs) -> None:
    runs(MET, Recipe(id="20261125-091500-c3d4", region="us-east-1"))
    async with opened(RUNS) as pilot:
        await press(pilot, "d", "down", "d", "equals_sign")
        assert isinstance(pilot.app.screen, HistoryScreen)
        assert "the region of the first is eu-central-1, of the second us-east-1" in notices(pilot)


async def test_two_sizes_of_a_run_are_compared(runs) -> None:
    (run,) = runs(MET)
    async with opened(RUNS, run) as pilot:
        await press(pilot, "d", "down", "d")
        screen = pilot.app.screen
        assert isinstance(screen, CompareScreen)
        assert [entry.cell.memory_mb for entry in screen.entries] == [512, 768]
        assert "p50 faster" in text_of(pilot)
        assert "cost dearer" in text_of(pilot)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, ResultScreen)


async def test_what_is_on_the_screen_is_exported_and_an_existing_file_is_left(runs, tmp_path) -> None:
    (run,) = runs(MET)
    async with opened(RUNS, run) as pilot:
        await press(pilot, *["left"] * 4, "e")
        field = pilot.app.screen.query_one("#text")
        field.value = "report.json"
        await press(pilot, "enter")
        assert json.loads((tmp_path / "report.json").read_text())["recommendation"]["memory_mb"] == 768
        assert str(tmp_path / "report.json") in notices(pilot)
        await press(pilot, "e")
        pilot.app.screen.query_one("#text").value = "report.json"
        await press(pilot, "enter")
        assert "exists already" in text_of(pilot)
        for name, begins in (("page.html", "<!doctype html>"), ("run.hlog", "#[Histogram log format version 1.3]")):
            pilot.app.screen.query_one("#text").value = name
            await press(pilot, "enter")
            assert (tmp_path / name).read_text().lower().startswith(begins.lower())
            await press(pilot, "e")


async def test_every_key_is_in_the_help_and_in_the_palette(runs) -> None:
    (run,) = runs(MET)
    async with opened(RUNS, run) as pilot:
        seen = set()
        for screen in ("result", "compare", "history"):
            if screen == "compare":
                await press(pilot, "d", "down", "d")
            if screen == "history":
                await press(pilot, "escape", "escape")
            active = pilot.app.keys_of(pilot.app.screen)
            commands = [command.title for command in pilot.app.get_system_commands(pilot.app.screen)]
            await press(pilot, "question_mark")
            said = str(pilot.app.screen.query_one("#help Static").content)
            for each in active:
                assert each.binding.description in said
                assert each.binding.tooltip in said
                assert any(each.binding.description in title for title in commands) or each.binding.id == "palette"
                seen.add(each.binding.id)
            for glyph, _ in GLYPHS:
                assert glyph in said
            await press(pilot, "escape")
        dialogs = {name for name in actions() if name.startswith(("dialog.", "confirm.", "help.", "apply.", "pick."))}
        # Those of Setup and Run are looked at in tests of their own.
        elsewhere = {name for name in actions() if name.startswith(("setup.", "choice.", "run."))}
        assert seen | dialogs | elsewhere == set(actions())


def test_every_action_has_a_name_and_an_explanation() -> None:
    for name, binding in actions().items():
        assert binding.description, name
        assert binding.tooltip, name


async def test_a_command_of_the_palette_does_what_its_key_does(runs) -> None:
    (run,) = runs(MET)
    async with opened(RUNS, run) as pilot:
        await press(pilot, "ctrl+p", *"percentile")
        palette = pilot.app.screen
        # It searches while one types, and shows what it finds when it is found.
        while not any("Percentile" in str(option.prompt) for option in palette.query_one("CommandList").options):
            await settled(pilot)
        await press(pilot, "down", "enter")
        while pilot.app.screen is palette:
            await press(pilot, "enter")
        assert pilot.app.screen.question.target.percentile == 99


async def test_keys_of_the_user_replace_ours(runs) -> None:
    (run,) = runs(MET)
    async with opened(RUNS, run, keys={"what-if.percentile": "n", "quit": "ctrl+x"}) as pilot:
        await press(pilot, "p")
        assert pilot.app.screen.question.target.percentile == 95
        await press(pilot, "n")
        assert pilot.app.screen.question.target.percentile == 99
        assert "n Percentile" in text_of(pilot)


async def test_below_the_least_size_one_line_says_what_is_needed_and_keys_still_work(runs) -> None:
    (run,) = runs(MET)
    async with opened(RUNS, run, size=(59, 20)) as pilot:
        assert text_of(pilot).strip() == "60x20 needed, have 59x20; q leaves"
        await pilot.resize_terminal(60, 19)
        await settled(pilot)
        assert text_of(pilot).strip() == "60x20 needed, have 60x19; q leaves"
        await pilot.resize_terminal(60, 20)
        await settled(pilot)
        assert "What if" in text_of(pilot)


async def test_every_size_of_terminal_can_be_drawn(runs) -> None:
    (run,) = runs(MET)
    async with opened(RUNS, run) as pilot:
        for width, height in ((1, 1), (20, 60), (61, 21), (99, 31), (100, 32), (200, 60), (60, 50)):
            await pilot.resize_terminal(width, height)
            for key in ("v", "v", "v", "v", "v", "v"):
                await pilot.press(key)
                await pilot.pause()
            assert len(text_of(pilot).splitlines()) == height


async def test_a_theme_takes_its_colours_into_charts_that_are_drawn_already(runs) -> None:
    (run,) = runs(MET)
    async with opened(RUNS, run) as pilot:
        chart = pilot.app.screen.query_one("#side", Chart)
        before = chart.render_line(0)
        pilot.app.theme = "textual-light"
        await settled(pilot)
        after = chart.render_line(0)
        assert before.text == after.text
        assert [segment.style for segment in before] != [segment.style for segment in after]


async def test_a_click_moves_the_cursor_and_a_second_one_opens(runs) -> None:
    runs(MET, FASTER)
    async with opened(RUNS) as pilot:
        await pilot.click("#runs", offset=(8, 3))
        await settled(pilot)
        assert pilot.app.screen.query_one("#runs").cursor == 1
        await pilot.click("#runs", offset=(8, 3))
        await settled(pilot)
        assert pilot.app.screen.result.id == MET.id


@pytest.mark.alone
async def test_a_redraw_of_the_result_is_far_from_noticed(runs) -> None:
    (run,) = runs(MET)
    async with opened(RUNS, run, size=(120, 36)) as pilot:
        screen = pilot.app.screen
        took_s = []
        for _ in range(5):
            for chart in screen.query(Chart):
                chart.redraw()
            began = time.perf_counter()
            screen._compositor.render_strips()
            took_s.append(time.perf_counter() - began)
        assert min(took_s) < 0.06
