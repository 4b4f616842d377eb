"""Execution environments, read from the log group of the function that was called: a log stream each."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from lambdatune.aws.executions import ExecutionLog

if TYPE_CHECKING:
    from collections.abc import Collection

    from lambdatune.aws.access import AwsAccess

_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 2.0
"""Log lines arrive some seconds after their call; CloudWatch Logs allows few FilterLogEvents a second."""


async def read_environments(
    access: AwsAccess, log_group: str, requests: Collection[str], *, since_s: float, is_json: bool, patience_s: float
) -> dict[str, str]:
    """Return the log stream of each request of `requests` whose START and REPORT are in `log_group`.

    Args:
        access: where the log group is.
        log_group: that of the function that was called.
        requests: request ids of the calls; others in the group are left out.
        since_s: Unix time of the first call, in s.
        is_json: whether the function logs in JSON.
        patience_s: seconds after which what was found is returned, complete or not.

    Raises:
        AwsRefused: when the logs may not be read.
    """
    wanted = frozenset(requests)
    deadline_s = time.monotonic() + patience_s
    pause_s = _PAUSE_S
    log = ExecutionLog(access, log_group, is_json=is_json, since_ms=since_s * 1e3)
    found: dict[str, str] = {}
    while True:
        executions = await log.read(until_s=deadline_s)
        found |= {e.request_id: e.environment for e in executions if e.request_id in wanted}
        if len(found) == len(wanted) or time.monotonic() + pause_s > deadline_s:
            return found
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
