"""Functions compared in one run: who is faster, that their orders took turns, and that nothing is left."""

from __future__ import annotations

import csv
import itertools
import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from support.program import make_function, running_endpoint, wait_for_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.program import LocalEndpoint

pytestmark = [pytest.mark.slow, pytest.mark.alone]

HANDLER = "import time\ndef handler(event, context):\n    time.sleep({seconds})\n"
FAILING = "def handler(event, context):\n    raise ValueError('not today')\n"


@pytest.fixture(scope="module")
def local() -> Iterator[LocalEndpoint]:
    with running_endpoint("--settle-ms", "20") as local:
        for name, seconds in (("quick", 0.004), ("slow", 0.008)):
            make_function(local.url, name, HANDLER.format(seconds=seconds))
        make_function(local.url, "broken", FAILING)
        yield local


def options_of(local: LocalEndpoint, tmp_path: Path, *functions: str) -> tuple[str, ...]:
    given = itertools.chain.from_iterable(("--function", name) for name in functions)
    return (
        "run", *given, "--endpoint-url", local.url, "--memory", "512", "--cold-starts", "1",
        "--output", str(tmp_path / "runs"),
    )  # fmt: skip


def orders_of(run: Path) -> list[tuple[int, int]]:
    """Return when each order of a run began and ended, in nanoseconds."""
    with (run / "invocations.csv").open() as file:
        rows = list(csv.DictReader(file))
    spans = []
    for _, group in itertools.groupby(rows, key=lambda row: row["order"]):
        of_order = list(group)
        spans.append((min(int(row["sent_ns"]) for row in of_order), max(int(row["done_ns"]) for row in of_order)))
    return spans


def document(output: Path) -> dict[str, Any]:
    (path,) = output.glob("*/comparison.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_the_slower_is_told_from_calls_that_took_turns_and_the_record_shows_it_again(
    local, lambdatune, tmp_path
) -> None:
    done = lambdatune(*options_of(local, tmp_path, "quick", "slow"), "--target", "p50<=2s", "--junit", "-")
    assert done.code == 0, done.err
    assert 'name="slow against quick"' in done.out
    found = document(tmp_path / "runs")
    assert found["schema"] == "lambdatune.comparison/1"
    assert found["best"]["label"] == "quick"
    (pair,) = found["pairs"]
    assert (pair["base"], pair["other"], pair["base_memory_mb"]) == ("quick", "slow", 512)
    assert pair["time"]["word"] == "slower"
    assert pair["time"]["ratio"] == pytest.approx(2, rel=0.5)
    assert "measured side by side, their orders in random turns: drift hits all alike" in found["cautions"]

    (directory,) = (tmp_path / "runs").iterdir()
    sides = {run["label"]: orders_of(directory / run["id"]) for run in found["runs"]}
    every = sorted((*span, label) for label, spans in sides.items() for span in spans)
    assert all(one[1] <= following[0] for one, following in itertools.pairwise(every)), "two orders at a time"
    last = [label for *_, label in every][-16:]
    assert all(set(last[start : start + 2]) == {"quick", "slow"} for start in range(0, 16, 2))

    shown = lambdatune("show", directory.name, "--output", str(tmp_path / "runs"))
    assert shown.code == 0
    assert pair["sentence"] in shown.out
    assert lambdatune("show", str(directory), "--format", "json").out == (directory / "comparison.json").read_text()
    listed = lambdatune("runs", "--output", str(tmp_path / "runs")).out
    assert all(run["id"] in listed for run in found["runs"])
    assert sorted(local.functions()) == ["broken", "quick", "slow"]


def test_limits_are_of_all_together(local, lambdatune, tmp_path) -> None:
    limited = ("--target", "p99.9<=2s", "--max-invocations", "60")
    done = lambdatune(*options_of(local, tmp_path, "quick", "slow"), *limited)
    assert done.code == 5, done.err
    found = document(tmp_path / "runs")
    assert sum(cell["invocations"] for run in found["runs"] for cell in run["cells"]) == 60

    few = lambdatune(*options_of(local, tmp_path / "few", "quick", "slow"), "--max-invocations", "1")
    assert few.code == 5, few.err
    assert "has nothing to compare: calls were made of " in few.err


def test_a_function_that_only_fails_is_no_comparison_that_passes(local, lambdatune, tmp_path) -> None:
    done = lambdatune(*options_of(local, tmp_path, "quick", "broken"), "--target", "p50<=2s")
    assert done.code == 6, done.err
    assert document(tmp_path / "runs")["best"]["label"] == "quick"


def test_what_is_not_there_is_told_before_anything_is_changed(local, lambdatune, tmp_path) -> None:
    done = lambdatune(*options_of(local, tmp_path, "quick", "quack"))
    assert done.code == 7
    assert "quack" in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "runs").exists()


def test_what_a_killed_comparison_left_is_removed_and_its_rows_are_shown(local, lambdatune, start, tmp_path) -> None:
    process = start(*options_of(local, tmp_path, "quick", "slow"), "--target", "p99.9<=2s")
    directory = wait_for_rows(tmp_path / "runs", 40)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert any(name.startswith("lambdatune-") for name in local.functions())
    done = lambdatune("restore", "--all", "--output", str(tmp_path / "runs"))
    assert done.code == 0, done.err
    assert not any(name.startswith("lambdatune-") for name in local.functions())
    shown = lambdatune("show", str(directory.parent))
    assert "2 compared" in shown.out, shown.err
