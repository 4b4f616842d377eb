"""Ramps and bursts, as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdatune.load.order import Stages
from lambdatune.model.errors import UsageError
from lambdatune.model.load_shape import BurstLoad, Ramp, parse_burst, parse_ramp

times = st.integers(0, 5_000_000).map(lambda ms: ms / 1000)
rates = st.integers(0, 100_000).map(lambda hundredths: hundredths / 100)
stages = st.lists(st.tuples(times, rates), min_size=1, max_size=6).map(tuple)


def test_a_ramp_is_stages_of_a_length_and_the_rate_at_its_end():
    ramp = parse_ramp("30s:10/s, 1m:3000/m, 500ms:0")
    assert ramp.stages == ((30, 10), (60, 50), (0.5, 0))
    assert ramp.duration_s == 90.5
    assert ramp.peak_per_s == 50
    # Areas below the lines: 150, 1,800 and 12.5.
    assert ramp.calls == 1962


def test_a_stage_of_no_length_is_a_jump():
    assert parse_ramp("0s:20,10s:20").calls == 200


@given(stages)
def test_a_ramp_is_read_back_as_it_was_and_makes_the_arrivals_of_its_stages(stages):
    ramp = Ramp(stages)
    if ramp.calls:
        assert parse_ramp(str(ramp)) == ramp
    assert ramp.calls == pytest.approx(Stages(stages, 1).arrivals, abs=1)
    assert ramp.calls <= Stages(stages, 1).arrivals + 1e-6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("30s", "`30s` is no stage of a ramp: expected TIME:RATE"),
        ("", "`` is no stage of a ramp"),
        ("30:10", "`30` is not a duration"),
        ("30s:fast", "`fast` is not a rate"),
        ("30s:10,", "`` is no stage of a ramp"),
        ("30s:0", "ramp `30s:0` makes no call"),
        ("1s:1", "ramp `1s:1` makes no call"),
        ("-1s:1", "`-1s` is not a duration"),
    ],
)
def test_what_is_no_ramp_is_said(text, message):
    with pytest.raises(UsageError, match=message) as told:
        parse_ramp(text)
    assert told.value.hint


@pytest.mark.parametrize(
    ("text", "burst"),
    [
        ("20", BurstLoad(20, 1)),
        ("20/5s", BurstLoad(20, 5)),
        ("1 / 2m", BurstLoad(1, 120)),
        ("7/250ms", BurstLoad(7, 0.25)),
    ],
)
def test_a_burst_is_calls_and_how_often(text, burst):
    assert parse_burst(text) == burst
    assert parse_burst(str(burst)) == burst


@pytest.mark.parametrize("text", ["", "0", "-3", "1.5", "many", "10001", "20/", "20/0s", "20/5", "٣"])
def test_what_is_no_burst_is_said(text):
    with pytest.raises(UsageError) as told:
        parse_burst(text)
    assert told.value.hint
