"""What a row says about a target: clocks, populations, and which calls count as what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdatune.model.invocation import INVOCATION_COLUMNS, Start, Status
from lambdatune.model.target import Target, parse_target
from lambdatune.stats.rows import (
    ROW_DTYPE,
    clock_ms,
    counts_for,
    empty_rows,
    exceeds,
    is_cold,
    is_error,
    is_ok,
    is_preinitialised,
    is_throttled,
    is_unknown,
    is_warm,
    population_mask,
    uncounted,
)

if TYPE_CHECKING:
    from lambdatune.stats.rows import Rows

MS = 1_000_000
WARM_P95 = parse_target("p95<=100ms")


def row(
    status: Status = Status.OK,
    start: Start = Start.WARM,
    *,
    duration: float = np.nan,
    init: float = np.nan,
    restore: float = np.nan,
    response: float = 50,
    sent_after: float | None = 10,
) -> Rows:
    rows = empty_rows(1)
    rows["status"], rows["start"] = status, start
    rows["duration_ms"], rows["init_ms"], rows["restore_ms"] = duration, init, restore
    rows["intended_ns"] = 1_000 * MS
    rows["sent_ns"] = 0 if sent_after is None else (1_000 + sent_after) * MS
    rows["done_ns"] = (1_000 + response) * MS
    return rows


def test_the_dtype_is_the_columns_of_the_model_packed() -> None:
    assert ROW_DTYPE.names == tuple(name for name, _ in INVOCATION_COLUMNS)
    assert ROW_DTYPE.itemsize == sum(np.dtype(code).itemsize for _, code in INVOCATION_COLUMNS)


def test_empty_rows_say_unknown() -> None:
    rows = empty_rows(3)
    assert len(rows) == 3
    assert np.isnan(rows["duration_ms"]).all()
    assert np.isnan(rows["billed_ms"]).all()
    assert (rows["max_memory_used_mb"] == -1).all()
    assert is_unknown(rows).all()


class TestClocks:
    def test_a_warm_duration_is_the_reports(self) -> None:
        assert clock_ms(row(duration=20), "duration") == [20]

    def test_a_cold_duration_counts_the_init(self) -> None:
        assert clock_ms(row(start=Start.COLD, duration=20, init=300), "duration") == [320]

    def test_a_restored_duration_counts_the_restore(self) -> None:
        assert clock_ms(row(start=Start.RESTORED, duration=20, restore=400), "duration") == [420]

    def test_an_init_that_ran_inside_the_call_is_in_its_duration(self) -> None:
        assert clock_ms(row(start=Start.COLD, duration=900), "duration") == [900]

    def test_response_is_from_the_intended_send_and_service_from_the_actual_one(self) -> None:
        assert clock_ms(row(response=50, sent_after=10), "response") == [50]
        assert clock_ms(row(response=50, sent_after=10), "service") == [40]

    def test_what_is_not_known_is_nan(self) -> None:
        assert np.isnan(clock_ms(row(start=Start.UNKNOWN), "duration")).all()
        assert np.isnan(clock_ms(row(sent_after=None), "service")).all()


class TestMasks:
    def test_cold_are_inits_and_restores(self) -> None:
        rows = np.concatenate([row(start=start) for start in Start])
        assert is_warm(rows).tolist() == [False, True, False, False, False]
        assert is_cold(rows).tolist() == [False, False, True, True, False]
        assert is_unknown(rows).tolist() == [True, False, False, False, False]

    def test_a_throttle_is_neither_a_result_nor_an_error(self) -> None:
        rows = np.concatenate([row(status) for status in Status])
        assert (is_ok(rows).astype(int) + is_error(rows) + is_throttled(rows) == 1).all()
        assert is_throttled(rows).sum() == 1

    def test_a_failure_of_unknown_start_belongs_to_what_its_order_was_meant_for(self) -> None:
        failed = row(Status.CLIENT_TIMEOUT, Start.UNKNOWN)
        assert population_mask(failed, "warm").all()
        assert not population_mask(failed, "cold").any()
        assert population_mask(failed, "cold", meant_for="cold").all()
        assert not population_mask(failed, "warm", meant_for="cold").any()
        assert population_mask(failed, "all", meant_for="cold").all()

    def test_a_success_of_unknown_start_belongs_to_all_only(self) -> None:
        unread = row(Status.OK, Start.UNKNOWN)
        assert not population_mask(unread, "warm").any()
        assert not population_mask(unread, "cold", meant_for="cold").any()
        assert population_mask(unread, "all").all()


class TestExceeds:
    @pytest.mark.parametrize(("duration", "slow"), [(99.99, False), (100, False), (100.01, True)])
    def test_a_result_is_compared_with_the_threshold(self, duration: float, slow: bool) -> None:
        assert exceeds(row(duration=duration), WARM_P95).tolist() == [slow]

    @pytest.mark.parametrize(
        "status",
        [Status.FUNCTION_ERROR, Status.TIMEOUT, Status.OUT_OF_MEMORY, Status.SERVICE_ERROR, Status.CLIENT_TIMEOUT],
    )
    @pytest.mark.parametrize("clock", ["duration", "response", "service"])
    @pytest.mark.parametrize("start", [Start.WARM, Start.UNKNOWN])
    def test_a_failure_exceeds_however_fast_it_came(self, status: Status, clock: str, start: Start) -> None:
        failed = row(status, start, duration=1 if start else np.nan, response=11)
        assert exceeds(failed, parse_target(f"{clock}.p95<=100ms")).tolist() == [True]

    @pytest.mark.parametrize("status", [Status.THROTTLED, Status.REFUSED])
    @pytest.mark.parametrize("text", ["p95<=1ms", "response.p95<=1ms", "all.service.p95<=1ms"])
    def test_a_call_that_never_ran_does_not_count(self, status: Status, text: str) -> None:
        assert exceeds(row(status, Start.UNKNOWN), parse_target(text)).tolist() == []

    @pytest.mark.parametrize(("clock", "counted"), [("duration", 0), ("service", 0), ("response", 1)])
    def test_a_connection_that_was_never_made_counts_for_the_response_only(self, clock: str, counted: int) -> None:
        failed = row(Status.CONNECTION_ERROR, Start.UNKNOWN, sent_after=None)
        assert exceeds(failed, parse_target(f"{clock}.p95<=100ms")).tolist() == [True] * counted

    @pytest.mark.parametrize("clock", ["duration", "service", "response"])
    def test_a_connection_lost_after_the_send_may_hide_a_slow_call_and_exceeds(self, clock: str) -> None:
        failed = row(Status.CONNECTION_ERROR, Start.UNKNOWN)
        assert exceeds(failed, parse_target(f"{clock}.p95<=100ms")).tolist() == [True]

    def test_a_truncated_answer_with_a_report_has_a_duration_but_no_response(self) -> None:
        cut = row(Status.TRUNCATED, Start.WARM, duration=5)
        assert exceeds(cut, WARM_P95).tolist() == [False]
        assert exceeds(cut, parse_target("response.p95<=100ms")).tolist() == [True]
        assert exceeds(row(Status.TRUNCATED, Start.UNKNOWN), WARM_P95).tolist() == [True]

    def test_a_success_without_a_report_is_told_and_not_dropped_in_silence(self) -> None:
        unread = row(Status.OK, Start.UNKNOWN, response=50)
        assert exceeds(unread, WARM_P95).tolist() == []
        assert uncounted(unread, WARM_P95) == 1
        assert uncounted(unread, parse_target("response.p95<=1ms")) == 1
        everything = parse_target("all.response.p95<=20ms")
        assert exceeds(unread, everything).tolist() == [True]
        assert uncounted(unread, everything) == 0

    def test_the_order_of_the_rows_is_kept(self) -> None:
        rows = np.concatenate([row(duration=value) for value in (50, 150, 50, 150)])
        assert exceeds(rows, WARM_P95).tolist() == [False, True, False, True]

    def test_no_rows_give_no_calls(self) -> None:
        assert exceeds(empty_rows(0), WARM_P95).tolist() == []

    @given(
        st.lists(
            st.tuples(st.sampled_from(Status), st.sampled_from(Start), st.floats(1, 200), st.booleans()), max_size=20
        ),
        st.sampled_from(["warm", "cold", "all"]),
        st.sampled_from(["duration", "response", "service"]),
    )
    def test_every_call_that_ran_counts_or_is_told(
        self, calls: list[tuple[Status, Start, float, bool]], population: str, clock: str
    ) -> None:
        rows = np.concatenate(
            [empty_rows(0)]
            + [
                row(status, start, duration=ms if start else np.nan, sent_after=1 if sent else None)
                for status, start, ms, sent in calls
            ]
        )
        target = Target(population, clock, 95, 100)  # type: ignore[arg-type]
        counted = counts_for(rows, target)
        assert len(exceeds(rows, target)) == counted.sum()
        failed_after_send = is_error(rows) & (rows["status"] != Status.REFUSED) & (rows["sent_ns"] > 0)
        member = population_mask(rows, target.population)
        assert counted[member & failed_after_send].all()
        known = is_ok(rows) & ~is_unknown(rows) & (rows["sent_ns"] > 0)
        assert counted[member & known].all()
        assert uncounted(rows, target) <= (is_ok(rows) & is_unknown(rows)).sum()


def test_an_environment_made_ahead_of_time_is_neither_warm_nor_cold() -> None:
    rows = row(start=Start.PREINITIALISED, duration=20, init=400, response=30)
    assert is_preinitialised(rows).all()
    assert not (is_warm(rows) | is_cold(rows) | is_unknown(rows)).any()
    # Nobody waited for the init: it is in no time of the call.
    assert clock_ms(rows, "duration")[0] == 20
    for population, counts in (("warm", False), ("cold", False), ("all", True)):
        target = parse_target(f"{population}.duration.p95<=100ms")
        assert counts_for(rows, target).any() == counts
        assert uncounted(rows, target) == 0


def test_a_failed_call_that_met_one_is_left_to_no_population_it_was_meant_for() -> None:
    rows = row(Status.FUNCTION_ERROR, Start.PREINITIALISED, duration=20, init=400)
    assert not counts_for(rows, parse_target("cold.duration.p95<=100ms"), meant_for="cold").any()
    assert exceeds(rows, parse_target("all.duration.p95<=100ms")).all()
