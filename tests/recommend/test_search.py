"""Which cells get the next calls."""

from __future__ import annotations

import numpy as np

from lambdatune.model.invocation import Start, Status
from lambdatune.recommend.evidence import MIN_WARM_CALLS
from lambdatune.recommend.search import WARM_CALLS_WITHOUT_TARGET, BlockSearch, flawless_calls


def play(search, evidence, make_rows, duration_ms, *, most_blocks=2_000, init_ms=50.0):
    """Serve the search with calls that take `duration_ms[cell]`; return the asks in their order."""
    asks = []
    for _ in range(most_blocks):
        block = search.next_block(evidence)
        if not block:
            return asks
        for ask in block:
            asks.append(ask)
            times = np.full(ask.calls, duration_ms[ask.cell])
            if ask.cold:
                evidence[ask.cell].add(make_rows(times, start=Start.COLD, init_ms=init_ms), cold=True)
            else:
                evidence[ask.cell].add(make_rows(times))
    raise AssertionError("the search did not end")


def test_without_a_target_every_size_gets_the_same_calls(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for()
    evidence = evidence_for(plan)
    play(BlockSearch(plan, 3, cold_batch=2), evidence, make_rows, [30.0, 20.0, 10.0])
    assert [cell.warm_calls for cell in evidence] == [WARM_CALLS_WITHOUT_TARGET] * 3


def test_a_clearly_slow_size_is_left_after_the_calls_its_cost_needs(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p95<=25ms")
    evidence = evidence_for(plan)
    play(BlockSearch(plan, 3, cold_batch=2), evidence, make_rows, [100.0, 20.0, 10.0])
    assert evidence[0].verdict == "misses"
    assert evidence[0].warm_calls == MIN_WARM_CALLS
    assert evidence[1].verdict == evidence[2].verdict == "meets"
    assert evidence[1].warm_calls < 3 * flawless_calls(0.05, 0.05 / 3)


def test_cold_starts_come_first_in_batches_and_as_many_as_asked(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for(cold_starts=5)
    evidence = evidence_for(plan)
    asks = play(BlockSearch(plan, 3, cold_batch=2), evidence, make_rows, [30.0, 20.0, 10.0])
    cold = [ask for ask in asks if ask.cold]
    assert asks[: len(cold)] == cold
    assert all(ask.calls <= 2 for ask in cold)
    assert [cell.cold_calls for cell in evidence] == [5, 5, 5]


def test_a_cold_target_gets_the_cold_starts_that_prove_it(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("cold.p90<=200ms", cold_starts=3)
    evidence = evidence_for(plan)
    play(BlockSearch(plan, 3, cold_batch=10), evidence, make_rows, [300.0, 20.0, 10.0])
    assert [cell.verdict for cell in evidence] == ["misses", "meets", "meets"]


def test_sizes_are_interleaved_in_an_order_that_the_seed_decides(plan_for, evidence_for, make_rows) -> None:
    def order(seed: int) -> list[int]:
        plan = plan_for(seed=seed)
        asks = play(BlockSearch(plan, 3, cold_batch=2), evidence_for(plan), make_rows, [30.0, 20.0, 10.0])
        return [ask.cell for ask in asks]

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert all(sorted(order(1)[block : block + 3]) == [0, 1, 2] for block in range(0, 30, 3))


def test_a_size_where_every_call_fails_is_given_up_soon(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p95<=25ms", cold_starts=4)
    evidence = evidence_for(plan)
    search = BlockSearch(plan, 3, cold_batch=2)
    for _ in range(500):
        block = search.next_block(evidence)
        if not block:
            break
        for ask in block:
            status = Status.OUT_OF_MEMORY if ask.cell == 0 else Status.OK
            start, init_ms = (Start.COLD, 50.0) if ask.cold else (Start.WARM, None)
            rows = make_rows(np.full(ask.calls, 10.0), status=status, start=start, init_ms=init_ms)
            evidence[ask.cell].add(rows, cold=ask.cold)
    assert search.next_block(evidence) == ()
    assert evidence[0].verdict == "failed"
    assert evidence[0].calls <= 20
    assert "out of memory" in (evidence[0].failure() or "")


def test_a_search_ends_when_calls_only_get_throttled(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p95<=25ms")
    evidence = evidence_for(plan)
    search = BlockSearch(plan, 3, cold_batch=2)
    for _ in range(500):
        block = search.next_block(evidence)
        if not block:
            break
        for ask in block:
            evidence[ask.cell].add(
                make_rows(np.zeros(ask.calls), status=Status.THROTTLED, start=Start.UNKNOWN, error=b"x")
            )
    assert search.next_block(evidence) == ()


def test_the_expected_calls_are_those_of_a_run_without_a_slow_call(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p95<=25ms", cold_starts=4)
    evidence = evidence_for(plan)
    search = BlockSearch(plan, 3, cold_batch=2)
    expected = search.calls_expected(evidence)
    play(search, evidence, make_rows, [10.0, 10.0, 10.0])
    made = sum(cell.calls for cell in evidence)
    assert search.calls_expected(evidence) == made
    assert expected / 2 <= made <= expected * 2
