"""Evidence of one function at several sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lambdatune.model.cell import Cell
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import FunctionSource, Plan
from lambdatune.model.target import parse_target
from lambdatune.pricing.cost import Tariff
from lambdatune.recommend.evidence import Evidence, gather
from lambdatune.recommend.sizes import spread_sizes

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def plan_for() -> Callable[..., Plan]:
    def make(*targets: str, memory: str = "128,512,1024", cold_starts: int = 0, **rest: object) -> Plan:
        return Plan(
            FunctionSource("shop"),
            parse_memory(memory),
            tuple(map(parse_target, targets)),
            cold_starts=cold_starts,
            **rest,  # type: ignore[arg-type]
        )

    return make


@pytest.fixture
def evidence_for() -> Callable[[Plan], Evidence]:
    def make(plan: Plan) -> Evidence:
        cells = [Cell("shop", size, "x86_64", "python3.12") for size in spread_sizes(plan.memory)]
        return gather(cells, plan, Tariff.of("us-east-1", "x86_64"))

    return make
