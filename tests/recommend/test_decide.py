"""The advice that the numbers support."""

from __future__ import annotations

import numpy as np
import pytest

from lambdatune.model.invocation import Start, Status
from lambdatune.recommend.decide import recommend
from lambdatune.recommend.outstanding import to_be_sure


@pytest.fixture
def measured(plan_for, evidence_for, make_rows):
    """Return (evidence, plan) after `calls` warm calls of `duration_ms[i]` at each size."""

    def measure(duration_ms, *targets, calls=300, **rest):
        plan = plan_for(*targets, **rest)
        evidence = evidence_for(plan)
        for cell, ms in zip(evidence, duration_ms, strict=True):
            cell.add(make_rows(np.full(calls, ms)))
        return evidence, plan

    return measure


def test_the_cheapest_size_that_meets_the_target_is_recommended(measured) -> None:
    evidence, plan = measured([160.0, 30.0, 20.0], "p95<=50ms")
    advice = recommend(evidence, plan, current_memory_mb=1024)
    assert advice.status == "met"
    assert advice.memory_mb == 512
    assert advice.sentence.startswith("Use 512 MB: the cheapest of 3 sizes that meets warm.duration.p95<=50ms")


def test_of_two_sizes_of_equal_cost_the_faster_is_recommended(measured) -> None:
    evidence, plan = measured([160.0, 40.0, 20.0], "p95<=200ms")
    assert evidence[0].cost_per_million(cold=False) == pytest.approx(evidence[1].cost_per_million(cold=False))
    assert recommend(evidence, plan, current_memory_mb=128).memory_mb == 1024


def test_a_cheaper_size_that_misses_is_never_recommended(measured) -> None:
    evidence, plan = measured([51.0, 51.0, 51.0], "p95<=50ms")
    advice = recommend(evidence, plan, current_memory_mb=128)
    assert advice.status == "missed"
    assert advice.memory_mb is None
    assert advice.sentence.startswith("No size meets warm.duration.p95<=50ms")


def test_too_few_calls_prove_nothing_and_the_price_of_certainty_is_told(measured) -> None:
    evidence, plan = measured([30.0, 20.0, 10.0], "p99<=50ms", calls=50)
    advice = recommend(evidence, plan, current_memory_mb=128)
    assert advice.status == "unproven"
    assert advice.memory_mb is None
    assert advice.to_be_sure is not None
    assert 200 < advice.to_be_sure.invocations < 3_000
    assert advice.to_be_sure.usd > 0


def test_a_cheaper_size_that_is_unproven_is_named_beside_the_proven_one(measured, make_rows) -> None:
    evidence, plan = measured([30.0, 20.0, 10.0], "p95<=50ms", calls=20)
    evidence[1].add(make_rows(np.full(300, 20.0)))
    evidence[2].add(make_rows(np.full(300, 10.0)))
    advice = recommend(evidence, plan, current_memory_mb=1024)
    assert advice.status == "met"
    assert "128 MB would be cheaper but is unproven" in advice.sentence
    assert advice.to_be_sure is not None


def test_errors_count_against_a_target(measured, make_rows) -> None:
    evidence, plan = measured([30.0, 20.0, 10.0], "p95<=50ms", calls=0)
    for cell in evidence:
        for _ in range(30):
            cell.add(make_rows(np.full(3, 10.0)))
            cell.add(make_rows(np.full(1, 1.0), status=Status.FUNCTION_ERROR, error=b"ValueError"))
    assert recommend(evidence, plan, current_memory_mb=128).status == "missed"


def test_all_targets_must_hold(measured) -> None:
    evidence, plan = measured([40.0, 40.0, 20.0], "p95<=50ms", "p50<=30ms")
    assert recommend(evidence, plan, current_memory_mb=128).memory_mb == 1024


def test_without_a_target_the_cheapest_is_named_and_its_latency_not_judged(measured) -> None:
    evidence, plan = measured([100.0, 100.0, 100.0])
    advice = recommend(evidence, plan, current_memory_mb=1024)
    assert advice.status == "none"
    assert advice.memory_mb == 128
    assert advice.saving_percent is not None
    assert advice.saving_percent == pytest.approx(78.1, abs=0.1)
    assert "no target was set" in advice.sentence


def test_when_no_call_succeeds_there_is_no_advice_but_a_reason(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p95<=50ms")
    evidence = evidence_for(plan)
    for cell in evidence:
        cell.add(make_rows(np.full(12, 1.0), status=Status.FUNCTION_ERROR, error=b"KeyError"))
    advice = recommend(evidence, plan, current_memory_mb=128)
    assert advice.status == "invalid"
    assert "all 12 calls ended as function error (KeyError)" in advice.sentence


@pytest.mark.parametrize(("cold_rate", "expected_mb"), [(0.0, 1024), (0.5, 512)])
def test_cold_starts_weigh_in_the_cost_by_their_rate(plan_for, evidence_for, make_rows, cold_rate, expected_mb) -> None:
    plan = plan_for(memory="512,1024", cold_rate=cold_rate)
    evidence = evidence_for(plan)
    for cell, warm_ms in zip(evidence, (41.0, 20.0), strict=True):
        cell.add(make_rows(np.full(100, warm_ms)))
        cell.add(make_rows(np.full(10, warm_ms), start=Start.COLD, init_ms=500.0), cold=True)
    assert recommend(evidence, plan, current_memory_mb=512).memory_mb == expected_mb


@pytest.mark.parametrize(("strategy", "expected_mb"), [("cheapest", 128), ("fastest", 1024), ("balanced", 512)])
def test_the_strategy_picks_among_the_sizes_that_meet(measured, strategy, expected_mb) -> None:
    evidence, plan = measured([100.0, 35.0, 30.0], "p95<=200ms", strategy=strategy)
    advice = recommend(evidence, plan, current_memory_mb=128)
    assert (advice.status, advice.memory_mb, advice.strategy) == ("met", expected_mb, strategy)


def test_a_cost_tie_is_named_and_the_faster_wins(measured, make_rows) -> None:
    rng = np.random.default_rng(4)
    evidence, plan = measured([160.0, 40.0, 20.0], "p95<=400ms", calls=0)
    for cell, ms in zip(evidence, (163.0, 40.0, 30.0), strict=True):
        cell.add(make_rows(ms * np.exp(0.15 * rng.standard_normal(150))))
    advice = recommend(evidence, plan, current_memory_mb=1024)
    assert advice.memory_mb == 512
    assert advice.tied_with_mb == (128,)
    assert "128 MB costs the same as far as can be told, and 512 MB is faster." in advice.sentence


def test_costs_that_differ_clearly_are_no_tie(measured) -> None:
    evidence, plan = measured([160.0, 41.0, 21.0], "p95<=200ms")
    assert recommend(evidence, plan, current_memory_mb=1024).tied_with_mb == ()


def test_alternatives_are_what_a_user_may_prefer_on_the_frontier(measured) -> None:
    evidence, plan = measured([100.0, 60.0, 55.0], "p95<=200ms")
    advice = recommend(evidence, plan, current_memory_mb=128)
    assert advice.frontier_mb == (128, 512, 1024)
    assert [alternative.memory_mb for alternative in advice.alternatives] == [512, 1024]
    assert advice.alternatives[0].sentence.startswith("512 MB is 40.0 ms faster at p50 for +")
    dominated, plan = measured([100.0, 120.0, 55.0], "p95<=200ms")
    assert recommend(dominated, plan, current_memory_mb=128).frontier_mb == (128, 1024)


def test_the_cold_rate_at_which_the_advice_would_change_is_told(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for(memory="512,1024", cold_rate=0.01)
    evidence = evidence_for(plan)
    for cell, warm_ms in zip(evidence, (60.0, 20.0), strict=True):
        cell.add(make_rows(np.full(100, warm_ms)))
        cell.add(make_rows(np.full(10, warm_ms), start=Start.COLD, init_ms=500.0), cold=True)
    advice = recommend(evidence, plan, current_memory_mb=512)
    assert advice.memory_mb == 1024
    assert advice.break_even_memory_mb == 512
    rate = advice.break_even_cold_rate
    assert rate is not None
    costs = [cell.blended_cost_per_million(rate) for cell in evidence]
    assert costs[0] == pytest.approx(costs[1])
    assert f"With above {100 * rate:.2g} % cold starts, 512 MB would be cheaper." in advice.sentence


def test_an_infeasible_target_names_the_nearest_that_a_size_is_proven_to_meet(measured) -> None:
    evidence, plan = measured([160.0, 80.0, 71.0], "p95<=50ms")
    advice = recommend(evidence, plan, current_memory_mb=128)
    assert advice.status == "missed"
    assert advice.nearest_feasible == ("warm.duration.p95<=71ms",)
    assert "The nearest that 1024 MB meets is warm.duration.p95<=71ms." in advice.sentence


def test_a_nearest_target_that_is_not_proven_is_called_an_estimate(measured) -> None:
    evidence, plan = measured([160.0, 80.0, 71.0], "p95<=50ms", calls=20)
    advice = recommend(evidence, plan, current_memory_mb=128)
    assert advice.status == "missed"
    assert advice.nearest_feasible == ()
    assert "The fastest, 1024 MB, has a warm.duration.p95 of about 71 ms (20 calls, not proven)." in advice.sentence


def test_of_two_targets_the_nearest_keeps_the_one_that_is_met(measured) -> None:
    evidence, plan = measured([160.0, 80.0, 71.0], "p95<=50ms", "p50<=100ms")
    advice = recommend(evidence, plan, current_memory_mb=128)
    assert advice.nearest_feasible == ("warm.duration.p95<=71ms", "warm.duration.p50<=100ms")


def test_to_be_sure_is_right_within_a_factor_of_two(plan_for, evidence_for, make_rows) -> None:
    """Over many sizes that are stopped early: the median of predicted over needed calls."""
    rng = np.random.default_rng(8)
    ratios = []
    for run in range(120):
        rate = rng.uniform(0, 0.03)
        plan = plan_for("p95<=100ms", memory="512", seed=run)
        (cell,) = evidence_for(plan)

        def calls(count: int, rate: float = rate):
            return make_rows(np.where(rng.random(count) < rate, 200.0, 50.0))

        cell.add(calls(40))
        more = recommend(evidence_for(plan), plan, current_memory_mb=512).to_be_sure
        assert more is None, "nothing was measured"
        if cell.verdict != "unproven":
            continue
        predicted = to_be_sure(cell, plan).invocations
        needed = 0
        while cell.verdict == "unproven" and needed < 5_000:
            cell.add(calls(5))
            needed += 5
        ratios.append(predicted / needed)
    assert 0.5 <= np.median(ratios) <= 2
    assert np.mean([0.2 < ratio < 5 for ratio in ratios]) > 0.75
