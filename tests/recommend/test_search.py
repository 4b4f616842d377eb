"""Which sizes get the next calls."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from lambdatune.model.invocation import Start, Status
from lambdatune.recommend.decide import recommend
from lambdatune.recommend.proof import SCREEN_CALLS
from lambdatune.recommend.search import (
    MIN_WARM_CALLS,
    WARM_CALLS_OF_RANGE,
    WARM_CALLS_WITHOUT_TARGET,
    TuningSearch,
    flawless_calls,
)
from lambdatune.recommend.shape import duration_ms

TEN = "128,192,256,384,512,768,1024,1536,1769,3008"


def play(search, evidence, make_rows, times_ms, *, most_blocks=2_000, init_ms=50.0, fail=()):
    """Serve the search with calls that take `times_ms(memory_mb, calls)`; return the asks in their order."""
    asks = []
    for _ in range(most_blocks):
        block = search.next_block(evidence)
        if not block:
            return asks
        for ask in block:
            asks.append(ask)
            cell = evidence[evidence.index_of(ask.memory_mb)]
            times = np.broadcast_to(times_ms(ask.memory_mb, ask.calls), (ask.calls,))
            status = Status.OUT_OF_MEMORY if ask.memory_mb in fail else Status.OK
            start = {"start": Start.COLD, "init_ms": init_ms} if ask.cold else {}
            cell.add(make_rows(times, status=status, **start), cold=ask.cold)
    raise AssertionError("the search did not end")


def by_cpu(cpu_ms: float, sigma: float = 0.05, seed: int = 1, wait_ms: float = 0.0):
    rng = np.random.default_rng(seed)

    def times(memory_mb, calls):
        cpu = cpu_ms * np.exp(sigma * rng.standard_normal(calls))
        return wait_ms + duration_ms(cpu, np.array(20 * memory_mb / 1769), staircase=True)

    return times


def of(sizes_ms):
    return lambda memory_mb, calls: np.full(calls, sizes_ms[memory_mb])


def test_without_a_target_sizes_of_a_list_that_may_be_the_best_get_most_calls(
    plan_for, evidence_for, make_rows
) -> None:
    plan = plan_for()
    evidence = evidence_for(plan)
    play(TuningSearch(plan, cold_batch=2), evidence, make_rows, of({128: 80.0, 512: 20.5, 1024: 19.0}))
    calls = {cell.cell.memory_mb: cell.warm_calls for cell in evidence}
    assert calls[128] == WARM_CALLS_WITHOUT_TARGET
    assert calls[1024] == MIN_WARM_CALLS


def test_a_clearly_slow_size_is_left_after_its_screen(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p95<=25ms")
    evidence = evidence_for(plan)
    play(TuningSearch(plan, cold_batch=2), evidence, make_rows, of({128: 100.0, 512: 20.0, 1024: 19.0}))
    slow, best, dear = evidence
    assert slow.verdict == "misses"
    assert slow.warm_calls == SCREEN_CALLS
    assert best.verdict == "meets"
    assert best.warm_calls < 3 * flawless_calls(0.05, 0.05 / 3)
    assert dear.warm_calls == SCREEN_CALLS, "a dearer size is not worth a proof"


@pytest.mark.parametrize("seed", range(5))
def test_sizes_without_hope_are_refuted_so_that_the_nearest_target_can_be_named(
    plan_for, evidence_for, make_rows, seed
) -> None:
    """Two calls of five are too slow everywhere: too many to hope for, too few to be proven by the screen."""
    rng = np.random.default_rng(seed)

    def times(memory_mb: int, calls: int):
        return np.where(rng.random(calls) < 0.4, 20.0, 3.0) * (1 + 128 / memory_mb)

    plan = plan_for("p95<=5ms", memory="128,256,512")
    evidence = evidence_for(plan)
    asks = play(TuningSearch(plan, cold_batch=2), evidence, make_rows, times)
    advice = recommend(evidence, plan, current_memory_mb=512)
    assert advice.status == "missed"
    assert advice.nearest_feasible
    assert sum(ask.calls for ask in asks) < 400


def test_the_cheapest_of_ten_sizes_is_proven_with_few_calls(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p95<=200ms", memory=TEN)
    evidence = evidence_for(plan)
    asks = play(TuningSearch(plan, cold_batch=2), evidence, make_rows, by_cpu(60.0))
    assert sum(ask.calls for ask in asks) < 300
    assert recommend(evidence, plan, current_memory_mb=1024).memory_mb == 768


@pytest.mark.parametrize("seed", range(5))
def test_over_a_range_the_edge_of_the_staircase_is_found(plan_for, evidence_for, make_rows, seed) -> None:
    """With 10 ms of CPU time the cheapest size is where one period's quota just holds it: 885 MB and a little."""
    plan = plan_for(memory="128-3008", seed=seed)
    evidence = evidence_for(plan)
    asks = play(TuningSearch(plan, cold_batch=2), evidence, make_rows, by_cpu(10.0, 0.02, seed))
    assert sum(ask.calls for ask in asks) <= WARM_CALLS_OF_RANGE
    best = recommend(evidence, plan, current_memory_mb=1024).memory_mb
    assert best is not None
    assert 885 < best < 1_000
    assert len(evidence) > 7, "sizes were added while it ran"


def test_over_a_range_with_a_target_a_size_between_the_first_ones_is_proven(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p95<=180ms", memory="128-3008")
    evidence = evidence_for(plan)
    play(TuningSearch(plan, cold_batch=2), evidence, make_rows, by_cpu(100.0, 0.04))
    advice = recommend(evidence, plan, current_memory_mb=1024)
    assert advice.status == "met"
    assert advice.memory_mb is not None
    assert 990 < advice.memory_mb < 1_300


def test_cold_starts_come_first_in_batches_and_as_many_as_asked(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for(cold_starts=5)
    evidence = evidence_for(plan)
    times = of({128: 30.0, 512: 20.0, 1024: 10.0})
    asks = play(TuningSearch(plan, cold_batch=2), evidence, make_rows, times)
    cold = [ask for ask in asks if ask.cold]
    assert asks[: len(cold)] == cold
    assert all(ask.calls <= 2 for ask in cold)
    assert [cell.cold_calls for cell in evidence] == [5, 5, 5]


def test_a_size_that_is_added_gets_its_cold_starts_too(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for(memory="128-3008", cold_starts=4)
    evidence = evidence_for(plan)
    play(TuningSearch(plan, cold_batch=2), evidence, make_rows, by_cpu(10.0, 0.02))
    assert len(evidence) > 7
    assert {cell.cold_calls for cell in evidence} == {4}


def test_a_cold_target_gets_the_cold_starts_that_prove_it(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("cold.p90<=200ms", cold_starts=3)
    evidence = evidence_for(plan)
    play(TuningSearch(plan, cold_batch=10), evidence, make_rows, of({128: 300.0, 512: 20.0, 1024: 19.0}))
    assert [cell.verdict for cell in evidence][:2] == ["misses", "meets"]


def test_many_cold_starts_leave_room_for_a_proof(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p50<=60ms", cold_starts=400, memory="512")
    evidence = evidence_for(plan)
    play(TuningSearch(plan, cold_batch=10), evidence, make_rows, lambda mb, calls: 20.0)
    assert evidence[0].verdict == "meets"


def test_calls_that_say_nothing_do_not_keep_the_search_for_ever(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p95<=60ms", memory=TEN)
    evidence = evidence_for(plan)
    search = TuningSearch(plan, cold_batch=2)
    for _ in range(2_000):
        block = search.next_block(evidence)
        if not block:
            break
        for ask in block:
            evidence[evidence.index_of(ask.memory_mb)].add(make_rows(np.full(ask.calls, 20.0), start=Start.UNKNOWN))
    assert search.next_block(evidence) == ()


def test_warm_and_cold_targets_are_proven_at_one_size(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p95<=60ms", "cold.p90<=150ms", cold_starts=4, memory=TEN)
    evidence = evidence_for(plan)
    play(TuningSearch(plan, cold_batch=10), evidence, make_rows, by_cpu(20.0))
    advice = recommend(evidence, plan, current_memory_mb=1024)
    assert advice.status == "met"
    best = evidence[evidence.index_of(advice.memory_mb or 0)]
    assert [certificate.status for certificate in best.certificates()] == ["meets", "meets"]


def test_the_calls_of_the_screen_are_no_part_of_a_proof(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p95<=200ms", memory=TEN)
    evidence = evidence_for(plan)
    play(TuningSearch(plan, cold_batch=2), evidence, make_rows, by_cpu(60.0))
    attempted = [cell for cell in evidence if cell.attempt is not None]
    assert sorted(cell.attempt for cell in attempted) == list(range(1, len(attempted) + 1))
    for cell in attempted:
        (certificate,) = cell.certificates()
        assert certificate.screen_calls == SCREEN_CALLS
        assert cell.share == pytest.approx(1 / (cell.attempt * (cell.attempt + 1)))


def test_when_no_size_meets_the_fastest_is_called_until_it_proves_another_target(
    plan_for, evidence_for, make_rows
) -> None:
    plan = plan_for("p95<=30ms", memory=TEN)
    evidence = evidence_for(plan)
    play(TuningSearch(plan, cold_batch=2), evidence, make_rows, by_cpu(60.0, 0.1))
    advice = recommend(evidence, plan, current_memory_mb=1024)
    assert advice.status == "missed"
    (nearest,) = advice.nearest_feasible
    threshold_ms = float(nearest.removeprefix("warm.duration.p95<=").removesuffix("ms"))
    truth_ms = 60.0 * np.exp(0.1 * 1.645)
    assert truth_ms < threshold_ms < 1.3 * truth_ms


def test_sizes_are_interleaved_in_an_order_that_the_seed_decides(plan_for, evidence_for, make_rows) -> None:
    def order(seed: int) -> list[int]:
        plan = plan_for(seed=seed, memory=TEN)
        asks = play(TuningSearch(plan, cold_batch=2), evidence_for(plan), make_rows, lambda mb, calls: 2_000 / mb)
        return [ask.memory_mb for ask in asks]

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert all(len(set(order(1)[block : block + 10])) == 10 for block in (0, 10))


def test_concurrency_fills_every_block_and_the_screen_grows_with_it(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p95<=200ms", memory=TEN, concurrency=25)
    evidence = evidence_for(plan)
    asks = play(TuningSearch(plan, cold_batch=2), evidence, make_rows, by_cpu(60.0))
    assert min(ask.calls for ask in asks) >= 25
    assert sum(cell.attempt is not None for cell in evidence) < 10


def test_a_size_where_every_call_fails_is_given_up_soon(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p95<=25ms", cold_starts=4)
    evidence = evidence_for(plan)
    search = TuningSearch(plan, cold_batch=2)
    play(search, evidence, make_rows, lambda mb, calls: 10.0, fail={128})
    assert search.next_block(evidence) == ()
    assert evidence[0].verdict == "failed"
    assert evidence[0].calls <= 20
    assert "out of memory" in (evidence[0].failure() or "")


def test_a_search_ends_when_calls_only_get_throttled(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p95<=25ms")
    evidence = evidence_for(plan)
    search = TuningSearch(plan, cold_batch=2)
    for _ in range(500):
        block = search.next_block(evidence)
        if not block:
            break
        for ask in block:
            throttled = {"status": Status.THROTTLED, "start": Start.UNKNOWN, "error": b"x"}
            evidence[evidence.index_of(ask.memory_mb)].add(make_rows(np.zeros(ask.calls), **throttled))
    assert search.next_block(evidence) == ()


def test_a_flaky_size_does_not_keep_the_search_for_ever(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p99<=25ms", memory="128-3008")
    evidence = evidence_for(plan)
    rng = np.random.default_rng(3)
    asks = play(
        TuningSearch(plan, cold_batch=2), evidence, make_rows,
        lambda mb, calls: np.where(rng.random(calls) < 0.0099, 100.0, 10.0),
    )  # fmt: skip
    assert max(Counter(ask.memory_mb for ask in asks).values()) < 500


def test_the_expected_calls_are_those_of_a_run_whose_first_attempt_succeeds(plan_for, evidence_for, make_rows) -> None:
    plan = plan_for("p95<=25ms", cold_starts=4)
    evidence = evidence_for(plan)
    search = TuningSearch(plan, cold_batch=2)
    expected = search.calls_expected(evidence)
    play(search, evidence, make_rows, lambda mb, calls: 10.0)
    made = sum(cell.calls for cell in evidence)
    assert search.calls_expected(evidence) == made
    assert expected / 2 <= made <= expected * 2
