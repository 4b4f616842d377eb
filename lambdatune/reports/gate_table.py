"""What a gate found, as every report that has tables or lines tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.reports.plain_table import UNKNOWN, table

if TYPE_CHECKING:
    from lambdatune.model.gate import GateCheck, GateReport

HEADERS = ("MB", "figure", "baseline", "this run", "ratio", "interval", "gate")
_MARKS = {"no regression shown": "✓", "regression": "✗", "inconclusive": "?"}


def gate_rows(report: GateReport) -> list[list[str]]:
    """Return a row of texts for each check, with the columns of `HEADERS`."""
    return [
        [
            str(check.memory_mb), check.measure.replace("_", "."),
            figure(check, check.base), figure(check, check.figure),
            UNKNOWN if check.ratio is None else f"{check.ratio:.2f}x", interval(check),
            f"{_MARKS[check.outcome]} {check.outcome}",
        ]
        for check in report.checks
    ]  # fmt: skip


def gate_remarks(report: GateReport) -> list[tuple[str, str]]:
    """Return what a reader has to know besides the checks: of each, its kind and a sentence."""
    found = [("measured again", f"at the first look: {sentence}") for sentence in report.measured_again]
    found += [("not checked", sentence) for sentence in report.not_gated]
    found += [("note", sentence) for sentence in report.cautions]
    found += [("drift", drift.sentence) for drift in report.drift if drift.outcome != "too few runs"]
    return found


def gate_legend(report: GateReport) -> str:
    """Return how the table is to be read."""
    return (
        f"a regression: the lower end of the ratio's interval is above {1 + report.margin:g}x; all checks together "
        f"hold at {report.confidence:.0%} confidence"
    )


def gate_lines(report: GateReport) -> list[str]:
    """Return the gate as lines of text."""
    lines = [""]
    if report.checks:
        lines += [*table([("", header) for header in HEADERS], gate_rows(report))[1:], "", gate_legend(report)]
    lines += [f"{kind}: {sentence}" for kind, sentence in gate_remarks(report)]
    return [*lines, "", report.sentence]


def figure(check: GateCheck, value: float | None) -> str:
    """Return a figure of a check with its unit."""
    if value is None:
        return UNKNOWN
    if check.measure == "errors":
        return f"{100 * value:.1f} %"
    return f"{value:.3g} per 1M" if check.measure == "cost" else f"{value:.1f} ms"


def interval(check: GateCheck) -> str:
    """Return the interval of a check's ratio; ``no end`` stands where the calls do not bound it."""
    if check.ratio is None:
        return ""
    low = "no end" if check.low is None else f"{check.low:.2f}x"
    high = "no end" if check.high is None else f"{check.high:.2f}x"
    return f"{low} to {high}"
