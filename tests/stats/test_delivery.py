"""What became of messages, counted from rows."""

from __future__ import annotations

import numpy as np
import pytest

from lambdatune.model.invocation import Status
from lambdatune.model.target import parse_target
from lambdatune.stats.delivery import delivery_of
from lambdatune.stats.rows import clock_ms, counts_for, exceeds, queue_delay_ms
from lambdatune.stats.summary import warm_stats


def test_a_message_is_counted_once_and_a_batch_is_one_invocation(messages) -> None:
    messages["status"][:4] = [Status.RETRIED, Status.DUPLICATED, Status.DEAD_LETTERED, Status.LOST]
    messages["status"][4] = Status.THROTTLED
    for column in ("attempts", "batch_size", "invocations", "started_ns", "finished_ns"):
        messages[column][3:5] = 0
    told = delivery_of(messages)
    assert (told.sent, told.accepted, told.executed) == (20, 19, 17)
    assert (told.retried, told.duplicated, told.dead_lettered, told.lost) == (1, 1, 1, 1)
    assert told.accepted == told.executed + told.dead_lettered + told.lost
    assert told.invocations == round(18 * 0.2)
    assert told.batch_size_mean == pytest.approx(5)
    assert told.batch_size_max == 5


def test_the_pace_is_that_of_the_longest_order(messages) -> None:
    messages["order"][:5], messages["order"][5:] = 1, 2
    told = delivery_of(messages)
    assert told.drain_ms == pytest.approx(52, abs=0.1)
    assert told.throughput_per_s == pytest.approx(15 / 14.052, rel=1e-3)


def test_nothing_delivered_has_no_pace(make_rows) -> None:
    rows = make_rows([1.0])
    rows["status"] = Status.LOST
    told = delivery_of(rows)
    assert (told.batch_size_mean, told.drain_ms, told.throughput_per_s) == (None, None, None)


def test_end_to_end_runs_from_the_intended_send_to_the_end_of_the_execution(messages) -> None:
    assert clock_ms(messages, "e2e") == pytest.approx(52.02)
    assert queue_delay_ms(messages) == pytest.approx(10)
    figures = warm_stats(messages, 0.95, mode="sqs")
    assert figures.e2e_ms is not None
    assert figures.queue_delay_ms is not None
    assert figures.e2e_ms.p50 == pytest.approx(52, rel=0.01)
    assert figures.first_byte_ms is None


def test_a_call_that_waits_for_its_result_ends_with_its_answer(make_rows) -> None:
    rows = make_rows([30.0])
    assert clock_ms(rows, "e2e") == clock_ms(rows, "response")
    assert np.isnan(queue_delay_ms(rows)).all()


@pytest.mark.parametrize("status", [Status.RETRIED, Status.DUPLICATED, Status.DEAD_LETTERED, Status.LOST])
def test_a_message_not_executed_once_and_well_exceeds_every_target(messages, status) -> None:
    messages["status"][0] = status
    for text in ("e2e.p95<=10s", "p95<=10s", "all.response.p95<=10s"):
        target = parse_target(text)
        assert counts_for(messages, target).all()
        assert exceeds(messages, target).tolist() == [True] + [False] * 19
