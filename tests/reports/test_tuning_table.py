"""Figures of aws-lambda-power-tuning, by themselves and beside a run's."""

from __future__ import annotations

from support.recorded_runs import SLOWER

from lambdatune.model.power_tuning import PowerTuning
from lambdatune.reports.tuning_table import beside, render_tunings

THERE = PowerTuning((128, 768, 1536), (200.0, 30.0, 20.0), (4.2e-7, 3.5e-7, 5e-7), name="old\x1b one")


def test_a_tuning_is_a_table_with_the_size_of_each_strategy() -> None:
    lines = render_tunings([THERE, PowerTuning((128,), (0.0,), (0.0,), "CNY")]).splitlines()
    assert lines[:8] == [
        "figures of aws-lambda-power-tuning: old\ufffd one", "",
        "  MB     ms  $ per 1M", " 128  200.0      0.42", " 768   30.0      0.35", "1536   20.0      0.50", "",
        "cheapest 768 MB, fastest 1536 MB, balanced 768 MB",
    ]  # fmt: skip
    assert " MB   ms  CNY per 1M" in lines
    assert "without the request fee" in lines[-1]


def test_beside_a_run_the_sizes_that_both_have_are_compared(recorded) -> None:
    result = recorded(SLOWER)
    cell = result.cells[3]
    text = beside(THERE, result)
    rows = [line.split() for line in text.splitlines()[3:6]]
    mean_ms, cost = cell.warm.duration_ms.mean, cell.cost_usd_per_million.warm
    assert rows[1] == ["768", "30.0", f"{mean_ms:.1f}", f"{100 * (mean_ms / 30 - 1):+.0f}%", "0.35", f"{cost:.2f}"]
    assert rows[2] == ["1536", "20.0", "-", "-", "0.50", "-"]
    assert rows[0][3] == "-2%"
