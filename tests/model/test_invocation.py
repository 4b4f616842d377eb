"""When an init that a REPORT line tells of was over before the call came."""

from __future__ import annotations

import pytest

from lambdatune.model.invocation import was_preinitialised


@pytest.mark.parametrize(
    ("init_ms", "duration_ms", "service_ms", "expected"),
    [
        (400.0, 20.0, 25.0, True),
        (400.0, 20.0, 420.0, False),
        (400.0, 20.0, 500.0, False),
        (400.0, 20.0, 397.1, False),  # within 5 % and 2 ms: two clocks may disagree so far
        (400.0, 20.0, 396.9, True),
        (1.0, 0.9, 0.1, False),  # too short to tell
        (0.0, 50.0, 50.0, False),
    ],
)
def test_in_doubt_it_was_a_cold_start(init_ms: float, duration_ms: float, service_ms: float, expected: bool) -> None:
    assert was_preinitialised(init_ms, duration_ms, service_ms) is expected
