"""A finished result of known rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from support.recorded_runs import Recipe

from lambdatune.model.cell import Cell
from lambdatune.model.invocation import Start, Status
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import FunctionSource, Plan
from lambdatune.model.result import Delivery, FunctionInfo, RunResult
from lambdatune.model.target import parse_target
from lambdatune.pricing.cost import Tariff
from lambdatune.recommend.evidence import gather
from lambdatune.session.outcome import Outcome
from lambdatune.session.replay import open_run
from lambdatune.session.results import Facts, compose


@pytest.fixture
def result(make_rows) -> RunResult:
    plan = Plan(FunctionSource("shop"), parse_memory("128,512,1024"), (parse_target("p95<=60ms"),))
    cells = [Cell("shop", size, "x86_64", "python3.12") for size in plan.memory.sizes_mb]
    evidence = gather(cells, plan, Tariff.of("eu-central-1", "x86_64"))
    for cell, slow_ms in zip(evidence[1:], (40.0, 20.0), strict=True):
        cell.add(make_rows(np.full(10, slow_ms), start=Start.COLD, init_ms=100.0), cold=True)
        cell.add(make_rows(slow_ms + np.random.default_rng(1).permutation(300) / 100))
    evidence[0].add(make_rows(np.full(12, 5.0), start=Start.COLD, init_ms=90.0, status=Status.OUT_OF_MEMORY))
    facts = Facts(
        "20261123-151200-a1b2",
        "2026-11-23T15:12:00Z",
        dt.datetime(2026, 11, 23, 15, 13, tzinfo=dt.UTC).isoformat(),
        FunctionInfo("shop", "arn:aws:lambda:eu-central-1:1:function:shop", "python3.12", "x86_64", 1024),
        {"region": "eu-central-1", "embedded": None},
    )
    return compose(plan, evidence, facts, "complete", Outcome())


HOSTILE = "a|b`c`<script>alert(1)</script>\n## x * [y](z) & ]]> \x00\u202e \" '"
"""A name that would break out of every format that does not escape it."""


@pytest.fixture
def recorded(run_of) -> Callable[[Recipe], RunResult]:
    """Return a function from a recipe to the result of its recorded run."""
    return lambda recipe: open_run(run_of(recipe))


@pytest.fixture
def hostile(result) -> RunResult:
    """Return a result in which every text that comes from elsewhere is hostile."""
    failed, *rest = (replace(cell, function=HOSTILE, runtime=HOSTILE) for cell in result.cells)
    return replace(
        result,
        function=replace(result.function, name=HOSTILE, runtime=HOSTILE),
        plan={**result.plan, "function": {**result.plan["function"], "name": HOSTILE}},
        cells=(replace(failed, errors={HOSTILE: 12}, reason=HOSTILE), *rest),
        recommendation=replace(result.recommendation, sentence=HOSTILE, function=HOSTILE),
        validity=replace(result.validity, notes=(HOSTILE,)),
    )


@pytest.fixture
def delivered(result) -> RunResult:
    """Return a result of a mode in which messages are delivered."""
    failed, first, *rest = result.cells
    stats = first.warm.duration_ms
    delivery = Delivery(300, 300, 298, 3, 1, 1, 1, 40, 7.5, 10, 1234.0, 9.9)
    warm = replace(first.warm, queue_delay_ms=stats, e2e_ms=stats)
    return replace(result, cells=(failed, replace(first, mode="sqs", delivery=delivery, warm=warm), *rest))
