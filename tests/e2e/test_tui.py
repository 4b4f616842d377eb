"""The screens in a real terminal: they come up, they leave, and whatever ends them the terminal is as it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import psutil
import pytest
from support.recorded_runs import FASTER, MET, make_runs
from support.terminal import PROGRAM, Terminal, wait_until

pytestmark = pytest.mark.slow

SANE = {"alternate_on": False, "mouse_any_flag": False, "cursor_flag": True}


@pytest.fixture
def terminal(tmp_path, own_data_directory):
    """Return a function that makes a terminal of some size, over two recorded runs."""
    make_runs(own_data_directory / "runs", (MET, FASTER))
    opened = []

    def make(width: int = 80, height: int = 24) -> Terminal:
        environment = {"LAMBDATUNE_DATA": str(own_data_directory), "XDG_CONFIG_HOME": str(tmp_path / "config")}
        opened.append(Terminal(tmp_path, width=width, height=height, environment=environment))
        return opened[-1].__enter__()

    yield make
    for each in opened:
        each.__exit__()


@pytest.mark.parametrize(("width", "height"), [(120, 36), (80, 24), (60, 20)])
def test_a_session_from_the_list_to_a_report_on_the_normal_screen(terminal, tmp_path, width, height) -> None:
    view = terminal(width, height)
    view.start()
    view.wait_for("New run")
    view.press("Escape")
    view.wait_for("Recorded runs  2")
    view.press("End", "Enter")
    view.wait_for("Use 512 MB")
    view.press("Left", "Left", "Left", "Left")
    view.wait_for("Use 768 MB")
    view.press("e")
    view.wait_for("chooses the report")
    view.press("C-u")
    wait_until(lambda: "a1b2.txt" not in view.screen, lambda: view.screen)
    view.type(str(tmp_path / "report.json"))
    view.press("Enter")
    wait_until((tmp_path / "report.json").exists, lambda: view.screen)
    view.wait_for("written")
    assert json.loads((tmp_path / "report.json").read_text())["recommendation"]["memory_mb"] == 768
    view.press("r")
    view.wait_for("Recorded runs")
    view.press("d", "Home", "d", "=")
    view.wait_for("against A")
    view.press("q")
    assert view.wait_for_code() == 0
    assert view.modes == SANE
    assert "recorded in" in view.screen.replace("\n", " ")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 143), (signal.SIGINT, None)])
def test_a_signal_leaves_the_terminal_as_it_was(terminal, number, code) -> None:
    view = terminal()
    view.start("tui", "latest")
    view.wait_for("What if")
    os.kill(view.pid, number)
    if code is None:
        view.wait_for("again within 2 s")
        os.kill(view.pid, number)
        code = 130
    assert view.wait_for_code() == code
    assert view.modes == SANE


def test_ctrl_c_warns_and_the_second_one_leaves_with_130(terminal) -> None:
    view = terminal()
    view.start("tui", "latest")
    view.wait_for("What if")
    view.press("C-c")
    view.wait_for("again within 2 s")
    view.press("C-c")
    assert view.wait_for_code() == 130
    assert view.modes == SANE


def test_a_terminal_that_vanishes_takes_the_program_along(terminal) -> None:
    view = terminal()
    view.start("tui", "latest")
    view.wait_for("What if")
    process = psutil.Process(view.pid)
    view.close()
    assert process.wait(timeout=30) is None or not process.is_running()


def test_ctrl_z_goes_back_to_the_shell_and_fg_comes_back(terminal) -> None:
    view = terminal()
    view.type("set -m")
    view.press("Enter")
    view.type(f"{PROGRAM} tui latest")
    view.press("Enter")
    view.wait_for("What if")
    view.press("C-z")
    view.wait_for("Stopped")
    assert view.modes["alternate_on"] is False
    assert view.modes["cursor_flag"] is True
    view.type("fg")
    view.press("Enter")
    view.wait_for("What if")
    view.press("q")
    view.wait_for("recorded in")
    assert view.modes == SANE


def test_another_size_at_any_moment_is_taken_as_it_is(terminal) -> None:
    view = terminal(120, 36)
    view.start("tui", "latest")
    view.wait_for("Cost against latency")
    view.resize(60, 20)
    view.wait_for("verdict")
    view.resize(48, 15)
    view.wait_for("60x20 needed, have 48x15")
    view.resize(120, 36)
    view.wait_for("Cost against latency")
    view.press("q")
    assert view.wait_for_code() == 0


def test_without_a_terminal_there_is_the_usage_and_code_2() -> None:
    for arguments, said in (([], "Usage: lambdatune"), (["tui"], "error: the screens need a terminal")):
        done = subprocess.run(
            [sys.executable, "-c", "from lambdatune.cli.main import main; main()", *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(said)
