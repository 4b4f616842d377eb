"""Executions are read from the log of a function that ran on an endpoint, each once, whatever the handler prints."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.program import make_function, running_endpoint

from lambdatune.aws.access import AwsAccess
from lambdatune.aws.executions import Execution, ExecutionCollector, ExecutionLog
from lambdatune.aws.log_lines import LONGEST_MS, filter_pattern

HANDLER = r"""
import json, time

FIGURES = "\tDuration: 9.00 ms\tBilled Duration: 9 ms\tMemory Size: 128 MB\tMax Memory Used: 9 MB\t"
OTHER = "11111111-2222-3333-4444-555555555555"

def look_alikes(request_id):
    for name in (OTHER, request_id):
        print(f"START RequestId: {name} Version: 7")
        print(f"REPORT RequestId: {name}{FIGURES}")
        metrics = {"durationMs": 9.0, "billedDurationMs": 9, "memorySizeMB": 128, "maxMemoryUsedMB": 9}
        for kind, more in (("start", {"version": "7"}), ("report", {"metrics": metrics, "status": "success"})):
            line = {"time": "2026-01-01T00:00:00.000Z", "type": f"platform.{kind}", "record": {"requestId": name, **more}}
            print(json.dumps(line))
    print("[ERROR]\t2026-01-01T00:00:00.000Z\t" + request_id + "\tan error that was caught")
    print(json.dumps({"log_level": "ERROR", "level": "ERROR", "message": "caught", "errorType": "ValueError"}))

def handler(event, context):
    if event["kind"] == "noisy":
        look_alikes(context.aws_request_id)
    time.sleep(event.get("s", 0.0))
    if event["kind"] == "fail":
        raise ValueError("no such luck")
    if event["kind"] == "exit":
        import os
        os._exit(1)
"""  # noqa: E501


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_endpoint("--async-wait-scale", "0.002", "--settle-ms", "1") as endpoint:
        yield endpoint.url


@pytest.fixture(params=["Text", "JSON"])
async def function(request: pytest.FixtureRequest, url: str) -> AsyncIterator[Function]:
    name = f"f-{uuid.uuid4().hex[:12]}"
    await asyncio.to_thread(make_function, url, name, HANDLER, LoggingConfig={"LogFormat": request.param})
    async with AwsAccess(endpoint_url=url) as access:
        yield Function(access, name, request.param == "JSON")


class Function:
    """A function, and what may be asked of it."""

    def __init__(self, access: AwsAccess, name: str, is_json: bool) -> None:
        self.access, self.name, self.is_json = access, name, is_json

    async def invoke(self, kind: str, invocation_type: str = "RequestResponse", **event: Any) -> str:
        client = await self.access.functions()
        answer = await client.invoke(
            FunctionName=self.name, InvocationType=invocation_type, Payload=json.dumps({"kind": kind, **event})
        )
        return str(answer["ResponseMetadata"]["RequestId"])

    def log(self, runtime: str | None = "python3.12") -> ExecutionLog:
        return ExecutionLog(self.access, f"/aws/lambda/{self.name}", is_json=self.is_json, runtime=runtime)


async def read_until(log: ExecutionLog, count: int) -> list[Execution]:
    """Read until there were `count` executions, and once more."""
    found: list[Execution] = []
    deadline_s = time.monotonic() + 10
    while len(found) < count and time.monotonic() < deadline_s:
        found += await log.read()
        await asyncio.sleep(0.05)
    return found + await log.read() + await log.read(from_start=True)


async def test_each_execution_is_read_once_with_its_times_and_figures(function: Function) -> None:
    log = function.log()
    assert await log.read() == []  # there is no group yet
    before_ms = time.time() * 1e3
    first = await function.invoke("well", s=0.05)
    (one,) = await read_until(log, 1)
    second = await asyncio.gather(*(function.invoke("well", s=0.2) for _ in range(2)))
    two, three = await read_until(log, 2)
    assert (one.request_id, {two.request_id, three.request_id}) == (first, set(second))
    assert two.environment != three.environment
    assert one.report.init_ms is not None
    assert one.report.duration_ms >= 50
    assert before_ms - 1 <= one.started_ms <= one.reported_ms <= two.started_ms <= time.time() * 1e3
    assert one.finished_ms <= one.reported_ms + 2
    assert [e.failed for e in (one, two, three)] == [False] * 3


async def test_a_retry_is_an_execution_of_its_own(function: Function) -> None:
    request_id = await function.invoke("fail", "Event")
    found = await read_until(function.log(), 3)
    assert [(e.request_id, e.failed) for e in found] == [(request_id, True)] * 3
    starts = [e.started_ms for e in found]
    assert starts == sorted(set(starts))


async def test_lines_that_a_handler_prints_are_not_taken_for_the_platforms(function: Function) -> None:
    ids = [await function.invoke("noisy"), await function.invoke("well"), await function.invoke("noisy")]
    found = await read_until(function.log(), 3)
    assert [(e.request_id, e.failed) for e in found] == [(i, False) for i in ids]
    assert {e.report.memory_size_mb for e in found} == {512}
    assert min(e.started_ms for e in found) > (time.time() - 60) * 1e3


async def test_what_the_log_does_not_tell_of_a_failure_is_not_guessed(function: Function) -> None:
    for kind in ("well", "fail", "exit"):
        await function.invoke(kind)
    assert [e.failed for e in await read_until(function.log(runtime="provided.al2023"), 3)] == [None, None, True]
    assert [e.failed for e in await read_until(function.log(), 3)] == [False, True, True]


RUBY = """
def handler(event:, context:)
  puts "Error raised from handler methods are told"
  case event["kind"]
  when "fail" then raise "no such luck"
  when "critical" then nobody(1)
  when "exit" then exit!(1)
  end
end
"""


async def test_failures_of_ruby_are_told_by_its_two_lines(url: str) -> None:
    name = f"f-{uuid.uuid4().hex[:12]}"
    await asyncio.to_thread(make_function, url, name, RUBY, file="app.rb", Runtime="ruby3.3")
    async with AwsAccess(endpoint_url=url) as access:
        function = Function(access, name, is_json=False)
        for kind in ("well", "fail", "critical", "exit"):
            await function.invoke(kind)
        found = await read_until(function.log(runtime="ruby3.3"), 4)
        assert [e.failed for e in found] == [False, True, True, True]


# The pairing alone, on generated logs.

NODE_ERROR = '2026-01-01T00:00:00.000Z\t{id}\tERROR\tInvoke Error \t{{"errorType":"Error"}}\n'


def figures(duration_ms: float) -> str:
    return f"\tDuration: {duration_ms:.2f} ms\tBilled Duration: 1 ms\tMemory Size: 512 MB\tMax Memory Used: 40 MB\t\n"


class GeneratedLog:
    """Log events of a few environments, and what truly ran."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.truth: list[tuple[str, float, float, str, bool]] = []
        self._numbers = itertools.count()

    def line(self, stream: str, at_ms: int, message: str) -> None:
        identifier = f"{next(self._numbers):08d}"
        self.events.append({"logStreamName": stream, "timestamp": at_ms, "message": message, "eventId": identifier})


@st.composite
def logs(draw: st.DrawFn) -> GeneratedLog:
    log = GeneratedLog()
    ids = [str(uuid.UUID(int=number)) for number in range(4)]
    for stream in ("a", "b", "c")[: draw(st.integers(1, 3))]:
        at_ms = draw(st.integers(0, 50))
        for _ in range(draw(st.integers(0, 6))):
            request_id, duration_ms = draw(st.sampled_from(ids)), draw(st.integers(0, 40))
            others = draw(st.lists(st.sampled_from(ids), max_size=2))
            failed, last = draw(st.booleans()), draw(st.sampled_from(["none", "forged", "text"]))
            log.line(stream, at_ms, f"START RequestId: {request_id} Version: 3\n")
            for other in others:
                if other != request_id:
                    log.line(stream, at_ms, f"START RequestId: {other} Version: 3\n")
                    log.line(stream, at_ms, f"END RequestId: {other}\n")
                log.line(stream, at_ms, f"REPORT RequestId: {other}{figures(99)}")
            if last == "text":
                log.line(stream, at_ms, f"REPORT RequestId: {request_id} and so on\n")
            if failed:
                log.line(stream, at_ms + duration_ms, NODE_ERROR.format(id=request_id))
            if last == "forged":
                log.line(stream, at_ms + duration_ms, f"REPORT RequestId: {request_id}{figures(98)}")
            log.line(stream, at_ms + duration_ms, f"END RequestId: {request_id}\n")
            log.line(stream, at_ms + duration_ms, f"REPORT RequestId: {request_id}{figures(duration_ms)}")
            log.truth.append((request_id, at_ms, at_ms + duration_ms, stream, failed))
            at_ms += duration_ms + draw(st.integers(0, 30))
    log.events.sort(key=lambda event: event["timestamp"])
    return log


def told(executions: list[Execution]) -> list[tuple[str, float, float, str, bool | None]]:
    for execution in executions:
        assert execution.report.duration_ms == execution.reported_ms - execution.started_ms
    return [(e.request_id, e.started_ms, e.reported_ms, e.environment, e.failed) for e in executions]


@given(log=logs(), data=st.data())
def test_any_cuts_and_overlaps_of_pages_give_each_execution_once(log: GeneratedLog, data: st.DataObject) -> None:
    collector = ExecutionCollector(is_json=False, runtime="nodejs22.x")
    found: list[Execution] = []
    position = 0
    while position < len(log.events):
        until = data.draw(st.integers(position + 1, len(log.events)))
        collector.add(log.events[max(0, position - data.draw(st.integers(0, 8))) : until])
        if data.draw(st.booleans()):
            found += collector.complete()
        position = until
    found += collector.complete()
    collector.add(log.events)
    assert collector.complete() == []
    assert sorted(told(found)) == sorted(log.truth)


@given(order=st.permutations(range(12)), cut=st.integers(0, 12))
def test_lines_that_arrive_late_and_in_any_order_give_the_same(order: list[int], cut: int) -> None:
    log = GeneratedLog()
    for number in range(4):
        request_id, at_ms, stream = str(uuid.UUID(int=number)), 100 * number, "ab"[number % 2]
        log.line(stream, at_ms, f"START RequestId: {request_id} Version: 3\n")
        log.line(stream, at_ms + 49, f"END RequestId: {request_id}\n")
        log.line(stream, at_ms + 50, f"REPORT RequestId: {request_id}{figures(50)}")
        log.truth.append((request_id, at_ms, at_ms + 50, stream, False))
    collector = ExecutionCollector(is_json=False, runtime="nodejs22.x")
    events = [log.events[number] for number in order]
    collector.add(events[:cut])
    found = collector.complete()
    collector.add(events[cut:])
    assert sorted(told(found + collector.complete())) == sorted(log.truth)


def test_events_without_an_identifier_are_told_apart_by_what_they_say() -> None:
    request_id = str(uuid.UUID(int=1))
    messages = [f"START RequestId: {request_id} Version: 1\n", f"END RequestId: {request_id}\n"]
    messages.append(f"REPORT RequestId: {request_id}{figures(5)}".rstrip("\n"))
    events = [{"logStreamName": "s", "timestamp": 10 + 5 * (n > 0), "message": m} for n, m in enumerate(messages)]
    collector = ExecutionCollector(is_json=False)
    collector.add(events)
    collector.add(events)
    assert told(collector.complete()) == [(request_id, 10, 15, "s", None)]
    collector.add(events)
    assert collector.complete() == []


def test_a_call_whose_report_is_lost_does_not_hide_the_next_for_ever() -> None:
    log = GeneratedLog()
    lost, other = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
    log.line("s", 0, f"START RequestId: {lost} Version: 1\n")
    collector = ExecutionCollector(is_json=False)
    for at_ms in (10, int(LONGEST_MS) + 11):
        log.line("s", at_ms, f"START RequestId: {other} Version: 1\n")
        log.line("s", at_ms + 5, f"END RequestId: {other}\n")
        log.line("s", at_ms + 5, f"REPORT RequestId: {other}{figures(5)}")
        collector.add(log.events)
        found = collector.complete()
        if at_ms == 10:
            assert found == []  # it may have been printed by the call that is not over
    assert [start for _, start, *_ in told(found)] == [10, int(LONGEST_MS) + 11]


def test_patterns_ask_for_what_is_read() -> None:
    text = '?"START RequestId" ?"END RequestId" ?"REPORT RequestId"'
    assert filter_pattern(None, is_json=False) == text
    assert filter_pattern("python", is_json=False) == f'{text} ?"[ERROR] "'
    json_pattern = '{ ($.type = "platform.start") || ($.type = "platform.report")'
    assert filter_pattern("ruby", is_json=True) == json_pattern + " }"
    assert filter_pattern("nodejs", is_json=True) == json_pattern + ' || ($.level = "ERROR") }'
