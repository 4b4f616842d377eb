"""The report parser on real lines of every era, and on what user code and cuts do to a log tail."""

from __future__ import annotations

import json

import pytest

from lambdatune.model.invocation import Start
from lambdatune.model.report_line import InitReport, Report, parse_init_reports, parse_report, start_kind

ID = "426db50d-3478-40e9-99b4-e515012f47ef"
OTHER_ID = "277ad80e-bbc4-41ef-b03f-fe84a7a1fc8f"
WARM = f"REPORT RequestId: {ID}\tDuration: 3.10 ms\tBilled Duration: 4 ms\tMemory Size: 512 MB\tMax Memory Used: 95 MB"
COLD = f"{WARM}\tInit Duration: 542.01 ms"
XRAY = "XRAY TraceId: 1-5e843da6-733cxmple7d0c3c020510040\tSegmentId: 3913xmpl20999446\tSampled: true\t\n"

REAL_LINES = {
    "cold before 1 ms billing, X-Ray on the next line": (
        "REPORT RequestId: 56639408-xmpl-435f-9041-ac47ae25ceed\tDuration: 3906.38 ms\tBilled Duration: 4000 ms\t"
        "Memory Size: 512 MB\tMax Memory Used: 367 MB\tInit Duration: 5960.19 ms\n" + XRAY,
        (3906.38, 4000, 512, 367, 5960.19, None, None, None, None),
    ),
    "cold before 1 ms billing": (
        (
            "REPORT RequestId: 5002d846-892a-4bfe-83bb-b0c32406c482\tDuration: 741.17 ms\tBilled Duration: 800 ms\t"
            "Memory Size: 128 MB\tMax Memory Used: 84 MB\tInit Duration: 345.65 ms\t\n"
        ),
        (741.17, 800, 128, 84, 345.65, None, None, None, None),
    ),
    "cold with init not billed": (
        (
            "REPORT RequestId: cd325e23-5fa0-4bc7-b54f-ceb46453b02b\tDuration: 154.09 ms\tBilled Duration: 155 ms\t"
            "Memory Size: 1769 MB\tMax Memory Used: 38 MB\tInit Duration: 99.44 ms\t\n"
        ),
        (154.09, 155, 1769, 38, 99.44, None, None, None, None),
    ),
    "long call with init not billed": (
        (
            f"REPORT RequestId: {OTHER_ID}\tDuration: 165906.71 ms\tBilled Duration: 165907 ms\tMemory Size: 1024 MB\t"
            "Max Memory Used: 521 MB\tInit Duration: 350.60 ms\n"
        ),
        (165906.71, 165907, 1024, 521, 350.60, None, None, None, None),
    ),
    "cold with init billed": (
        (
            f"REPORT RequestId: {ID}\tDuration: 1.57 ms\tBilled Duration: 490 ms\tMemory Size: 128 MB\t"
            "Max Memory Used: 81 MB\tInit Duration: 487.97 ms\t\n"
        ),
        (1.57, 490, 128, 81, 487.97, None, None, None, None),
    ),
    "SnapStart restore separated by spaces, X-Ray on the same line": (
        (
            "REPORT RequestId: 24addd09-6e64-49fb-b187-94ba9b60b59a Duration: 127.10 ms Billed Duration: 154 ms "
            "Memory Size: 2048 MB Max Memory Used: 212 MB Restore Duration: 325.93 ms Billed Restore Duration: 26 ms "
            "XRAY TraceId: 1-66d978e5-56c7378e556e94b5461da07c SegmentId: 29c3839e6ecb5895 Sampled: true"
        ),
        (127.10, 154, 2048, 212, None, 325.93, 26, None, None),
    ),
    "SnapStart restore": (
        (
            "REPORT RequestId: 8c360c87-d4b7-4423-b5f3-af02be3c1763\tDuration: 2338.66 ms\tBilled Duration: 2521 ms\t"
            "Memory Size: 3009 MB\tMax Memory Used: 173 MB\tRestore Duration: 398.97 ms\t"
            "Billed Restore Duration: 182 ms\t\n"
        ),
        (2338.66, 2521, 3009, 173, None, 398.97, 182, None, None),
    ),
    "warm whose billed time shows hidden decimals": (
        (
            f"REPORT RequestId: {ID}\tDuration: 1091.00 ms\tBilled Duration: 1092 ms\tMemory Size: 128 MB\t"
            "Max Memory Used: 81 MB\t\n"
        ),
        (1091.0, 1092, 128, 81, None, None, None, None, None),
    ),
    "cold that timed out": (
        (
            f"REPORT RequestId: {ID}\tDuration: 5000.00 ms\tBilled Duration: 5579 ms\tMemory Size: 128 MB\t"
            "Max Memory Used: 113 MB\tInit Duration: 578.07 ms\tStatus: timeout\n"
        ),
        (5000.0, 5579, 128, 113, 578.07, None, None, "timeout", None),
    ),
    "call that was cut at its time limit before its billed time was raised to it": (
        (
            f"REPORT RequestId: {ID}\tDuration: 3003.17 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\t"
            f"Max Memory Used: 51 MB\t\n2019-05-01T10:00:00.000Z {ID} Task timed out after 3.00 seconds\n\n"
        ),
        (3003.17, 3000, 128, 51, None, None, None, None, None),
    ),
    "init that crashed again inside the call": (
        (
            f"REPORT RequestId: {ID}\tDuration: 35.50 ms\tBilled Duration: 36 ms\tMemory Size: 128 MB\t"
            "Max Memory Used: 3 MB\tStatus: error\tError Type: Runtime.ExitError\n"
        ),
        (35.5, 36, 128, 3, None, None, None, "error", "Runtime.ExitError"),
    ),
    "process killed at its memory limit": (
        (
            f"REPORT RequestId: {ID}\tDuration: 812.30 ms\tBilled Duration: 813 ms\tMemory Size: 128 MB\t"
            f"Max Memory Used: 129 MB\t\nRequestId: {ID} Error: Runtime exited with error: signal: killed\n"
            "Runtime.ExitError\n"
        ),
        (812.3, 813, 128, 129, None, None, None, None, None),
    ),
    "runtime emulator, Init Duration first": (
        (
            f"REPORT RequestId: {ID}\tInit Duration: 0.05 ms\tDuration: 120.33 ms\tBilled Duration: 121 ms\t"
            "Memory Size: 3008 MB\tMax Memory Used: 3008 MB\t\n"
        ),
        (120.33, 121, 3008, 3008, 0.05, None, None, None, None),
    ),
    "JSON cold": (
        '{"time":"2026-10-08T07:30:29.470Z","type":"platform.report","record":{"requestId":"' + ID + '","metrics":'
        '{"durationMs":1233.96,"billedDurationMs":1698,"memorySizeMB":256,"maxMemoryUsedMB":123,'
        '"initDurationMs":463.512},"status":"success"}}\n',
        (1233.96, 1698, 256, 123, 463.512, None, None, "success", None),
    ),
    "JSON cold with tracing": (
        '{"time":"2022-10-21T14:05:05.766Z","type":"platform.report","record":{"requestId":"' + ID + '","metrics":'
        '{"durationMs":2599.4,"billedDurationMs":2600,"memorySizeMB":128,"maxMemoryUsedMB":94,"initDurationMs":549.04},'
        '"tracing":{"spanId":"24cd7d670fa455f0","type":"X-Amzn-Trace-Id","value":'
        '"Root=1-6352a70e-1e2c502e358361800241fd45;Parent=35465b3a9e2f7c6a;Sampled=1"},"status":"success"}}',
        (2599.4, 2600, 128, 94, 549.04, None, None, "success", None),
    ),
    "JSON SnapStart restore": (
        '{"time":"2024-02-09T08:42:44.080Z","type":"platform.report","record":{"requestId":"' + ID + '","status":'
        '"success","metrics":{"durationMs": 147.156,"billedDurationMs": 201, "memorySizeMB": 512,"maxMemoryUsedMB": 91,'
        '"restoreDurationMs": 500.795,"billedRestoreDurationMs": 53 }}}\n',
        (147.156, 201, 512, 91, None, 500.795, 53, "success", None),
    ),
    "JSON error": (
        '{"time":"2026-10-08T07:30:29.470Z","type":"platform.report","record":{"requestId":"' + ID + '","metrics":'
        '{"durationMs":35.5,"billedDurationMs":36,"memorySizeMB":128,"maxMemoryUsedMB":3},"status":"error",'
        '"errorType":"Runtime.ExitError"}}\n',
        (35.5, 36, 128, 3, None, None, None, "error", "Runtime.ExitError"),
    ),
}


def tail_of(*lines: str) -> bytes:
    """The log of one call: what user code wrote, then the platform's END and REPORT."""
    return "".join([f"START RequestId: {ID} Version: $LATEST\n", *lines]).encode()


def closed(report: str) -> str:
    return f"END RequestId: {ID}\n{report}"


def json_report(request_id: str = ID, **metrics: float) -> str:
    figures = {"durationMs": 3.1, "billedDurationMs": 4, "memorySizeMB": 512, "maxMemoryUsedMB": 95, **metrics}
    record = {"requestId": request_id, "metrics": figures, "status": "success"}
    return json.dumps({"time": "2026-10-08T07:30:29.470Z", "type": "platform.report", "record": record})


class TestRealLines:
    @pytest.mark.parametrize("name", REAL_LINES)
    def test_a_real_line_gives_every_figure_that_aws_printed(self, name: str) -> None:
        line, figures = REAL_LINES[name]
        report = parse_report(line.encode())
        assert report is not None
        expected = Report(report.request_id, *figures)  # type: ignore[arg-type]
        assert report == expected
        assert report.request_id in line

    @pytest.mark.parametrize("name", REAL_LINES)
    def test_it_is_found_by_its_request_id_and_not_by_another(self, name: str) -> None:
        line = REAL_LINES[name][0].encode()
        report = parse_report(line)
        assert report is not None
        assert parse_report(line, report.request_id) == report
        assert parse_report(line, "00000000-0000-0000-0000-000000000000") is None

    @pytest.mark.parametrize("name", REAL_LINES)
    def test_a_line_cut_anywhere_before_its_end_is_not_read(self, name: str) -> None:
        line = REAL_LINES[name][0]
        report = parse_report(line.encode())
        for length in range(len(line)):
            found = parse_report(line[:length].encode())
            assert found in {None, report}, line[:length]


class TestCompleteness:
    def test_the_end_of_the_tail_does_not_prove_that_a_line_is_complete(self) -> None:
        assert parse_report(WARM.encode()) is None
        assert parse_report(f"{WARM}\t".encode()) is None

    def test_a_line_feed_proves_it(self) -> None:
        assert parse_report(f"{WARM}\n".encode()) is not None
        assert parse_report(f"{WARM}\t\n".encode()) is not None

    def test_an_x_ray_trailer_proves_it(self) -> None:
        assert parse_report(f"{WARM}\tXRAY TraceId: 1-5e84".encode()) is not None

    def test_a_line_feed_in_the_middle_of_a_cold_line_does_not_make_it_warm(self) -> None:
        assert parse_report(COLD.replace("\tInit", "\nInit").encode() + b"\t\n") is None
        assert parse_report(f"{WARM}\nStatus: timeout\t\n".encode()) is None

    def test_an_unknown_key_makes_a_line_unreadable(self) -> None:
        assert parse_report(COLD.replace("Init", "Inut").encode() + b"\n") is None

    @pytest.mark.parametrize("key", ["Duration", "Billed Duration", "Memory Size", "Max Memory Used"])
    def test_a_missing_mandatory_field_makes_a_line_unreadable(self, key: str) -> None:
        fields = [field for field in WARM.split("\t") if not field.startswith(f"{key}:")]
        assert len(fields) == 4
        assert parse_report(("\t".join(fields) + "\t\n").encode()) is None

    @pytest.mark.parametrize("field", WARM.split("\t")[1:])
    def test_a_duplicate_field_makes_a_line_unreadable(self, field: str) -> None:
        assert parse_report(f"{WARM}\t{field}\t\n".encode()) is None

    @pytest.mark.parametrize("number", ["NaN", "-1.00", "1e3", "1,5", "", "0x10", "1.2.3"])
    def test_a_duration_that_is_not_a_number_makes_a_line_unreadable(self, number: str) -> None:
        assert parse_report(WARM.replace("3.10", number).encode() + b"\t\n") is None

    def test_init_and_restore_exclude_each_other(self) -> None:
        assert parse_report(f"{COLD}\tRestore Duration: 300.00 ms\t\n".encode()) is None

    def test_a_billed_restore_needs_a_restore(self) -> None:
        assert parse_report(f"{WARM}\tBilled Restore Duration: 30 ms\t\n".encode()) is None


class TestUserCode:
    def test_a_printed_duration_is_not_read(self) -> None:
        report = parse_report(tail_of("\tDuration: 1.00 ms\n", closed(f"{WARM}\t\n")), ID)
        assert report is not None
        assert report.duration_ms == 3.10

    @pytest.mark.parametrize("request_id", [ID, OTHER_ID])
    def test_a_printed_report_before_the_real_one_is_not_read(self, request_id: str) -> None:
        fake = WARM.replace("3.10", "1.00").replace(ID, request_id) + "\t\n"
        for wanted in (ID, None):
            report = parse_report(tail_of(fake, closed(f"{COLD}\t\n")), wanted)
            assert report is not None
            assert (report.duration_ms, report.init_ms) == (3.10, 542.01)

    def test_a_printed_report_does_not_stand_in_for_a_broken_real_one(self) -> None:
        fake = f"{WARM}\t\n"
        assert parse_report(tail_of(fake, closed(f"{COLD}")), ID) is None
        assert parse_report(tail_of(fake, closed(f"{COLD}\t\n").replace("Billed", "Bil1ed")), ID) is None

    def test_a_printed_report_is_not_read_when_the_tail_ends_after_it(self) -> None:
        assert parse_report(tail_of("hello\n", f"{WARM}\t\n"), ID) is None

    def test_a_printed_json_report_before_the_real_text_line_is_not_read(self) -> None:
        report = parse_report(tail_of(json_report(durationMs=1.0) + "\n", closed(f"{WARM}\t\n")), ID)
        assert report is not None
        assert report.duration_ms == 3.10

    def test_a_printed_text_report_before_the_real_json_record_is_not_read(self) -> None:
        report = parse_report((f"{WARM}\t\n" + json_report(durationMs=2.5) + "\n").encode(), ID)
        assert report is not None
        assert report.duration_ms == 2.5

    def test_a_report_inside_a_logged_object_is_not_the_platforms(self) -> None:
        assert parse_report(('{"level":"INFO","message":' + json_report() + "}\n").encode(), ID) is None

    def test_a_report_in_a_logged_string_is_not_read(self) -> None:
        assert parse_report((json.dumps({"message": json_report()}) + "\n").encode(), ID) is None


class TestTails:
    def test_a_tail_that_begins_inside_the_end_line_is_read(self) -> None:
        line = closed(f"{WARM}\t\n")
        whole = parse_report(line.encode())
        assert whole is not None
        for start in range(line.index("REPORT") + 1):
            assert parse_report(line[start:].encode(), ID) == whole

    def test_extension_text_between_end_and_report_is_passed_over(self) -> None:
        tail = tail_of(f"END RequestId: {ID}\n", "[extension] flushed\n", f"{WARM}\t\n")
        assert parse_report(tail, ID) is not None

    def test_the_last_report_of_the_wanted_call_is_read_among_several_calls(self) -> None:
        second = tail_of(closed(f"{COLD}\t\n")).decode().replace(ID, OTHER_ID)
        tail = tail_of(closed(f"{WARM}\t\n")) + second.encode()
        first_report, second_report = parse_report(tail, ID), parse_report(tail, OTHER_ID)
        assert first_report is not None
        assert second_report is not None
        assert (first_report.init_ms, second_report.init_ms) == (None, 542.01)
        assert parse_report(tail) == second_report

    @pytest.mark.parametrize("tail", [b"", b"\n", b"REPORT RequestId: ", b'"platform.report"', b"\xff\xfe" * 2048])
    def test_a_tail_without_a_report_gives_none(self, tail: bytes) -> None:
        assert parse_report(tail) is None
        assert parse_report(tail, ID) is None

    def test_every_read_only_view_of_a_4_kb_tail_agrees(self) -> None:
        tail = tail_of("x" * 5000, "\n", closed(f"{WARM}\t\n"))
        assert parse_report(tail[-4096:], ID) == parse_report(tail, ID)


class TestJson:
    def test_a_record_after_the_middle_of_another_object_is_read(self) -> None:
        tail = 'age":"half of an object","level":"INFO"}}\n' + json_report() + "\n"
        assert parse_report(tail.encode(), ID) is not None

    def test_a_record_glued_to_extension_text_is_read(self) -> None:
        tail = "EXTENSION\tName: agent\tState: Ready\tEvents: []" + json_report() + "\n"
        assert parse_report(tail.encode(), ID) is not None
        assert parse_report((json_report() + "EXTENSION Name: agent\n").encode(), ID) is not None

    def test_pretty_printed_user_objects_between_platform_lines_do_no_harm(self) -> None:
        pretty = json.dumps({"type": "order", "items": [{"id": 1}, {"id": 2}]}, indent=2)
        assert parse_report(f"{pretty}\n{json_report()}\n".encode(), ID) is not None

    def test_records_of_other_calls_are_passed_over(self) -> None:
        started = '{"time":"2026-10-08T07:30:29Z","type":"platform.start","record":{"requestId":"x"}}'
        tail = f"{json_report(durationMs=2.0)}\n{started}\n{json_report(OTHER_ID)}\n"
        report = parse_report(tail.encode(), ID)
        assert report is not None
        assert report.duration_ms == 2.0

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"durationMs": 3.1', '"durationMs": NaN'),
            ('"durationMs": 3.1', '"durationMs": "3.1"'),
            ('"durationMs": 3.1', '"durationMs": true'),
            ('"durationMs": 3.1', '"durationMs": -3.1'),
            ('"durationMs": 3.1', '"durationMs": 3.1, "durationMs": 4.0'),
            ('"durationMs"', '"durationMz"'),
            ('"memorySizeMB": 512', '"memorySizeMB": 512.5'),
            ('"metrics"', '"metrix"'),
            ('"status": "success"', '"status": "sucess"'),
            ('"requestId"', '"requestld"'),
            ('"record"', '"rec0rd"'),
            ('"maxMemoryUsedMB": 95', '"maxMemoryUsedMB": 95, "initDurationMz": 4.0'),
            ('"maxMemoryUsedMB": 95', '"maxMemoryUsedMB": 95, "billedRestoreDurationMs": 4'),
        ],
    )
    def test_an_inconsistent_record_is_not_read(self, old: str, new: str) -> None:
        assert old in json_report()
        assert parse_report((json_report().replace(old, new, 1) + "\n").encode(), ID) is None


class TestInits:
    def test_text_lines_give_phase_status_and_error(self) -> None:
        tail = (
            "INIT_REPORT Init Duration: 9999.47 ms\tPhase: init\tStatus: timeout\n"
            "INIT_REPORT Init Duration: 488.22 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError\t\n"
        )
        assert parse_init_reports(tail.encode()) == (
            InitReport(9999.47, "init", "timeout", None),
            InitReport(488.22, "invoke", "error", "Runtime.ExitError"),
        )

    def test_json_records_are_read(self) -> None:
        record = (
            '{"time":"2025-11-30T22:35:51.565857Z","type":"platform.initReport","record":{"initializationType":'
            '"on-demand","phase":"init","status":"success","metrics":{"durationMs":565.4}}}\n'
        )
        assert parse_init_reports(record.encode()) == (InitReport(565.4, "init", "success", None),)

    @pytest.mark.parametrize(
        "tail",
        [
            b"INIT_REPORT Init Duration: 9999.47 ms\tPhase: init\tStatus: time",
            b"x INIT_REPORT Init Duration: 9999.47 ms\tPhase: init\tStatus: timeout\n",
            b"INIT_REPORT Init Duration: 9999.47 ms\tPhase: other\tStatus: timeout\n",
            b'{"type":"platform.initReport","record":{"phase":"init","status":"success","metrics":{}}}',
            b'{"type":"platform.initReport","record":[]}',
            b'{"type":"platform.initReport","record":{"phase":"i","status":"success","metrics":{"durationMs":1}}}',
        ],
    )
    def test_broken_lines_give_nothing(self, tail: bytes) -> None:
        assert parse_init_reports(tail) == ()


class TestStartKind:
    def test_no_report_is_unknown(self) -> None:
        assert start_kind(None, b"") is Start.UNKNOWN

    @pytest.mark.parametrize(
        ("line", "kind"),
        [
            (WARM, Start.WARM),
            (COLD, Start.COLD),
            (f"{WARM}\tRestore Duration: 300.00 ms\tBilled Restore Duration: 30 ms", Start.RESTORED),
        ],
    )
    def test_the_report_proves_the_kind(self, line: str, kind: Start) -> None:
        tail = f"{line}\t\n".encode()
        assert start_kind(parse_report(tail), tail) is kind

    @pytest.mark.parametrize(
        "init",
        [
            "INIT_REPORT Init Duration: 9999.47 ms\tPhase: init\tStatus: timeout\n",
            "INIT_REPORT Init Duration: 488.22 ms\tPhase: invoke\tStatus: success\n",
        ],
    )
    def test_an_init_that_ran_again_inside_the_call_makes_it_cold(self, init: str) -> None:
        tail = tail_of(init, closed(f"{WARM}\t\n"))
        assert start_kind(parse_report(tail, ID), tail) is Start.COLD

    def test_an_init_that_succeeded_before_the_call_does_not(self) -> None:
        tail = tail_of(
            '{"type":"platform.initReport","record":{"phase":"init","status":"success","metrics":{"durationMs":1}}}\n',
            closed(f"{WARM}\t\n"),
        )
        assert start_kind(parse_report(tail, ID), tail) is Start.WARM
