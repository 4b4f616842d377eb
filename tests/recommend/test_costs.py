"""Costs with their uncertainty."""

from __future__ import annotations

import numpy as np
import pytest

from lambdatune.model.invocation import Start
from lambdatune.recommend.costs import cost_of


def test_intervals_of_the_mean_cost_cover(plan_for, evidence_for, make_rows) -> None:
    rng = np.random.default_rng(6)
    plan = plan_for(memory="1024")
    times = np.exp(0.25 * rng.standard_normal((2_000, 60))) * 80
    (reference,) = evidence_for(plan)
    truth = reference.tariff.per_million(float(np.ceil(80 * np.exp(0.25 * rng.standard_normal(10**6))).mean()), 1024)
    covered = 0
    for run in times[:400]:
        (cell,) = evidence_for(plan)
        cell.add(make_rows(run))
        low, high = cost_of(cell, plan).intervals["warm"]
        covered += low <= truth <= high
    assert covered / 400 >= 0.92


def test_the_blend_is_bounded_by_both_kinds(plan_for, evidence_for, make_rows) -> None:
    rng = np.random.default_rng(7)
    plan = plan_for(memory="1024", cold_rate=0.1)
    (cell,) = evidence_for(plan)
    cell.add(make_rows(80 * np.exp(0.1 * rng.standard_normal(100))))
    cell.add(make_rows(80 * np.exp(0.1 * rng.standard_normal(10)), start=Start.COLD, init_ms=400.0), cold=True)
    cost = cost_of(cell, plan)
    assert set(cost.intervals) == {"warm", "cold", "blended"}
    for name, (low, high) in cost.intervals.items():
        value = getattr(cost, name)
        assert low < value < high
    assert cost.warm is not None
    assert cost.cold is not None
    assert cost.blended == pytest.approx(0.9 * cost.warm + 0.1 * cost.cold)


def test_a_single_call_bounds_nothing(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for(memory="1024")
    (cell,) = evidence_for(plan)
    cell.add(make_rows([80.0]))
    cost = cost_of(cell, plan)
    assert cost.warm == cost.blended
    assert cost.cold is None
    assert cost.intervals == {}


def test_a_million_messages_cost_what_their_batches_are_billed(plan_for, evidence_for, messages) -> None:
    plan = plan_for(memory="512", mode="sqs")
    (cell,) = evidence_for(plan)
    cell.add(messages)
    of_a_batch = cell.tariff.per_call(40.0, 512)
    assert cell.cost_per_million(cold=False) == pytest.approx(of_a_batch / 5 * 1e6)
    assert cell.spent_usd() == pytest.approx(4 * of_a_batch)
    low, high = cost_of(cell, plan).intervals["warm"]
    assert low <= of_a_batch / 5 * 1e6 <= high
