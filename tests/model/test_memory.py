"""Memory sizes as people write them: a size, a list, a range."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdatune.model.errors import UsageError
from lambdatune.model.memory import MemoryChoice, parse_memory

SIZES = st.integers(128, 10_240)


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("512", MemoryChoice((512,), 512, 512)),
        ("1024,128,512,128", MemoryChoice((128, 512, 1024), 128, 1024)),
        (" 128 MB , 256mb ", MemoryChoice((128, 256), 128, 256)),
        ("128-3008", MemoryChoice((), 128, 3008)),
        ("128 .. 3008", MemoryChoice((), 128, 3008)),
        ("512-512", MemoryChoice((512,), 512, 512)),
    ],
)
def test_sizes_are_read_ascending_and_once(text: str, choice: MemoryChoice) -> None:
    assert parse_memory(text) == choice


def test_only_two_different_ends_make_a_range() -> None:
    assert parse_memory("128-3008").is_range
    assert not parse_memory("512-512").is_range
    assert not parse_memory("128,3008").is_range


@given(st.lists(SIZES, min_size=1, max_size=8))
def test_the_text_of_a_list_reads_back(sizes: list[int]) -> None:
    choice = parse_memory(",".join(map(str, sizes)))
    assert choice.sizes_mb == tuple(sorted(set(sizes)))
    assert parse_memory(str(choice)) == choice


@given(SIZES, SIZES)
def test_the_text_of_a_range_reads_back(one: int, other: int) -> None:
    choice = parse_memory(f"{min(one, other)}-{max(one, other)}")
    assert parse_memory(str(choice)) == choice


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("127", "127 MB is out of range", "128"),
        ("10241", "10241 MB is out of range", "10240"),
        ("128-20000", "20000 MB is out of range", "10240"),
        ("1024-128", "is empty", "write 128-1024"),
        ("1.5", "`1.5` is not a whole number", "for example"),
        ("128,,512", "is not a whole number", "for example"),
        ("1GB", "is not a whole number", "for example"),
        ("", "is not a whole number", "for example"),
    ],
)
def test_a_wrong_size_is_refused_with_the_nearest_that_is_right(text: str, said: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_memory(text)
    assert said in refused.value.message
    assert refused.value.hint is not None
    assert hint in refused.value.hint
