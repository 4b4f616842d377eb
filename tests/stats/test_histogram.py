"""Latency histograms: HdrHistogram's counts, one rule of ranks, and nothing lost."""

from __future__ import annotations

import base64
import contextlib
import math
import struct
import zlib

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lambdatune.model.errors import UsageError
from lambdatune.stats.histogram import BIN_HIGHEST_US, BIN_LOWEST_US, BINS, HIGHEST_US, LatencyHistogram, nearest_rank

LATENCIES = hnp.arrays(np.float64, st.integers(1, 200), elements=st.floats(0, HIGHEST_US / 1000))


def native(values_ms: np.ndarray) -> HdrHistogram:
    """The same values recorded one by one by hdrh itself."""
    histogram = HdrHistogram(1, HIGHEST_US, 3)
    for value_us in np.rint(np.asarray(values_ms) * 1000).astype(int).tolist():
        assert histogram.record_value(value_us)
    return histogram


def decode_v2(text: str) -> tuple[tuple[int, int, int], dict[int, int]]:
    """An independent reader of the V2 format: zlib, then ZigZag LEB128 counts, negative ones being runs of zeros."""
    blob = base64.b64decode(text)
    cookie, length = struct.unpack(">II", blob[:8])
    assert cookie == 0x1C849304 | 0x10
    payload = zlib.decompress(blob[8 : 8 + length])
    inner, size, offset, digits, lowest, highest, ratio = struct.unpack(">IIIIQQd", payload[:40])
    assert (inner, offset, ratio) == (0x1C849303 | 0x10, 0, 1.0)
    assert len(payload) == 40 + size
    counts, index, at = {}, 0, 40
    while at < len(payload):
        value, shift = 0, 0
        while True:
            byte = payload[at]
            at += 1
            # The ninth byte holds eight bits, all others seven and a flag that there are more.
            value |= (byte if shift == 56 else byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 or shift == 63:
                break
        count = (value >> 1) ^ -(value & 1)
        if count < 0:
            index -= count
        else:
            counts[index] = count
            index += 1
    return (digits, lowest, highest), {index: count for index, count in counts.items() if count}


class TestCounts:
    @given(LATENCIES)
    def test_bulk_recording_gives_hdrhs_own_counts_bit_for_bit(self, values_ms: np.ndarray) -> None:
        counts = np.frombuffer(native(values_ms).counts, dtype=np.int64)
        assert np.array_equal(LatencyHistogram(values_ms).counts, counts)

    def test_every_border_of_a_bin_falls_into_it(self) -> None:
        inside = BIN_HIGHEST_US <= HIGHEST_US
        for borders in (BIN_LOWEST_US[inside], BIN_HIGHEST_US[inside]):
            counts = LatencyHistogram(borders / 1000).counts
            assert counts[: inside.sum()].all()
            assert counts.sum() == inside.sum()

    def test_bins_touch_and_are_at_most_a_thousandth_wide(self) -> None:
        assert (BIN_LOWEST_US[1:] == BIN_HIGHEST_US[:-1] + 1).all()
        width = BIN_HIGHEST_US - BIN_LOWEST_US
        assert (width <= BIN_LOWEST_US / 1000).all()

    def test_any_shape_and_one_number_can_be_recorded(self) -> None:
        histogram = LatencyHistogram([[1.0, 2.0], [3.0, 4.0]])
        histogram.record_ms(5.0)
        histogram.record_ms([])
        assert histogram.count == 5

    def test_the_counts_cannot_be_changed_from_outside(self) -> None:
        with pytest.raises(ValueError, match="read-only"):
            LatencyHistogram([1.0]).counts[0] = 5


class TestKnownDefectsOfHdrhDoNotReachAUser:
    """The numbers are those of the list in statistics.md, 2.3."""

    def test_4_values_out_of_range_are_recorded_at_the_nearest_end_and_counted(self) -> None:
        histogram = LatencyHistogram([-1.0, 1.0, 5e6, math.inf])
        assert (histogram.count, histogram.clamped) == (4, 3)
        assert histogram.min_ms == 0
        assert histogram.max_ms >= HIGHEST_US / 1000
        assert histogram.percentile_ms(75) == histogram.max_ms

    def test_5_merging_an_empty_histogram_changes_nothing(self) -> None:
        histogram = LatencyHistogram([7.0, 9.0])
        histogram.merge(LatencyHistogram())
        assert histogram == LatencyHistogram([7.0, 9.0])
        assert histogram.min_ms == pytest.approx(7.0, rel=1e-3)

    def test_7_ranks_are_rounded_up(self) -> None:
        assert LatencyHistogram(np.arange(1.0, 11.0)).percentile_ms(94) == pytest.approx(10, rel=1e-3)
        assert LatencyHistogram([1.0, 2.0]).percentile_ms(50) == pytest.approx(1, rel=1e-3)
        assert LatencyHistogram([1.0, 2.0]).percentile_ms(50.00001) == pytest.approx(2, rel=1e-3)

    def test_8_fractions_of_the_unit_are_rounded_and_not_cut_off(self) -> None:
        assert LatencyHistogram([0.0007]).percentile_ms(50) == 0.001

    def test_9_hdrh_is_only_needed_to_encode_and_decode(self) -> None:
        histogram = LatencyHistogram(np.arange(1.0, 1001.0))
        assert histogram.mean_ms == pytest.approx(500.5, rel=1e-3)
        assert histogram.standard_deviation_ms == pytest.approx(np.arange(1, 1001).std(), rel=1e-3)


class TestFigures:
    @given(LATENCIES, st.lists(st.floats(0, 100), min_size=1, max_size=5))
    def test_a_percentile_is_the_highest_value_of_the_bin_of_its_nearest_rank(
        self, values_ms: np.ndarray, percentiles: list[float]
    ) -> None:
        histogram = LatencyHistogram(values_ms)
        ordered = np.sort(np.rint(values_ms * 1000))
        found = histogram.percentiles_ms(percentiles)
        for percentile, value_ms in zip(percentiles, found, strict=True):
            exact = ordered[nearest_rank(percentile, len(ordered)) - 1]
            if percentile:
                assert exact <= round(value_ms * 1000) <= exact * 1.001 + 0.5
            else:
                assert value_ms == histogram.min_ms

    @pytest.mark.parametrize(
        ("percentile", "count", "rank"),
        [
            (99.9, 1000, 999),
            (95, 20, 19),
            (95, 21, 20),
            (50, 1, 1),
            (0, 10, 1),
            (100, 10, 10),
            (99, 100, 99),
            (7, 100, 7),
        ],
    )
    def test_the_rank_is_exact_where_floating_point_is_not(self, percentile: float, count: int, rank: int) -> None:
        assert nearest_rank(percentile, count) == rank

    @given(LATENCIES)
    @settings(max_examples=15, deadline=None)  # hdrh takes a tenth of a second for its moments
    def test_figures_agree_with_hdrh(self, values_ms: np.ndarray) -> None:
        histogram, reference = LatencyHistogram(values_ms), native(values_ms)
        assert histogram.mean_ms * 1000 == pytest.approx(reference.get_mean_value())
        assert histogram.standard_deviation_ms * 1000 == pytest.approx(reference.get_stddev(), rel=1e-6, abs=1e-3)
        assert round(histogram.max_ms * 1000) == reference.get_highest_equivalent_value(reference.max_value)
        assert round(histogram.min_ms * 1000) == reference.get_lowest_equivalent_value(reference.min_value)

    def test_an_empty_histogram_has_no_figures(self) -> None:
        histogram = LatencyHistogram()
        assert histogram.count == 0
        for figure in (
            lambda: histogram.min_ms,
            lambda: histogram.max_ms,
            lambda: histogram.mean_ms,
            lambda: histogram.percentile_ms(50),
        ):
            with pytest.raises(ValueError, match="empty"):
                figure()

    @pytest.mark.parametrize("percentile", [-0.1, 100.1, math.nan])
    def test_a_percentile_is_between_0_and_100(self, percentile: float) -> None:
        with pytest.raises(ValueError, match="between 0 and 100"):
            LatencyHistogram([1.0]).percentile_ms(percentile)

    def test_an_unknown_latency_is_not_recorded(self) -> None:
        with pytest.raises(ValueError, match="NaN"):
            LatencyHistogram([1.0, math.nan])

    @given(LATENCIES, LATENCIES)
    def test_merging_is_recording_both(self, one: np.ndarray, other: np.ndarray) -> None:
        merged = LatencyHistogram(one)
        merged.merge(LatencyHistogram(other))
        assert merged == LatencyHistogram(np.concatenate([one, other]))
        assert merged.max_ms == max(LatencyHistogram(one).max_ms, LatencyHistogram(other).max_ms)

    def test_its_text_says_what_it_holds(self) -> None:
        assert repr(LatencyHistogram()) == "LatencyHistogram(count=0)"
        assert "count=2" in repr(LatencyHistogram([1.0, 2.0]))
        assert LatencyHistogram() != "LatencyHistogram(count=0)"


class TestEncoding:
    @given(LATENCIES)
    def test_decoding_gives_an_equal_histogram(self, values_ms: np.ndarray) -> None:
        histogram = LatencyHistogram(values_ms)
        decoded = LatencyHistogram.decode(histogram.encode())
        assert decoded == histogram
        assert (decoded.count, decoded.mean_ms) == (histogram.count, histogram.mean_ms)

    @given(LATENCIES)
    def test_an_independent_reader_of_the_format_finds_the_same_counts(self, values_ms: np.ndarray) -> None:
        histogram = LatencyHistogram(values_ms)
        settings, counts = decode_v2(histogram.encode())
        assert settings == (3, 1, HIGHEST_US)
        assert counts == {int(at): int(histogram.counts[at]) for at in np.flatnonzero(histogram.counts)}

    def test_the_text_is_that_of_hdrh(self) -> None:
        values_ms = np.random.default_rng(3).lognormal(4, 1, 2000)
        encoded = LatencyHistogram(values_ms).encode()
        assert encoded.startswith("HISTF")
        assert encoded == native(values_ms).encode().decode()

    def test_an_empty_histogram_survives(self) -> None:
        assert LatencyHistogram.decode(LatencyHistogram().encode()) == LatencyHistogram()

    @pytest.mark.parametrize(
        "text", ["", "HISTF", "HISTFAAAA", "hello world", "AAAA", "HISTFAAAABB4nGNgAAAAAQAB", "HISTFé"]
    )
    def test_what_is_no_histogram_is_refused_in_a_sentence(self, text: str) -> None:
        with pytest.raises(UsageError, match="is not an HdrHistogram"):
            LatencyHistogram.decode(text)

    @given(st.integers(0, 200), st.integers(1, 63))
    def test_a_damaged_text_is_refused_or_another_histogram_but_never_an_accident(self, at: int, step: int) -> None:
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        text = LatencyHistogram(np.arange(1.0, 400.0)).encode()
        at %= len(text.rstrip("="))
        damaged = text[:at] + alphabet[(alphabet.index(text[at]) + step) % 64] + text[at + 1 :]
        with contextlib.suppress(UsageError):
            assert LatencyHistogram.decode(damaged).count >= 0

    def test_another_resolution_is_refused(self) -> None:
        other = HdrHistogram(1, HIGHEST_US, 2)
        other.record_value(5)
        with pytest.raises(UsageError, match="2 digits"):
            LatencyHistogram.decode(other.encode().decode())

    @pytest.mark.parametrize("highest", [1_000_000, 86_400_000_000])
    def test_another_range_is_read_as_long_as_its_values_fit(self, highest: int) -> None:
        other = HdrHistogram(1, highest, 3)
        other.record_value(500_000)
        assert LatencyHistogram.decode(other.encode().decode()) == LatencyHistogram([500.0])

    def test_values_beyond_the_range_are_refused_and_not_dropped(self) -> None:
        other = HdrHistogram(1, 86_400_000_000, 3)
        other.record_value(80_000_000_000)
        with pytest.raises(UsageError, match="above 71 minutes"):
            LatencyHistogram.decode(other.encode().decode())


def test_there_are_as_many_bins_as_in_hdrh() -> None:
    assert HdrHistogram(1, HIGHEST_US, 3).counts_len == BINS
