"""The gate: how often a run that is no worse is red, and one that is worse is not, and what it cannot tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import fisher_exact

from lambdatune.model.cell import Cell
from lambdatune.model.invocation import Start, Status
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import FunctionSource, Plan
from lambdatune.model.target import parse_target
from lambdatune.pricing.cost import Tariff
from lambdatune.recommend.evidence import gather
from lambdatune.recommend.gate import Baseline, GateSettings, gate
from lambdatune.stats.counts import chance_of_as_many
from lambdatune.stats.rows import empty_rows

PLAN = Plan(FunctionSource("f", is_path=True), parse_memory("512"), (parse_target("p95<=1s"),), seed=5)


def evidence_of(rng, *, slowness=1.0, calls=200, sizes=(512,), failing=0, run_spread=0.015):
    """Return evidence of a run whose figures are off by what runs differ by, all calls from one environment a size."""
    evidence = gather(
        [Cell("f", size, "x86_64", "python3.12") for size in sizes], PLAN, Tariff.of("us-east-1", "x86_64")
    )
    for index in range(len(sizes)):
        rows = empty_rows(calls)
        moment = run_spread * rng.standard_normal()
        rows["duration_ms"] = 40 * slowness * np.exp(moment + 0.1 * rng.standard_normal(calls))
        rows["billed_ms"], rows["start"], rows["cell"] = np.ceil(rows["duration_ms"]), Start.WARM, index
        rows["order"] = np.arange(calls) // 20
        rows["status"][:failing] = Status.FUNCTION_ERROR
        evidence[index].add(rows)
    return evidence


def held(base, other, *, best_mb=512, plan=PLAN, **settings):
    return gate(Baseline("base", "2026-11-20T10:00:00Z", base, best_mb), other, plan, GateSettings(**settings))


def test_a_run_of_the_same_is_seldom_red_and_a_quarter_more_seldom_green() -> None:
    rng, runs = np.random.default_rng(21), 25
    same = [held(evidence_of(rng), evidence_of(rng)).outcome for _ in range(runs)]
    slow = [held(evidence_of(rng), evidence_of(rng, slowness=1.25)).outcome for _ in range(runs)]
    assert same.count("regression") <= runs / 20
    assert same.count("no regression shown") >= runs * 0.9
    assert slow.count("regression") >= runs * 19 / 20


def test_a_slow_tail_alone_is_red_at_the_percentile_of_the_target() -> None:
    rng = np.random.default_rng(22)
    other = evidence_of(rng)
    slow = other[0].rows["duration_ms"]
    slow[::8] *= 1.6
    report = held(evidence_of(rng), other)
    red = [check.measure for check in report.checks if check.outcome == "regression"]
    assert red == ["warm.duration.p95"]
    assert report.sentence.startswith(
        "REGRESSION against baseline base (2026-11-20): warm.duration.p95 at 512 MB is 1."
    )


def test_what_is_faster_is_no_regression_and_within_the_margin_neither() -> None:
    rng = np.random.default_rng(23)
    assert held(evidence_of(rng), evidence_of(rng, slowness=0.7)).outcome == "no regression shown"
    wide = held(evidence_of(rng), evidence_of(rng, slowness=1.25), margin=0.5)
    assert wide.outcome == "no regression shown"
    assert wide.passes


@pytest.mark.parametrize(
    ("calls", "why"),
    [(20, "512 MB has too few calls to check: 200 warm calls in the baseline and 20"), (0, "512 MB was not")],
)
def test_too_few_calls_are_inconclusive_and_that_is_loud(calls, why) -> None:
    rng = np.random.default_rng(24)
    report = held(evidence_of(rng), evidence_of(rng, calls=calls))
    assert report.outcome == "inconclusive"
    assert "INCONCLUSIVE against baseline base (2026-11-20): NOTHING WAS CHECKED: " in report.sentence
    assert why in report.sentence
    assert report.passes
    strict = held(evidence_of(rng), evidence_of(rng, calls=calls), inconclusive="fail")
    assert not strict.passes
    assert "it fails, as --inconclusive fail asks" in strict.sentence


def test_few_calls_for_the_percentile_that_is_asked_are_checked_at_a_lower_one() -> None:
    rng = np.random.default_rng(34)
    plan = replace(PLAN, targets=(parse_target("p99<=1s"),))
    report = held(evidence_of(rng), evidence_of(rng, slowness=1.3), plan=plan)
    assert [check.measure for check in report.checks][:2] == ["warm.duration.p50", "warm.duration.p95"]
    assert report.outcome == "regression"
    assert report.cautions[0].startswith(
        "512 MB is checked at p95: p99 takes 390 in each, and there are 200 warm calls"
    )


def test_a_spread_that_hides_a_quarter_is_inconclusive() -> None:
    rng = np.random.default_rng(25)
    noisy = evidence_of(rng)
    noisy[0].rows["duration_ms"][:] = 40 * np.exp(1.2 * rng.standard_normal(200))
    report = held(evidence_of(rng), noisy, plan=replace(PLAN, targets=()))
    assert any("more open" in check.sentence for check in report.checks if check.outcome == "inconclusive")


def test_the_size_that_the_baseline_advises_has_to_be_checked() -> None:
    rng = np.random.default_rng(26)
    report = held(evidence_of(rng, sizes=(512, 1024)), evidence_of(rng), best_mb=1024)
    assert report.outcome == "inconclusive"
    assert "1024 MB was not measured in this run" in report.sentence
    assert {check.memory_mb for check in report.checks} == {512}


def test_many_sizes_share_the_error_and_the_advised_one_has_half() -> None:
    rng, runs = np.random.default_rng(27), 8
    sizes = (128, 256, 512, 1024)
    same = [held(evidence_of(rng, sizes=sizes), evidence_of(rng, sizes=sizes)).outcome for _ in range(runs)]
    slow = [held(evidence_of(rng, sizes=sizes), evidence_of(rng, sizes=sizes, slowness=1.25)) for _ in range(runs)]
    assert same.count("regression") == 0
    assert all(report.outcome == "regression" for report in slow)


@pytest.mark.parametrize(
    ("before", "now", "outcome"),
    [(0, 0, "no regression shown"), (0, 2, "inconclusive"), (0, 20, "regression"), (20, 3, "no regression shown"),
     (0, 200, "regression")],
)  # fmt: skip
def test_new_errors_are_a_regression_when_chance_does_not_make_as_many(before, now, outcome) -> None:
    rng = np.random.default_rng(28)
    report = held(evidence_of(rng, failing=before), evidence_of(rng, failing=now))
    errors = next(check for check in report.checks if check.measure == "errors")
    assert errors.outcome == outcome
    assert report.outcome == outcome
    assert errors.sentence == f"{now} of 200 calls at 512 MB failed, and {before} of 200 of the baseline"


def test_on_a_busy_host_runs_are_supposed_to_differ_as_much_as_their_orders_do() -> None:
    rng = np.random.default_rng(35)
    base, other = evidence_of(rng), evidence_of(rng, slowness=1.25)
    for evidence in (base, other):
        evidence[0].rows["duration_ms"] *= np.exp(0.12 * rng.standard_normal(10))[np.arange(200) // 20]
    red = [check for check in held(base, other).checks if check.outcome == "regression"]
    shaken = gate(Baseline("base", "2026-11-20T10:00:00Z", base, 512, is_shaken=True), other, PLAN, GateSettings())
    assert red
    assert shaken.outcome == "inconclusive"
    steady = evidence_of(rng), evidence_of(rng, slowness=1.25)
    report = gate(
        Baseline("base", "2026-11-20T10:00:00Z", steady[0], 512, is_shaken=True), steady[1], PLAN, GateSettings()
    )
    assert report.outcome == "regression"


def test_on_a_busy_host_a_tail_that_differs_from_order_to_order_is_no_evidence() -> None:
    rng = np.random.default_rng(36)
    base, other = evidence_of(rng), evidence_of(rng)
    slow = other[0].rows["duration_ms"]
    for order in range(10):  # every fifth call waits, in some orders longer than in others
        slow[20 * order : 20 * order + 20 : 5] *= 1.3 if order % 2 else 2.4
    quiet = held(base, other)
    shaken = gate(Baseline("base", "2026-11-20T10:00:00Z", base, 512, is_shaken=True), other, PLAN, GateSettings())
    assert [check.measure for check in quiet.checks if check.outcome == "regression"] == ["warm.duration.p95"]
    assert shaken.outcome != "regression"


def test_the_chance_of_errors_is_that_of_fisher() -> None:
    for failed, calls, failed_before, before in ((3, 200, 0, 180), (20, 50, 30, 90), (0, 10, 5, 10), (4, 4, 10, 12)):
        table = [[failed, calls - failed], [failed_before, before - failed_before]]
        expected = fisher_exact(table, alternative="greater").pvalue
        assert chance_of_as_many(failed, calls, failed_before, before) == pytest.approx(expected)


def test_throttled_calls_are_no_errors() -> None:
    rng = np.random.default_rng(29)
    other = evidence_of(rng, calls=220)
    other[0].rows["status"][:20] = Status.THROTTLED
    errors = next(check for check in held(evidence_of(rng), other).checks if check.measure == "errors")
    assert (errors.outcome, errors.figure) == ("no regression shown", 0)
