"""The advice that the numbers support."""

from __future__ import annotations

import numpy as np
import pytest

from lambdatune.model.invocation import Start, Status
from lambdatune.recommend.decide import recommend


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
