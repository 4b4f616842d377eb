"""Which functions can have SnapStart, and which are charged for it."""

from __future__ import annotations

import pytest

from lambdatune.pricing.snap_start import snap_start_of


@pytest.mark.parametrize(
    ("runtime", "answer"),
    [
        ("java11", "free"), ("java21", "free"), ("java25", "free"), ("java8.al2", None), ("java8", None),
        ("python3.12", "charged"), ("python3.14", "charged"), ("python3.11", None), ("python3.9", None),
        ("dotnet8", "charged"), ("dotnet10", "charged"), ("dotnet6", None),
        ("nodejs22.x", None), ("provided.al2023", None), ("ruby3.4", None), ("", None), ("python", None),
    ],
)  # fmt: skip
def test_the_runtime_decides(runtime, answer) -> None:
    assert snap_start_of(runtime, 512) == answer


def test_more_storage_than_is_free_excludes_it() -> None:
    assert snap_start_of("java21", 513) is None
