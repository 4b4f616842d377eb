"""The verdict of a pair: how often it is wrong of the same, how often it finds what is there, and its words."""

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
from lambdatune.recommend.verdicts import pair_verdict
from lambdatune.stats.environments import Environments
from lambdatune.stats.rows import empty_rows


def plan_of(*targets: str, here: bool = True) -> Plan:
    return Plan(FunctionSource("f", is_path=here), parse_memory("512"), tuple(map(parse_target, targets)), seed=3)


def cell_of(rng, plan, *, slowness=1.0, environments=20, calls=200, between=0.05, within=0.15, known=True, memory=512):
    """Return a cell whose calls come from environments that differ, in orders of 25, and start all warm."""
    evidence = gather([Cell("f", memory, "x86_64", "python3.12")], plan, Tariff.of("us-east-1", "x86_64"))
    rows = empty_rows(calls)
    served = np.arange(calls) % environments
    spread = between * rng.standard_normal(environments)[served] + within * rng.standard_normal(calls)
    rows["duration_ms"] = 20 * slowness * np.exp(spread)
    rows["billed_ms"], rows["start"] = np.ceil(rows["duration_ms"]), Start.WARM
    rows["order"] = np.arange(calls) // 25
    ids = [f"{number:036d}" for number in range(calls)]
    rows["request_id"] = np.array(ids, dtype="S36")
    evidence[0].add(rows)
    if known:
        evidence.know_environments(Environments(dict(zip(ids, map(str, served.tolist()), strict=True))))
    return evidence[0]


def verdict(base, other, plan, **rest):
    return pair_verdict(base, other, base_label="old", other_label="new", plan=plan, **rest)


MANY = {"environments": 20}
ONE = {"environments": 1, "between": 0.025, "within": 0.12}
UNKNOWN = {"environments": 1, "between": 0.02, "within": 0.1, "known": False}


@pytest.mark.parametrize("target", [(), ("p95<=1s",)])
@pytest.mark.parametrize("how", [MANY, ONE, UNKNOWN])
def test_the_same_is_seldom_called_different_and_a_quarter_more_seldom_missed(target, how) -> None:
    rng, plan = np.random.default_rng(11), plan_of(*target)
    pairs = 40
    same = [verdict(cell_of(rng, plan, **how), cell_of(rng, plan, **how), plan) for _ in range(pairs)]
    slow = [verdict(cell_of(rng, plan, **how), cell_of(rng, plan, slowness=1.25, **how), plan) for _ in range(pairs)]
    assert sum(each.shows_difference for each in same) <= pairs / 20
    assert sum(each.time.word == "slower" for each in slow) >= pairs * 19 / 20


def test_on_aws_one_environment_a_side_does_not_tell_two_hosts_from_two_versions() -> None:
    rng, plan = np.random.default_rng(12), plan_of(here=False)
    how = {"environments": 1, "between": 0.08, "within": 0.05}
    same = [verdict(cell_of(rng, plan, **how), cell_of(rng, plan, **how), plan) for _ in range(60)]
    assert sum(each.shows_difference for each in same) <= 3
    assert any("one environment served the warm calls of old" in caution for caution in same[0].cautions)


def test_the_same_cells_give_the_same_verdict_again() -> None:
    rng, plan = np.random.default_rng(13), plan_of("p95<=1s")
    one, other = cell_of(rng, plan), cell_of(rng, plan, slowness=1.2)
    assert verdict(one, other, plan) == verdict(one, other, plan)


def test_a_verdict_tells_both_questions_with_their_intervals() -> None:
    rng, plan = np.random.default_rng(14), plan_of("p95<=1s")
    found = verdict(cell_of(rng, plan), cell_of(rng, plan, slowness=0.5), plan)
    assert (found.time.measure, found.time.word, found.cost.word) == ("p95", "faster", "cheaper")
    assert found.sentence.startswith("new is ")
    assert "x as fast as old at p95 (" in found.sentence
    assert "% cheaper (" in found.sentence
    assert [effect.measure for effect in found.effects] == ["p50", "p95", "p99", "cost"]
    assert found.time.low < 0.5 < found.time.high


def test_more_memory_at_the_same_time_is_dearer_and_no_difference_of_time() -> None:
    rng, plan = np.random.default_rng(15), plan_of()
    found = verdict(cell_of(rng, plan), cell_of(rng, plan, memory=1024), plan)
    assert (found.time.word, found.cost.word) == ("no difference shown", "dearer")
    assert "than old; no difference of time is shown (p50 " in found.sentence


def test_a_percentile_that_few_calls_do_not_bound_is_told_and_a_lower_one_decides() -> None:
    rng, plan = np.random.default_rng(16), plan_of("p99<=1s")
    found = verdict(cell_of(rng, plan), cell_of(rng, plan, slowness=1.3), plan)
    assert (found.time.measure, found.time.word) == ("p95", "slower")
    assert any(caution.startswith("p99 takes 437 warm calls a side") for caution in found.cautions)
    p99 = next(effect for effect in found.effects if effect.measure == "p99")
    assert p99.low is None
    assert p99.high is None


def test_cells_without_calls_or_with_one_are_not_known_or_not_told_apart() -> None:
    rng, plan = np.random.default_rng(17), plan_of()
    found = verdict(cell_of(rng, plan, calls=0), cell_of(rng, plan), plan)
    assert (found.time.word, found.cost.word) == ("not known", "not known")
    assert found.sentence.startswith("not known: ")
    found = verdict(cell_of(rng, plan, calls=1), cell_of(rng, plan, slowness=3), plan)
    assert (found.time.word, found.cost.word) == ("no difference shown", "no difference shown")


def test_a_target_on_cold_starts_asks_about_cold_starts() -> None:
    rng, plan = np.random.default_rng(18), plan_of("cold.duration.p50<=1s")
    cells = []
    for slowness in (1.0, 2.0):
        cell = cell_of(rng, plan, calls=0)
        rows = empty_rows(20)
        rows["duration_ms"], rows["start"] = 10.0, Start.COLD
        rows["init_ms"] = 200 * slowness * np.exp(0.1 * rng.standard_normal(20))
        rows["billed_ms"] = np.ceil(rows["duration_ms"] + rows["init_ms"])
        cell.add(rows, cold=True)
        cells.append(cell)
    found = verdict(*cells, plan)
    assert (found.population, found.time.measure, found.time.word) == ("cold", "p50", "slower")
    assert found.cost.word == "not known"  # at the plan's cold rate it is that of warm calls, and there are none


def test_failures_are_told_since_times_are_those_of_the_calls_that_ended_well() -> None:
    rng, plan = np.random.default_rng(19), plan_of()
    failing = cell_of(rng, plan)
    failing.rows["status"][::2] = Status.FUNCTION_ERROR
    found = verdict(cell_of(rng, plan), failing, plan)
    assert "50% of the calls of new failed: its times are those of the others" in found.cautions
