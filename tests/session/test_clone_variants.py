"""A function measured otherwise than it is, and versions of it by name, on a real endpoint with a user's function."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.applying import local_endpoint
from support.faults import FaultyProxy, client, everything, users_function, zipped

from lambdatune.aws.access import AwsAccess
from lambdatune.model.errors import AwsRefused, UsageError
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import FunctionSource, Limits, Plan
from lambdatune.model.target import parse_target
from lambdatune.reports.change_report import render_change
from lambdatune.session.apply import plan_apply
from lambdatune.session.replay import RecordedRun, WhatIf
from lambdatune.session.restore import undo
from lambdatune.session.run_directory import RunDirectory
from lambdatune.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lambdatune.model.result import RunResult
    from lambdatune.session.plan_card import PlanCard
    from lambdatune.session.restore import Undone

ENDLESS = "import time\ntime.sleep(60)\n"
BROKEN = "raise RuntimeError('no init')\n"
WAITING = "import time\ntime.sleep(0.3)\ndef handler(event, context):\n    time.sleep(0.05)\n"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with local_endpoint("--settle-ms", "1") as url:
        users_function(url)
        for name, code in (("broken", BROKEN), ("endless", ENDLESS), ("waiting", WAITING)):
            with client("lambda", url) as functions:
                functions.create_function(
                    FunctionName=name, Runtime="python3.12", Role="arn:aws:iam::000000000000:role/any",
                    Handler="app.handler", Code={"ZipFile": zipped(code)}, MemorySize=1024, Timeout=5,
                )  # fmt: skip
        yield url


class Told:
    """Keeps what a run said, and its card."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.card: list[str] = []

    def narrate(self, sentence: str) -> None:
        self.said.append(sentence)

    def progress(self, progress: Any) -> None:
        """Look away."""

    def measured(self, batch: Any) -> None:
        """Look away."""

    def confirm(self, card: PlanCard) -> bool:
        self.card = card.lines()
        return True


def plan_for(url: str, function: str, *, calls: int = 8, **rest: Any) -> Plan:
    plan = Plan(
        FunctionSource(function), parse_memory("512"), endpoint_url=url, region="us-east-1", cold_starts=0,
        limits=Limits(max_invocations=calls),
    )  # fmt: skip
    return replace(plan, **rest)


@pytest.fixture
def measure(own_data_directory, tmp_path, monkeypatch):
    """Return a function that runs a plan, and what it told."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "key")

    async def run(plan: Plan) -> tuple[RunResult, RunDirectory, Told]:
        told = Told()
        session = Session(plan, output=tmp_path / "runs", observer=told, confirm=told.confirm)
        result = await session.run()
        assert result is not None
        assert session.run_directory is not None
        return result, session.run_directory, told

    return run


async def test_snap_start_is_given_to_the_clone_alone_and_told_in_fingerprint_and_spend(url, measure) -> None:
    before = everything(url)
    result, run, told = await measure(plan_for(url, "shop:live", snap_start="on", cold_starts=2))
    assert everything(url) == before
    assert "change: the clone has SnapStart, which the function has not" in "\n".join(told.card)
    (cell,) = result.cells
    assert cell.cold.count >= 2
    assert result.environment["configuration"]["SnapStart"] == "PublishedVersions"
    assert result.environment["overridden"] == {"SnapStart": "None"}
    assert (result.environment["configuration"]["Version"], cell.function) == ("1", "shop:live")
    assert (result.function.name, result.function.arn.rpartition(":")[2]) == ("shop:live", "live")
    # A version for each batch of cold starts, each kept for three hours at the least: 0.5 GB at 0.0000015046.
    versions = round(result.environment["standing_usd"] / (0.5 * 3 * 3600 * 0.0000015046), 6)
    assert versions == int(versions) >= 1
    assert result.spend.usd > result.environment["standing_usd"]
    assert RecordedRun(run).decide(WhatIf(targets=(parse_target("p95<=1s"),))).spend == result.spend
    planned = await plan_apply(run, 1024)
    said = "\n".join(planned.warnings)
    assert "its clone was measured with SnapStart PublishedVersions, and the function has None" in said
    assert "the run measured `live`; only $LATEST changes" in said
    text = render_change(replace(result, recommendation=replace(result.recommendation, status="none")), "aws-cli")
    assert "The run measured `live`, and a version cannot be changed: this changes $LATEST" in text
    assert "--function-name shop --memory-size 512" in text


async def test_provisioned_environments_are_made_first_serve_the_calls_and_go(url, measure) -> None:
    before = everything(url)
    result, run, told = await measure(plan_for(url, "waiting", calls=12, concurrency=2, provisioned_concurrency=2))
    assert everything(url) == before
    (cell,) = result.cells
    assert (cell.preinitialised, cell.cold.count, cell.warm.count) == (2, 0, 10)
    said = "\n".join(told.card)
    assert "change: provisioned concurrency 2 for each version of the clone; deleted with the version" in said
    assert "note: provisioned concurrency costs $0.015 an hour beside the calls" in said
    assert "spills over" not in said
    kinds = [change.kind for change in run.journal.intents()]
    assert kinds == ["create-log-group", "create-function", "put-provisioned-concurrency"]
    assert any("provisioned concurrency of function `lambdatune-waiting-" in sentence for sentence in told.said)
    standing = result.environment["standing_usd"]
    assert standing == pytest.approx(2 * 0.5 * 300 * 0.0000041667)
    assert result.spend.usd > standing
    assert RecordedRun(run).evidence(RecordedRun(run).plan).standing_usd() == standing


async def test_calls_that_find_none_free_spill_over_and_that_is_told(url, measure) -> None:
    result, _, told = await measure(plan_for(url, "waiting", calls=12, concurrency=3, provisioned_concurrency=1))
    (cell,) = result.cells
    assert (cell.preinitialised, cell.cold.count) == (1, 2)
    assert "up to 3 calls come at once for 1 provisioned environments" in "\n".join(told.card)
    assert any("2 of 12 calls found no provisioned environment free" in note for note in result.validity.notes)


async def test_the_alias_of_a_mode_has_the_environments(url, measure) -> None:
    result, run, _ = await measure(
        plan_for(url, "waiting", calls=6, mode="function-url", provisioned_concurrency=1, memory=parse_memory("512"))
    )
    (cell,) = result.cells
    assert (cell.preinitialised, cell.cold.count) == (1, 0)
    (change,) = [each for each in run.journal.intents() if each.kind == "put-provisioned-concurrency"]
    assert change.version == "lambdatune"


@pytest.mark.parametrize(
    ("function", "rest", "error", "said"),
    [
        ("shop", {"provisioned_concurrency": 600}, UsageError, "accepted is --provisioned-concurrency 500"),
        ("shop", {"provisioned_concurrency": 950, "concurrency_share": 1.0}, UsageError, "100 kept unreserved"),
        ("shop", {"architecture": "arm64"}, UsageError, "this host's processor, which is x86_64"),
        ("broken", {"provisioned_concurrency": 1}, AwsRefused, "FUNCTION_ERROR_INIT_FAILURE"),
        ("broken", {"snap_start": "on"}, AwsRefused, "did not become ready: The function could not be initialised"),
    ],
    ids=["too many", "the last hundred", "another processor", "no init", "no snapshot"],
)
async def test_what_cannot_be_is_a_sentence_and_leaves_nothing(url, measure, function, rest, error, said) -> None:
    if "architecture" in rest and os.uname().machine != "x86_64":
        rest, said = {"architecture": "x86_64"}, "this host's processor, which is arm64"
    before = everything(url)
    with pytest.raises(error) as caught:
        await measure(plan_for(url, function, **rest))
    assert said in f"{caught.value.message}; {caught.value.hint}"
    assert everything(url) == before


async def restore_through(url: str, run: RunDirectory) -> list[Undone]:
    """Undo what a run left; the proxy that it went through has ended."""
    async with AwsAccess(region="us-east-1", endpoint_url=url) as access:
        return await undo(run, access, Told())


async def test_environments_are_waited_for_no_longer_than_the_run_may_take(url, measure) -> None:
    before = everything(url)
    began_s = time.monotonic()
    result, run, _ = await measure(plan_for(url, "endless", provisioned_concurrency=1, limits=Limits(max_minutes=0.02)))
    assert time.monotonic() - began_s < 30
    assert result.spend.invocations == 0
    assert "put-provisioned-concurrency" in {change.kind for change in run.journal.intents()}
    assert everything(url) == before


def killed_when_environments_were_put(url: str, tmp_path: Path) -> RunDirectory:
    """Run until the answer to PutProvisionedConcurrencyConfig, at which the run is killed; return its directory."""
    pid_file = tmp_path / "pid"
    # The first such call only asks whether it is permitted, for a function that there is not.
    at = {"operation": "PutProvisionedConcurrencyConfig", "skip": 1}
    with FaultyProxy(url, do="kill-after", pid_file=str(pid_file), **at) as proxy:
        process = subprocess.Popen(
            [
                sys.executable, "-c", "from lambdatune.cli.main import main; main()", "run", "--function", "waiting",
                "--endpoint-url", proxy.url, "--region", "us-east-1", "--memory", "512", "--max-invocations", "3",
                "--provisioned-concurrency", "1", "--output", str(tmp_path / "runs"),
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        pid_file.write_text(str(process.pid))
        assert process.wait(60) == -signal.SIGKILL
    (path,) = (tmp_path / "runs").iterdir()
    return RunDirectory(path)


def test_a_run_that_is_killed_while_environments_are_provisioned_is_restored(
    url, own_data_directory, monkeypatch, tmp_path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "key")
    before = everything(url)
    run = killed_when_environments_were_put(url, tmp_path)
    (clone,) = {change.name for change in run.journal.pending() if change.kind == "create-function"}
    with client("lambda", url) as functions:
        configurations = functions.list_provisioned_concurrency_configs(FunctionName=clone)
    assert len(configurations["ProvisionedConcurrencyConfigs"]) == 1
    outcomes = asyncio.run(restore_through(url, run))
    assert [(outcome.what.split("`")[0].strip(), outcome.state) for outcome in outcomes][:2] == [
        ("provisioned concurrency of function", "removed"), ("function", "removed"),
    ]  # fmt: skip
    assert everything(url) == before
