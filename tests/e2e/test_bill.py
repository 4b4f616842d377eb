"""The cost of a run as recorded is the bill that AWS would make of its REPORT lines.

The lines are taken down on their way by another program, and the bill is reckoned here from what AWS publishes: a fee
per request, Billed Duration times memory in GB, /tmp above 512 MB, and for each restore of SnapStart its memory in GB.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support.program import make_function, only_run, result_of

pytestmark = pytest.mark.slow

TEE = Path(__file__).parents[1] / "support" / "tee_endpoint.py"
BUSY = (
    "import time\n"
    "def handler(event, context):\n"
    "    end = time.process_time() + 0.004 * (1 + context.aws_request_id.encode()[0] % 3)\n"
    "    while time.process_time() < end:\n"
    "        pass\n"
)
PER_REQUEST_USD = 0.20 / 1_000_000
PER_GB_S_USD = {"x86_64": 0.0000166667, "arm64": 0.0000133334}
TMP_PER_GB_S_USD = 0.0000000309
RESTORE_PER_GB_USD = 0.0001397998
PRECISION = 0.001


class Report(NamedTuple):
    """What a REPORT line says that is billed."""

    memory_mb: int
    billed_ms: int
    started: bool


def reports(log: Path) -> list[Report]:
    """Return the reports of all calls that passed the tee."""
    found = []
    for line in log.read_text().splitlines():
        tail = json.loads(line)
        structured = [json.loads(each) for each in tail.splitlines() if '"platform.report"' in each]
        if structured:
            metrics = structured[-1]["record"]["metrics"]
            started = "initDurationMs" in metrics or "restoreDurationMs" in metrics
            found.append(Report(metrics["memorySizeMB"], metrics["billedDurationMs"], started))
            continue
        (text,) = [each for each in tail.splitlines() if each.startswith("REPORT RequestId:")]
        billed = re.search(r"\tBilled Duration: (\d+) ms", text)
        memory = re.search(r"\tMemory Size: (\d+) MB", text)
        assert billed
        assert memory
        started = "Init Duration" in text or "\tRestore Duration" in text
        found.append(Report(int(memory[1]), int(billed[1]), started))
    return found


def bill_usd(calls: list[Report], architecture: str, tmp_mb: int) -> float:
    total = 0.0
    for call in calls:
        seconds = call.billed_ms / 1000
        total += PER_REQUEST_USD + seconds * call.memory_mb / 1024 * PER_GB_S_USD[architecture]
        total += seconds * max(tmp_mb - 512, 0) / 1024 * TMP_PER_GB_S_USD
    return total


@pytest.fixture
def tee(tmp_path) -> Iterator[Callable[..., str]]:
    started: list[subprocess.Popen[str]] = []

    def begin(target: str, *arguments: str) -> str:
        process = subprocess.Popen(
            [sys.executable, str(TEE), target, str(tmp_path / "tails"), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        assert process.stdout is not None
        return process.stdout.readline().strip()

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("snapstart", [False, True], ids=["on demand", "SnapStart"])
@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
@pytest.mark.parametrize(("log_format", "tmp_mb"), [("Text", 512), ("JSON", 2048)])
def test_the_cost_as_recorded_is_the_bill(
    endpoint, tee, lambdatune, tmp_path, log_format, tmp_mb, architecture, snapstart
) -> None:
    local = endpoint()
    make_function(
        local.url, "busy", BUSY, Architectures=[architecture], LoggingConfig={"LogFormat": log_format},
        EphemeralStorage={"Size": tmp_mb},
    )  # fmt: skip
    url = tee(local.url, *(["--snapstart"] if snapstart else []))
    done = lambdatune(
        "run", "--endpoint-url", url, "--function", "busy", "--memory", "512,1024", "--cold-starts", "3",
        "--max-invocations", "40", "--yes", "--output", str(tmp_path / "runs"),
    )  # fmt: skip
    assert done.code in {0, 5}, done.err
    result = result_of(only_run(tmp_path / "runs"))
    calls = reports(tmp_path / "tails")
    assert len(calls) == result["spend"]["invocations"]
    assert sum(call.started for call in calls) >= 6
    restored_gb = sum(call.memory_mb for call in calls if call.started) / 1024 if snapstart else 0.0
    bill = bill_usd(calls, architecture, tmp_mb) + restored_gb * RESTORE_PER_GB_USD
    assert result["spend"]["usd"] == pytest.approx(bill, rel=PRECISION)
    for cell in result["cells"]:
        of_size = [call for call in calls if call.memory_mb == cell["memory_mb"]]
        for start in ("warm", "cold"):
            which = [call for call in of_size if call.started == (start == "cold")]
            assert len(which) == cell[start]["count"]
            expected = bill_usd(which, architecture, tmp_mb) / len(which) * 1_000_000
            assert cell["cost_usd_per_million"][start] == pytest.approx(expected, rel=PRECISION), start
    shown = lambdatune("show", str(only_run(tmp_path / "runs")), "--cold-rate", "2%", "--format", "json")
    assert json.loads(shown.out)["spend"]["usd"] == pytest.approx(result["spend"]["usd"], rel=1e-9)
