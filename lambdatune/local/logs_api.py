"""CloudWatch Logs over HTTP: the calls that read REPORT lines (AWS API reference, CloudWatch Logs)."""

from __future__ import annotations

import heapq
import re
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError, not_implemented
from lambdatune.local.log_patterns import compile_pattern
from lambdatune.local.logstore import now_ms
from lambdatune.local.reply import Reply, json_body, page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambdatune.local.httpd import Request
    from lambdatune.local.logstore import Event, Group, LogStore, Stream
    from lambdatune.local.names import Naming

_GROUP_NAME = re.compile(r"[\.\-_/#A-Za-z0-9]{1,512}")
_RETENTION_DAYS = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)
_MAX_EVENTS = 10_000
_MAX_PAGE_BYTES = 1 << 20


class LogsApi:
    """Serves the actions of CloudWatch Logs.

    Args:
        logs: the groups.
        naming: makes ARNs.
    """

    def __init__(self, logs: LogStore, naming: Naming) -> None:
        self._logs = logs
        self._naming = naming
        self._actions = {
            "CreateLogGroup": self._create_group,
            "DeleteLogGroup": self._delete_group,
            "DescribeLogGroups": self._describe_groups,
            "DescribeLogStreams": self._describe_streams,
            "GetLogEvents": self._get_events,
            "FilterLogEvents": self._filter_events,
            "PutRetentionPolicy": self._put_retention,
        }

    def serve(self, action: str, request: Request) -> Reply:
        """Serve one action.

        Raises:
            ApiError: as CloudWatch Logs does.
        """
        handler = self._actions.get(action)
        if handler is None:
            raise not_implemented(f"CloudWatch Logs {action}")
        return Reply(200, handler(json_body(request)), content_type="application/x-amz-json-1.1")

    def _create_group(self, body: dict[str, Any]) -> dict[str, Any]:
        name = str(body.get("logGroupName") or "")
        if _GROUP_NAME.fullmatch(name) is None:
            raise _invalid(f"Value '{name}' at 'logGroupName' failed to satisfy constraint: {_GROUP_NAME.pattern}")
        if name in self._logs.groups:
            raise ApiError("ResourceAlreadyExistsException", "The specified log group already exists")
        self._logs.group(name).tags = dict(body.get("tags") or {})
        return {}

    def _delete_group(self, body: dict[str, Any]) -> dict[str, Any]:
        del self._logs.groups[self._group(body).name]
        return {}

    def _put_retention(self, body: dict[str, Any]) -> dict[str, Any]:
        days = body.get("retentionInDays")
        if days not in _RETENTION_DAYS:
            raise _invalid(f"retentionInDays must be one of {sorted(_RETENTION_DAYS)}")
        self._group(body).retention_days = days
        return {}

    def _describe_groups(self, body: dict[str, Any]) -> dict[str, Any]:
        prefix, part = body.get("logGroupNamePrefix"), body.get("logGroupNamePattern")
        groups = [
            group
            for name, group in sorted(self._logs.groups.items())
            if name.startswith(prefix or "") and (part or "").lower() in name.lower()
        ]
        chosen, token = page(groups, lambda g: g.name, body.get("nextToken"), body.get("limit"), default=50, most=50)
        return _with_token({"logGroups": [self._group_view(group) for group in chosen]}, token)

    def _describe_streams(self, body: dict[str, Any]) -> dict[str, Any]:
        group = self._group(body)
        streams = [s for s in group.streams.values() if s.name.startswith(body.get("logStreamNamePrefix") or "")]
        by_time = body.get("orderBy") == "LastEventTime"
        streams.sort(
            key=lambda s: (s.last_ms or s.created_ms, s.name) if by_time else (0, s.name),
            reverse=bool(body.get("descending")),
        )
        chosen, token = page(streams, lambda s: s.name, body.get("nextToken"), body.get("limit"), default=50, most=50)
        return _with_token({"logStreams": [self._stream_view(group, stream) for stream in chosen]}, token)

    def _get_events(self, body: dict[str, Any]) -> dict[str, Any]:
        stream = self._group(body).streams.get(str(body.get("logStreamName")))
        if stream is None:
            raise _missing("The specified log stream does not exist.")
        start, end = body.get("startTime") or 0, body.get("endTime")
        inside = [e for e in stream.events if e.timestamp_ms >= start and (end is None or e.timestamp_ms < end)]
        limit = min(int(body.get("limit") or _MAX_EVENTS), _MAX_EVENTS)
        token = body.get("nextToken")
        if token:
            direction, position = _read_token(token)
            if direction == "f":
                chosen = [e for e in inside if e.number >= position][:limit]
            else:
                chosen = [e for e in inside if e.number < position][-limit:]
        else:
            chosen = inside[:limit] if body.get("startFromHead") else inside[-limit:]
            position = stream.count if not chosen else 0
        first, after = (chosen[0].number, chosen[-1].number + 1) if chosen else (position, position)
        return {
            "events": [
                {"timestamp": e.timestamp_ms, "message": e.message, "ingestionTime": e.timestamp_ms} for e in chosen
            ],
            "nextForwardToken": f"f/{after:056d}/s",
            "nextBackwardToken": f"b/{first:056d}/s",
        }

    def _filter_events(self, body: dict[str, Any]) -> dict[str, Any]:
        matches = compile_pattern(str(body.get("filterPattern") or ""))
        start, end = body.get("startTime") or 0, body.get("endTime")
        limit = min(int(body.get("limit") or _MAX_EVENTS), _MAX_EVENTS)
        after = _read_filter_token(body.get("nextToken"))
        events: list[dict[str, Any]] = []
        size = 0
        position = after
        for stream, event in self._in_time_order(body, start if after is None else max(start, after[0])):
            if end is not None and event.timestamp_ms > end:
                break
            position = (event.timestamp_ms, stream.name, event.number)
            if after is not None and position <= after:
                continue
            if not matches(event.message):
                continue
            if len(events) == limit or size > _MAX_PAGE_BYTES:
                last = events[-1]["eventId"]
                return _with_token({"events": events, "searchedLogStreams": []}, last)
            size += len(event.message)
            events.append(_event_view(stream, event))
        return {"events": events, "searchedLogStreams": []}

    def _in_time_order(self, body: dict[str, Any], start_ms: int) -> Iterator[tuple[Stream, Event]]:
        streams = self._group(body).streams
        names, prefix = body.get("logStreamNames"), body.get("logStreamNamePrefix")
        chosen = [
            stream
            for stream in streams.values()
            if (not names or stream.name in names) and (not prefix or stream.name.startswith(prefix))
        ]
        rows = [[(stream, event) for event in stream.since(start_ms)] for stream in chosen]
        return heapq.merge(*rows, key=lambda row: (row[1].timestamp_ms, row[0].name, row[1].number))

    def _group(self, body: dict[str, Any]) -> Group:
        name = str(body.get("logGroupName") or body.get("logGroupIdentifier") or "")
        name = name.rpartition(":log-group:")[2].removesuffix(":*")
        group = self._logs.groups.get(name)
        if group is None:
            raise _missing("The specified log group does not exist.")
        return group

    def _group_view(self, group: Group) -> dict[str, Any]:
        arn = self._naming.log_group_arn(group.name)
        view = {
            "logGroupName": group.name,
            "creationTime": group.created_ms,
            "metricFilterCount": 0,
            "arn": f"{arn}:*",
            "logGroupArn": arn,
            "logGroupClass": "STANDARD",
            "storedBytes": group.stored_bytes,
        }
        return view if group.retention_days is None else {**view, "retentionInDays": group.retention_days}

    def _stream_view(self, group: Group, stream: Stream) -> dict[str, Any]:
        view: dict[str, Any] = {
            "logStreamName": stream.name,
            "creationTime": stream.created_ms,
            "arn": f"{self._naming.log_group_arn(group.name)}:log-stream:{stream.name}",
            "storedBytes": 0,  # AWS reports zero for streams since 2019
            "uploadSequenceToken": "0",
        }
        if stream.first_ms is not None:
            view |= {
                "firstEventTimestamp": stream.first_ms,
                "lastEventTimestamp": stream.last_ms,
                "lastIngestionTime": now_ms(),
            }
        return view


def _event_view(stream: Stream, event: Event) -> dict[str, Any]:
    return {
        "logStreamName": stream.name,
        "timestamp": event.timestamp_ms,
        "message": event.message,
        "ingestionTime": event.timestamp_ms,
        "eventId": f"{event.timestamp_ms:015d}:{event.number:012d}:{stream.name}",
    }


def _with_token(document: dict[str, Any], token: str | None) -> dict[str, Any]:
    return document if token is None else {**document, "nextToken": token}


def _read_token(token: str) -> tuple[str, int]:
    match = re.fullmatch(r"([fb])/(\d{56})/s", token)
    if match is None:
        raise _invalid("The specified nextToken is invalid.")
    return match[1], int(match[2])


def _read_filter_token(token: str | None) -> tuple[int, str, int] | None:
    if not token:
        return None
    match = re.fullmatch(r"(\d{15}):(\d{12}):(.*)", token)
    if match is None:
        raise _invalid("The specified nextToken is invalid.")
    return int(match[1]), match[3], int(match[2])


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterException", message)


def _missing(message: str) -> ApiError:
    return ApiError("ResourceNotFoundException", message)
