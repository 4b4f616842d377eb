"""A small, seeded part of the replay bench: what the decision promises, on functions whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from bench.replay import boundary, coverage, exact_boundary, measured, staircases, targets_over_ten_sizes
from bench.replay_functions import varied_function
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import FunctionSource, Plan
from lambdatune.recommend.proof import ErrorBudget


@pytest.mark.slow
def test_a_p95_target_is_proven_with_few_calls_and_hardly_ever_violated() -> None:
    score = targets_over_ten_sizes(80, 11, 95.0)["lambdatune"]
    assert score.violations <= 1
    assert np.median(score.calls) <= 500
    assert score.unanswered / score.runs <= 0.15


@pytest.mark.slow
def test_a_p99_target_is_proven_within_two_thousand_calls() -> None:
    score = targets_over_ten_sizes(40, 11, 99.0)["lambdatune"]
    assert score.violations <= 1
    assert np.median(score.calls) <= 2_000


@pytest.mark.slow
def test_functions_of_every_kind_hardly_ever_violate_their_target() -> None:
    scores = targets_over_ten_sizes(60, 11, 95.0, varied_function)
    assert scores["lambdatune"].violations <= 1
    assert scores["lambdatune"].violations < scores["grid, 10 a size"].violations


@pytest.mark.slow
def test_on_staircases_the_cheapest_size_is_nearly_found_within_120_calls() -> None:
    scores = staircases(40, 11)
    ours, powers = scores["lambdatune"], scores["powers of two, 100 a size"]
    assert max(ours.calls) <= 120
    assert np.mean(ours.regrets) <= 0.03
    assert np.quantile(ours.regrets, 0.95) <= 0.08
    assert np.mean(ours.regrets) <= np.mean(powers.regrets)
    assert np.quantile(ours.regrets, 0.95) <= np.quantile(powers.regrets, 0.95)


@pytest.mark.slow
def test_the_measured_tables_are_searched_without_a_violation() -> None:
    score = measured(40, 11)["lambdatune"]
    assert score.violations == 0
    assert score.unanswered == 0
    assert np.mean(score.regrets) <= 0.03


@pytest.mark.parametrize("exceedance", [0.01, 0.05])
def test_over_all_attempts_false_proofs_at_the_boundary_stay_within_the_error(plan_with_range, exceedance) -> None:
    """Every size is at the exact boundary, and is looked at after every call."""
    budget = ErrorBudget(plan_with_range)
    none_false = 1.0
    for _ in range(12):
        none_false *= 1 - boundary(2_000, 11, exceedance, confidence=1 - 0.05 * budget.next_share(), most=4_500)
    three_deviations = 3 * np.sqrt(0.05 * 0.95 / 2_000)
    assert 1 - none_false <= 0.05 + three_deviations


@pytest.mark.parametrize("exceedance", [0.01, 0.05, 0.5])
def test_replays_at_the_boundary_agree_with_the_exact_probability_which_is_within_the_error(exceedance) -> None:
    exact = exact_boundary(exceedance, most=5_000)
    assert exact <= 0.05
    deviation = np.sqrt(0.05 * 0.95 / 10_000)
    assert boundary(10_000, 11, exceedance, most=5_000) == pytest.approx(exact, abs=4 * deviation)


@pytest.mark.slow
@pytest.mark.parametrize(("environments", "calls"), [(10, 100), (100, 10)])
def test_intervals_cover_when_calls_of_an_environment_are_alike(environments, calls) -> None:
    for share in coverage(300, 11, environments, calls, 0.5).values():
        assert share >= 0.94 - 3 * np.sqrt(0.94 * 0.06 / 300)


@pytest.fixture
def plan_with_range():
    return Plan(FunctionSource("f"), parse_memory("128-3008"))
