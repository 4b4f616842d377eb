"""The bench runs, with the C server and without a compiler; what it measures is not judged here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.alone

HERE = Path(__file__).parent


def bench(*words: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, str(HERE), *words],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_bench_measures_latency_and_shards():
    shown = bench("--quick", "latency", "shards")
    rows = re.findall(r"^  (alone|CPU hog on core|screen on core) +([\d,]+) +[\d,]+ +(-?\d+)", shown, re.MULTILINE)
    assert len(rows) in {7, 9}
    gains = re.findall(r"2 shards make \d+\.\d\d times the calls of 1", shown)
    assert len(gains) == (1 if "no control group" in shown else 2)


@pytest.mark.slow
def test_the_bench_plants_disturbances():
    shown = bench("disturbances", "--windows", "12")
    assert re.search(r"of the windows that moved, \d+ of \d+ are ruled invalid", shown)
    rows = re.findall(r"^  (?:quiet|slow server|loop blocked|CPU stolen|throttles) +(\d+)", shown, re.MULTILINE)
    assert sum(map(int, rows)) == 12


@pytest.mark.slow
def test_the_bench_needs_no_compiler(tmp_path):
    shown = bench("--quick", "latency", "stall", PATH=str(tmp_path))
    assert "server: Python" in shown
    assert "it needs a C compiler" in shown
    assert re.search(r"^  alone +1,000", shown, re.MULTILINE)
