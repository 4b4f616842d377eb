"""At which sizes two functions are compared."""

from __future__ import annotations

import numpy as np
import pytest

from lambdatune.model.cell import Cell
from lambdatune.model.invocation import Start
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import FunctionSource, Plan
from lambdatune.pricing.cost import Tariff
from lambdatune.recommend.evidence import gather
from lambdatune.recommend.matched import best_as_measured, matched_sizes
from lambdatune.stats.rows import empty_rows

PLAN = Plan(FunctionSource("f"), parse_memory("128,256,512"))


def evidence_of(**billed_ms: float):
    """Return evidence of sizes whose calls are all billed alike: ``mb128=80.0``."""
    sizes = {int(name.removeprefix("mb")): each for name, each in billed_ms.items()}
    evidence = gather([Cell("f", size, "x86_64", "") for size in sizes], PLAN, Tariff.of("us-east-1", "x86_64"))
    for cell, each in zip(evidence, sizes.values(), strict=True):
        rows = empty_rows(20)
        rows["duration_ms"] = rows["billed_ms"] = each
        rows["start"] = Start.WARM
        cell.add(rows)
    return evidence


def test_the_best_is_the_cheapest_as_measured() -> None:
    assert best_as_measured(evidence_of(mb128=400.0, mb256=150.0, mb512=100.0), PLAN) == 256
    assert best_as_measured([], PLAN) is None


@pytest.mark.parametrize(
    ("other", "sizes"),
    [
        ({"mb128": 202.0, "mb256": 100.0, "mb512": 80.0}, (256, 256)),
        ({"mb128": 150.0, "mb256": 100.0, "mb512": 80.0}, (128, 128)),
        ({"mb256": 120.0, "mb512": 40.0}, (256, 512)),
        ({"mb128": 199.0, "mb512": 80.0}, (128, 128)),
        ({"mb512": 80.0}, (256, 512)),
    ],
)
def test_a_tie_is_compared_at_one_size_and_what_is_better_elsewhere_at_its_own(other, sizes) -> None:
    one = evidence_of(mb128=201.0, mb256=100.0, mb512=80.0)
    rival = evidence_of(**other)
    best = [best_as_measured(each, PLAN) for each in (one, rival)]
    assert matched_sizes(one, rival, best[0], best[1], PLAN) == sizes
    assert matched_sizes(rival, one, best[1], best[0], PLAN) == sizes[::-1]


def test_figures_do_not_matter_but_their_ratio() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        ms = rng.uniform(10, 400, size=3).round()
        one = evidence_of(mb128=ms[0], mb256=ms[1], mb512=ms[2])
        best = best_as_measured(one, PLAN)
        assert matched_sizes(one, one, best, best, PLAN) == (best, best)
