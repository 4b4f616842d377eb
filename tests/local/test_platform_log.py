"""Platform lines, letter for letter."""

from __future__ import annotations

import json

import pytest

from lambdatune.local.platform_log import Figures, JsonLog, TextLog
from lambdatune.model.report_line import parse_report

ID = "5002d846-892a-4bfe-83bb-b0c32406c482"


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        (
            Figures(ID, 3.10, 2048, 95, 542.01),
            (
                f"REPORT RequestId: {ID}\tDuration: 3.10 ms\tBilled Duration: 546 ms\tMemory Size: 2048 MB\t"
                "Max Memory Used: 95 MB\tInit Duration: 542.01 ms\t\n"
            ),
        ),
        (
            Figures(ID, 741.17, 128, 84),
            (
                f"REPORT RequestId: {ID}\tDuration: 741.17 ms\tBilled Duration: 742 ms\tMemory Size: 128 MB\t"
                "Max Memory Used: 84 MB\t\n"
            ),
        ),
        (
            Figures(ID, 5000.0, 512, 113, 578.07, "timeout", "Sandbox.Timedout"),
            (
                f"REPORT RequestId: {ID}\tDuration: 5000.00 ms\tBilled Duration: 5579 ms\tMemory Size: 512 MB\t"
                "Max Memory Used: 113 MB\tInit Duration: 578.07 ms\tStatus: timeout\n"
            ),
        ),
        (
            Figures(ID, 229.5, 128, 43, None, "error", "Runtime.ImportModuleError"),
            (
                f"REPORT RequestId: {ID}\tDuration: 229.50 ms\tBilled Duration: 230 ms\tMemory Size: 128 MB\t"
                "Max Memory Used: 43 MB\tStatus: error\tError Type: Runtime.ImportModuleError\n"
            ),
        ),
    ],
)
def test_report_lines(figures: Figures, line: str) -> None:
    lines = TextLog().end(figures)
    assert lines == [f"END RequestId: {ID}\n", line]
    report = parse_report("".join(lines).encode())
    assert report is not None
    assert (report.billed_ms, report.init_ms) == (figures.billed_ms, figures.init_ms)


def test_init_report() -> None:
    lines = TextLog().init_report(9999.47, "init", "timeout", None)
    assert lines == ["INIT_REPORT Init Duration: 9999.47 ms\tPhase: init\tStatus: timeout\n"]


def test_json_report_and_levels() -> None:
    figures = Figures(ID, 329.1774, 1792, 125, 503.083)
    (line,) = JsonLog("INFO").end(figures)
    assert json.loads(line)["record"]["metrics"] == {
        "durationMs": 329.177,
        "billedDurationMs": 833,
        "memorySizeMB": 1792,
        "maxMemoryUsedMB": 125,
        "initDurationMs": 503.083,
    }
    assert JsonLog("WARN").end(figures) == []
    assert len(JsonLog("DEBUG").end(figures)) == 2
    failed = Figures(ID, 1.0, 128, 10, None, "error", "Runtime.ExitError")
    assert [json.loads(line)["type"] for line in JsonLog("WARN").end(failed)] == [
        "platform.runtimeDone",
        "platform.report",
    ]
