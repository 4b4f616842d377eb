"""Before calls that cost money there is a question, and nothing happens without an answer."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support.program import only_run, result_of

pytestmark = pytest.mark.slow

PROXY = Path(__file__).parents[1] / "support" / "plain_endpoint.py"


@pytest.fixture
def account(endpoint, create):
    """Start an endpoint that does not tell it is embedded, with a function; return (its URL, the endpoint)."""
    local = endpoint()
    create(local, "quick")
    proxy = subprocess.Popen(
        [sys.executable, str(PROXY), local.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert proxy.stdout is not None
    yield proxy.stdout.readline().strip(), local
    proxy.kill()
    proxy.communicate()


def options(url: str, *rest: str) -> tuple[str, ...]:
    return ("run", "--endpoint-url", url, "--function", "quick", "--memory", "512", "--target", "p90<=2s", *rest)


def answer(start, url: str, reply: bytes | signal.Signals, *rest: str) -> tuple[int, str]:
    """Run on a terminal, reply to the question; return the exit code and what was on the terminal."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "dumb"}
    process = subprocess.Popen(
        [sys.executable, "-c", "from lambdatune.cli.main import main; main()", *options(url, *rest)],
        stdin=follower, stdout=follower, stderr=follower, env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    seen = b""
    while b"Go ahead?" not in seen:
        seen += os.read(leader, 4096)
    if isinstance(reply, bytes):
        os.write(leader, reply)
    else:
        # A signal between the question and the read of the answer is only noted until a key is pressed.
        while psutil.Process(process.pid).status() != psutil.STATUS_SLEEPING:
            time.sleep(0.01)
        process.send_signal(reply)
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:  # Linux tells the end of a terminal's other side by an error
            break
        if not part:
            break
        seen += part
    os.close(leader)
    return process.wait(timeout=60), seen.decode()


def test_without_a_terminal_and_without_yes_nothing_is_done(account, lambdatune) -> None:
    url, local = account
    done = lambdatune(*options(url))
    assert done.code == 2
    assert "hint: add --yes to go ahead" in done.err
    assert "the calls are real" in done.err
    assert local.facts()["environments_started"] == 0
    assert local.functions() == ["quick"]


@pytest.mark.parametrize(("reply", "code"), [(b"n\n", 0), (signal.SIGINT, 130)], ids=["no", "ctrl-c"])
def test_anything_but_yes_changes_nothing(account, start, own_data_directory, reply, code) -> None:
    url, local = account
    ended, screen = answer(start, url, reply)
    assert ended == code, screen
    assert "Traceback" not in screen
    assert local.facts()["environments_started"] == 0
    assert not own_data_directory.exists()


def test_yes_goes_ahead_and_cold_starts_are_forced_in_bursts(account, start, tmp_path) -> None:
    url, local = account
    ended, screen = answer(start, url, b"y\n", "--output", str(tmp_path / "runs"), "--cold-starts", "6")
    assert ended == 0, screen
    result = result_of(only_run(tmp_path / "runs"))
    assert result["cells"][0]["cold"]["count"] >= 6
    assert result["cells"][0]["cold"]["count"] == local.facts()["environments_started"]
    assert result["environment"]["embedded"] is None
    assert local.functions() == ["quick"]


def test_the_option_yes_answers_the_question(account, lambdatune) -> None:
    url, _ = account
    done = lambdatune(*options(url, "--yes", "--cold-starts", "2"))
    assert done.code == 0, done.err
    assert "Use 512 MB" in done.out
