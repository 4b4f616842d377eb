"""Unknown is allowed, wrong is not: the report parser on mutated log tails.

What "wrong" means. A tail is ``head + section``: the head is whatever was logged before, the section is the
platform's own last lines (END and REPORT, or the JSON record), whose figures are the truth. A mutation must give
None or exactly the truth. No parser can notice a change of a value itself, so three things are left out:

* characters of values in the section (and, in JSON, white space next to a number) are not changed, deleted or
  extended; everything else in it is: keys, units, separators, line feeds, braces, and they may be cut anywhere;
* an insertion into the section is at most 12 characters of the same tail, too few to forge a field;
* where the head holds a flawless imitation of the platform's last lines, or was itself cut, the end of the tail
  is only cut inside the section: cut before it, the tail may be what a real tail with other figures looks like.
  (AWS cuts tails at their start only, and the start is cut anywhere here.)
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from lambdatune.model.report_line import Report, parse_report

MUTATIONS = 1_000_000
BASES = 4_000
_NUMBER = re.compile(rb"\d+(?:\.\d+)?")
_SPECIAL = b'\t\n\n :,{}"\\x0R'
_XRAY = b"XRAY TraceId: 1-5e843da6-733cc7d0c3c020510040\tSegmentId: 39131120999446\tSampled: true\t\n"


@dataclass(frozen=True, slots=True)
class Base:
    """A tail, its truth, and where its section may be changed."""

    head: bytes
    section: bytes
    truth: Report
    free: tuple[int, ...]
    imitated: bool


def _id(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _report(rng: random.Random, request_id: str, *, is_json: bool) -> Report:
    digits = 3 if is_json else 2
    duration = round(rng.lognormvariate(4, 1.5), digits)
    kind = rng.choice(("warm", "warm", "cold", "cold", "restored"))
    init = round(rng.uniform(50, 6000), digits) if kind == "cold" else None
    restore = round(rng.uniform(50, 900), digits) if kind == "restored" else None
    billed_restore = float(rng.randrange(1, 200)) if restore is not None and rng.random() < 0.8 else None
    # Before August 2025 the init of managed runtimes was not billed: no sum tells that it is missing.
    billed = float(int(duration + 1 + (init or 0) * rng.choice((0, 1)) + (billed_restore or 0)))
    status = rng.choice(("success", "error") if is_json else (None, None, None, "timeout", "error"))
    error_type = "Runtime.ExitError" if status == "error" else None
    size, used = rng.choice((128, 512, 1769, 10240)), rng.randrange(30, 128)
    return Report(request_id, duration, billed, size, used, init, restore, billed_restore, status, error_type)


def _text_line(rng: random.Random, report: Report) -> bytes:
    fields = [
        f"REPORT RequestId: {report.request_id}",
        f"Duration: {report.duration_ms:.2f} ms",
        f"Billed Duration: {report.billed_ms:.0f} ms",
        f"Memory Size: {report.memory_size_mb} MB",
        f"Max Memory Used: {report.max_memory_used_mb} MB",
    ]
    if report.init_ms is not None:
        fields.append(f"Init Duration: {report.init_ms:.2f} ms")
    if report.restore_ms is not None:
        fields.append(f"Restore Duration: {report.restore_ms:.2f} ms")
    if report.billed_restore_ms is not None:
        fields.append(f"Billed Restore Duration: {report.billed_restore_ms:.0f} ms")
    if report.status is not None:
        fields.append(f"Status: {report.status}")
    if report.error_type is not None:
        fields.append(f"Error Type: {report.error_type}")
    separator = rng.choice("\t\t\t ")
    end = rng.choice(("\t\n", "\t\n", "\n"))
    trailer = rng.choice((b"", b"", _XRAY))
    return (separator.join(fields) + end).encode() + trailer


def _json_line(rng: random.Random, report: Report) -> bytes:
    metrics: dict[str, float] = {
        "durationMs": report.duration_ms,
        "billedDurationMs": int(report.billed_ms),
        "memorySizeMB": report.memory_size_mb,
        "maxMemoryUsedMB": report.max_memory_used_mb,
    }
    if report.init_ms is not None:
        metrics["initDurationMs"] = report.init_ms
    if report.restore_ms is not None:
        metrics["restoreDurationMs"] = report.restore_ms
    if report.billed_restore_ms is not None:
        metrics["billedRestoreDurationMs"] = int(report.billed_restore_ms)
    record: dict[str, object] = {"requestId": report.request_id, "metrics": metrics, "status": report.status}
    if report.error_type is not None:
        record["errorType"] = report.error_type
    if rng.random() < 0.3:
        record["tracing"] = {"spanId": "24cd7d670fa455f0", "type": "X-Amzn-Trace-Id", "value": "Root=1-6352a70e"}
    event = {"time": "2026-10-08T07:30:29.470Z", "type": "platform.report", "record": record}
    return json.dumps(event, separators=rng.choice(((",", ":"), (", ", ": ")))).encode() + b"\n"


def _section(rng: random.Random, report: Report, *, is_json: bool) -> bytes:
    if is_json:
        return _json_line(rng, report)
    return b"END RequestId: " + report.request_id.encode() + b"\n" + _text_line(rng, report)


def _free_positions(section: bytes, report: Report, *, is_json: bool) -> tuple[int, ...]:
    """Positions that belong to no value, so that a change at them is not a change of the truth."""
    taken: set[int] = set()
    after_id = section.rindex(report.request_id.encode()) + 36
    start = section.index(b'"metrics"') if is_json else after_id
    for number in _NUMBER.finditer(section, start):
        taken.update(range(number.start(), number.end()))
        if is_json:
            taken.update(at for at in (number.start() - 1, number.end()) if section[at : at + 1] == b" ")
    for value in (report.request_id, report.status, report.error_type):
        if value is not None:
            for found in re.finditer(re.escape(value.encode()), section):
                # The character after a value ends it: another one in its place would extend the value.
                taken.update(range(found.start(), found.end() + 1))
    return tuple(at for at in range(len(section)) if at not in taken)


_USER_LINES = (
    b"hello world\n",
    b"\tDuration: 1.00 ms\n",
    b"Billed Duration: 7 ms\tMax Memory Used: 1 MB\n",
    b"INIT_REPORT Init Duration: 229.22 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\n",
    b"EXTENSION\tName: agent\tState: Ready\tEvents: [INVOKE]",
    b'{"level":"INFO","message":"order {1} taken","type":"platform.report"}\n',
    b'{\n  "type": "order",\n  "items": [\n    {"id": 1}\n  ]\n}\n',
    b'{"time":"2026-10-08T07:30:29Z","type":"platform.start","record":{"requestId":"x"}}\n',
    b'age":"half an object"}}\n',
    b"\xff\xfe\x00binary\n",
    b"XRAY TraceId: 1-5e84\n",
)


def _base(rng: random.Random) -> Base:
    is_json = rng.random() < 0.25
    truth = _report(rng, _id(rng), is_json=is_json)
    head = [b"START RequestId: " + truth.request_id.encode() + b" Version: $LATEST\n"] if not is_json else []
    imitated = False
    for _ in range(rng.randrange(4)):
        if rng.random() < 0.35:
            request_id = truth.request_id if rng.random() < 0.6 else _id(rng)
            as_json = rng.random() < 0.4
            fake = _report(rng, request_id, is_json=as_json)
            with_end = as_json or rng.random() < 0.4
            # At the very start of a tail a line without its END is what a tail that was cut there shows.
            imitated |= with_end or not head
            head.append(_section(rng, fake, is_json=as_json) if with_end else _text_line(rng, fake))
        else:
            head.append(rng.choice(_USER_LINES))
    section = _section(rng, truth, is_json=is_json)
    return Base(b"".join(head), section, truth, _free_positions(section, truth, is_json=is_json), imitated)


def _mutate_head(rng: random.Random, base: Base, other: Base) -> bytes:
    """Cut, flip, splice and duplicate what was logged before the section."""
    head = base.head
    choice = rng.random()
    if choice < 0.4 or not head:
        return head
    at = int(rng.random() * len(head))
    if choice < 0.55:
        return head[at:]
    if choice < 0.7:
        return head[:at] + bytes((int(rng.random() * 256),)) + head[at + 1 :]
    if choice < 0.85:
        end = head.find(b"\n", at) + 1
        return head[:end] + head[at:]
    start = int(rng.random() * len(other.section))
    return head[:at] + other.section[start : start + 80] + head[at:]


def _mutate_section(rng: random.Random, base: Base) -> bytes:
    """Flip, delete, insert, cut or duplicate in the platform's own lines."""
    section, free = base.section, base.free
    choice = rng.random()
    at = free[int(rng.random() * len(free))]
    if choice < 0.3:
        return section[:at] + bytes((int(rng.random() * 256),)) + section[at + 1 :]
    if choice < 0.45:
        return section[:at] + bytes((_SPECIAL[int(rng.random() * len(_SPECIAL))],)) + section[at + 1 :]
    if choice < 0.6:
        end = at
        while end - at < 16 and end + 1 < len(section) and rng.random() < 0.85 and end in free:
            end += 1
        return section[:at] + section[end:]
    if choice < 0.75:
        start = int(rng.random() * len(section))
        piece = section[start : start + 1 + int(rng.random() * 12)]
        # Before a value's first or after its last character an insertion would extend the value.
        if at > 0 and at - 1 in free and at in free:
            return section[:at] + piece + section[at:]
        return section
    if choice < 0.9:
        return section[: 1 + int(rng.random() * (len(section) - 1))]
    if choice < 0.95:
        return section + section[section.rfind(b"\n", 0, -1) + 1 :]
    return section


def test_one_million_mutated_tails_give_the_truth_or_nothing() -> None:
    rng = random.Random(20261123)
    bases = [_base(rng) for _ in range(BASES)]
    for base in bases:
        assert parse_report(base.head + base.section, base.truth.request_id) == base.truth
    known = 0
    for number in range(MUTATIONS):
        base = bases[number % BASES]
        head = _mutate_head(rng, base, bases[int(rng.random() * BASES)])
        section = _mutate_section(rng, base)
        tail = head + section
        if number % 16 == 0:
            tail = tail[int(rng.random() * len(tail)) :]
        elif number % 16 == 1 and not base.imitated:
            whole = base.head + section
            tail = whole[: int(rng.random() * len(whole))]
        found = parse_report(tail, base.truth.request_id)
        if found is not None:
            assert found == base.truth, tail
            known += 1
    # A parser that answers None to everything is never wrong, and of no use.
    assert known > MUTATIONS // 10


@given(st.binary(max_size=600))
@settings(max_examples=300, deadline=None)
def test_no_input_raises(tail: bytes) -> None:
    assert parse_report(tail) is None or b"REPORT RequestId: " in tail or b"platform.report" in tail


@given(seed=st.integers(0, 2**32), noise=st.binary(max_size=200), as_json=st.booleans())
@settings(max_examples=300, deadline=None)
def test_whatever_is_logged_before_it_a_whole_report_is_read(seed: int, noise: bytes, as_json: bool) -> None:
    rng = random.Random(seed)
    truth = _report(rng, _id(rng), is_json=as_json)
    tail = noise + b"\n" + _section(rng, truth, is_json=as_json)
    assert parse_report(tail, truth.request_id) == truth
    assert parse_report(tail) == truth


@given(seed=st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_every_start_of_a_tail_gives_the_truth_or_nothing(seed: int) -> None:
    base = _base(random.Random(seed))
    tail = base.head + base.section
    for start in range(len(tail)):
        assert parse_report(tail[start:], base.truth.request_id) in {None, base.truth}


@given(seed=st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_every_end_of_a_section_gives_the_truth_or_nothing(seed: int) -> None:
    base = _base(random.Random(seed))
    for length in range(1, len(base.section)):
        assert parse_report(base.head + base.section[:length], base.truth.request_id) in {None, base.truth}
