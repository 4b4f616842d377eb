"""The gate at work: runs held against a baseline, on one embedded endpoint, with real handlers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.program import LocalEndpoint, make_function, only_run, running_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.alone]

# A sleep takes no CPU: what else the host does is little of its time.
WAITING = "import time\ndef handler(event, context):\n    time.sleep({seconds})\n"
FAILING = "def handler(event, context):\n    raise RuntimeError('no')\n"


OPTIONS = ("--memory", "1769", "--target", "p95<=1s", "--cold-starts", "2")


@pytest.fixture(scope="module")
def local() -> Iterator[LocalEndpoint]:
    """An endpoint with versions of a function, each under a name of its own."""
    with running_endpoint() as endpoint:
        for name, code in (
            ("steady", WAITING.format(seconds=0.006)),
            ("slower", WAITING.format(seconds=0.018)),
            ("failing", FAILING),
        ):
            make_function(endpoint.url, name, code)
        yield endpoint


@pytest.fixture(scope="module")
def baseline(local, tmp_path_factory) -> Path:
    """The run that others are held against."""
    where = tmp_path_factory.mktemp("baseline")
    done = subprocess.run(
        [
            sys.executable, "-c", "from lambdatune.cli.main import main; main()", "run", *OPTIONS, "--quiet",
            "--endpoint-url", local.url, "--function", "steady", "--output", str(where / "runs"),
        ],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env={**os.environ, "LAMBDATUNE_DATA": str(where / "data"), "LAMBDATUNE_CACHE": str(where / "cache")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return only_run(where / "runs")


@pytest.fixture
def run(lambdatune, local, tmp_path, baseline):
    """Hold a run of a function against the baseline; its directory is made in `tmp_path / "runs"`."""

    def begin(function: str, *options: str):
        return lambdatune(
            "run", *OPTIONS, "--endpoint-url", local.url, "--function", function, "--output", str(tmp_path / "runs"),
            "--baseline", str(baseline), "--gate-margin", "15%", "--gate-calls", "60", *options,
        )  # fmt: skip

    return begin


def test_a_run_of_the_same_passes(run, baseline: Path, tmp_path: Path) -> None:
    same = run("steady", "--junit", str(tmp_path / "same.xml"))
    assert same.code == 0, same.err
    assert f" against baseline {baseline.name}" in same.out
    assert "REGRESSION" not in same.out
    assert "gate: warm.duration.p50 at 1769 MB" in (tmp_path / "same.xml").read_text()


def test_a_slower_run_is_measured_again_before_it_fails(run, baseline: Path, tmp_path: Path) -> None:
    slow = run("slower", "--json", "-")
    gate = json.loads(slow.out)["gate"]
    assert f"red against baseline {baseline.name}: warm.duration.p50 at 1769 MB is " in slow.err
    assert "measuring that again before it fails" in slow.err
    assert (slow.code, gate["outcome"], gate["looks"]) == (4, "regression", 2)
    assert gate["measured_again"][0].startswith("warm.duration.p50 at 1769 MB is ")
    # The second look has as many calls again, on environments of their own.
    cell = json.loads(slow.out)["cells"][0]
    assert cell["warm"]["count"] >= 160
    assert cell["environments"] >= 8
    assert json.loads((only_run(tmp_path / "runs") / "run.json").read_text())["gate"] == gate


def test_a_function_that_only_fails_and_a_target_that_is_down_never_pass(run, lambdatune, baseline, tmp_path) -> None:
    failing = run("failing", "--quiet")
    assert failing.code in {4, 6}, failing.err
    assert "calls at 1769 MB failed" in failing.out
    down = lambdatune(
        "run", "--endpoint-url", "http://127.0.0.1:9", "--function", "steady", "--memory", "1769", "--baseline",
        str(baseline), "--output", str(tmp_path / "down"),
    )  # fmt: skip
    assert down.code not in {0, 1}


def test_a_baseline_of_another_kind_is_refused_before_anything_is_made(run, baseline: Path, tmp_path: Path) -> None:
    other = run("steady", "--payload", '{"other": 1}')
    assert other.code == 2
    assert f"runs {baseline.name} and " in other.err
    assert "the payloads of the first is 2 bytes x 1" in other.err
    assert not (tmp_path / "runs").exists()
