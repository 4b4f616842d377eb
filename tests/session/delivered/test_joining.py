"""Messages and calls that AWS names the execution of."""

from __future__ import annotations

import numpy as np
import pytest

from lambdatune.aws.executions import Execution
from lambdatune.aws.modes.protocol import Ending
from lambdatune.model.invocation import Start, Status
from lambdatune.model.report_line import Report
from lambdatune.session.delivered.joining import CallsById, MessagesById, RowWriter
from lambdatune.session.delivered.linking import LINKING, LinkRecord, linking_notes

MS = 1_000_000


def execution(request_id: str, started_ms: float, *, failed: bool = False, memory_mb: int = 512, init_ms=None):
    report = Report(request_id, 20.0, 21.0, memory_mb, 40, init_ms, None, None, None, None)
    return Execution(request_id, started_ms, started_ms + 20, "stream", report, failed)


def executed(message_id: str, request_id: str) -> Ending:
    return Ending(message_id, request_id, "executed")


@pytest.fixture
def rows(make_rows):
    made = make_rows([1.0] * 3, start=Start.UNKNOWN)
    made["duration_ms"] = np.nan
    made["request_id"] = [b"m1", b"m2", b"m3"]
    made["billed_ms"] = np.nan
    made["done_ns"] = made["sent_ns"] + 2 * MS
    return made


@pytest.fixture
def links():
    return LinkRecord("sns")


@pytest.fixture
def joiner(links):
    return MessagesById(RowWriter(512, links))


def started(rows, index: int, after_ms: float) -> float:
    return float(rows["done_ns"][index]) / MS + after_ms


def test_a_message_ends_when_its_destination_and_its_log_have_told(rows, joiner) -> None:
    assert joiner.awaited(rows) == 3
    joiner.take([], [executed(f"m{number}", f"r{number}") for number in (1, 2, 3)])
    assert joiner.awaited(rows) == 3
    joiner.take([execution(f"r{number + 1}", started(rows, number, 5.0)) for number in range(3)], [])
    assert joiner.awaited(rows) == 0
    joined = joiner.joined(rows)
    assert (joined["status"] == Status.OK).all()
    assert (joined["start"] == Start.WARM).all()
    assert joined["request_id"].tolist() == [b"r1", b"r2", b"r3"]
    assert (joined["finished_ns"] - joined["started_ns"]).tolist() == pytest.approx([20 * MS] * 3, abs=1000)
    assert joined["invocations"].tolist() == [1.0] * 3
    assert not joiner.unknown(joined).any()


def test_retries_duplicates_and_dead_letters_are_told_apart(rows, joiner) -> None:
    at = [started(rows, number, 5.0) for number in range(3)]
    joiner.take(
        [
            execution("r1", at[0], failed=True), execution("r1", at[0] + 100),
            execution("r2", at[1]), execution("r2b", at[1] + 50),
            execution("r3", at[2], failed=True), execution("r3", at[2] + 100, failed=True),
        ],
        [
            executed("m1", "r1"), executed("m2", "r2"), executed("m2", "r2b"),
            Ending("m3", "r3", "dead-lettered", "RetriesExhausted"),
        ],
    )  # fmt: skip
    joined = joiner.joined(rows)
    assert joined["status"].tolist() == [Status.RETRIED, Status.DUPLICATED, Status.DEAD_LETTERED]
    assert joined["attempts"].tolist() == [2, 2, 2]
    assert joined["billed_ms"].tolist() == [42.0, 42.0, 42.0]
    assert joined["error"].tolist() == [b"", b"", b"RetriesExhausted"]


def test_what_nobody_told_of_is_lost(rows, joiner) -> None:
    joiner.take([execution("r1", started(rows, 0, 5.0))], [executed("m1", "r1")])
    joined = joiner.joined(rows)
    assert joined["status"].tolist() == [Status.OK, Status.LOST, Status.LOST]
    assert joiner.unknown(joined).tolist() == [False, True, True]


def test_a_send_that_failed_stays_what_it_was(rows, joiner) -> None:
    rows["status"][0] = Status.THROTTLED
    assert joiner.awaited(rows) == 2
    assert joiner.joined(rows)["status"][0] == Status.THROTTLED


def test_an_init_that_was_over_before_the_message_came_is_no_cold_start(rows, joiner) -> None:
    joiner.take(
        [
            execution("r1", started(rows, 0, 5.0), init_ms=300.0),
            execution("r2", started(rows, 1, 320.0), init_ms=300.0),
        ],
        [executed("m1", "r1"), executed("m2", "r2")],
    )
    assert joiner.joined(rows)["start"][:2].tolist() == [Start.PREINITIALISED, Start.COLD]


def test_an_execution_at_another_size_is_in_no_figure(rows, joiner, links) -> None:
    joiner.take([execution("r1", started(rows, 0, 5.0), memory_mb=128)], [executed("m1", "r1")])
    joined = joiner.joined(rows)
    assert joined["status"][0] == Status.REFUSED
    assert joined["error"][0] == b"executed at 128 MB"
    notes = linking_notes({LINKING: links.to_json()})
    assert len(notes) == 1
    assert notes[0].startswith("1 messages were executed at another memory size")


def test_calls_get_the_report_of_the_execution_that_their_answer_names(rows) -> None:
    joiner = CallsById(RowWriter(512, LinkRecord("function-url")))
    rows["status"][2] = Status.CONNECTION_ERROR
    rows["request_id"][2] = b""
    joiner.take([execution("m1", started(rows, 0, -1.0))], [])
    assert joiner.awaited(rows) == 1
    joined = joiner.joined(rows)
    assert joined["duration_ms"][0] == 20.0
    assert joined["attempts"].tolist() == [0, 0, 0]
    assert np.isnan(joined["duration_ms"][1:]).all()
