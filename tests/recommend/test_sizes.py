"""The spread of sizes over a range."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambdatune.model.memory import MemoryChoice, parse_memory
from lambdatune.recommend.sizes import SPREAD, spread_sizes


def test_a_list_is_tried_as_it_stands() -> None:
    assert spread_sizes(parse_memory("512,128,300")) == (128, 300, 512)


def test_the_default_range_holds_both_ends_and_one_whole_vcpu() -> None:
    sizes = spread_sizes(parse_memory("128-3008"))
    assert sizes[0] == 128
    assert sizes[-1] == 3008
    assert 1769 in sizes
    assert len(sizes) == SPREAD


@given(st.integers(128, 10_240), st.integers(128, 10_240))
def test_any_range_gives_few_ascending_sizes_inside_it(one: int, other: int) -> None:
    low, high = sorted((one, other))
    sizes = spread_sizes(MemoryChoice((), low, high))
    assert list(sizes) == sorted(set(sizes))
    assert sizes[0] == low
    assert sizes[-1] == high
    assert len(sizes) <= SPREAD + 1


def test_a_narrow_range_does_not_try_sizes_that_cannot_be_told_apart() -> None:
    assert spread_sizes(parse_memory("128-140")) == (128, 140)
