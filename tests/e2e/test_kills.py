"""A run is killed at every control-plane call in turn, and what it had made by then is undone without a trace."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.faults import FaultyProxy, everything, namesake, users_function

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

NAMESAKE = "lambdatune-shop-20260101-000000-abcd"


@pytest.fixture
def account() -> Iterator[str]:
    """Return the URL of an endpoint with a user's function and one that is merely named like a clone."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lambdatune.local", "--port", "0", "--settle-ms", "1", "--exit-with-stdin"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["endpoint_url"]
    users_function(url)
    namesake(url, NAMESAKE)
    yield url
    process.communicate(timeout=20)


def run_options(url: str, isolation: str, output: Path) -> tuple[str, ...]:
    return (
        "run", "--endpoint-url", url, "--function", "shop", "--memory", "256", "--isolation", isolation,
        "--cold-starts", "1", "--max-invocations", "3", "--output", str(output),
    )  # fmt: skip


def killed_at(proxy: FaultyProxy, start, isolation: str, output: Path, pid_file: Path) -> None:
    """Run through a proxy that kills the run at one of its calls."""
    process = start(*run_options(proxy.url, isolation, output))
    pid_file.write_text(str(process.pid))
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.timeout(300)
@pytest.mark.parametrize("isolation", ["clone", "version"])
def test_killed_at_any_call_nothing_is_left_after_restore(
    account, start, lambdatune, tmp_path, own_data_directory, isolation
) -> None:
    before = everything(account)
    with FaultyProxy(account) as proxy:
        done = lambdatune(*run_options(proxy.url, isolation, tmp_path / "whole"))
    assert done.code == 5, done.err
    assert everything(account) == before
    assert len(proxy.operations) >= 10
    problems = []
    harmed = 0
    pid_file = tmp_path / "pid"
    for number, operation in enumerate(proxy.operations, start=1):
        for moment in ("kill-before", "kill-after"):
            case = f"{moment} {number} {operation}"
            with FaultyProxy(account, at=number, do=moment, pid_file=str(pid_file)) as proxy:
                killed_at(proxy, start, isolation, tmp_path / case, pid_file)
                harmed += everything(account) != before
                restored = lambdatune("restore", "--all")
            if restored.code or everything(account) != before:
                problems.append(f"{case}: {restored.code} {restored.out} {restored.err}")
            elif "left to undo" not in restored.out and "nothing is left" not in restored.out:
                problems.append(f"{case}: {restored.out}")
    assert problems == []
    # The calls by which permissions are tried come first and leave nothing to undo.
    assert harmed >= len(proxy.operations) / 2, "many of the kills are in the middle of what has to be undone"


@pytest.mark.parametrize("isolation", ["clone", "version"])
def test_without_any_journal_what_is_left_is_found_by_its_marks(
    account, start, lambdatune, tmp_path, own_data_directory, isolation
) -> None:
    before = everything(account)
    with FaultyProxy(account) as proxy:
        lambdatune(*run_options(proxy.url, isolation, tmp_path / "whole"))
    published = len(proxy.operations) - proxy.operations[::-1].index("PublishVersion")
    # In `version` the update of the next version is under way then: $LATEST differs as well.
    pid_file = tmp_path / "pid"
    with FaultyProxy(account, at=published, do="kill-after", pid_file=str(pid_file)) as proxy:
        killed_at(proxy, start, isolation, tmp_path / "runs", pid_file)
    assert everything(account) != before
    shutil.rmtree(own_data_directory)
    restored = lambdatune("restore", "--all")
    assert "nothing was left to undo" in restored.out
    restored = lambdatune("restore", "--all", "--endpoint-url", account)
    assert restored.code == 0, restored.err
    assert "removed " in restored.out
    assert ("put back " in restored.out) == (isolation == "version")
    assert everything(account) == before
    assert NAMESAKE not in restored.out
    assert "nothing was left to undo" in lambdatune("restore", "--all", "--endpoint-url", account).out
