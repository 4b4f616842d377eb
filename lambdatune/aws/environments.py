"""Execution environments, read from the log group of the function that was called: a log stream each."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdatune.aws.refusals import error_code, refused

if TYPE_CHECKING:
    from collections.abc import Collection

    from lambdatune.aws.access import AwsAccess

_TEXT_PATTERN = '"REPORT RequestId"'
_JSON_PATTERN = '{ $.type = "platform.report" }'
_REQUEST = re.compile(r"REPORT RequestId: (?P<id>[0-9a-fA-F-]{36})")
_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 2.0
"""Log lines arrive some seconds after their call; CloudWatch Logs allows few FilterLogEvents a second."""


async def read_environments(
    access: AwsAccess, log_group: str, requests: Collection[str], *, since_s: float, is_json: bool, patience_s: float
) -> dict[str, str]:
    """Return the log stream of each request of `requests` whose REPORT line is in `log_group`.

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
    while True:
        found = await _look(access, log_group, wanted, int(since_s * 1000), is_json=is_json, deadline_s=deadline_s)
        if len(found) == len(wanted) or time.monotonic() + pause_s > deadline_s:
            return found
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


async def _look(
    access: AwsAccess, log_group: str, wanted: frozenset[str], since_ms: int, *, is_json: bool, deadline_s: float
) -> dict[str, str]:
    """Read the group once from its start; pages may be empty although more follow (AWS docs, FilterLogEvents)."""
    client = await access.logs()
    pattern = _JSON_PATTERN if is_json else _TEXT_PATTERN
    found: dict[str, str] = {}
    with refused(f"reading log group `{log_group}`"):
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=log_group, filterPattern=pattern, startTime=since_ms
        )
        try:
            async for page in pages:
                for event in page["events"]:
                    request_id = _request_of(event["message"], is_json=is_json)
                    if request_id in wanted:
                        found[request_id] = event["logStreamName"]
                if time.monotonic() > deadline_s:
                    break
        except ClientError as error:
            # The group is made by the first line that is written to it, which may not have arrived yet.
            if error_code(error) != "ResourceNotFoundException":
                raise
    return found


def _request_of(message: str, *, is_json: bool) -> str:
    if not is_json:
        match = _REQUEST.match(message)
        return match["id"] if match else ""
    try:
        line: Any = json.loads(message)
    except ValueError:
        return ""
    record = line.get("record") if isinstance(line, dict) else None
    request_id = record.get("requestId") if isinstance(record, dict) else None
    return request_id if isinstance(request_id, str) else ""
