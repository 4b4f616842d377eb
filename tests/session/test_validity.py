"""When a run is ruled invalid: a percentile that a target is on may be more than 5 % off."""

from __future__ import annotations

import numpy as np
import pytest

from lambdatune.model.cell import Cell
from lambdatune.model.invocation import Start, Status
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import FunctionSource, Plan
from lambdatune.model.target import parse_target
from lambdatune.pricing.cost import Tariff
from lambdatune.recommend.evidence import gather
from lambdatune.session.generator import GeneratorRecord
from lambdatune.session.outcome import Outcome
from lambdatune.session.validity import rule

NS_PER_MS = 1_000_000


@pytest.fixture
def ruled(make_rows):
    """Rule on 200 warm calls of 20 ms, a share of which was sent late or throttled."""

    def on(target: str, *, late_ms: float = 0.0, share: float = 0.1, throttled: int = 0, host=None, **seen):
        rows = make_rows(np.full(200, 20.0))
        late = int(200 * share)
        for column in ("sent_ns", "first_byte_ns", "done_ns"):
            rows[column][:late] += int(late_ms * NS_PER_MS)
        refused = make_rows(np.zeros(throttled), start=Start.UNKNOWN, status=Status.THROTTLED, error=b"RateLimit")
        cell = Cell("f", 512, "x86_64", "python3.12", "invoke")
        plan = Plan(FunctionSource("f"), parse_memory("512"), (parse_target(target),), concurrency=10, cold_starts=0)
        evidence = gather([cell], plan, Tariff.of("us-east-1", "x86_64", 512))
        evidence[0].add(rows)
        evidence[0].add(refused)
        return rule(evidence, plan, Outcome(generator=GeneratorRecord(**{"clock": "kernel", **seen})), host)

    return on


def test_a_quiet_run_is_valid(ruled) -> None:
    validity = ruled("response.p95<=50ms")
    assert validity.valid
    assert validity.notes == ()
    assert validity.generator_shift_percent_max < 1


def test_late_sends_make_a_target_on_the_response_time_invalid(ruled) -> None:
    validity = ruled("response.p95<=50ms", late_ms=3)
    assert not validity.valid
    (reason,) = validity.reasons
    assert reason.startswith("at 512 MB, warm.response p95 is reported as 23.0 ms, and 20.0 ms without")
    assert validity.generator_shift_percent_max == pytest.approx(15, abs=1)


@pytest.mark.parametrize("target", ["p95<=50ms", "service.p95<=50ms", "response.p50<=50ms"])
def test_late_sends_do_not_touch_other_figures(ruled, target) -> None:
    validity = ruled(target, late_ms=3)
    assert validity.valid
    assert any("response times hold the generator's own lateness" in note for note in validity.notes)


def test_lateness_is_relative_to_what_is_reported(ruled) -> None:
    assert ruled("response.p95<=50ms", late_ms=0.9).valid


def test_throttles_that_leave_a_percentile_open_make_it_invalid(ruled) -> None:
    assert ruled("response.p95<=50ms", throttled=3).valid
    validity = ruled("response.p99<=50ms", throttled=5)
    assert not validity.valid
    assert "not bounded if its 5 throttled calls had run" in validity.reasons[0]
    assert ruled("p99<=50ms", throttled=5).valid
    assert not ruled("p99<=50ms", throttled=15).valid


def test_a_clock_that_was_set(ruled) -> None:
    assert not ruled("response.p95<=50ms", clock_step_ms_max=40.0).valid
    validity = ruled("p95<=50ms", clock_step_ms_max=40.0)
    assert validity.valid
    assert any("set by 40 ms" in note for note in validity.notes)
    assert ruled("response.p95<=50ms", clock_step_ms_max=0.2).valid


def test_a_busy_load_process_is_late_only_by_its_own_clock(ruled) -> None:
    assert ruled("service.p95<=50ms", shard_cpu_share=0.95).valid
    assert not ruled("service.p95<=50ms", shard_cpu_share=0.95, clock="user").valid


def test_a_busy_host_is_told_of_where_functions_run_on_it(ruled) -> None:
    notes = ruled("p95<=50ms", host={"cpu_limiter": "cgroup"}, host_cpu_share=0.98).notes
    assert any("cores were 98% busy" in note for note in notes)
    assert not any("busy" in note for note in ruled("p95<=50ms", host_cpu_share=0.98).notes)


def test_calls_that_were_given_up_are_told_of(ruled) -> None:
    assert any("up to 4 calls in flight were given up" in note for note in ruled("p95<=50ms", given_up=4).notes)


@pytest.mark.parametrize(
    ("batches", "silent"),
    [
        ([(Start.UNKNOWN, Status.OK, 3)], 3),
        ([(Start.UNKNOWN, Status.OK, 3), (Start.UNKNOWN, Status.FUNCTION_ERROR, 2)], 3),
        ([(Start.UNKNOWN, Status.THROTTLED, 3)], 0),  # nothing succeeded: that is told otherwise
        ([(Start.UNKNOWN, Status.OK, 3), (Start.WARM, Status.OK, 1)], 0),
        ([(Start.UNKNOWN, Status.OK, 3), (Start.COLD, Status.FUNCTION_ERROR, 1)], 0),
    ],
)
def test_a_run_without_any_report_line_is_invalid(make_rows, batches, silent) -> None:
    plan = Plan(FunctionSource("f"), parse_memory("512"), (parse_target("p95<=1s"),), concurrency=10, cold_starts=0)
    cell = Cell("f", 512, "x86_64", "python3.12", "invoke")
    evidence = gather([cell], plan, Tariff.of("us-east-1", "x86_64", 512))
    for start, status, count in batches:
        evidence[0].add(make_rows(np.full(count, 20.0), start=start, status=status))
    reasons = rule(evidence, plan, Outcome(), None).reasons
    assert any(f"none of {silent} successful calls brought a REPORT line" in reason for reason in reasons) == (
        silent > 0
    )


@pytest.mark.parametrize(
    ("machine", "told"), [("x86_64", False), ("AMD64", False), ("aarch64", True), ("arm64", True), (None, False)]
)
def test_times_of_another_cpu_are_told(ruled, machine, told) -> None:
    notes = ruled("duration.p95<=50ms", host={"cpu_limiter": "none", "machine": machine}).notes
    expected = f"times are those of this host's {machine} CPU, not of x86_64; only the prices are of x86_64"
    assert (expected in notes) == told
