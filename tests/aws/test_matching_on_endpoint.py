"""Messages of a queue are matched to executions as the endpoint's own record says."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from typing import Any

import numpy as np
import pytest
from support.program import make_function, running_endpoint

from lambdatune.aws.access import AwsAccess
from lambdatune.aws.executions import Execution, ExecutionLog
from lambdatune.stats.matching import match_in_order

COUNT = 300
HANDLER = "import time\ndef handler(event, context):\n    time.sleep(0.03)\n"


@pytest.mark.alone
@pytest.mark.slow
async def test_queue_delay_and_e2e_agree_with_the_endpoints_record_within_5_ms() -> None:
    with running_endpoint("--settle-ms", "20") as endpoint:
        await asyncio.to_thread(make_function, endpoint.url, "worker", HANDLER, memory_mb=256)
        async with AwsAccess(endpoint_url=endpoint.url) as access:
            sqs, functions = await access.service("sqs"), await access.functions()
            # Environments for all of the first five batches: what an init delays is no matter of matching.
            await asyncio.gather(*(functions.invoke(FunctionName="worker") for _ in range(5)))
            queue = (await sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "60"}))["QueueUrl"]
            names = ["QueueArn"]
            arn = (await sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names))["Attributes"]["QueueArn"]
            mapping = await functions.create_event_source_mapping(
                EventSourceArn=arn, FunctionName="worker", BatchSize=10
            )
            await enabled(functions, mapping["UUID"])
            times: list[tuple[int, int]] = []
            for number in range(COUNT):
                sent_ns = time.time_ns()
                await sqs.send_message(QueueUrl=queue, MessageBody=str(number))
                times.append((sent_ns, time.time_ns()))
            log = ExecutionLog(access, "/aws/lambda/worker", is_json=False, runtime="python3.12")
            deadline_s = time.monotonic() + 20
            found: list[Execution] = []
            rows: list[dict[str, int]] = []
            while len(rows) < COUNT and time.monotonic() < deadline_s:
                await asyncio.sleep(0.2)
                found += await log.read()
                rows = await asyncio.to_thread(record, endpoint.url)
            found += await log.read()
    assert len(rows) == COUNT
    found = [e for e in found if e.started_ms * 1e6 > times[0][0] - 1e6]
    sent, accepted = (np.array(column, dtype=np.int64) for column in zip(*times, strict=True))
    started = np.array([e.started_ms * 1e6 for e in found]).astype(np.int64)
    finished = np.array([e.finished_ms * 1e6 for e in found]).astype(np.int64)
    init_ns = np.array([(e.report.init_ms or 0) * 1e6 for e in found]).astype(np.int64)
    match = match_in_order(
        sent, accepted, started, finished, np.array([bool(e.failed) for e in found]), batch_size=10,
        retry_after_s=60, taken_ns=started - init_ns,
    )  # fmt: skip
    assert len({row["request_id"] for row in rows}) == len(found)
    assert (match.last >= 0).all()
    assert len(match.idle) == 0
    true_queue = [row["started_ns"] - row["accepted_ns"] for row in rows]
    true_e2e = [row["finished_ns"] - row["accepted_ns"] for row in rows]
    for share in (50, 95):
        queue = np.percentile(started[match.first] - sent, share) - np.percentile(true_queue, share)
        e2e = np.percentile(finished[match.last] - sent, share) - np.percentile(true_e2e, share)
        assert abs(queue) < 5e6
        assert abs(e2e) < 5e6


async def enabled(functions: Any, mapping: str) -> None:
    """Wait until a mapping polls."""
    for _ in range(200):
        if (await functions.get_event_source_mapping(UUID=mapping))["State"] == "Enabled":
            return
        await asyncio.sleep(0.02)
    raise AssertionError(mapping)


def record(url: str) -> list[dict[str, int]]:
    """Return the endpoint's record."""
    with urllib.request.urlopen(f"{url}/_lambdatune/messages?function=worker") as answer:
        return [json.loads(line) for line in answer.read().splitlines()]
