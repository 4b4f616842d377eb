"""Charts: rows of exactly the asked width, no spike lost, and nothing that raises, whatever the numbers are."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from lambdatune.tui.charts.bars import Bar, meter, size_bars
from lambdatune.tui.charts.canvas import PLAIN, ROLES, Canvas
from lambdatune.tui.charts.events import Event, event_log
from lambdatune.tui.charts.frontier import Size, frontier_chart
from lambdatune.tui.charts.gauges import Figure, Meter, gauges
from lambdatune.tui.charts.line import Line, line_chart, y_row
from lambdatune.tui.charts.percentiles import MARKS, Curve, percentile_curve
from lambdatune.tui.charts.ridge import Binned, Distribution, ridge
from lambdatune.tui.charts.scale import Scale, format_clock, format_ms, format_usd, logarithmic, zero_based
from lambdatune.tui.charts.table import Column, fitting, table

WIDTHS, HEIGHTS = st.integers(1, 200), st.integers(1, 50)
ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)
TIMES = st.floats(0.0, 1e9) | st.sampled_from([math.nan, math.inf, 0.0, 1e-12, 1e300])
MANY = st.lists(TIMES | ANY_FLOAT, max_size=60).map(lambda values: np.array(values, dtype=np.float64))
MAYBE = st.none() | TIMES | ANY_FLOAT
GOAL = st.none() | st.floats(0.001, 1e6)
LABEL = st.sampled_from(["1024", "128 MB", "", "日本語", "e\u0301", "tab\there"])
ROLE = st.sampled_from(ROLES)

LINES = st.lists(
    st.builds(
        lambda x, y, name, role: Line(name, role, x[: len(y)], y[: len(x)]),
        MANY, MANY, LABEL, ROLE,
    ), max_size=4,
)  # fmt: skip
DISTRIBUTIONS = st.lists(st.builds(Distribution, LABEL, ROLE, MANY), max_size=4)
CURVES = st.lists(st.builds(Curve, LABEL, ROLE, MANY), max_size=5)
SIZES = st.lists(st.builds(Size, LABEL, st.sampled_from("★✓✗?"), ROLE, MAYBE, MAYBE, st.booleans()), max_size=9)
BARS = st.lists(st.builds(Bar, LABEL, st.sampled_from("★✓✗?"), ROLE, MAYBE, MAYBE), max_size=9)

BINS = 320
EDGES_MS = 0.01 * 10.0 ** (np.arange(BINS + 1) / 40)
COUNTS = st.dictionaries(st.integers(0, BINS - 1), st.integers(1, 10**6), max_size=8).map(
    lambda found: np.bincount(list(found), list(found.values()), minlength=BINS).astype(float)
    if found else np.zeros(BINS)
)  # fmt: skip
BINNED = st.builds(lambda name, role, counts, p50, p99: Binned(name, role, EDGES_MS, counts, p50, p99),
                   LABEL, ROLE, COUNTS, MAYBE, MAYBE)  # fmt: skip
EVENTS = st.lists(st.builds(Event, TIMES, st.sampled_from("·⚠▸"), LABEL | st.text(max_size=300), ROLE), max_size=9)
FIGURES = st.lists(st.builds(Figure, LABEL, LABEL, ROLE), max_size=9)
METERS = st.lists(st.builds(Meter, LABEL, ANY_FLOAT, ANY_FLOAT, LABEL), max_size=5)


def texts(rows) -> list[str]:
    return ["".join(text for text, _ in row) for row in rows]


def of_role(rows, role) -> str:
    return "".join(text for row in rows for text, found in row if found == role)


def assert_exact(rows, width, height) -> None:
    assert len(rows) == height
    assert {cell_len(text) for text in texts(rows)} == {width}
    assert all(role in {PLAIN, *ROLES} for row in rows for _, role in row)


@settings(max_examples=150, deadline=None)
@given(LINES, GOAL, st.booleans(), WIDTHS, HEIGHTS)
def test_a_line_chart_is_exactly_as_large_as_asked(lines, goal, log, width, height) -> None:
    assert_exact(line_chart(lines, width, height, target_ms=goal, log=log), width, height)


@settings(max_examples=150, deadline=None)
@given(DISTRIBUTIONS, GOAL, WIDTHS, HEIGHTS)
def test_a_ridge_is_exactly_as_large_as_asked(parts, goal, width, height) -> None:
    assert_exact(ridge(parts, width, height, target_ms=goal), width, height)


@settings(max_examples=100, deadline=None)
@given(st.lists(BINNED | st.builds(Distribution, LABEL, ROLE, MANY), max_size=3), GOAL, WIDTHS, HEIGHTS)
def test_a_ridge_of_bins_is_exactly_as_large_as_asked(parts, goal, width, height) -> None:
    assert_exact(ridge(parts, width, height, target_ms=goal), width, height)


@settings(max_examples=100, deadline=None)
@given(LABEL, FIGURES, METERS, EVENTS, WIDTHS, HEIGHTS)
def test_gauges_and_the_log_are_exactly_as_large_as_asked(heading, figures, meters, events, width, height) -> None:
    assert_exact(gauges(heading, figures, meters, width, height), width, height)
    assert_exact(event_log(events, width, height), width, height)


@settings(max_examples=150, deadline=None)
@given(SIZES, GOAL, WIDTHS, HEIGHTS)
def test_a_frontier_is_exactly_as_large_as_asked(sizes, goal, width, height) -> None:
    assert_exact(frontier_chart(sizes, width, height, target_ms=goal), width, height)


@settings(max_examples=150, deadline=None)
@given(CURVES, GOAL, st.booleans(), WIDTHS, HEIGHTS)
def test_percentile_curves_are_exactly_as_large_as_asked(curves, goal, log, width, height) -> None:
    assert_exact(percentile_curve(curves, width, height, target_ms=goal, log=log), width, height)


@settings(max_examples=150, deadline=None)
@given(BARS, ANY_FLOAT, ANY_FLOAT, LABEL, WIDTHS, HEIGHTS)
def test_bars_and_meters_are_exactly_as_large_as_asked(bars, value, limit, label, width, height) -> None:
    assert_exact(size_bars(bars, width, height), width, height)
    assert_exact(meter(value, limit, width, height, label=label), width, height)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(LABEL, LABEL, LABEL), max_size=30), st.integers(0, 40), st.integers(0, 40), WIDTHS, HEIGHTS)
def test_a_table_is_exactly_as_large_as_asked(rows, cursor, top, width, height) -> None:
    columns = [Column("a", "size"), Column("b", "p95", drop=1), Column("c", "verdict", right=False, stretch=True)]
    fields = [{"a": (a, PLAIN), "b": (b, "p95"), "c": (c, "meets")} for a, b, c in rows]
    assert_exact(table(columns, fields, width, height, cursor=cursor, top=top), width, height)


@pytest.mark.parametrize("width", range(1, 201))
def test_every_width_is_exact_for_usual_values(width) -> None:
    rng = np.random.default_rng(width)
    warm, cold = 20 * np.exp(0.2 * rng.standard_normal(300)), 300 * np.exp(0.2 * rng.standard_normal(12))
    line = Line("p95", "p95", np.arange(300.0), warm)
    sizes = [Size(str(64 << n), "✓", "meets", 1.0 + n / 10, 300.0 / (n + 1), n % 2 == 0) for n in range(1, 7)]
    for height in (1, 2, 3, 4, 5, 8, 20):
        assert_exact(line_chart([line], width, height, target_ms=25.0), width, height)
        parts = [Distribution("warm", "warm", warm), Distribution("cold", "cold", cold)]
        assert_exact(ridge(parts, width, height, target_ms=25.0), width, height)
        binned = [Binned("warm", "warm", EDGES_MS, np.histogram(warm, EDGES_MS)[0].astype(float), 20.0, 30.0)]
        assert_exact(ridge(binned, width, height, target_ms=25.0), width, height)
        figures, meters = [Figure("in flight", "10")] * 6, [Meter("calls", width, 200, f"{width} of 200 calls")] * 4
        assert_exact(gauges("512 MB, warm", figures, meters, width, height), width, height)
        assert_exact(event_log([Event(12.0, "⚠", "12 calls were throttled " * 5)] * 9, width, height), width, height)
        assert_exact(percentile_curve([Curve("warm", "warm", warm)], width, height), width, height)
        assert_exact(frontier_chart(sizes, width, height, target_ms=100.0), width, height)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 4_999), st.booleans(), st.integers(20, 200), st.integers(6, 50))
def test_a_spike_is_as_high_as_it_was_wherever_it_is(place, log, width, height) -> None:
    y = np.full(5_000, 10.0)
    y[place] = 1_000.0
    rows = line_chart([Line("p99", "p99", np.arange(5_000.0), y)], width, height, log=log)
    plot = height - 3  # a legend above, an axis and its labels below
    row = y_row(logarithmic([y]) if log else zero_based([y]), 1_000.0, plot)
    assert "p99" in {role for _, role in rows[plot - row]}


def test_a_call_without_a_result_is_drawn_at_the_top() -> None:
    y = np.full(100, 10.0)
    y[50] = math.inf
    rows = line_chart([Line("p99", "p99", np.arange(100.0), y)], 60, 12)
    assert "p99" in {role for _, role in rows[1]}


@settings(max_examples=100, deadline=None)
@given(st.integers(100, 100_000), st.integers(20, 120))
def test_one_call_among_many_is_seen_in_the_ridge(crowd, width) -> None:
    values = np.append(np.full(crowd, 10.0), 900.0)
    rows = texts(ridge([Distribution("warm", "warm", values)], width, 8))
    assert rows[5][width // 2 :].strip() == "▁"


@settings(max_examples=200, deadline=None)
@given(COUNTS, st.integers(1, 200), st.integers(4, 30))
def test_no_bin_is_lost_in_the_ridge_and_none_is_made_up(counts, width, height) -> None:
    rows = ridge([Binned("warm", "warm", EDGES_MS, counts, 1.0, 2.0)], width, height)
    drawn = np.zeros(width, dtype=bool)
    for text in texts(rows)[1:-2]:
        drawn |= np.array([character != " " for character in text])
    occupied = np.flatnonzero(counts)
    if not len(occupied):
        assert not drawn.any()
        return
    # The axis holds the occupied bins, and a margin.
    scale = logarithmic([EDGES_MS[[occupied[0], occupied[-1] + 1]]])
    own = np.zeros(width, dtype=bool)
    for low, high in zip(scale.dots(EDGES_MS[occupied], width), scale.dots(EDGES_MS[occupied + 1], width), strict=True):
        assert drawn[low : high + 1].any()
        own[low : high + 1] = True
    assert not (drawn & ~own).any()


def test_the_newest_event_is_shown_whole_where_there_is_room() -> None:
    events = [Event(float(number), "·", f"event {number}") for number in range(30)]
    newest = Event(75.0, "⚠", "12 calls at 256 MB were throttled: the concurrency limit is 10", "unproven")
    rows = texts(event_log([*events, newest], 44, 3))
    assert [row.rstrip() for row in rows] == [
        "00:29 · event 29",
        "01:15 ⚠ 12 calls at 256 MB were throttled:",
        "        the concurrency limit is 10",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "00:00"), (134.9, "02:14"), (3_734.0, "1:02:14"), (-3.0, "00:00"), (math.nan, "-")]
)
def test_lengths_of_time_are_written_as_on_a_clock(seconds, text) -> None:
    assert format_clock(seconds) == text


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 3_000), st.integers(30, 150))
def test_the_largest_call_is_at_the_end_of_the_percentile_curve(count, width) -> None:
    values = np.append(np.full(count, 10.0), 1_000.0)
    rows = percentile_curve([Curve("warm", "warm", values)], width, 14)
    assert "warm" in {role for row in rows[1:3] for _, role in row}


def test_curves_differ_by_mark_and_dashes() -> None:
    curves = [Curve(name, "warm", np.linspace(level, 2 * level, 500)) for name, level in (("a", 10.0), ("b", 100.0))]
    rows = texts(percentile_curve(curves, 80, 20))
    assert f"{MARKS[0]} a" in rows[0]
    assert f"{MARKS[1]} b" in rows[0]
    body = "\n".join(rows[1:])
    assert body.count(MARKS[0]) == body.count(MARKS[1]) == 3  # of 500 calls the 50th, 90th and 99th percentile


def test_the_frontier_marks_the_advice_and_labels_it_first() -> None:
    sizes = [Size(str(size), "✗", "misses", 1.0, 50.0) for size in (128, 256, 512)] + [
        Size("1024", "★", "best", 1.0, 50.0, on_frontier=True)
    ]
    rows = frontier_chart(sizes, 70, 14, target_ms=60.0)
    assert "1024" in of_role(rows, "best")
    assert "★" in of_role(rows, "best")
    assert "⠒" in of_role(rows, "target") or any(
        0x2800 < ord(character) < 0x2900 for character in of_role(rows, "target")
    )


@given(st.floats(1e-6, 1e9), st.floats(1.001, 1e9), st.integers(1, 30), st.booleans())
def test_ticks_are_ascending_inside_the_axis_and_not_too_many(low, factor, count, log) -> None:
    scale = logarithmic([np.array([low, low * factor])]) if log else zero_based([np.array([low])])
    ticks = scale.ticks(count)
    assert all(before < after for before, after in itertools.pairwise(ticks))
    assert all(scale.low * 0.998 <= tick <= scale.high * 1.002 for tick in ticks)
    assert len(ticks) <= 2 * count + 2


def test_ticks_are_round() -> None:
    assert Scale(0.0, 160.0).ticks(4) == [0.0, 50.0, 100.0, 150.0]
    assert Scale(10.0, 3_000.0, log=True).ticks(6) == [10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.351, "0.35"), (8.44, "8.4"), (12.34, "12.3"), (120.4, "120"), (50.0, "50"), (1_234.0, "1.23s"),
     (None, "-"), (math.nan, "-"), (math.inf, "∞"), (0.0, "0")],
)  # fmt: skip
def test_times_are_written_in_three_digits(value, text) -> None:
    assert format_ms(value) == text


def test_dollars_are_written_in_cents() -> None:
    assert [format_usd(value) for value in (0.614, 12.3, 120.4, 0.0012, None)] == ["0.61", "12.30", "120", "0.001", "-"]


def test_columns_drop_out_the_least_needed_first() -> None:
    columns = [Column("a", "size"), Column("b", "init", drop=2), Column("c", "p95", drop=1), Column("d", "verdict")]
    rows = [dict.fromkeys("abcd", ("123456", PLAIN))]
    assert [column.key for column in fitting(columns, rows, 80)] == ["a", "b", "c", "d"]
    assert [column.key for column in fitting(columns, rows, 30)] == ["a", "c", "d"]
    assert [column.key for column in fitting(columns, rows, 20)] == ["a", "d"]


def test_a_bar_above_zero_is_seen_and_a_meter_over_its_limit_says_so() -> None:
    bars = [Bar("128", "✗", "misses", 10_000.0, 1.0), Bar("1024", "✓", "meets", 0.1, 1.0)]
    assert "▏" in texts(size_bars(bars, 60, 3))[2]
    assert of_role(meter(3.0, 2.0, 30, 1), "misses")
    assert "150%" in texts(meter(3.0, 2.0, 30, 1))[0]


def test_a_canvas_of_no_size_draws_nothing() -> None:
    canvas = Canvas(0, 0)
    canvas.put(0, 0, "text")
    assert canvas.rows() == []
