"""How the error is shared between sizes, and that screens do not count."""

from __future__ import annotations

import numpy as np
import pytest

from lambdatune.model.invocation import Start
from lambdatune.recommend.evidence import Evidence
from lambdatune.recommend.proof import SCREEN_CALLS, ErrorBudget


def test_the_shares_of_all_attempts_sum_to_the_whole_error(plan_for) -> None:
    budget = ErrorBudget(plan_for(memory="128-3008"))
    shares = [budget.next_share() for _ in range(1_000)]
    assert shares[:3] == [1 / 2, 1 / 6, 1 / 12]
    assert 0.99 < sum(shares) < 1


def test_few_sizes_of_a_list_share_the_error_evenly_and_count_every_call(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p95<=50ms", memory="128,512")
    evidence = evidence_for(plan)
    for cell in evidence:
        cell.add(make_rows(np.full(5, 10.0)))
        assert cell.share == 1 / 2
        assert cell.certificates()[0].screen_calls == 0


def test_a_screen_alone_can_refute_but_never_prove(plan_for, evidence_for, make_rows) -> None:
    evidence = evidence_for(plan_for("p50<=50ms", memory="128-3008"))
    evidence[0].add(make_rows(np.full(SCREEN_CALLS, 10.0)))
    evidence[1].add(make_rows(np.full(SCREEN_CALLS, 100.0)))
    assert evidence[0].verdict == "unproven"
    assert evidence[0].attempt is None
    assert evidence[1].verdict == "misses"


def test_slow_calls_of_the_screen_do_not_count_against_a_proof(plan_for, evidence_for, make_rows) -> None:
    evidence = evidence_for(plan_for("p95<=50ms", memory="128-3008"))
    cell = evidence[0]
    cell.add(make_rows(np.r_[100.0, np.full(SCREEN_CALLS - 1 + 90, 10.0)]))
    (certificate,) = cell.certificates()
    assert (certificate.status, certificate.calls, certificate.exceedances) == ("meets", SCREEN_CALLS + 90, 1)
    assert (certificate.attempt, certificate.screen_calls) == (1, SCREEN_CALLS)


def test_warm_calls_of_a_cold_burst_do_not_end_the_screen(plan_for, evidence_for, make_rows) -> None:
    evidence = evidence_for(plan_for("cold.p90<=1s", memory="128-3008", cold_starts=4))
    cell = evidence[0]
    cell.add(make_rows(np.full(4, 10.0)), cold=True)
    cell.add(make_rows(np.full(4, 10.0), start=Start.COLD, init_ms=50.0), cold=True)
    assert cell.attempt is None
    cell.add(make_rows(np.full(2, 10.0), start=Start.COLD, init_ms=50.0), cold=True)
    assert cell.attempt == 1


def test_rows_taken_in_at_once_prove_what_they_proved_as_they_came(plan_for, make_rows, evidence_for) -> None:
    plan = plan_for("p95<=60ms", "cold.p90<=1s", memory="128-3008", cold_starts=3)
    rng = np.random.default_rng(2)
    live = evidence_for(plan)
    recorded = []
    for order in range(1, 200):
        index = int(rng.integers(len(live)))
        cold = bool(rng.random() < 0.2)
        rows = make_rows(50 * np.exp(0.1 * rng.standard_normal(4)), cell=index)
        if cold:
            rows["start"], rows["init_ms"] = Start.COLD, 100.0
        rows["order"] = order
        live[index].add(rows, cold=cold)
        recorded.append(rows)
    again: Evidence = evidence_for(plan)
    again.take_in(np.concatenate(recorded))
    for one, other in zip(live, again, strict=True):
        assert one.certificates() == other.certificates()
        assert (one.attempt, one.share, one.calls) == (other.attempt, other.share, other.calls)
        assert one.cost_per_million(cold=False) == pytest.approx(other.cost_per_million(cold=False))


def test_a_size_that_is_added_is_a_cell_of_the_same_function(plan_for, evidence_for) -> None:
    evidence = evidence_for(plan_for(memory="128-3008"))
    index = evidence.index_of(777)
    assert index == len(evidence) - 1 == evidence.index_of(777)
    assert evidence[index].cell.function == evidence[0].cell.function
