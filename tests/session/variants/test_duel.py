"""The last calls of a comparison: all variants wait for each other, and go on as long as they are not told apart."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from lambdatune.model.cell import Cell
from lambdatune.model.invocation import Start
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import FunctionSource, Plan
from lambdatune.model.target import parse_target
from lambdatune.pricing.cost import Tariff
from lambdatune.recommend.evidence import gather
from lambdatune.session.variants.duel import Duel
from lambdatune.session.variants.turns import Turns
from lambdatune.stats.rows import empty_rows

PLAN = Plan(FunctionSource("f"), parse_memory("512,1024"), (parse_target("p95<=1s"),), cold_starts=1)


def evidence_of(rng, *, spread: float, duration_ms: float = 20.0, calls: int = 200):
    evidence = gather(
        [Cell("f", size, "x86_64", "python3.12") for size in (512, 1024)], PLAN, Tariff.of("us-east-1", "x86_64")
    )
    for cell in evidence:
        rows = empty_rows(calls)
        rows["duration_ms"] = duration_ms * np.exp(spread * rng.standard_normal(calls))
        rows["billed_ms"], rows["start"] = np.ceil(rows["duration_ms"]), Start.WARM
        rows["order"] = np.arange(calls) // 25
        cell.add(rows)
    return evidence


def duel_of(**evidence):
    """Return what each variant was asked for, in rounds, and what was told."""
    told: list[str] = []

    async def both() -> dict[str, list]:
        turns = Turns(list(evidence), 0)
        duel, asked = Duel(list(evidence), turns, told.append), {}

        async def one(name: str) -> None:
            asked[name] = []
            while asks := await duel.settled(name, evidence[name], PLAN):
                async with turns.turn(name):
                    asked[name].append(asks)
            duel.leave(name)

        await asyncio.gather(*map(one, evidence))
        return asked

    return asyncio.run(asyncio.wait_for(both(), 30)), told


def test_each_round_has_an_environment_of_its_own_and_warm_calls_at_the_size_that_is_compared() -> None:
    rng = np.random.default_rng(1)
    asked, told = duel_of(a=evidence_of(rng, spread=0.05), b=evidence_of(rng, spread=0.05))
    assert asked["a"] == asked["b"]
    assert len(asked["a"]) == 8
    cold, warm = asked["a"][0]
    assert (cold.memory_mb, cold.calls, cold.cold) == (512, 1, True)
    assert (warm.memory_mb, warm.cold) == (512, False)
    assert 8 * warm.calls >= 200
    assert told == ["side by side now: a at 512 MB, b at 512 MB"]


def test_what_cannot_be_told_apart_gets_more_calls_up_to_a_bound() -> None:
    rng = np.random.default_rng(1)
    asked, told = duel_of(a=evidence_of(rng, spread=0.6), b=evidence_of(rng, spread=0.6))
    assert len(asked["a"]) == len(asked["b"]) == 24
    assert told[1].startswith("side by side once more, because the intervals are wide")


def test_a_variant_that_ended_is_not_waited_for() -> None:
    rng = np.random.default_rng(1)
    told: list[str] = []

    async def three() -> list:
        turns = Turns(["a", "b", "c"], 0)
        duel = Duel(["a", "b", "c"], turns, told.append)
        waiting = [asyncio.create_task(duel.settled(name, evidence_of(rng, spread=0.05), PLAN)) for name in ("a", "b")]
        await asyncio.sleep(0)
        assert not any(each.done() for each in waiting)
        duel.leave("c")
        return await asyncio.gather(*waiting)

    one, other = asyncio.run(asyncio.wait_for(three(), 30))
    assert one == other != ()


@pytest.mark.parametrize("left", [("b",), ("a", "b")])
def test_alone_or_without_calls_nothing_more_is_asked_for(left) -> None:
    rng = np.random.default_rng(1)

    async def few():
        turns = Turns(["a", "b"], 0)
        duel = Duel(["a", "b"], turns, lambda _: None)
        for name in left:
            duel.leave(name)
        return () if "a" in left else await duel.settled("a", evidence_of(rng, spread=0.05), PLAN)

    assert asyncio.run(asyncio.wait_for(few(), 30)) == ()
    empty = gather([Cell("f", 512, "x86_64", "python3.12")], PLAN, Tariff.of("us-east-1", "x86_64"))
    assert duel_of(a=empty, b=empty) == ({"a": [], "b": []}, [])


def test_a_stop_lets_all_go_on() -> None:
    rng = np.random.default_rng(1)

    async def stopped():
        turns = Turns(["a", "b"], 0)
        duel = Duel(["a", "b"], turns, lambda _: None)
        waiting = asyncio.create_task(duel.settled("a", evidence_of(rng, spread=0.05), PLAN))
        await asyncio.sleep(0)
        duel.end()
        return await waiting

    assert asyncio.run(asyncio.wait_for(stopped(), 30)) == ()
