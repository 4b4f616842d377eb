"""The JUnit report, checked by a schema of its readers and read by an independent one (junitparser)."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import pytest
import xmlschema
from junitparser import Error, Failure, JUnitXml
from support.recorded_runs import FAILING, INVALID, KILLED, MISSED, SLOWER, TWO_TARGETS, UNPROVEN

from lambdatune.reports.junit_report import render_junit


@functools.cache
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(Path(__file__).with_name("junit-10.xsd")))


def suite_of(result):
    text = render_junit(result)
    schema().validate(text)
    (suite,) = JUnitXml.fromstring(text.encode())
    assert (suite.tests, suite.skipped) == (len(list(suite)), 0)
    kinds = [type(outcome) for case in suite for outcome in case.result]
    assert (suite.failures, suite.errors) == (kinds.count(Failure), kinds.count(Error))
    names = [case.name for case in suite]
    assert len(names) == len(set(names))
    return suite


def outcomes(suite) -> dict[str, list[tuple[type, str, str]]]:
    return {case.name: [(type(each), each.type, each.message) for each in case.result] for case in suite}


def test_a_target_that_is_met_is_a_case_that_passes_with_what_was_measured(recorded) -> None:
    suite = suite_of(recorded(SLOWER))
    assert (suite.failures, suite.errors, suite.time) == (0, 0, 180)
    measurement, target = suite
    assert (measurement.name, target.name) == ("measurement", "warm.duration.p95<=60ms at 768 MB")
    assert target.system_out == (
        "44.6 ms (43.7 to 46.3) at 95% confidence: meets warm.duration.p95<=60ms; 1 of 600 calls exceed 60 ms"
    )
    properties = {each.name: each.value for each in suite.properties()}
    assert properties["run_id"] == SLOWER.id
    assert (properties["function"], properties["confidence"], properties["memory_mb"]) == ("orders-api", "0.95", "768")


def test_every_target_of_the_advice_is_a_case(recorded) -> None:
    result = recorded(TWO_TARGETS)
    advised = replace(result, recommendation=replace(result.recommendation, memory_mb=512))
    found = outcomes(suite_of(advised))
    assert [len(each) for each in found.values()] == [0, 0, 1]
    assert list(found)[1:] == ["warm.duration.p95<=60ms at 512 MB", "cold.duration.p90<=900ms at 512 MB"]


def test_a_target_that_no_size_meets_fails_at_each_with_value_and_interval(recorded) -> None:
    result = recorded(MISSED)
    suite = suite_of(result)
    assert (suite.failures, suite.errors) == (len(result.cells), 0)
    assert outcomes(suite)["warm.duration.p95<=1ms at 768 MB"] == [
        (
            Failure, "missed",
            "40.3 ms (39.1 to 41.2) at 95% confidence: misses warm.duration.p95<=1ms; 600 of 600 calls exceed 1 ms",
        )
    ]  # fmt: skip


def test_what_is_not_proven_has_not_passed(recorded) -> None:
    found = outcomes(suite_of(recorded(UNPROVEN)))
    ((kind, word, message),) = found["warm.duration.p99<=60ms at 512 MB"]
    assert (kind, word) == (Failure, "unproven")
    assert "to no end) at 95% confidence: too few calls to tell whether it meets warm.duration.p99<=60ms" in message


def test_an_invalid_run_is_an_error_for_every_target(recorded) -> None:
    suite = suite_of(recorded(INVALID))
    assert (suite.tests, suite.failures, suite.errors) == (2, 0, 2)
    assert "280 of 2164 calls were throttled" in outcomes(suite)["measurement"][0][2]


def test_a_run_that_was_interrupted_is_an_error(recorded) -> None:
    assert outcomes(suite_of(recorded(KILLED)))["measurement"][0][:2] == (Error, "interrupted")


def test_a_size_at_which_the_function_fails_is_an_error(recorded) -> None:
    result = recorded(FAILING)
    alone = replace(
        result, cells=result.cells[:1], recommendation=replace(result.recommendation, status="missed", memory_mb=None)
    )
    ((kind, word, message),) = outcomes(suite_of(alone))["warm.duration.p95<=60ms at 128 MB"]
    assert (kind, word) == (Error, "failed")
    assert "Runtime.OutOfMemory" in message


def test_a_run_without_a_call_or_without_a_target_is_a_suite_all_the_same(result) -> None:
    empty = replace(result, cells=(), recommendation=replace(result.recommendation, status="unproven", memory_mb=None))
    assert suite_of(empty).failures == 1
    without = replace(result, plan={**result.plan, "targets": []})
    assert [case.name for case in suite_of(without)] == ["measurement"]


def test_text_from_elsewhere_stays_text(hostile) -> None:
    suite = suite_of(hostile)
    assert suite.name == hostile.function.name.replace("\x00", "\ufffd").replace("\u202e", "\ufffd")
    assert [case.name for case in suite][1].startswith("warm.duration.p95<=60ms at ")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("all.duration.p95<=60ms", " ms ("),
        ("warm.duration.p97.5<=60ms", " ms ("),
        ("cold.service.p50<=60ms", " ms ("),
        ("warm.e2e.p50<=60ms", "nothing was measured"),
    ],
)
def test_the_value_of_any_target_is_found(result, target, said) -> None:
    cell = result.cells[1]
    odd = replace(cell, certificates=(replace(cell.certificates[0], target=target, status="undecided"),))
    changed = replace(
        result, cells=(odd,), plan={**result.plan, "targets": [target]},
        recommendation=replace(result.recommendation, memory_mb=512),
    )  # fmt: skip
    assert said in outcomes(suite_of(changed))[f"{target} at 512 MB"][0][2]
