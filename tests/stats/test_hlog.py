"""Interval logs and percentile tables that the public HdrHistogram tools read."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from lambdatune.model.errors import UsageError
from lambdatune.stats.histogram import HIGHEST_US, LatencyHistogram
from lambdatune.stats.hlog import HlogWriter, percentile_distribution, read_hlog

if TYPE_CHECKING:
    from pathlib import Path

START_S = 1_795_000_000.25
TAG = "mem-512.warm.duration"


def log_of(*intervals: tuple[str, float, float, LatencyHistogram]) -> str:
    stream = io.StringIO()
    writer = HlogWriter(stream, start_s=START_S)
    for tag, start_s, end_s, histogram in intervals:
        writer.write(histogram, tag=tag, start_s=start_s, end_s=end_s)
    return stream.getvalue()


class TestWriter:
    def test_a_log_has_a_version_its_times_and_a_legend(self) -> None:
        assert log_of().splitlines() == [
            "#[Histogram log format version 1.3]",
            "#[StartTime: 1795000000.000 (seconds since epoch), Wed Nov 18 11:06:40 UTC 2026]",
            "#[BaseTime: 1795000000.000 (seconds since epoch)]",
            '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
        ]

    def test_an_interval_has_its_tag_and_times_relative_to_the_base(self) -> None:
        line = log_of((TAG, START_S + 1, START_S + 2.5, LatencyHistogram([3.0]))).splitlines()[-1]
        assert re.fullmatch(rf"Tag={re.escape(TAG)},1\.250,1\.500,3\.001,HISTF[A-Za-z0-9+/]+=*", line)

    def test_an_interval_on_whole_seconds_may_begin_before_the_first_call_of_its_second(self) -> None:
        line = log_of((TAG, float(int(START_S)), int(START_S) + 1.0, LatencyHistogram([3.0]))).splitlines()[-1]
        assert line.startswith(f"Tag={TAG},0.000,1.000,")

    def test_every_line_is_flushed(self, tmp_path: Path) -> None:
        path = tmp_path / "latency.hlog"
        with path.open("w", encoding="ascii") as stream:
            writer = HlogWriter(stream, start_s=START_S)
            writer.write(LatencyHistogram([1.0]), tag=TAG, start_s=START_S, end_s=START_S + 1)
            assert len(path.read_text(encoding="ascii").splitlines()) == 5

    def test_a_log_is_continued_without_a_second_header(self) -> None:
        stream = io.StringIO(log_of((TAG, START_S, START_S + 1, LatencyHistogram([1.0]))))
        stream.seek(0, io.SEEK_END)
        writer = HlogWriter(stream, start_s=START_S, header=False)
        writer.write(LatencyHistogram([2.0]), tag=TAG, start_s=START_S + 1, end_s=START_S + 2)
        stream.seek(0)
        assert [interval.start_s for interval in read_hlog(stream)] == [START_S, START_S + 1]

    @pytest.mark.parametrize("tag", ["", "a,b", "a b", "a\nb"])
    def test_a_tag_that_would_break_the_line_is_refused(self, tag: str) -> None:
        with pytest.raises(ValueError, match="comma or white space"):
            log_of((tag, START_S, START_S + 1, LatencyHistogram([1.0])))

    @pytest.mark.parametrize(("start", "end"), [(-2.0, 0.0), (2.0, 1.0)])
    def test_times_that_run_backwards_are_refused(self, start: float, end: float) -> None:
        with pytest.raises(ValueError, match="begins before"):
            log_of((TAG, START_S + start, START_S + end, LatencyHistogram([1.0])))


class TestKnownDefectsOfHdrhDoNotReachAUser:
    """The numbers are those of the list in statistics.md, 2.3."""

    def test_1_a_start_time_can_be_written(self) -> None:
        assert "#[StartTime: 1795000000.000 (seconds since epoch)" in log_of()

    def test_2_the_interval_maximum_keeps_its_fraction(self) -> None:
        line = log_of((TAG, START_S, START_S + 1, LatencyHistogram([0.9]))).splitlines()[-1]
        assert line.split(",")[3] == "0.900"

    def test_3_tags_are_written_in_format_1_3(self) -> None:
        text = log_of((TAG, START_S, START_S + 1, LatencyHistogram([0.9])))
        assert "format version 1.3]" in text
        assert f"\nTag={TAG}," in text

    def test_6_an_interval_keeps_its_own_times(self) -> None:
        text = log_of((TAG, START_S + 3, START_S + 4, LatencyHistogram([0.9])))
        interval = next(read_hlog(io.StringIO(text)))
        assert (interval.start_s, interval.end_s) == (START_S + 3, START_S + 4)


class TestReaders:
    def test_our_reader_gives_back_what_was_written(self) -> None:
        rng = np.random.default_rng(1)
        histograms = [LatencyHistogram(rng.lognormal(3, 1, 100)) for _ in range(3)]
        text = log_of(*((f"{TAG}{at}", START_S + at, START_S + at + 1, each) for at, each in enumerate(histograms)))
        intervals = list(read_hlog(io.StringIO(text)))
        assert [interval.histogram for interval in intervals] == histograms
        assert [interval.tag for interval in intervals] == [f"{TAG}{at}" for at in range(3)]
        assert [interval.end_s for interval in intervals] == [START_S + at + 1 for at in range(3)]

    def test_hdrhs_reader_finds_the_same_values_tags_and_times(self, tmp_path: Path) -> None:
        path = tmp_path / "latency.hlog"
        histogram = LatencyHistogram([1.0, 20.0, 300.0])
        text = log_of((TAG, START_S + 2, START_S + 3, histogram), ("b", START_S + 3, START_S + 4, LatencyHistogram()))
        path.write_text(text, encoding="ascii")
        reader = HistogramLogReader(str(path), HdrHistogram(1, HIGHEST_US, 3))
        try:
            first, second = reader.get_next_interval_histogram(), reader.get_next_interval_histogram()
            assert reader.get_next_interval_histogram() is None
        finally:
            reader.close()
        assert np.array_equal(np.frombuffer(first.counts, dtype=np.int64), histogram.counts)
        assert (first.get_tag(), first.get_start_time_stamp()) == (TAG, pytest.approx((START_S + 2) * 1000))
        assert first.get_end_time_stamp() == pytest.approx((START_S + 3) * 1000)
        assert (second.get_tag(), second.get_total_count()) == ("b", 0)

    def test_a_half_written_last_line_is_left_out(self) -> None:
        text = log_of(*((TAG, START_S, START_S + 1, LatencyHistogram([1.0])) for _ in range(2)))
        last = text.rindex("Tag=")
        for end in range(last, len(text)):
            assert len(list(read_hlog(io.StringIO(text[:end])))) == 1
        assert len(list(read_hlog(io.StringIO(text)))) == 2

    def test_a_log_without_tags_and_base_is_read(self) -> None:
        encoded = LatencyHistogram([1.0]).encode()
        interval = next(read_hlog(io.StringIO(f"# made elsewhere\n\n1795000000.5,1.0,2.769,{encoded}\n")))
        assert (interval.tag, interval.start_s, interval.end_s) == (None, 1795000000.5, 1795000001.5)

    def test_a_line_that_is_no_interval_is_named(self) -> None:
        with pytest.raises(UsageError, match="line 2 of the histogram log"):
            list(read_hlog(io.StringIO("# fine\nnot an interval\n")))


class TestPercentileTable:
    def test_a_table_worked_out_by_hand_from_the_rules_of_the_original(self) -> None:
        table = percentile_distribution(LatencyHistogram(np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 11]) / 1000))
        assert table == (
            "       Value     Percentile TotalCount 1/(1-Percentile)\n"
            "\n"
            "       0.001 0.000000000000          1           1.00\n"
            "       0.001 0.100000000000          1           1.11\n"
            "       0.002 0.200000000000          2           1.25\n"
            "       0.003 0.300000000000          3           1.43\n"
            "       0.004 0.400000000000          4           1.67\n"
            "       0.005 0.500000000000          5           2.00\n"
            "       0.006 0.550000000000          6           2.22\n"
            "       0.006 0.600000000000          6           2.50\n"
            "       0.007 0.650000000000          7           2.86\n"
            "       0.007 0.700000000000          7           3.33\n"
            "       0.008 0.750000000000          8           4.00\n"
            "       0.008 0.775000000000          8           4.44\n"
            "       0.008 0.800000000000          8           5.00\n"
            "       0.009 0.825000000000          9           5.71\n"
            "       0.009 0.850000000000          9           6.67\n"
            "       0.009 0.875000000000          9           8.00\n"
            "       0.009 0.887500000000          9           8.89\n"
            "       0.009 0.900000000000          9          10.00\n"
            "       0.011 0.912500000000         10          11.43\n"
            "       0.011 1.000000000000         10\n"
            "#[Mean    =        0.006, StdDeviation   =        0.003]\n"
            "#[Max     =        0.011, Total count    =           10]\n"
            "#[Buckets =           22, SubBuckets     =         2048]\n"
        )

    def test_levels_halve_the_distance_to_100_percent_and_end_there(self) -> None:
        table = percentile_distribution(LatencyHistogram(np.random.default_rng(2).lognormal(4, 1, 50_000)))
        rows = [line.split() for line in table.splitlines()[2:] if not line.startswith("#")]
        shares = [float(row[1]) for row in rows]
        totals = [int(row[2]) for row in rows]
        assert shares == sorted(shares)
        assert totals == sorted(totals)
        assert (shares[-1], totals[-1]) == (1.0, 50_000)
        assert all(total >= share * 50_000 - 1e-6 for share, total in zip(shares, totals, strict=True))
        assert {0.5, 0.75, 0.875, 0.9375} <= set(shares)

    def test_an_empty_histogram_gives_an_empty_table(self) -> None:
        lines = percentile_distribution(LatencyHistogram()).splitlines()
        assert len(lines) == 5
        assert "Total count    =            0]" in lines[3]
