"""However the endpoint ends, nothing of it stays: no process, no control group, no temporary file."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from lambdatune.local.hierarchy import candidate_bases

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
import os, subprocess, time
def handler(event, context):
    child = subprocess.Popen(["sleep", "300"], start_new_session=True).pid
    time.sleep(event.get("sleep", 0))
    return [os.getpid(), child]
"""


def _left_behind(endpoint: Any, temporary: Path, pids: list[int]) -> list[str]:
    """Return what is still there of an endpoint."""
    pid = endpoint.ready["pid"]
    found = [str(path) for path in temporary.glob("lambdatune-*")]
    found += [str(path) for base in candidate_bases() for path in base.glob(f"lambdatune-{pid}-*")]
    return found + [f"process {pid}" for pid in pids if _runs(pid)]


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _eventually_nothing(endpoint: Any, temporary: Path, pids: list[int]) -> None:
    deadline = time.monotonic() + 5
    while (left := _left_behind(endpoint, temporary, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left


@pytest.mark.parametrize("limiters", [(), ("--cpu-limiter", "delay", "--memory-limiter", "rss")])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, None])
def test_graceful_end_leaves_nothing(
    start_endpoint: Any, tmp_path: Path, how: int | None, limiters: tuple[str, ...]
) -> None:
    endpoint = start_endpoint(*limiters)
    pids = endpoint.invoke(endpoint.create(SOURCE)).json
    assert _left_behind(endpoint, tmp_path, pids)
    log = endpoint.end(how)
    assert endpoint.process.returncode == 0
    assert "Traceback" not in log
    _eventually_nothing(endpoint, tmp_path, pids)


def test_end_during_a_call_answers_the_call(start_endpoint: Any, tmp_path: Path) -> None:
    endpoint = start_endpoint()
    name = endpoint.create(SOURCE, Timeout=60)
    answers: list[Any] = []
    caller = threading.Thread(target=lambda: answers.append(endpoint.invoke(name, {"sleep": 60})))
    caller.start()
    while not endpoint.host()["busy_shares"] or endpoint.host()["environments_alive"] < 1:
        time.sleep(0.02)
    log = endpoint.end()
    caller.join(timeout=10)
    assert answers[0].json["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert "Traceback" not in log
    _eventually_nothing(endpoint, tmp_path, [])


@pytest.mark.parametrize("limiters", [(), ("--cpu-limiter", "delay", "--memory-limiter", "rss")])
def test_after_sigkill_the_sweep_removes_everything_but_living_endpoints(
    start_endpoint: Any, tmp_path: Path, limiters: tuple[str, ...]
) -> None:
    living, dying = start_endpoint(*limiters), start_endpoint(*limiters)
    name = living.create(SOURCE)
    spared = living.invoke(name).json
    pids = dying.invoke(dying.create(SOURCE)).json
    dying.end(signal.SIGKILL)
    sweep = subprocess.run(
        [sys.executable, "-m", "lambdatune.local", "--sweep"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        check=True,
        text=True,
    )
    assert re.search(r'{"removed": \d+}', sweep.stdout)
    pid = dying.ready["pid"]
    deadline = time.monotonic() + 5
    while any(_runs(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(_runs(pid) for pid in pids)
    assert not list(tmp_path.glob(f"lambdatune-{pid}-*"))
    assert not [path for base in candidate_bases() for path in base.glob(f"lambdatune-{pid}-*")]
    assert all(_runs(pid) for pid in spared)
    assert living.invoke(name).json[0] == spared[0]


def test_runtime_dies_with_a_killed_endpoint_before_any_sweep(start_endpoint: Any) -> None:
    endpoint = start_endpoint()
    runtime, _ = endpoint.invoke(endpoint.create(SOURCE)).json
    endpoint.end(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while _runs(runtime) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _runs(runtime)


def test_next_start_sweeps(start_endpoint: Any, tmp_path: Path) -> None:
    dying = start_endpoint()
    pids = dying.invoke(dying.create(SOURCE)).json
    dying.end(signal.SIGKILL)
    start_endpoint()
    assert not list(tmp_path.glob(f"lambdatune-{dying.ready['pid']}-*"))
    assert not any(_runs(pid) for pid in pids)


def test_taken_port_is_a_sentence(endpoint: Any) -> None:
    command = [sys.executable, "-m", "lambdatune.local", "--port", str(endpoint.port)]
    second = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert second.returncode == 2
    assert second.stdout == ""
    assert f"port {endpoint.port} cannot be used" in second.stderr
    assert "Traceback" not in second.stderr


def test_only_the_ready_line_is_on_stdout(start_endpoint: Any) -> None:
    endpoint = start_endpoint()
    endpoint.invoke(endpoint.create("def handler(event, context):\n    print('to the log')\n"))
    assert set(endpoint.ready) >= {"endpoint_url", "pid", "cpu_limiter", "memory_limiter", "cores"}
    endpoint.process.send_signal(signal.SIGTERM)
    rest, _ = endpoint.process.communicate(timeout=15)
    assert rest == b""
