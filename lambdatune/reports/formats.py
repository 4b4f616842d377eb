"""The formats of a report by name. Each renderer is imported when it is used: the help needs their names only."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lambdatune.model.compared import Comparison

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.model.result import RunResult
    from lambdatune.session.replay import RecordedRun

FORMATS: dict[str, tuple[str, str]] = {
    "text": ("text", "render_text"),
    "json": ("json_report", "render_json"),
    "csv": ("csv_report", "render_csv"),
    "markdown": ("markdown_report", "render_markdown"),
    "junit": ("junit_report", "render_junit"),
    "html": ("html_report", "render_html"),
    "openmetrics": ("openmetrics_report", "render_openmetrics"),
    "power-tuning": ("power_tuning_report", "render_power_tuning"),
    "hgrm": ("hgrm_report", "render_hgrm"),
}
"""Name of a format to its module in this room and the function there."""


ROW_FORMATS: dict[str, tuple[str, str]] = {"hlog": ("hlog_report", "render_hlog")}
"""The same of formats that the result does not hold enough for: they are made from a run's rows."""


def render(result: RunResult | Comparison, format_name: str) -> str:
    """Return the report of a run in one of `FORMATS`, or of a comparison in one of those that it has."""
    if isinstance(result, Comparison):
        from lambdatune.reports.comparison_report import render_comparison  # noqa: PLC0415  only comparisons need it

        return render_comparison(result, format_name)
    function: Callable[[RunResult], str] = _imported(*FORMATS[format_name])
    return function(result)


def render_recorded(result: RunResult, format_name: str, run: Callable[[], RecordedRun]) -> str:
    """Return the report of a recorded run in one of `FORMATS` or `ROW_FORMATS`.

    Args:
        result: as recorded, or decided anew.
        format_name: of the report.
        run: reads the rows, where the format is made from them.

    Raises:
        UsageError: when the rows cannot be read, or there are none.
    """
    if format_name in FORMATS:
        return render(result, format_name)
    function: Callable[[RecordedRun], str] = _imported(*ROW_FORMATS[format_name])
    return function(run())


def _imported(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"{__package__}.{module}"), name)
