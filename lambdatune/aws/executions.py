"""Executions of a function, read from the log group of the clone: START and REPORT lines, as they arrive."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdatune.aws.log_lines import Pair, family_of, filter_pattern, pair_lines, read_line, tells_failures
from lambdatune.aws.refusals import error_code, refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lambdatune.aws.access import AwsAccess
    from lambdatune.aws.log_lines import Line
    from lambdatune.model.report_line import Report

_OVERLAP_MS = 30_000
"""A read begins this long before the newest line of the read before: lines of one second arrive over several (AWS docs
promise no order of arrival). `ExecutionLog.read` from the start finds what came later still."""

_FAILED = frozenset({"error", "failure", "timeout"})


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of the function; a retry is one of its own, with the request id of the first attempt.

    Attributes:
        request_id: of the invocation.
        started_ms: when START was written, Unix milliseconds of AWS's clock.
        reported_ms: when REPORT was written.
        environment: log stream of the execution environment.
        report: the figures of REPORT.
        failed: whether it ended in an error; None where the log does not tell.
    """

    request_id: str
    started_ms: float
    reported_ms: float
    environment: str
    report: Report
    failed: bool | None

    @property
    def finished_ms(self) -> float:
        """When the handler ended: REPORT is written after extensions have ended too, so Duration counts from START."""
        return self.started_ms + self.report.duration_ms


class ExecutionCollector:
    """Makes executions of log events, in whatever pages and however often these come.

    Args:
        is_json: whether the function logs in JSON.
        runtime: of the function, ``python3.12``; it decides whether the log tells of failures (`log_lines`).
    """

    def __init__(self, *, is_json: bool, runtime: str | None = None) -> None:
        self._is_json = is_json
        self._family = family_of(runtime)
        self._tells_failures = tells_failures(self._family, is_json=is_json)
        self._seen: set[int] = set()
        self._open: dict[str, list[Line]] = {}
        self._touched: set[str] = set()

    @property
    def pattern(self) -> str:
        """The pattern of FilterLogEvents for the events that are needed."""
        return filter_pattern(self._family, is_json=self._is_json)

    def add(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take events of FilterLogEvents; those that were taken before change nothing."""
        for event in events:
            stream, at_ms, message = event["logStreamName"], event["timestamp"], event["message"]
            # The event's hash is enough: one of 64 bits that is met twice by chance is not met in a run's life.
            key = hash(event.get("eventId") or (stream, at_ms, message))
            if key in self._seen:
                continue
            self._seen.add(key)
            line = read_line(message, float(at_ms), self._family, is_json=self._is_json)
            if line is not None:
                self._open.setdefault(stream, []).append(line)
                self._touched.add(stream)

    def complete(self) -> list[Execution]:
        """Return the executions that became complete since the last time, in the order of their START."""
        found: list[Execution] = []
        for stream in self._touched:
            lines = sorted(self._open.pop(stream), key=lambda line: line.logged_ms)
            pairs, rest = pair_lines(lines, has_end=not self._is_json)
            found += [self._execution(stream, pair) for pair in pairs]
            if rest:
                self._open[stream] = rest
        self._touched.clear()
        return sorted(found, key=lambda execution: execution.started_ms)

    def _execution(self, stream: str, pair: Pair) -> Execution:
        report = pair.report.report
        assert report is not None
        if report.status in _FAILED or pair.has_error:
            failed: bool | None = True
        else:
            failed = False if self._tells_failures else None
        return Execution(pair.start.request_id, pair.start.at_ms, pair.report.at_ms, stream, report, failed)


class ExecutionLog:
    """Reads the executions of one function from its log group, each once.

    CloudWatch Logs allows few FilterLogEvents a second (5 in some regions): callers pause between reads.

    Args:
        access: where the log group is.
        log_group: of the clone; all of its calls are returned.
        is_json: whether the function logs in JSON.
        runtime: of the function, ``python3.12``; None when `Execution.failed` is not needed.
        since_ms: Unix milliseconds before which nothing is read.
    """

    def __init__(
        self, access: AwsAccess, log_group: str, *, is_json: bool, runtime: str | None = None, since_ms: float = 0.0
    ) -> None:
        self._access = access
        self._group = log_group
        self._collector = ExecutionCollector(is_json=is_json, runtime=runtime)
        self._since_ms = int(since_ms)
        self._newest_ms = 0
        self._takes_all = False

    async def read(self, *, from_start: bool = False, until_s: float = float("inf")) -> list[Execution]:
        """Return the executions that became complete since the last read, in the order of their START.

        A group that does not exist yet has none: the first line that is written makes it.

        Args:
            from_start: whether to read the whole group again, for lines that arrived very late: the last read before
                a message is called lost.
            until_s: time of `time.monotonic` after which no further page is asked for.

        Raises:
            AwsRefused: when the logs may not be read.
        """
        start_ms = self._since_ms if from_start else max(self._since_ms, self._newest_ms - _OVERLAP_MS)
        if not self._takes_all:
            await self._read(start_ms, until_s, {"filterPattern": self._collector.pattern})
        if not self._newest_ms and self._access.endpoint_url is not None:
            # An emulator may know no patterns with several terms, and find nothing by them.
            await self._read(start_ms, until_s, {})
            self._takes_all = self._newest_ms > 0
        elif self._takes_all:
            await self._read(start_ms, until_s, {})
        return self._collector.complete()

    async def _read(self, start_ms: int, until_s: float, narrowed: dict[str, Any]) -> None:
        client = await self._access.logs()
        newest_ms = self._newest_ms
        with refused(f"reading log group `{self._group}`"):
            pages = client.get_paginator("filter_log_events").paginate(
                logGroupName=self._group, startTime=start_ms, **narrowed
            )
            try:
                # Pages may be empty although more follow (AWS docs, FilterLogEvents).
                async for page in pages:
                    newest_ms = max([newest_ms, *(event["timestamp"] for event in page["events"])])
                    self._collector.add(page["events"])
                    if time.monotonic() > until_s:
                        break
                else:
                    # Pages are not promised to come in order of time: only after the last one is all before it read.
                    self._newest_ms = newest_ms
            except ClientError as error:
                if error_code(error) != "ResourceNotFoundException":
                    raise
