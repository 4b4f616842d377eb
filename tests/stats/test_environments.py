"""Which environment served each call, and figures that allow for calls of one environment being alike."""

from __future__ import annotations

import numpy as np
import pytest

from lambdatune.model.invocation import Start, Status
from lambdatune.stats.environments import Environments, count_of, groups_of
from lambdatune.stats.means import mean_error, student_quantile
from lambdatune.stats.rows import empty_rows
from lambdatune.stats.summary import warm_stats


def rows_named(names: list[str], durations_ms: np.ndarray | None = None):
    rows = empty_rows(len(names))
    rows["request_id"] = [name.encode() for name in names]
    rows["status"], rows["start"] = Status.OK, Start.WARM
    rows["duration_ms"] = 10.0 if durations_ms is None else durations_ms
    rows["billed_ms"] = np.ceil(rows["duration_ms"])
    rows["intended_ns"] = rows["sent_ns"] = 1
    rows["done_ns"] = 1 + (rows["duration_ms"] * 1e6).astype(np.int64)
    return rows


def test_calls_of_one_log_stream_have_one_number() -> None:
    known = Environments({"a": "stream-1", "b": "stream-2", "c": "stream-1", "other": "stream-3"})
    numbers = known.of(rows_named(["c", "b", "a"]))
    assert numbers is not None
    assert numbers[0] == numbers[2] != numbers[1]
    assert count_of(numbers) == 2


def test_a_call_whose_line_is_missing_counts_as_an_environment_of_its_own_but_is_not_known() -> None:
    names = [f"r{number}" for number in range(20)]
    numbers = Environments(dict.fromkeys(names[:-2], "stream")).of(rows_named(names))
    assert numbers is not None
    assert len(set(numbers.tolist())) == 3
    assert count_of(numbers) == 1


@pytest.mark.parametrize("known", [0, 5, 17])
def test_with_too_many_lines_missing_nothing_is_known(known: int) -> None:
    names = [f"r{number}" for number in range(20)]
    assert Environments(dict.fromkeys(names[:known], "stream")).of(rows_named(names)) is None


def test_a_few_environments_are_not_enough_to_group_by() -> None:
    assert groups_of(None) is None
    assert groups_of(np.array([0, 1, 2, 3, -1, -2])) is None
    assert groups_of(np.array([0, 1, 2, 3, 4])) is not None


def alike(rng: np.random.Generator, environments: int, calls: int, correlation: float) -> tuple[np.ndarray, np.ndarray]:
    """Return log-normal times whose logarithms have `correlation` within an environment, and their environments."""
    between = np.repeat(rng.normal(0, np.sqrt(correlation), environments), calls)
    within = rng.normal(0, np.sqrt(1 - correlation), environments * calls)
    return 80 * np.exp(0.3 * (between + within)), np.repeat(np.arange(environments), calls)


@pytest.mark.parametrize(("environments", "calls"), [(10, 50), (30, 20)])
def test_the_error_of_a_mean_covers_when_calls_of_an_environment_are_alike(environments: int, calls: int) -> None:
    rng = np.random.default_rng(5)
    truth = 80 * np.exp(0.3**2 / 2)
    covered = independent = 0
    for _ in range(400):
        values, groups = alike(rng, environments, calls, 0.3)
        for grouping, name in ((groups, "groups"), (None, "none")):
            found = mean_error(values, grouping)
            assert found is not None
            error, count = found
            holds = abs(values.mean() - truth) <= student_quantile(0.95, count - 1) * error
            covered += holds if name == "groups" else 0
            independent += holds if name == "none" else 0
    assert covered / 400 >= 0.92
    assert independent / 400 < 0.8


def test_the_error_of_a_mean_is_never_less_than_that_of_independent_calls() -> None:
    values = np.array([1.0, 3.0, 1.0, 3.0])
    assert mean_error(values, np.array([0, 0, 1, 1])) == mean_error(values, None)
    assert mean_error(values, np.zeros(4, dtype=np.int64)) is None
    assert mean_error(values[:1], None) is None


def test_percentiles_have_wider_intervals_where_environments_differ_and_hold_their_figure() -> None:
    values, groups = alike(np.random.default_rng(8), 20, 40, 0.5)
    rows = rows_named([f"r{number}" for number in range(len(values))], values)
    grouped = warm_stats(rows, 0.95, groups).duration_ms
    independent = warm_stats(rows, 0.95).duration_ms
    for name in ("p50", "p90"):
        (low, high), (near_low, near_high) = grouped.intervals[name], independent.intervals[name]
        assert high is not None
        assert near_high is not None
        assert low <= getattr(grouped, name) <= high
        assert high - low > 1.3 * (near_high - near_low)
    assert grouped.p95 == independent.p95


def test_intervals_of_one_environment_are_those_of_independent_calls() -> None:
    values, _ = alike(np.random.default_rng(8), 20, 5, 0.0)
    rows = rows_named([f"r{number}" for number in range(len(values))], values)
    one = np.zeros(len(values), dtype=np.int64)
    assert warm_stats(rows, 0.95, one) == warm_stats(rows, 0.95)
