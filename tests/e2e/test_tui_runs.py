"""Runs that are made on the screens, in a real terminal: from the first key to the report, and however they end."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import psutil
import pytest
from support.terminal import Terminal, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

A_RUN_S = 150.0
"""A run takes half a minute, and several times that where its host has other things to do."""

SANE = {"alternate_on": False, "mouse_any_flag": False, "cursor_flag": True}
PLAN = """\
function = "sample:checkout"
memory = [512, 1024]
target = "p99<=14ms"
cold-starts = 1
rate = "20/s"
"""
"""Its proof takes a minute: time enough to end it in the middle."""


@pytest.fixture
def terminal(tmp_path, own_data_directory):
    """Return a function that makes a terminal of some size."""
    (tmp_path / "plan.toml").write_text(PLAN)
    opened = []

    def make(width: int = 80, height: int = 24) -> Terminal:
        environment = {"LAMBDATUNE_DATA": str(own_data_directory), "XDG_CONFIG_HOME": str(tmp_path / "config")}
        opened.append(Terminal(tmp_path, width=width, height=height, environment=environment))
        return opened[-1].__enter__()

    yield make
    for each in opened:
        each.__exit__()


def started(view: Terminal, tmp_path: Path, own_data_directory: Path) -> list[psutil.Process]:
    """Begin the plan from Setup; return the processes that it has when calls are made."""
    view.start("tui", str(tmp_path / "plan.toml"))
    wait_until(lambda: "nothing billed" in view.screen or "nothing to pay" in view.screen, lambda: view.screen)
    view.press("C-r")
    view.wait_for("running")
    wait_until(lambda: calls_of(own_data_directory) > 5, lambda: view.screen)
    return psutil.Process(view.pid).children(recursive=True)


def calls_of(own_data_directory: Path) -> int:
    rows = next((own_data_directory / "runs").glob("*/invocations.csv"), None)
    return 0 if rows is None else len(rows.read_text().splitlines()) - 1


def the_run(own_data_directory: Path) -> Path:
    (run,) = (own_data_directory / "runs").iterdir()
    return run


def assert_nothing_is_left(own_data_directory: Path, processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive
    owed = own_data_directory / "owed"
    assert not owed.exists() or not list(owed.iterdir())
    journal = [json.loads(line) for line in (the_run(own_data_directory) / "journal.jsonl").read_text().splitlines()]
    events = [entry["event"] for entry in journal]
    assert events.count("intent") == events.count("undone") > 0


def test_the_demo_from_the_first_call_to_a_comparison_an_export_and_the_report(
    terminal, tmp_path, own_data_directory
) -> None:
    view = terminal(120, 36)
    view.start("demo")
    view.wait_for("running")
    processes = psutil.Process(view.pid).children(recursive=True)
    view.wait_for("What if", patience_s=A_RUN_S)
    view.press("p", *["Left"] * 8)
    wait_until(lambda: "0: as recorded" in view.screen, lambda: view.screen)
    view.press("e")
    view.wait_for("chooses the report")
    view.press("C-u")
    wait_until(lambda: ".txt▎" not in view.screen and "checkout-2" not in view.screen, lambda: view.screen)
    view.type(str(tmp_path / "report.json"))
    view.press("Enter")
    wait_until((tmp_path / "report.json").exists, lambda: view.screen)
    view.press("d", "Up", "d")
    view.wait_for("against A")
    view.press("q")
    assert view.wait_for_code() in {0, 3, 5}
    assert view.modes == SANE
    assert "recorded in" in view.screen.replace("\n", " ")
    assert_nothing_is_left(own_data_directory, processes)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 20)])
def test_a_run_is_paused_steered_and_stopped_with_keys(terminal, tmp_path, own_data_directory, width, height) -> None:
    view = terminal(width, height)
    processes = started(view, tmp_path, own_data_directory)
    view.press("Space")
    view.wait_for("paused")
    view.press("C-n")
    view.wait_for("a run is under way")
    view.press("t")
    view.wait_for("decides for it")
    view.press("C-u")
    wait_until(lambda: "p99<=14ms▎" not in view.screen and "p99<=14ms  " not in view.screen, lambda: view.screen)
    view.type("p95<=nonsense")
    view.wait_for("nonsense")
    view.press("Enter")
    view.wait_for("✗")
    view.press("C-u")
    wait_until(lambda: "▊  p95<=nonsense" not in view.screen, lambda: view.screen)
    view.type("p90<=900ms")
    view.wait_for("p90<=900ms")
    view.press("Enter")
    view.wait_for("target changed")
    view.press("a")
    view.wait_for("adds it")
    view.type("768")
    view.press("Enter")
    view.wait_for("768 MB")
    view.press("Space")
    view.wait_for("What if", patience_s=A_RUN_S)
    view.press("r")
    view.wait_for("Recorded runs  1")
    view.press("q")
    assert view.wait_for_code() == 0
    assert view.modes == SANE
    assert_nothing_is_left(own_data_directory, processes)
    result = json.loads((the_run(own_data_directory) / "run.json").read_text())
    assert result["plan"]["targets"] == ["warm.duration.p90<=900ms"]
    assert {cell["memory_mb"] for cell in result["cells"]} == {512, 768, 1024}


@pytest.mark.parametrize(
    ("ending", "code"),
    [("q", 130), ("ctrl+c", 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143), ("terminal", None)],
    ids=str,
)
def test_whatever_ends_the_screens_the_run_is_stopped_and_undone(
    terminal, tmp_path, own_data_directory, ending, code
) -> None:
    view = terminal()
    processes = started(view, tmp_path, own_data_directory)
    if ending == "q":
        view.press("q")
        view.wait_for("Leave?")
        view.press("y")
    elif ending == "ctrl+c":
        view.press("C-c")
        view.wait_for("again within 2 s")
        view.press("C-c")
    elif ending == "terminal":
        view.close()
    else:
        os.kill(view.pid, ending)
    if code is not None:
        assert view.wait_for_code() == code
        assert view.modes == SANE
    assert_nothing_is_left(own_data_directory, processes)
    result = json.loads((the_run(own_data_directory) / "run.json").read_text())
    assert result["status"] == "interrupted"
    assert result["spend"]["invocations"] > 0


def test_an_engine_that_is_killed_leaves_a_sane_screen_and_a_run_to_restore(
    terminal, tmp_path, own_data_directory
) -> None:
    view = terminal(120, 36)
    processes = started(view, tmp_path, own_data_directory)
    engine = next(process for process in processes if "lambdatune.session.live" in process.cmdline())
    engine.kill()
    view.wait_for("engine gone")
    assert "lambdatune restore" in view.screen.replace("\n", " ")
    view.press("q")
    assert view.wait_for_code() == 1
    assert view.modes == SANE
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive
