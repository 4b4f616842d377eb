"""Turns: every variant sends one order a round, one at a time, in an order that the seed decides."""

from __future__ import annotations

import asyncio

from lambdatune.session.variants.turns import Turns

NAMES = ("a", "b", "c")


async def take(turns: Turns, name: str, times: int, log: list[str]) -> None:
    for _ in range(times):
        async with turns.turn(name):
            log.append(name)
            await asyncio.sleep(0)
            assert log[-1] == name, "another one had the turn in between"
    turns.leave(name)


def taken(seed: int, times: dict[str, int]) -> list[str]:
    async def all_of_them() -> list[str]:
        turns, log = Turns(NAMES, seed), []
        await asyncio.gather(*(take(turns, name, times[name], log) for name in NAMES))
        return log

    return asyncio.run(asyncio.wait_for(all_of_them(), 10))


def test_each_round_has_each_variant_once() -> None:
    log = taken(1, dict.fromkeys(NAMES, 20))
    rounds = [log[start : start + 3] for start in range(0, 60, 3)]
    assert all(sorted(each) == list(NAMES) for each in rounds)
    assert len({tuple(each) for each in rounds}) > 3


def test_a_seed_gives_the_same_order_and_another_seed_another() -> None:
    assert taken(1, dict.fromkeys(NAMES, 20)) == taken(1, dict.fromkeys(NAMES, 20))
    assert taken(1, dict.fromkeys(NAMES, 20)) != taken(2, dict.fromkeys(NAMES, 20))


def test_who_has_left_is_not_waited_for() -> None:
    log = taken(3, {"a": 1, "b": 5, "c": 2})
    assert sorted(log) == ["a", "b", "b", "b", "b", "b", "c", "c"]


def test_an_error_in_a_turn_passes_it_on() -> None:
    async def both() -> list[str]:
        turns, log = Turns(("a", "b"), 0), []

        async def fails() -> None:
            async with turns.turn("a"):
                raise ConnectionError
            turns.leave("a")

        ended = await asyncio.gather(fails(), take(turns, "b", 1, log), return_exceptions=True)
        assert isinstance(ended[0], ConnectionError)
        return log

    assert asyncio.run(asyncio.wait_for(both(), 10)) == ["b"]


def test_the_end_lets_all_go_on() -> None:
    async def ended() -> None:
        turns = Turns(NAMES, 0)
        waiting = [asyncio.create_task(take(turns, name, 1, [])) for name in ("a", "b")]
        await asyncio.sleep(0)  # `c` never comes, and a round waits for it
        turns.end()
        await asyncio.gather(*waiting)

    asyncio.run(asyncio.wait_for(ended(), 10))


def test_who_joins_again_takes_part_in_the_next_round() -> None:
    async def again() -> list[str]:
        turns, log = Turns(NAMES, 0), []
        for name in NAMES:
            turns.leave(name)
        turns.join(["a", "b"])
        await asyncio.gather(take(turns, "a", 2, log), take(turns, "b", 2, log))
        return log

    log = asyncio.run(asyncio.wait_for(again(), 10))
    assert sorted(log[:2]) == sorted(log[2:]) == ["a", "b"]
