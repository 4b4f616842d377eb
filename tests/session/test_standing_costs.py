"""What SnapStart and provisioned concurrency cost beside the calls, by the price list."""

from __future__ import annotations

import numpy as np
import pytest

from lambdatune.model.cell import Cell
from lambdatune.model.invocation import Start
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import FunctionSource, Plan
from lambdatune.pricing.cost import Tariff
from lambdatune.recommend.evidence import gather
from lambdatune.session.standing_costs import provisioned_starts, standing_costs


@pytest.fixture
def told(make_rows):
    """Return what is told of a run at 512 and 2048 MB whose calls at 2048 MB started in a way."""

    def of(start: Start, runtime: str = "python3.12", region: str = "us-east-1") -> list[str]:
        cells = [Cell("f", size, "x86_64", runtime, "invoke") for size in (512, 2048)]
        plan = Plan(FunctionSource("f"), parse_memory("512,2048"))
        evidence = gather(cells, plan, Tariff.of(region, "x86_64", 512))
        evidence[0].add(make_rows(np.full(10, 20.0)))
        evidence[1].add(make_rows(np.full(10, 20.0), start=start))
        return standing_costs(evidence)

    return of


def test_warm_and_cold_calls_cost_nothing_beside_them(told) -> None:
    assert told(Start.WARM) == told(Start.COLD) == []


def test_snapstart_costs_each_restore_and_each_month_of_a_version(told) -> None:
    (sentence,) = told(Start.RESTORED)
    # 2 GB: 0.0001397998 a GB restored; 0.0000015046 a GB-second kept.
    assert "$279.60 and $7.91 at 2048 MB" in sentence
    assert "512 MB" not in sentence


def test_snapstart_is_free_with_java(told) -> None:
    assert told(Start.RESTORED, "java21") == []


def test_provisioned_concurrency_costs_each_month_of_an_environment(told) -> None:
    (sentence,) = told(Start.PREINITIALISED)
    # 2 GB: 0.0000041667 a GB-second; 0.0000097222 for time in it instead of 0.0000166667.
    assert "$21.90 at 2048 MB" in sentence
    assert "58% of the price" in sentence


def test_in_china_it_is_told_in_yuan(told) -> None:
    (sentence,) = told(Start.PREINITIALISED, region="cn-north-1")
    assert "CNY " in sentence


def test_what_was_provisioned_is_told_with_its_month_its_inits_and_what_spilled_over(make_rows) -> None:
    plan = Plan(FunctionSource("f"), parse_memory("1024"), provisioned_concurrency=3)
    cells = [Cell("f", 1024, "x86_64", "python3.12", "invoke")]
    evidence = gather(cells, plan, Tariff(Tariff.of("us-east-1", "x86_64").prices, is_provisioned=True))
    assert provisioned_starts(evidence) == []
    evidence[0].add(make_rows(np.full(3, 20.0), start=Start.PREINITIALISED, init_ms=400.0))
    evidence[0].add(make_rows(np.full(40, 20.0)))
    (inits,) = provisioned_starts(evidence)
    assert "it took 400.0 ms in the median of 3" in inits
    evidence[0].add(make_rows(np.full(2, 20.0), start=Start.COLD, init_ms=300.0))
    assert "2 of 45 calls found no provisioned environment free" in provisioned_starts(evidence)[1]
    (sentence,) = standing_costs(evidence)
    # 3 environments of 1 GB for 730 hours at 0.0000041667 a GB-second.
    assert sentence.startswith("provisioned concurrency 3 costs beside the calls, for a month: $32.85 at 1024 MB")
