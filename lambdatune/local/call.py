"""What execution environments are given: the services of the endpoint, and one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from lambdatune.local.limits import Limits
    from lambdatune.local.logstore import LogStore
    from lambdatune.local.names import Naming
    from lambdatune.local.options import Options
    from lambdatune.local.response_stream import ResponseStream
    from lambdatune.local.runtimes import Runtimes


@dataclass(frozen=True, slots=True)
class Services:
    """What every execution environment of one endpoint shares."""

    options: Options
    naming: Naming
    limits: Limits
    logs: LogStore
    runtimes: Runtimes
    directory: Path


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a handler.

    Attributes:
        request_id: x-amzn-RequestId of the Invoke.
        payload: the event, JSON.
        arn: the function as it was invoked, with the qualifier.
        trace_id: X-Amzn-Trace-Id of the Invoke, or None.
        client_context: JSON, or None.
        stream: takes a response that the runtime streams; None collects it.
    """

    request_id: str
    payload: bytes
    arn: str
    trace_id: str | None = None
    client_context: str | None = None
    stream: ResponseStream | None = None
