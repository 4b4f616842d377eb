"""The gate at work: runs held against a baseline, on one embedded endpoint, with real handlers."""

from __future__ import annotations

import json
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


@pytest.fixture(scope="module")
def local() -> Iterator[LocalEndpoint]:
    """An endpoint with versions of a function, each under a name of its own."""
    with running_endpoint() as endpoint:
        for name, code in (
            ("steady", WAITING.format(seconds=0.012)),
            ("slower", WAITING.format(seconds=0.016)),
            ("failing", FAILING),
        ):
            make_function(endpoint.url, name, code)
        yield endpoint


@pytest.fixture
def run(lambdatune, local, tmp_path):
    """Run a function at one size into `tmp_path / name`; return how it ended."""

    def begin(function: str, name: str, *options: str):
        return lambdatune(
            "run", "--endpoint-url", local.url, "--function", function, "--memory", "1769", "--target", "p95<=1s",
            "--cold-starts", "2", "--output", str(tmp_path / name), *options,
        )  # fmt: skip

    return begin


def test_a_run_of_the_same_passes_and_a_slower_one_is_measured_again_and_stops(run, tmp_path: Path) -> None:
    assert run("steady", "base", "--quiet").code == 0
    baseline = only_run(tmp_path / "base")
    held = ("--baseline", str(baseline), "--gate-margin", "15%", "--gate-calls", "80")

    same = run("steady", "same", *held, "--junit", str(tmp_path / "same.xml"))
    assert same.code == 0, same.err
    assert f" against baseline {baseline.name}" in same.out
    assert "REGRESSION" not in same.out
    assert "gate: warm.duration.p50 at 1769 MB" in (tmp_path / "same.xml").read_text()

    slow = run("slower", "slow", *held, "--json", "-")
    gate = json.loads(slow.out)["gate"]
    assert f"red against baseline {baseline.name}: warm.duration.p50 at 1769 MB is 1.3" in slow.err
    assert "measuring that again before it fails" in slow.err
    assert (gate["looks"], gate["inconclusive"]) == (2, "pass")
    assert gate["measured_again"][0].startswith("warm.duration.p50 at 1769 MB is 1.3")
    assert (slow.code, gate["outcome"]) == (4, "regression")
    recorded = json.loads((only_run(tmp_path / "slow") / "run.json").read_text())
    assert recorded["gate"] == gate


def test_a_function_that_only_fails_and_a_target_that_is_down_never_pass(
    run, local, lambdatune, tmp_path: Path
) -> None:
    assert run("steady", "base", "--quiet").code == 0
    baseline = only_run(tmp_path / "base")
    failing = run("failing", "failing", "--baseline", str(baseline), "--quiet")
    assert failing.code in {4, 6}, failing.err
    assert "calls at 1769 MB failed" in failing.out
    code = tmp_path / "code"
    code.mkdir()
    (code / "app.py").write_text(FAILING)
    down = lambdatune(
        "run", "--endpoint-url", "http://127.0.0.1:9", "--function", "steady", "--memory", "1769", "--baseline",
        str(baseline), "--output", str(tmp_path / "down"),
    )  # fmt: skip
    assert down.code not in {0, 1}


def test_a_baseline_of_another_kind_is_refused_before_anything_is_made(run, tmp_path: Path) -> None:
    assert run("steady", "base", "--quiet", "--max-invocations", "12").code == 5
    baseline = only_run(tmp_path / "base")
    other = run("steady", "other", "--baseline", str(baseline), "--payload", '{"other": 1}')
    assert other.code == 2
    assert f"runs {baseline.name} and " in other.err
    assert "the payloads of the first is 2 bytes x 1" in other.err
    assert not (tmp_path / "other").exists()
