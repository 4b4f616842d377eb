"""A plan that is written as a profile reads back to the same plan; what is wrong names its setting."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdatune.model.errors import UsageError
from lambdatune.session.live.messages import PlanSettings
from lambdatune.session.live.plans import given_of, settings_of
from lambdatune.session.profile import placed_values, read_profile, save_profile
from lambdatune.session.setting_table import SETTINGS, Given, check_kind
from lambdatune.session.settings import build_plan, faults_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NAMES = {setting.name: setting for setting in SETTINGS}


def value_of(setting):
    low = setting.low or 0
    high = setting.high or 2**62
    return {
        "text": TEXT | TEXT.map("./{}".format),
        "texts": st.lists(TEXT | TEXT.map("@{}".format), max_size=4),
        "integer": st.integers(math.ceil(low), math.floor(high)),
        "number": st.floats(low, high),
        "flag": st.booleans(),
    }[setting.kind]


ANY_VALUES = st.fixed_dictionaries({}, optional={name: value_of(setting) for name, setting in NAMES.items()})
"""Values of the right kind, not each of which is a plan."""

PLANS = st.fixed_dictionaries(
    {"function": st.sampled_from(["sample:checkout", "shop", "shop:live"])},
    optional={
        "memory": st.sampled_from(["128", "128-3008", "128,512", "128, 512 MB"]),
        "target": st.lists(st.sampled_from(["p95<=200ms", "cold.p90<=1s", "all.response.p99<=2s"]), unique=True),
        "strategy": st.sampled_from(["cheapest", "fastest", "balanced"]),
        "confidence": st.floats(0.5, 0.999999),
        "cold-rate": st.sampled_from(["1%", "0.02"]),
        "traffic": st.sampled_from(["50/s", "3/min"]),
        "concurrency": st.integers(1, 10_000),
        "burst": st.sampled_from(["20", "20/5s"]),
        "payload": st.lists(TEXT.map(lambda text: '{"text": "' + text.translate(_JSON) + '"}'), min_size=1, max_size=3),
        "payload-tokens": st.booleans(),
        "max-usd": st.floats(0, 1e6),
        "max-invocations": st.integers(1, 10**9),
        "endpoint-url": st.just("http://127.0.0.1:4566"),
        "aws-profile": TEXT,
        "seed": st.integers(0, 2**62),
    },
)
_JSON = {number: f"\\u{number:04x}" for number in (*range(0x20), 0x22, 0x5C)}


@given(ANY_VALUES)
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_back(values) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "plan.toml"
        save_profile(path, values, Path(scratch))
        read = {name: one.value for name, one in read_profile(str(path)).items()}
        placed = placed_values({name: Given(value, name, Path(scratch)) for name, value in values.items()})
        assert read == {name: check_kind(name, value, name) for name, value in placed.items()}


@given(PLANS)
@settings(max_examples=60, deadline=None)
def test_a_profile_that_is_written_is_the_same_plan(values) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "plan.toml"
        save_profile(path, values, Path(scratch))
        assert build_plan(read_profile(str(path))) == build_plan(given_of(PlanSettings(values, scratch)))


def test_paths_stay_right_wherever_the_profile_is(tmp_path, monkeypatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "code").mkdir(parents=True)
    there.mkdir()
    (here / "order.json").write_text('{"order": 1}')
    (here / "shop").write_text("a file whose name is that of the function")
    values = {
        "function": "./code", "runtime": "python3.12", "handler": "app.handler",
        "payload": ["@order.json:0.9", '{"order": 2}:0.1', "s3://events/order.json"],
    }  # fmt: skip
    monkeypatch.chdir(here)
    save_profile(there / "plan.toml", values)
    monkeypatch.chdir(tmp_path)
    plan = build_plan(read_profile(str(there / "plan.toml")))
    assert plan.function.name == str(here / "code")
    assert [payload.body for payload in plan.payloads] == [b'{"order": 1}', b'{"order": 2}', b""]
    assert [payload.weight for payload in plan.payloads] == [0.9, 0.1, 1.0]
    save_profile(there / "name.toml", {"function": "shop"}, here)
    assert read_profile(str(there / "name.toml"))["function"].value == "shop"
    assert settings_of({"function": Given("shop", "function", here)}).values == {"function": "shop"}


def test_the_command_line_reads_a_written_profile(tmp_path) -> None:
    path = tmp_path / "plan.toml"
    save_profile(path, {"function": "shop", "target": ['p95<="a']}, tmp_path)
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lambdatune"), "run", str(path)],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 2
    assert 'key `target`: `"a` is not a duration' in done.stderr


def test_no_file_is_overwritten_and_no_bad_one_written(tmp_path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        save_profile(path, {"function": "shop"})
    assert path.read_text() == "mine"
    for values, said in (
        ({"mamory": "128"}, "there is no key `mamory`"),
        ({"confidence": 7}, "7 is out of range"),
        ({"aws-profile": "\udcff"}, "is not UTF-8 text"),
    ):
        with pytest.raises(UsageError, match=said):
            save_profile(tmp_path / "bad.toml", values)
        assert not (tmp_path / "bad.toml").exists()
    with pytest.raises(UsageError, match="cannot be written"):
        save_profile(tmp_path / "nowhere" / "plan.toml", {})
    with pytest.raises(UsageError, match="cannot be written"):
        save_profile(Path("\0.toml"), {})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, 2**63])
@pytest.mark.parametrize("name", ["max-usd", "max-invocations"])
def test_what_is_no_number_of_anything_is_refused(name, value) -> None:
    with pytest.raises(UsageError, match="expected a number, not") as raised:
        check_kind(name, value, name)
    assert raised.value.setting == name


WRONG = (
    ({}, {"function"}),
    ({"function": "./nothing"}, {"function"}),
    ({"function": "sample:chekout"}, {"function"}),
    ({"function": "x" * 5000}, set()),
    ({"function": "shop", "memory": "lots", "target": ["p95"], "confidence": 0.9}, {"memory", "target"}),
    ({"function": "shop", "memory": "9" * 5000}, {"memory"}),
    ({"function": "shop", "strategy": "cheepest", "cold-rate": "x", "rate": "fast"}, {"strategy", "cold-rate", "rate"}),
    ({"function": "shop", "rate": "5/s", "burst": "5"}, {"burst"}),
    ({"function": "shop", "arrivals": "poisson"}, {"arrivals"}),
    ({"function": "shop", "arrivals": "often", "rate": "5/s"}, {"arrivals"}),
    ({"function": "shop", "ramp": "10s:10/s", "max-invocations": 3}, {"ramp"}),
    ({"function": "shop", "ramp": "10s:10/s", "max-minutes": 0.01}, {"ramp"}),
    ({"function": "shop", "ramp": "1s:10/s,1s:0/s", "arrivals": "poisson"}, {"ramp"}),
    ({"function": "shop", "payload": ["{"]}, {"payload"}),
    ({"function": "shop", "payload": ["@nothing"], "isolation": "klone"}, {"payload", "isolation"}),
    ({"function": "shop", "runtime": "python3.12", "seed": 1}, {"runtime"}),
    ({"function": "shop", "isolation": "current", "memory": "128-3008", "cold-starts": 3}, {"memory", "cold-starts"}),
    ({"function": "shop", "isolation": "current", "target": ["cold.p90<=1s"]}, {"target"}),
    ({"function": ".", "memory": "lots"}, {"runtime", "memory"}),
    ({"function": ".", "runtime": "python3.12", "handler": "a.b", "isolation": "version"}, {"isolation"}),
    ({"function": ".", "runtime": "python3.12", "handler": "a.b", "endpoint-url": "http://x"}, {"endpoint-url"}),
    ({"function": ".", "entry-point": "'", "seed": 1}, {"entry-point"}),
    ({"function": ".", "entry-point": "./start", "runtime": "python3.12"}, {"runtime"}),
    ({"function": "shop", "entry-point": "./start"}, {"entry-point"}),
    ({"function": "shop", "concurrency-share": "0", "prices": "none"}, {"concurrency-share", "prices"}),
    ({"function": "shop", "architecture": "arm", "snap-start": "yes"}, {"architecture", "snap-start"}),
    (
        {"function": "shop", "isolation": "current", "architecture": "arm64", "snap-start": "on"},
        {"architecture", "snap-start"},
    ),
    ({"function": "shop", "snap-start": "on", "provisioned-concurrency": 2}, {"provisioned-concurrency"}),
    (
        {"function": "shop", "provisioned-concurrency": 2, "cold-starts": 3, "target": ["cold.p90<=1s"]},
        {"cold-starts", "target"},
    ),
)


@pytest.mark.parametrize(("values", "wrong"), WRONG)
def test_everything_that_is_wrong_is_found_by_the_name_of_its_setting(values, wrong, tmp_path) -> None:
    plan, faults = faults_of({name: Given(value, name, tmp_path) for name, value in values.items()})
    assert set(faults) == wrong
    assert (plan is None) == bool(wrong)
    assert all(error.setting == name and error.message for name, error in faults.items())


@given(ANY_VALUES)
@settings(max_examples=150, deadline=None)
def test_no_values_are_too_odd_for_a_sentence(values) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        plan, faults = faults_of({name: Given(value, name, Path(scratch)) for name, value in values.items()})
        assert (plan is None) == bool(faults)
