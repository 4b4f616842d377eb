"""A run with a fixed seed decides the same again: the same sizes in the same order, and the same advice."""

from __future__ import annotations

import csv
import itertools
from typing import TYPE_CHECKING

import pytest
from support.program import make_function, only_run, result_of, running_endpoint

from lambdatune.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

WAITS = "import time\ndef handler(event, context):\n    time.sleep(0.02)\n"
"""A function whose time does not depend on its memory: the smallest size is the cheapest by far."""


def decisions(url: str, output: Path, seed: int) -> tuple[list[tuple[str, str, int]], int]:
    """Return what was called, order by order (size, start kind, calls), and the size that was advised."""
    with pytest.raises(SystemExit) as ended:
        main([
            "run", "--endpoint-url", url, "--region", "us-east-1", "--function", "waits", "--quiet",
            "--memory", "128,512,1024,2048", "--target", "p50<=2s", "--confidence", "0.8", "--cold-starts", "1",
            "--seed", str(seed), "--output", str(output),
        ])  # fmt: skip
    assert ended.value.code == 0
    run = only_run(output)
    with (run / "invocations.csv").open() as file:
        rows = list(csv.DictReader(file))
    orders = itertools.groupby(rows, key=lambda row: (row["order"], row["memory_mb"], row["start"]))
    called = [(memory, start, len(list(calls))) for (_, memory, start), calls in orders]
    return called, result_of(run)["recommendation"]["memory_mb"]


def test_the_same_seed_tries_the_same_sizes_in_the_same_order_and_gives_the_same_advice(tmp_path) -> None:
    with running_endpoint() as local:
        make_function(local.url, "waits", WAITS)
        first, again = (decisions(local.url, tmp_path / name, seed=7) for name in ("first", "again"))
    assert first == again
    called, advised = first
    assert advised == 128
    # The order is a random one, so that its coming back says something.
    sizes = [int(memory) for memory, start, _ in called if start == "cold"]
    assert len(sizes) == 4
    assert sizes != sorted(sizes)
