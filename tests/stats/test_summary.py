"""The figures of a cell from its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdatune.model.invocation import Start, Status
from lambdatune.model.result import Stats
from lambdatune.stats.histogram import LatencyHistogram
from lambdatune.stats.rows import empty_rows
from lambdatune.stats.summary import (
    cold_stats,
    described,
    histogram_of,
    mean_or_none,
    nearest_rank,
    summarise,
    summarise_histogram,
    warm_stats,
)

if TYPE_CHECKING:
    from lambdatune.stats.rows import Rows

MS = 1_000_000


def calls(start: Start, durations: list[float], status: Status = Status.OK) -> Rows:
    """Calls sent 1 ms late whose answer takes 10 ms longer than the handler."""
    rows = empty_rows(len(durations))
    rows["start"], rows["status"] = start, status
    rows["duration_ms"], rows["billed_ms"] = durations, np.ceil(durations)
    rows["intended_ns"], rows["sent_ns"] = 1_000 * MS, 1_001 * MS
    rows["done_ns"] = rows["sent_ns"] + ((np.array(durations) + 10) * MS).astype(np.int64)
    return rows


class TestSummarise:
    def test_no_values_have_no_figures(self) -> None:
        assert summarise([], 0.95) == Stats(count=0)

    def test_figures_are_the_histograms(self) -> None:
        values = np.random.default_rng(1).lognormal(4, 0.5, 5_000)
        histogram = LatencyHistogram(values)
        stats = summarise(values, 0.95)
        assert (stats.count, stats.min, stats.max) == (5_000, histogram.min_ms, histogram.max_ms)
        assert [stats.p50, stats.p90, stats.p95, stats.p99, stats.p99_9] == histogram.percentiles_ms(
            [50, 90, 95, 99, 99.9]
        )
        assert stats.mean == pytest.approx(values.mean(), rel=1e-3)
        assert stats == summarise_histogram(histogram, 0.95)

    def test_intervals_hold_their_percentile_and_have_no_upper_end_where_data_are_thin(self) -> None:
        stats = summarise(np.random.default_rng(1).lognormal(4, 0.5, 500), 0.95)
        assert list(stats.intervals) == ["p50", "p90", "p95", "p99", "p99_9"]
        for name, (low, high) in stats.intervals.items():
            value = getattr(stats, name)
            assert low <= value
            assert (high is None) == (name == "p99_9")
            assert high is None or value <= high

    def test_more_confidence_makes_wider_intervals(self) -> None:
        values = np.random.default_rng(1).lognormal(4, 0.5, 5_000)
        (low, high), (wide_low, wide_high) = (summarise(values, level).intervals["p95"] for level in (0.8, 0.99))
        assert high is not None
        assert wide_high is not None
        assert wide_low < low < high < wide_high


class TestWarm:
    def test_every_clock_is_summarised(self) -> None:
        stats = warm_stats(calls(Start.WARM, [20.0, 30.0]), 0.95)
        assert stats.count == 2
        assert stats.duration_ms.mean == pytest.approx(25, rel=1e-3)
        assert stats.service_ms.mean == pytest.approx(35, rel=1e-3)
        assert stats.response_ms.mean == pytest.approx(36, rel=1e-3)
        assert stats.billed_ms_mean == 25

    def test_failed_calls_are_counted_but_not_described_and_others_are_left_out(self) -> None:
        rows = np.concatenate(
            [
                calls(Start.WARM, [20.0]),
                calls(Start.COLD, [500.0]),
                calls(Start.RESTORED, [500.0]),
                calls(Start.UNKNOWN, [1.0]),
                calls(Start.WARM, [1.0], Status.FUNCTION_ERROR),
                calls(Start.WARM, [1.0], Status.OUT_OF_MEMORY),
            ]
        )
        stats = warm_stats(rows, 0.95)
        assert (stats.count, stats.duration_ms.count) == (3, 1)

    def test_a_call_cut_off_by_a_time_limit_is_described_at_that_limit(self) -> None:
        rows = np.concatenate([calls(Start.WARM, [20.0]), calls(Start.WARM, [3000.0], Status.TIMEOUT)])
        stats = warm_stats(rows, 0.95)
        assert stats.count == 2
        assert stats.duration_ms.max == pytest.approx(3000, rel=1e-3)

    def test_no_warm_calls_have_no_figures(self) -> None:
        stats = warm_stats(empty_rows(0), 0.95)
        assert (stats.count, stats.billed_ms_mean, stats.duration_ms) == (0, None, Stats(count=0))


class TestCold:
    def test_handler_init_and_total_are_told_apart(self) -> None:
        rows = np.concatenate([calls(Start.COLD, [20.0]), calls(Start.RESTORED, [40.0])])
        rows["init_ms"][0], rows["restore_ms"][1] = 300, 400
        stats = cold_stats(rows, 0.95)
        assert stats.count == 2
        assert stats.init_ms.mean == pytest.approx(350, rel=1e-3)
        assert stats.duration_ms.mean == pytest.approx(30, rel=1e-3)
        assert stats.total_ms.mean == pytest.approx(380, rel=1e-3)

    def test_an_init_that_ran_inside_the_call_counts_in_the_total_only(self) -> None:
        stats = cold_stats(calls(Start.COLD, [900.0]), 0.95)
        assert (stats.count, stats.init_ms.count, stats.duration_ms.count, stats.total_ms.count) == (1, 0, 0, 1)
        assert stats.total_ms.max == pytest.approx(900, rel=1e-3)


class TestHelpers:
    @given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 1))
    def test_nearest_rank_is_a_value_that_enough_values_do_not_exceed(
        self, values: list[float], quantile: float
    ) -> None:
        found = nearest_rank(np.array(values), quantile)
        assert found in values
        assert sum(value <= found for value in values) >= quantile * len(values) - 1e-6
        assert sum(value < found for value in values) <= max(quantile * len(values), 1) + 1e-6

    def test_nearest_rank_needs_values_and_a_share(self) -> None:
        for values, quantile in ((np.array([]), 0.5), (np.array([1.0]), 1.5)):
            with pytest.raises(ValueError, match="have no quantile"):
                nearest_rank(values, quantile)

    def test_the_histogram_of_rows_holds_what_is_described(self) -> None:
        rows = np.concatenate([calls(Start.WARM, [20.0]), calls(Start.WARM, [1.0], Status.THROTTLED)])
        assert described(rows).tolist() == [True, False]
        assert histogram_of(rows, "duration") == LatencyHistogram([20.0])

    def test_a_mean_leaves_out_what_is_not_known(self) -> None:
        assert mean_or_none(np.array([1.0, np.nan, 3.0])) == 2
        assert mean_or_none(np.array([np.nan])) is None
