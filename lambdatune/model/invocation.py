"""The invocation row: one call's outcome in fixed columns.

Rows travel in batches as one numpy structured array of `INVOCATION_COLUMNS`; numpy itself is not imported
here. Times are Unix nanoseconds of the client's clock; milliseconds come from the REPORT line as AWS printed
them and are NaN where AWS printed none.

A message that is delivered (`model.modes`) is a row: intended to done is its send, `started_ns` to `finished_ns` its
execution. Its Billed Duration is its share of that of its executions, so that the rows add up to what AWS bills.
"""

from __future__ import annotations

from enum import IntEnum


class Start(IntEnum):
    """How the execution environment of a call came to be (proven by the REPORT line)."""

    UNKNOWN = 0
    """No REPORT line was read."""
    WARM = 1
    """REPORT without Init Duration and without Restore Duration."""
    COLD = 2
    """REPORT with Init Duration, or an init that ran again inside the call."""
    RESTORED = 3
    """REPORT with Restore Duration: SnapStart."""
    PREINITIALISED = 4
    """REPORT with the Init Duration of an environment that was initialised before the call came: the caller did
    not wait for it (`was_preinitialised`). Neither warm nor cold."""


_SLACK_SHARE = 0.05
_SLACK_MS = 2.0


def was_preinitialised(init_ms: float, duration_ms: float, service_ms: float) -> bool:
    """Return whether an init that a REPORT line tells of was over before the call was sent.

    An environment that was initialised ahead of time (provisioned concurrency, or Lambda's own proactive
    initialisation) prints its Init Duration on its first call too. A caller who had waited for the init would
    have waited for Init Duration and Duration at least; one who had the answer sooner did not. The slack of 5 %
    and 2 ms is for two clocks that are not each other's: in doubt the call stays a cold start.

    Where Duration goes on after the answer (extensions), its REPORT line comes after the answer too, and the call is
    `Start.UNKNOWN` before this is asked.

    Source: lambda-facts C.3 (public reports on provisioned concurrency and proactive initialisation).

    Args:
        init_ms: Init Duration of the REPORT line.
        duration_ms: Duration of the REPORT line.
        service_ms: from the actual send to the last byte, on the client's clock.
    """
    return service_ms < (1 - _SLACK_SHARE) * (init_ms + duration_ms) - _SLACK_MS


class Status(IntEnum):
    """What became of a call; every call ends in exactly one of these."""

    OK = 0
    FUNCTION_ERROR = 1
    """The handler raised, or the runtime ended: HTTP 200 with X-Amz-Function-Error."""
    TIMEOUT = 2
    """Lambda ended the call: Task timed out."""
    OUT_OF_MEMORY = 3
    """The environment was killed at its memory limit."""
    THROTTLED = 4
    """HTTP 429; `error` holds AWS's Reason."""
    REFUSED = 5
    """Another HTTP 4xx; `error` holds AWS's error code."""
    SERVICE_ERROR = 6
    """HTTP 5xx; `error` holds AWS's error code."""
    CONNECTION_ERROR = 7
    """The connection could not be made, was reset, or ended before the answer began."""
    TRUNCATED = 8
    """The answer ended before its last byte."""
    CLIENT_TIMEOUT = 9
    """No answer within the client's own time limit."""
    RETRIED = 10
    """An asynchronous or polled message that was executed in the end, after an execution of it had failed."""
    DUPLICATED = 11
    """A message that was executed well more than once."""
    DEAD_LETTERED = 12
    """A message that was given up after its retries: it is at the dead-letter queue or the failure destination."""
    LOST = 13
    """A message that was accepted, and neither executed nor dead-lettered within the time it was waited for."""


INVOCATION_COLUMNS: tuple[tuple[str, str], ...] = (
    ("cell", "<u2"),  # index into the plan's cells
    ("shard", "<u2"),  # which load process sent it
    ("order", "<u4"),  # which order of the session it belongs to
    ("start", "u1"),  # Start
    ("status", "u1"),  # Status
    ("http_status", "<u2"),  # 0 when no answer came
    ("intended_ns", "<i8"),  # when the schedule wanted it sent
    ("sent_ns", "<i8"),  # when its first byte was handed to the kernel
    ("first_byte_ns", "<i8"),  # arrival of the answer's first byte; 0 when none came
    ("done_ns", "<i8"),  # arrival of the answer's last byte, or when the call was given up
    ("duration_ms", "<f8"),
    ("init_ms", "<f8"),
    ("restore_ms", "<f8"),
    ("billed_ms", "<f8"),
    ("max_memory_used_mb", "<i4"),  # -1 when unknown
    ("request_id", "S36"),
    ("error", "S48"),  # error type, error code or throttle reason; empty when OK
    # Of messages that are delivered (asynchronous and polling modes); 0 in calls that wait for their result.
    ("started_ns", "<i8"),  # when the function began with it for the first time, by AWS's clock
    ("finished_ns", "<i8"),  # when the last execution of it ended, by AWS's clock
    ("attempts", "u1"),  # executions that it was in
    ("batch_size", "<u2"),  # messages in the last of them
    ("invocations", "<f8"),  # its share of these executions: 1 / batch size each
)
"""Name and numpy type code of each column, little-endian wherever rows cross a process or a machine."""
