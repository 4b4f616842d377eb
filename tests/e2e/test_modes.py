"""Every invocation mode, tuned end to end on the embedded endpoint: what is sent, what becomes of it, what is left."""

from __future__ import annotations

import csv
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.program import make_function, only_run, result_of, running_endpoint
from support.sources import all_sources, recorded_messages

from lambdatune.model.modes import MODES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.program import LocalEndpoint

pytestmark = [pytest.mark.slow, pytest.mark.alone]

SIZES = (256, 512, 768)
"""Small enough that several run at once on two cores: what waits for a core here does not on AWS."""
HANDLERS = {
    "quick": (
        "import time\n"
        "def handler(event, context):\n"
        "    time.sleep(0.06)\n"
        "    return {'statusCode': 200, 'body': 'ok'}\n"
    ),
    "brief": "import time\ndef handler(event, context):\n    time.sleep(0.005)\n",
    "slow": "import time\ndef handler(event, context):\n    time.sleep(1.5)\n",
    # One message in ten fails when it comes first, and one in thirty whenever it comes.
    "failing": (
        "import hashlib, json\n"
        "def handler(event, context):\n"
        "    records = event.get('Records') or [event]\n"
        "    for record in records:\n"
        "        text = record.get('messageId') or context.aws_request_id\n"
        "        number = int(hashlib.md5(text.encode()).hexdigest(), 16)\n"
        "        again = int(record.get('attributes', {}).get('ApproximateReceiveCount', 1)) > 1\n"
        "        if number % 30 == 0 or (number % 10 == 0 and not again and 'messageId' in record):\n"
        "            raise ValueError('this one fails')\n"
    ),
}
DELIVERED = tuple(mode for mode, facts in MODES.items() if facts.is_delivered)
WAYS = (
    *((mode, ()) for mode in MODES if mode != "invoke"),
    ("sqs", ("--fifo",)), ("http", ("--http-kind", "rest")), ("http", ("--http-kind", "alb")),
    ("function-url", ("--auth", "none")),
)  # fmt: skip


@pytest.fixture(scope="module")
def local() -> Iterator[LocalEndpoint]:
    """Run an endpoint on which AWS's waits are short, with the functions of `HANDLERS`."""
    with running_endpoint("--settle-ms", "20", "--async-wait-scale", "0.005", "--stream-poll-ms", "100") as local:
        for name, source in HANDLERS.items():
            make_function(local.url, name, source, timeout_s=2)
        yield local


@pytest.fixture
def endpoint(local: LocalEndpoint) -> str:
    """Return its URL."""
    return local.url


def function_of(mode: str) -> str:
    """Return the function of a mode: one that ends before the next poll of a shard, as the matching assumes."""
    return "brief" if mode == "dynamodb-streams" else "quick"


def options_of(url: str, mode: str, *further: str) -> tuple[str, ...]:
    # No multiple of a poll: the same message of each poll would be the one that no log can tell.
    load = ("--burst", "2/37ms") if mode in DELIVERED else ()
    # Of a stream so many messages that their 95th percentile is not one of the few that came to a cold start, where
    # the one message more or less in a batch that no log can tell moves it by a whole poll.
    target = "e2e.p95<=20s" if MODES[mode].poll_ms else "e2e.p50<=20s"
    sizes = ",".join(map(str, SIZES))
    return (
        "run", "--endpoint-url", url, "--function", function_of(mode), "--mode", mode, "--memory", sizes,
        "--cold-starts", "1", "--target", target, *load, *further,
    )  # fmt: skip


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / "invocations.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("mode", "further"), WAYS)
def test_a_mode_is_tuned_and_leaves_nothing(mode, further, endpoint, lambdatune, tmp_path) -> None:
    before = all_sources(endpoint)
    done = lambdatune(*options_of(endpoint, mode, *further, "--output", str(tmp_path / "runs")))
    assert done.code == 0, done.err
    run = only_run(tmp_path / "runs")
    result = result_of(run)
    assert result["recommendation"]["status"] == "met"
    assert result["recommendation"]["memory_mb"] in SIZES
    assert [cell["mode"] for cell in result["cells"]] == [mode] * len(SIZES)
    for cell in result["cells"]:
        assert cell["cold"]["count"] >= 1
        assert cell["errors"] == {}
        assert_all_accounted_for(cell, mode)
    linking = result["environment"]["linking"]
    assert linking["method"] == ("in-order" if MODES[mode].linking == "order" else "exact")
    if mode in DELIVERED:
        assert_agrees_with_the_endpoints_own_record(run, endpoint, function_of(mode))
    assert all_sources(endpoint) == before


def assert_all_accounted_for(cell: dict[str, Any], mode: str) -> None:
    delivery = cell["delivery"]
    if mode not in DELIVERED:
        assert delivery is None
        assert cell["warm"]["count"] + cell["cold"]["count"] + cell["preinitialised"] == cell["invocations"]
        return
    assert delivery["sent"] == delivery["accepted"] == cell["invocations"]
    assert delivery["accepted"] == delivery["executed"] + delivery["dead_lettered"] + delivery["lost"]
    assert delivery["lost"] == delivery["duplicated"] == 0
    assert cell["warm"]["e2e_ms"]["count"] == cell["warm"]["queue_delay_ms"]["count"] > 0


def assert_agrees_with_the_endpoints_own_record(run: Path, url: str, name: str) -> None:
    rows = rows_of(run)
    truth = recorded_messages(url, function=f"lambdatune-{name}-{run.name}")
    assert len(truth) == len(rows)
    assert {row["request_id"] for row in truth} == {row["request_id"] for row in rows}
    queued_ms = [(int(row["started_ns"]) - int(row["done_ns"])) / 1e6 for row in rows]
    ended_ms = [(int(row["finished_ns"]) - int(row["done_ns"])) / 1e6 for row in rows]
    true_queued_ms = [(row["started_ns"] - row["accepted_ns"]) / 1e6 for row in truth]
    true_ended_ms = [(row["finished_ns"] - row["accepted_ns"]) / 1e6 for row in truth]
    for percentile in (50, 95):
        assert np.percentile(queued_ms, percentile) == pytest.approx(np.percentile(true_queued_ms, percentile), abs=5)
        assert np.percentile(ended_ms, percentile) == pytest.approx(np.percentile(true_ended_ms, percentile), abs=5)


def wait_for_environments(local: LocalEndpoint, started: int) -> None:
    """Wait until messages are executed: all that a mode needs is set up by then."""
    deadline_s = time.monotonic() + 30
    while local.facts()["environments_started"] == started and time.monotonic() < deadline_s:
        time.sleep(0.02)


MAKES = {
    ("sqs", ()): "sqs list_queues",
    ("kinesis", ()): "kinesis list_streams",
    ("dynamodb-streams", ()): "dynamodb list_tables",
    ("sns", ()): "sns list_topics",
    ("s3", ()): "s3 list_buckets",
    ("eventbridge", ()): "events list_event_buses",
    ("step-functions", ()): "stepfunctions list_state_machines",
    ("http", ()): "apigatewayv2 get_apis",
    ("http", ("--http-kind", "rest")): "apigateway get_rest_apis",
    ("http", ("--http-kind", "alb")): "elbv2 describe_load_balancers",
}


@pytest.mark.parametrize(("mode", "further"), MAKES)
def test_what_a_killed_run_had_set_up_is_undone(mode, further, local, endpoint, lambdatune, start, tmp_path) -> None:
    before, started = all_sources(endpoint), local.facts()["environments_started"]
    process = start(*options_of(endpoint, mode, *further, "--cold-starts", "20", "--output", str(tmp_path / "runs")))
    wait_for_environments(local, started)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    made = all_sources(endpoint)
    assert {call for call, names in made.items() if names != before[call]} >= {
        "lambda list_functions",
        MAKES[mode, further],
    }
    done = lambdatune("restore", "--all")
    assert done.code == 0, done.err
    assert all_sources(endpoint) == before


def test_a_stopped_run_keeps_the_messages_that_were_executed(local, endpoint, start, tmp_path) -> None:
    before, started = all_sources(endpoint), local.facts()["environments_started"]
    process = start(
        "run", "--endpoint-url", endpoint, "--function", "slow", "--mode", "event", "--memory", "512",
        "--burst", "3/1s", "--cold-starts", "0", "--output", str(tmp_path / "runs"),
    )  # fmt: skip
    wait_for_environments(local, started)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    result = result_of(only_run(tmp_path / "runs"))
    assert result["status"] == "interrupted"
    (cell,) = result["cells"]
    assert cell["delivery"]["executed"] == cell["delivery"]["sent"] >= 1
    assert cell["delivery"]["lost"] == 0
    assert all_sources(endpoint) == before


@pytest.mark.parametrize("mode", ["sqs", "event"])
def test_failures_are_counted_explained_and_count_against_targets(mode, endpoint, lambdatune, tmp_path) -> None:
    done = lambdatune(
        "run", "--endpoint-url", endpoint, "--function", "failing", "--mode", mode, "--memory", "512",
        "--cold-starts", "0", "--target", "all.e2e.p99<=20s", "--burst", "20/250ms", "--max-invocations", "200",
        *(("--batch-size", "1") if mode == "sqs" else ()), "--output", str(tmp_path / "runs"),
    )  # fmt: skip
    assert done.code in {3, 5}, done.err
    (cell,) = result_of(only_run(tmp_path / "runs"))["cells"]
    delivery = cell["delivery"]
    assert delivery["lost"] == 0
    assert delivery["dead_lettered"] > 0
    assert delivery["retried"] > 0 or mode == "event"  # an event keeps its id, and fails each time or never
    assert delivery["accepted"] == delivery["executed"] + delivery["dead_lettered"]
    assert delivery["invocations"] > delivery["accepted"]
    (certificate,) = cell["certificates"]
    assert certificate["exceedances"] == delivery["retried"] + delivery["dead_lettered"] + delivery["duplicated"]
    assert cell["errors"] == {
        name: count
        for name, count in (("retried", delivery["retried"]), ("dead_lettered", delivery["dead_lettered"]))
        if count
    }
