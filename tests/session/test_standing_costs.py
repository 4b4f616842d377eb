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
from lambdatune.session.standing_costs import standing_costs


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
