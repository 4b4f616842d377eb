"""What versions cost by time, against figures worked out by hand, on a clock that stands until it is moved."""

from __future__ import annotations

import numpy as np
import pytest

from lambdatune.aws.isolation import Version
from lambdatune.model.cell import Cell
from lambdatune.model.invocation import Start
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import FunctionSource, Plan
from lambdatune.pricing.cost import Tariff
from lambdatune.recommend.evidence import gather, spend
from lambdatune.session.standing_meter import StandingMeter, StandingRates

PRICES = Tariff.of("us-east-1", "x86_64").prices
FIVE_MINUTES_OF_2_GB = 2 * 300 * 0.0000041667
FIRST, SECOND = Version("clone", "1", 1024), Version("clone", "2", 2048)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_provisioned_environments_are_billed_in_whole_five_minutes_from_when_they_were_asked_for(clock) -> None:
    meter = StandingMeter(StandingRates(PRICES, environments=2), now_s=clock)
    assert meter.usd() == 0
    clock.now_s = 100.0
    meter.made(FIRST, since_s=0.0)
    assert meter.usd() == pytest.approx(FIVE_MINUTES_OF_2_GB)
    clock.now_s = 301.0
    assert meter.usd() == pytest.approx(2 * FIVE_MINUTES_OF_2_GB)
    meter.made(SECOND, since_s=301.0)
    meter.discarded(FIRST)
    clock.now_s = 302.0
    meter.end()
    clock.now_s = 90_000.0
    assert meter.usd() == pytest.approx((2 + 2) * FIVE_MINUTES_OF_2_GB)
    assert StandingRates(PRICES, environments=2).per_hour(1024) == pytest.approx(12 * FIVE_MINUTES_OF_2_GB)


def test_an_alias_has_the_environments_of_one_version_at_a_time(clock) -> None:
    meter = StandingMeter(StandingRates(PRICES, environments=2), by_alias=True, now_s=clock)
    for version in (FIRST, SECOND):
        meter.made(version, since_s=0.0)
    assert meter.usd() == 0
    for _ in range(2):  # the same version again is no move
        meter.pointed_to(FIRST, since_s=0.0)
    clock.now_s = 10.0
    meter.pointed_to(SECOND, since_s=10.0)
    assert meter.usd() == pytest.approx((1 + 2) * FIVE_MINUTES_OF_2_GB)
    meter.pointed_to(FIRST, since_s=10.0)
    assert meter.usd() == pytest.approx((1 + 2 + 1) * FIVE_MINUTES_OF_2_GB)


def test_a_snapshot_is_kept_for_three_hours_at_the_least(clock) -> None:
    meter = StandingMeter(StandingRates(PRICES, has_snapshot=True), before_usd=1.0, now_s=clock)
    meter.made(FIRST, since_s=0.0)
    meter.pointed_to(FIRST, since_s=0.0)
    assert meter.usd() == pytest.approx(1 + 3 * 3600 * 0.0000015046)
    clock.now_s = 4 * 3600.0
    assert meter.usd() == pytest.approx(1 + 4 * 3600 * 0.0000015046)


def test_the_card_says_what_an_hour_costs_and_what_is_due_at_once() -> None:
    (provisioned,) = StandingRates(PRICES, environments=5).sentences([1024, 3072])
    assert "costs $0.30 an hour beside the calls" in provisioned  # 5 x 4 GB x 3600 s x 0.0000041667
    assert "$0.025 at the least" in provisioned
    (snapshot,) = StandingRates(PRICES, has_snapshot=True).sentences([1024])
    assert "cost $0.016 beside the calls" in snapshot
    assert StandingRates(PRICES).sentences([1024]) == []


@pytest.mark.parametrize(("runtime", "restores"), [("python3.12", 4), ("java21", 0)])
def test_a_run_spends_what_stands_restores_and_spilled_calls_at_their_own_price(make_rows, runtime, restores) -> None:
    plan = Plan(FunctionSource("f"), parse_memory("1024"), provisioned_concurrency=1)
    cells = [Cell("f", 1024, "x86_64", runtime, "invoke")]
    evidence = gather(cells, plan, Tariff(PRICES, is_provisioned=True))
    evidence.standing_usd = lambda: 0.5
    rows = [make_rows(np.full(4, 1000.0), start=start) for start in (Start.WARM, Start.COLD, Start.RESTORED)]
    for each in rows:
        each["billed_ms"] = 1000.0
        evidence[0].add(each)
    calls = 12 * 0.0000002 + 8 * 0.0000097222 + 4 * 0.0000166667
    assert spend(evidence).usd == pytest.approx(0.5 + calls + restores * 0.0001397998)
    assert evidence[0].cost_per_million(cold=False) == pytest.approx(0.2 + 9.7222)
    before = spend(evidence)
    evidence.decide_for(plan)
    assert spend(evidence) == before
