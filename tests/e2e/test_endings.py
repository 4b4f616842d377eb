"""However a run ends, what it measured is kept and what it made is gone."""

from __future__ import annotations

import random
import signal
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest
from support.endings import NOTEBOOK, end_a_run
from support.program import family, make_function, only_run, result_of, wait_for_rows, wait_gone, wait_until_still
from support.terminal import wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.alone]

LONG = ("--memory", "256,512", "--target", "p99.9<=2s", "--cold-starts", "2")


def begin_on(local, start, output: Path, *more: str) -> subprocess.Popen[str]:
    return start(
        "run", "--endpoint-url", local.url, "--function", "quick", *LONG, "--output", str(output), *more
    )  # fmt: skip


def begin_embedded(functions, start, output: Path) -> subprocess.Popen[str]:
    return start(
        "run", "--function", str(functions / "quick"), "--runtime", "python3.12", "--handler", "app.handler", *LONG,
        "--output", str(output),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)], ids=str
)
def test_a_signal_keeps_the_rows_and_removes_the_clone(endpoint, create, start, tmp_path, number, code) -> None:
    local = endpoint()
    create(local, "quick")
    output, report = tmp_path / "runs", tmp_path / "junit.xml"
    process = begin_on(local, start, output, "--junit", str(report))
    run = wait_for_rows(output, 20)
    processes = family(process.pid)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert "status: interrupted" in out
    assert '<error type="interrupted"' in report.read_text()
    result = result_of(run)
    assert result["status"] == "interrupted"
    assert result["spend"]["invocations"] >= 20
    assert local.functions() == ["quick"]
    assert wait_gone(processes) == []


@pytest.mark.parametrize("seed", range(12))
def test_however_it_ends_no_process_is_left_and_no_more_than_a_second_of_rows_is_lost(endpoint, tmp_path, seed) -> None:
    local = endpoint()
    make_function(local.url, "notebook", NOTEBOOK)
    ending = end_a_run(local.url, "notebook", tmp_path / "run", random.Random(seed))
    assert ending.problems == []


def is_environment(process: psutil.Process) -> bool:
    """Return whether a process is one of the Python bootstrap, by the options that it is started with."""
    try:
        return process.cmdline()[1:3] == ["-S", "-B"]
    except psutil.Error:
        return False


def test_a_second_ctrl_c_does_not_wait_for_calls_in_flight(functions, start, tmp_path) -> None:
    output = tmp_path / "runs"
    process = start(
        "run", "--function", str(functions / "slow"), "--runtime", "python3.12", "--handler", "app.handler",
        "--memory", "512", "--cold-starts", "0", "--payload", '{"seconds": 50}', "--output", str(output),
    )  # fmt: skip
    wait_for_rows(output, 0)
    # The environment that the call has started tells that it is in flight.
    wait_until(lambda: any(is_environment(each) for each in family(process.pid)), lambda: "no call came")
    processes = family(process.pid)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert wait_gone(processes) == []


def test_calls_in_flight_that_do_not_end_are_given_up(functions, start, tmp_path) -> None:
    output = tmp_path / "runs"
    process = start(
        "run", "--function", str(functions / "quick"), "--runtime", "python3.12", "--handler", "app.handler",
        "--memory", "512", "--cold-starts", "0", "--target", "p99.9<=2s", "--timeout", "2", "--output", str(output),
    )  # fmt: skip
    wait_for_rows(output, 5)
    processes = family(process.pid)
    (server,) = [each for each in processes if "lambdatune.local" in each.cmdline()]
    server.suspend()
    try:
        # When no row comes any more, the next call of the loop is in flight, and will stay so.
        wait_until_still(output)
        process.send_signal(signal.SIGINT)
        said = iter(process.stderr.readline, "")
        assert any("calls in flight did not end within 2 s: they are given up" in line for line in said)
    finally:
        server.resume()
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert result_of(only_run(output))["status"] == "interrupted"
    assert wait_gone(processes) == []


def test_after_kill_9_restore_all_removes_what_was_left(endpoint, create, start, lambdatune, tmp_path) -> None:
    local = endpoint()
    create(local, "quick")
    output = tmp_path / "elsewhere"
    process = begin_on(local, start, output)
    run = wait_for_rows(output, 20)
    processes = family(process.pid)
    process.kill()
    process.communicate()
    assert wait_gone(processes) == []
    assert len(local.functions()) == 2

    shown = lambdatune("show", str(run))
    assert shown.code == 0, shown.err
    assert "status: interrupted" in shown.out

    restored = lambdatune("restore", "--all")
    assert restored.code == 0, restored.err
    assert "2 changes were undone; nothing is left" in restored.out
    assert local.functions() == ["quick"]
    assert "nothing was left to undo" in lambdatune("restore", "--all").out


def test_after_kill_9_of_an_embedded_run_no_process_remains(functions, start, lambdatune, tmp_path) -> None:
    output = tmp_path / "runs"
    process = begin_embedded(functions, start, output)
    wait_for_rows(output, 20)
    processes = family(process.pid)
    assert len(processes) >= 4  # the run, its shard, its endpoint and an environment
    process.kill()
    process.communicate()
    restored = lambdatune("restore", "--all")
    assert restored.code == 0, restored.err
    assert wait_gone(processes) == []


def test_a_run_that_cannot_undo_exits_8_and_says_how(endpoint, create, start, tmp_path, lambdatune) -> None:
    local = endpoint()
    create(local, "quick")
    output = tmp_path / "runs"
    process = begin_on(local, start, output)
    wait_for_rows(output, 20)
    local.process.kill()
    _, err = process.communicate(timeout=90)
    assert process.returncode == 8, err
    assert "left something behind" in err
    assert "aws lambda delete-function --function-name lambdatune-quick-" in err
    assert result_of(only_run(output))["spend"]["invocations"] >= 20
    assert lambdatune("restore", "--all").code == 8
