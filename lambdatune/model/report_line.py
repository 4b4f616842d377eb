r"""Reading the REPORT line: what AWS says about one call, in text or JSON log format.

The input is a log tail, the last 4 KB of an invocation's log, which may begin in the middle of anything.
The rule of this module is *unknown is allowed, wrong is not*: whatever is not wholly consistent gives None.

**What a complete line is.** A text line is complete when a line feed follows its last field, or the X-Ray
trailer (``XRAY TraceId:``) does. The bare end of the tail proves nothing: ``...Max Memory Used: 95 MB`` is
what is left of a cold line whose Init Duration was cut off. Whoever holds a log event without its line feed
knows from the event's border that it is whole, and may append one. A JSON record is complete when its
closing brace is there.

**Which line is the platform's.** The last one: user code cannot write after it. So the last candidate is
the only one that is considered; a broken last candidate is never replaced by an earlier one, which may be
printed by the user. A text line must come after an ``END RequestId:`` line of the same id, unless the tail
begins with it, and nothing may follow a line of either format that looks like a part of a report.

**Strict grammar.** Unknown keys and duplicate keys make a line unreadable, because an Init Duration whose key
is not recognised would turn a cold start into a warm one. Billed Duration is read, never computed.

Formats: AWS docs, "Lambda log formats" and "Telemetry API event schema"; lines of every era in public logs.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from lambdatune.model.invocation import Start


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one REPORT line, as AWS printed them; None where AWS printed none.

    Attributes:
        request_id: of the call, 36 characters.
        duration_ms: time of the handler. A failed init that ran again inside the call is part of it.
        billed_ms: what is billed; it holds the init or the billed part of the restore already.
        memory_size_mb: the memory size that was configured.
        max_memory_used_mb: high-water mark of the execution environment.
        init_ms: time of the init of a cold start.
        restore_ms: time of the restore of a SnapStart snapshot.
        billed_restore_ms: the part of the restore that is billed.
        status: ``timeout``, ``error``, ``failure`` or ``success``; text lines print only what went wrong.
        error_type: for example ``Runtime.ExitError``.
    """

    request_id: str
    duration_ms: float
    billed_ms: float
    memory_size_mb: int
    max_memory_used_mb: int
    init_ms: float | None
    restore_ms: float | None
    billed_restore_ms: float | None
    status: str | None
    error_type: str | None


@dataclass(frozen=True, slots=True)
class InitReport:
    """One init of an execution environment that AWS reported apart from the call.

    Attributes:
        init_ms: how long it ran.
        phase: ``init`` (before the call) or ``invoke`` (inside the call).
        status: ``success``, ``timeout``, ``error`` or ``failure``; None when not printed.
        error_type: for example ``Runtime.ImportModuleError``.
    """

    init_ms: float
    phase: str
    status: str | None
    error_type: str | None


_TEXT_MARK = b"REPORT RequestId: "
_NUMBER = rb"(\d+(?:\.\d+)?)"
_STATUS = rb"(success|failure|error|timeout)"
_LINE_END = rb"(?:[\t ]*\n|[\t ]+(?=XRAY TraceId: ))"

_REPORT = re.compile(
    rb"REPORT RequestId: ([0-9A-Za-z-]{36})[\t ]+Duration: " + _NUMBER + rb" ms[\t ]+Billed Duration: (\d+) ms"
    rb"[\t ]+Memory Size: (\d+) MB[\t ]+Max Memory Used: (\d+) MB(?:[\t ]*\n|"
    rb"(?:[\t ]+Init Duration: " + _NUMBER + rb" ms)?"
    rb"(?:[\t ]+Restore Duration: " + _NUMBER + rb" ms)?(?:[\t ]+Billed Restore Duration: (\d+) ms)?"
    rb"(?:[\t ]+Status: " + _STATUS + rb")?(?:[\t ]+Error Type: ([^\s]+))?" + _LINE_END + rb")"
    rb"(?:XRAY TraceId: [\w-]+(?:[\t ]+SegmentId: \w+)?(?:[\t ]+Sampled: \w+)?[\t ]*\n?)?"
)
"""A line with its fields in AWS's order, and its X-Ray trailer. The first alternative is the warm line."""

_REPORT_ID = re.compile(rb"REPORT RequestId: ([0-9A-Za-z-]{36})(?=[\t ])")
_ANY_FIELD = re.compile(
    rb"[\t ]+(?:(Duration|Init Duration|Restore Duration): " + _NUMBER + rb" ms|"
    rb"(Billed Duration|Billed Restore Duration): (\d+) ms|(Memory Size|Max Memory Used): (\d+) MB|"
    rb"(Status): " + _STATUS + rb"|(Error Type): ([^\s]+))(?=[\t \n])"
)
_ANY_END = re.compile(_LINE_END)
_NEXT_CALL = re.compile(rb'^(?:START RequestId: |\{[^\n]*"platform\.start")', re.MULTILINE)

_AFTERWORD = re.compile(
    rb"^(?:RequestId: [0-9A-Za-z-]{36} (?:Error: |Process )[^\n]*|Runtime\.\w+|"
    rb"[^ \n]+ [0-9A-Za-z-]{36} Task timed out after [0-9.]+ seconds)$",
    re.MULTILINE,
)
"""What AWS itself prints about a killed process after the REPORT line of some eras."""

_SUSPECT = re.compile(
    rb"\d ms|\d MB|RequestId|REPORT|tatus: |timeout|Type: |Runtime\.|Duration|Memory|"
    rb'platform\.|"record"|"requestId"|"metrics"|[dD]urationMs|emorySizeMB|emoryUsedMB'
)
"""Parts of a report in either format: after a report, they are what a broken report has left."""

_JSON_MARK = re.compile(rb'"platform\.report"')
_JSON_INIT_MARK = re.compile(rb'"platform\.initReport"')
_MAX_NESTING = 8
_JSON_STATUS = frozenset({"success", "failure", "error", "timeout"})
_JSON_TOP_KEYS = frozenset({"time", "type", "record"})
_JSON_RECORD_KEYS = frozenset({"requestId", "metrics", "status", "errorType", "tracing", "spans"})
_JSON_METRICS = {
    "durationMs": "Duration",
    "billedDurationMs": "Billed Duration",
    "memorySizeMB": "Memory Size",
    "maxMemoryUsedMB": "Max Memory Used",
    "initDurationMs": "Init Duration",
    "restoreDurationMs": "Restore Duration",
    "billedRestoreDurationMs": "Billed Restore Duration",
}
_WHOLE_NUMBERS = frozenset({"Memory Size", "Max Memory Used"})
_MANDATORY = ("Duration", "Billed Duration", "Memory Size", "Max Memory Used")

_INIT_LINE = re.compile(
    rb"^INIT_REPORT Init Duration: " + _NUMBER + rb" ms[\t ]+Phase: (init|invoke)"
    rb"(?:[\t ]+Status: " + _STATUS + rb")?(?:[\t ]+Error Type: ([^\s]+))?[\t ]*\n",
    re.MULTILINE,
)


def parse_report(tail: bytes, request_id: str | None = None) -> Report | None:
    """Return the report of one call, or None when the tail does not prove it.

    Args:
        tail: log text, decoded from base64; at most the last 4 KB are given by AWS.
        request_id: of the call; the last report of that id is read. None: the last report of the tail.
    """
    at = tail.rfind(_TEXT_MARK)
    if at >= 0:
        match = _REPORT.match(tail, at)
        # The usual case: AWS's order of fields, and nothing after the line.
        if match is not None and match.end() == len(tail):
            found = match[1]
            if (request_id is None or found == request_id.encode()) and _follows_end(tail, at, found):
                return _from_match(match)
            if request_id is None:
                return None
    return _parse_anywhere(tail, request_id)


def parse_init_reports(tail: bytes) -> tuple[InitReport, ...]:
    """Return the inits that AWS reported on lines of their own, in the order of the log.

    Text lines (``INIT_REPORT``) come before JSON records (``platform.initReport``) if a log holds both.
    """
    found = [
        InitReport(float(match[1]), match[2].decode(), _text(match[3]), _text(match[4]))
        for match in _INIT_LINE.finditer(tail)
    ]
    for mark in _JSON_INIT_MARK.finditer(tail):
        located = _enclosing_object(tail, mark.start(), "platform.initReport")
        init_report = _init_from_json(located[0]) if located else None
        if init_report is not None:
            found.append(init_report)
    return tuple(found)


def start_kind(report: Report | None, tail: bytes = b"") -> Start:
    """Return how the environment of a call came to be.

    An init that timed out or failed is run again inside the call; Lambda then prints no Init Duration, and
    only the INIT_REPORT in `tail` tells that the call was cold (AWS docs, "Lambda runtime environment").
    """
    if report is None:
        return Start.UNKNOWN
    if report.restore_ms is not None:
        return Start.RESTORED
    if report.init_ms is not None:
        return Start.COLD
    if b"INIT_REPORT" in tail or b"platform.initReport" in tail:
        inits = parse_init_reports(tail)
        if any(init.phase == "invoke" or init.status not in {None, "success"} for init in inits):
            return Start.COLD
    return Start.WARM


def _from_match(match: re.Match[bytes]) -> Report | None:
    found, duration, billed, size, used, init, restore, billed_restore, status, error_type = match.groups()
    if init is None and restore is None and billed_restore is None:
        init_ms = restore_ms = billed_restore_ms = None
    else:
        if (init is not None and restore is not None) or (billed_restore is not None and restore is None):
            return None
        init_ms = float(init) if init is not None else None
        restore_ms = float(restore) if restore is not None else None
        billed_restore_ms = float(billed_restore) if billed_restore is not None else None
    return Report(
        found.decode(),
        float(duration),
        float(billed),
        int(size),
        int(used),
        init_ms,
        restore_ms,
        billed_restore_ms,
        _text(status),
        _text(error_type),
    )


def _follows_end(tail: bytes, at: int, request_id: bytes) -> bool:
    """Whether the platform had closed the call before the line at `at`, as far as the tail reaches back."""
    end_line = b"END RequestId: " + request_id + b"\n"
    start = at - len(end_line)
    if start >= 0 and tail[start:at] == end_line:
        return True
    if start < 0 and end_line.endswith(tail[:at]):
        return True
    # Extensions may write between the END and the REPORT line; exports put spaces or tabs at the ends.
    return tail.rfind(end_line[:-1], 0, at) >= 0


def _parse_anywhere(tail: bytes, request_id: str | None) -> Report | None:
    """Read the last candidate of either format, wherever it stands."""
    wanted = request_id.encode() if request_id is not None else None
    text_at = tail.rfind(_TEXT_MARK if wanted is None else _TEXT_MARK + wanted)
    json_at = -1
    for mark in _JSON_MARK.finditer(tail):
        # Several calls' records may share a text; a record that cannot be read counts as the call's own.
        located = _enclosing_object(tail, mark.start(), "platform.report")
        if wanted is None or located is None or _json_request_id(located[0]) in {None, request_id}:
            json_at = mark.start()
    if json_at > text_at:
        report = _report_from_json(tail, json_at)
    elif text_at >= 0:
        report = _report_from_text(tail, text_at)
    else:
        return None
    if report is not None and request_id is not None and report.request_id != request_id:
        return None
    return report


def _report_from_text(tail: bytes, at: int) -> Report | None:
    """Read the text line at `at`, fields in any order (the runtime emulator prints Init Duration first)."""
    head = _REPORT_ID.match(tail, at)
    if head is None or not _follows_end(tail, at, head[1]):
        return None
    fields: dict[str, Any] = {}
    position = head.end()
    while (match := _ANY_FIELD.match(tail, position)) is not None:
        name, value = (group.decode("utf-8", "replace") for group in match.groups() if group is not None)
        if name in fields:
            return None
        fields[name] = value if name in {"Status", "Error Type"} else float(value)
        position = match.end()
    end = _ANY_END.match(tail, position)
    if end is None:
        return None
    if not _is_last(tail[end.end() :], head[1]):
        return None
    return _from_fields(head[1].decode(), fields)


def _is_last(rest: bytes, request_id: bytes) -> bool:
    """Whether `rest`, what follows a report, shows no trace of a later report of the same call."""
    rest = _AFTERWORD.sub(b"", rest)
    if not rest.strip():
        return True
    # The broken start of a line may be that of the real report.
    unfinished = rest[rest.rfind(b"\n") + 1 :]
    if request_id in rest or not (unfinished == b"" or unfinished.startswith(b"XRAY TraceId: ")):
        return False
    following = _NEXT_CALL.search(rest)
    return not _SUSPECT.search(rest, 0, following.start() if following else len(rest))


def _report_from_json(tail: bytes, at: int) -> Report | None:
    """Read the ``platform.report`` object around the position `at`."""
    located = _enclosing_object(tail, at, "platform.report")
    if located is None:
        return None
    event, end = located
    request_id, rest = _json_request_id(event), tail[end:]
    # An object inside another one is the user's.
    if request_id is None or rest.lstrip()[:1] in {b"}", b"]", b",", b'"'}:
        return None
    if not _is_last(rest, request_id.encode()):
        return None
    record = event.get("record")
    if not event.keys() <= _JSON_TOP_KEYS or not isinstance(record, dict):
        return None
    metrics = record.get("metrics")
    if not record.keys() <= _JSON_RECORD_KEYS or not isinstance(metrics, dict):
        return None
    if not metrics.keys() <= _JSON_METRICS.keys() or record.get("status") not in _JSON_STATUS:
        return None
    fields = {_JSON_METRICS[key]: value for key, value in metrics.items()}
    if any(type(value) not in {int, float} or value < 0 for value in fields.values()):
        return None
    fields["Status"] = record["status"]
    if "errorType" in record:
        fields["Error Type"] = record["errorType"]
    return _from_fields(request_id, fields)


def _from_fields(request_id: str, fields: dict[str, Any]) -> Report | None:
    """Return the report of complete and consistent `fields`, else None."""
    if any(name not in fields for name in _MANDATORY):
        return None
    if any(fields[name] != int(fields[name]) for name in _WHOLE_NUMBERS):
        return None
    init_ms, restore_ms = fields.get("Init Duration"), fields.get("Restore Duration")
    billed_restore_ms = fields.get("Billed Restore Duration")
    if (init_ms is not None and restore_ms is not None) or (billed_restore_ms is not None and restore_ms is None):
        return None
    error_type = fields.get("Error Type")
    if error_type is not None and not isinstance(error_type, str):
        return None
    return Report(
        request_id,
        float(fields["Duration"]),
        float(fields["Billed Duration"]),
        int(fields["Memory Size"]),
        int(fields["Max Memory Used"]),
        None if init_ms is None else float(init_ms),
        None if restore_ms is None else float(restore_ms),
        None if billed_restore_ms is None else float(billed_restore_ms),
        fields.get("Status"),
        error_type,
    )


def _json_request_id(event: dict[str, Any]) -> str | None:
    record = event.get("record")
    found = record.get("requestId") if isinstance(record, dict) else None
    return found if isinstance(found, str) else None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("duplicate key")
    return fields


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_constant=_no_constant)


def _enclosing_object(tail: bytes, at: int, event_type: str) -> tuple[dict[str, Any], int] | None:
    """Return the JSON object of `event_type` around position `at`, and the position after it.

    The object may begin anywhere: extensions write text without a line feed right before it.
    """
    text = tail.decode("latin-1")  # one character a byte, so that positions agree
    start = at
    for _ in range(_MAX_NESTING):
        start = text.rfind("{", 0, start)
        if start < 0:
            return None
        try:
            event, end = _DECODER.raw_decode(text, start)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("type") == event_type and end > at:
            return event, end
    return None


def _init_from_json(event: dict[str, Any]) -> InitReport | None:
    record = event.get("record")
    metrics = record.get("metrics") if isinstance(record, dict) else None
    if not isinstance(record, dict) or not isinstance(metrics, dict):
        return None
    init_ms, phase, status = metrics.get("durationMs"), record.get("phase"), record.get("status")
    error_type = record.get("errorType")
    if isinstance(init_ms, bool) or not isinstance(init_ms, int | float):
        return None
    if phase not in {"init", "invoke"} or status not in _JSON_STATUS:
        return None
    return InitReport(float(init_ms), phase, status, error_type if isinstance(error_type, str) else None)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
