"""The platform's lines in a log group: which to ask for, how to read one, and which belong together.

A handler may print whatever it likes, so a line is the platform's only where the platform could have written it:
an execution environment runs one call at a time, and whatever stands between the START of a call and its REPORT was
printed by the handler, lines that look like another call's among them. A REPORT of the call's own id counts when it
stands after END (text), and the last one counts when there are several before the next START.

**Failures.** REPORT says ``Status: timeout`` or ``error`` when the runtime ended; an exception that the runtime caught
is a success to the platform, in text and in JSON (aws-samples/aws-lambda-extensions, issue 85). What tells of it is the
line that the runtime itself prints; those of Python, Node.js and Ruby are known.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from lambdatune.model.report_line import Report, parse_report

if TYPE_CHECKING:
    from collections.abc import Sequence


class Kind(Enum):
    """What a line says."""

    START = "start"
    END = "end"
    REPORT = "report"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Line:
    """One line that looks like the platform's or the runtime's.

    Attributes:
        kind: what it says.
        logged_ms: timestamp of the log event, Unix milliseconds; it orders the lines.
        request_id: of the call; empty where the line names none (an error).
        at_ms: when it was written: as the line itself says in JSON.
        report: the figures of a REPORT.
    """

    kind: Kind
    logged_ms: float
    request_id: str
    at_ms: float
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """START and REPORT of one execution.

    Attributes:
        start: of it.
        report: of it.
        has_error: whether the runtime's own error line stands between them.
    """

    start: Line
    report: Line
    has_error: bool


LONGEST_MS = 16 * 60_000.0
"""Longest time from START to REPORT: 15 minutes (AWS docs, Lambda quotas), and one for extensions."""

_ID = r"(?P<id>[0-9A-Za-z-]{36})"
_START = re.compile(rf"START RequestId: {_ID} Version: \S+\s*")
_END = re.compile(rf"END RequestId: {_ID}\s*")
_REPORT_MARK = "REPORT RequestId: "
_TEXT_TERMS = ("START RequestId", "END RequestId", "REPORT RequestId")
_ERROR_LINES = {
    "python": ("[ERROR] ", re.compile(r"\[ERROR\] [\w.]+(?:: |[\r\n]|$)")),
    "nodejs": ("Invoke Error", re.compile(rf"\S+\t{_ID}\tERROR\tInvoke Error\s")),
    "ruby": (
        "from handler",
        re.compile(r"(?:Error raised from handler method|Critical exception from handler)\s*(?:\{|$)"),
    ),
}
"""By family of runtimes: what to ask for, and how the whole line begins (awslambdaric/bootstrap.py `log_error`,
nodejs RIC `logError`, aws_lambda_ric `lambda_logger`). Python's logging has a tab after ``[ERROR]``."""

_JSON_KEYS = {"python": "log_level", "nodejs": "level"}
"""Key of the level in the runtime's own error line in JSON."""


def family_of(runtime: str | None) -> str | None:
    """Return the family of a runtime (``python3.12``) whose error lines are known, else None."""
    family = re.match(r"[a-z]*", runtime or "")
    return family[0] if family and family[0] in _ERROR_LINES else None


def tells_failures(family: str | None, *, is_json: bool) -> bool:
    """Return whether the log of a family of runtimes tells of each failed execution."""
    return family in (_JSON_KEYS if is_json else _ERROR_LINES)


def filter_pattern(family: str | None, *, is_json: bool) -> str:
    """Return a pattern of FilterLogEvents for the lines that `read_line` reads, and few others."""
    told = tells_failures(family, is_json=is_json)
    if is_json:
        terms = ['($.type = "platform.start")', '($.type = "platform.report")']
        terms += [f'($.{_JSON_KEYS[family]} = "ERROR")'] if told and family else []
        return "{ " + " || ".join(terms) + " }"
    terms = [*_TEXT_TERMS, *([_ERROR_LINES[family][0]] if told and family else [])]
    return " ".join(f'?"{term}"' for term in terms)


def read_line(message: str, at_ms: float, family: str | None, *, is_json: bool) -> Line | None:
    """Return what a log event says, or None for one that is not of the platform and no error line of the runtime.

    Args:
        message: text of the event.
        at_ms: its timestamp.
        family: of the runtime (`family_of`).
        is_json: whether the function logs in JSON.
    """
    return _read_json(message, at_ms, family) if is_json else _read_text(message, at_ms, family)


def pair_lines(lines: Sequence[Line], *, has_end: bool) -> tuple[list[Pair], list[Line]]:
    """Return the executions that are complete in `lines`, and the lines that may be part of later ones.

    Args:
        lines: of one log stream, in its order.
        has_end: whether the log has END lines: in text it does.
    """
    pairs: list[Pair] = []
    kept: list[Line] = []
    oldest_ms = max((line.logged_ms for line in lines), default=0.0) - LONGEST_MS
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.kind is not Kind.START:
            kept.append(line)
            at += 1
            continue
        end = _end_of(lines, at, has_end=has_end)
        if end is not None:
            has_error = any(other.kind is Kind.ERROR for other in lines[at:end])
            pairs.append(Pair(line, lines[end], has_error))
            at = end + 1
        elif line.logged_ms < oldest_ms:  # what came to its end would have done so: its REPORT is lost
            at += 1
        else:
            kept += lines[at:]
            break
    return pairs, [line for line in kept if line.logged_ms >= oldest_ms]


def _end_of(lines: Sequence[Line], start: int, *, has_end: bool) -> int | None:
    """Return the position of the REPORT of the call that begins at `start`, None while it is not there."""
    request_id = lines[start].request_id
    found = early = None
    is_over = not has_end
    for at in range(start + 1, len(lines)):
        line = lines[at]
        if line.kind is Kind.START and is_over:
            # Lines of one millisecond may be told in any order: a REPORT right before END is better than none.
            if found is None:
                found = early
            if found is not None:
                return found
        if line.request_id != request_id:
            continue
        if line.kind is Kind.END and not is_over:
            is_over = True
            if early is not None and lines[early].logged_ms < line.logged_ms:  # the handler printed it
                early = None
        elif line.kind is Kind.REPORT and is_over:
            found = at
        elif line.kind is Kind.REPORT:
            early = at
    return found


def _read_text(message: str, at_ms: float, family: str | None) -> Line | None:
    if message.startswith(_REPORT_MARK):
        report = parse_report((message if message.endswith("\n") else message + "\n").encode())
        return None if report is None else Line(Kind.REPORT, at_ms, report.request_id, at_ms, report)
    for kind, form in ((Kind.START, _START), (Kind.END, _END)):
        match = form.fullmatch(message)
        if match is not None:
            return Line(kind, at_ms, match["id"], at_ms)
    if family is not None and _ERROR_LINES[family][1].match(message):
        return Line(Kind.ERROR, at_ms, "", at_ms)
    return None


def _read_json(message: str, at_ms: float, family: str | None) -> Line | None:
    try:
        document: Any = json.loads(message)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    kind, record, time_ms = document.get("type"), document.get("record"), _time_ms(document, at_ms)
    if kind == "platform.report":
        report = parse_report(message.encode())
        return None if report is None else Line(Kind.REPORT, at_ms, report.request_id, time_ms, report)
    if kind == "platform.start":
        request_id: Any = record.get("requestId") if isinstance(record, dict) else None
        is_whole = isinstance(request_id, str) and len(request_id) == 36
        return Line(Kind.START, at_ms, request_id, time_ms) if is_whole else None
    if family in _JSON_KEYS and document.get(_JSON_KEYS[family]) == "ERROR" and "errorType" in document:
        by_runtime = family == "python" and "stackTrace" in document
        if by_runtime or str(document.get("message", "")).startswith("Invoke Error"):
            return Line(Kind.ERROR, at_ms, "", at_ms)
    return None


def _time_ms(document: dict[str, Any], otherwise_ms: float) -> float:
    try:
        return datetime.fromisoformat(str(document.get("time"))).timestamp() * 1e3
    except ValueError:
        return otherwise_ms
