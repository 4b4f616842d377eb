"""A baseline at work: which calls a gate asks for, what it says of a busy host, and how it is given."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.recorded_runs import Recipe, make_run

from lambdatune.model.errors import UsageError
from lambdatune.recommend.gate import GateSettings
from lambdatune.recommend.verdicts import ENOUGH_CLUSTERS
from lambdatune.session.comparing import open_reference
from lambdatune.session.gating import Gate, GateCalls, drifts, gate_calls, gate_of, gate_recorded
from lambdatune.session.replay import RecordedRun
from lambdatune.session.setting_table import Given

BASE = Recipe(id="20261120-100000-0001", sizes=(512, 1024), chosen=(512,), warm_calls=40, cold_starts=10, seed=60)
SAME = replace(BASE, id="20261121-100000-0002", seed=61)
SLOW = replace(BASE, id="20261122-100000-0003", slowness=1.4, seed=62)
FEW = replace(BASE, id="20261122-110000-0004", chosen=(), seed=63)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("gated")
    for recipe in (BASE, SAME, SLOW, FEW):
        make_run(where, recipe)
    return where


def evidence_of(runs: Path, recipe: Recipe, **changes):
    recorded = open_reference(recipe.id, runs).run
    plan = replace(recorded.plan, **changes)
    return recorded.evidence(plan), plan


def all_asks(calls: GateCalls, evidence, plan) -> list[tuple]:
    """Return the rounds that are asked for, as if their calls were made and told nothing new."""
    rounds = []
    while asks := calls.further(evidence, plan):
        rounds.append(asks)
    return rounds


def gate_for(runs: Path, **settings) -> Gate:
    return Gate(open_reference(BASE.id, runs), GateSettings(**settings))


def test_what_is_not_red_and_has_its_calls_gets_no_more(runs) -> None:
    said: list[str] = []
    assert all_asks(GateCalls(gate_for(runs), 200, said.append), *evidence_of(runs, SAME)) == []
    assert said == []


def test_a_red_size_gets_as_many_calls_again_in_rounds_on_new_environments(runs) -> None:
    said: list[str] = []
    calls = GateCalls(gate_for(runs), 200, said.append)
    evidence, plan = evidence_of(runs, SLOW, concurrency=3)
    rounds = all_asks(calls, evidence, plan)
    assert len(rounds) == ENOUGH_CLUSTERS
    for asks in rounds:
        at_512 = [ask for ask in asks if ask.memory_mb == 512]
        assert [(ask.calls, ask.cold) for ask in at_512] == [(3, True), (25, False)]
    assert said[0].startswith(f"red against baseline {BASE.id}: warm.duration.p50 at 512 MB is 1.")
    report = calls.told(gate_for(runs).report(evidence, plan))
    assert (report.outcome, report.looks) == ("regression", 2)
    assert report.measured_again


def test_no_new_environments_where_none_can_be_forced(runs) -> None:
    for changes in ({"cold_starts": 0}, {"isolation": "current"}):
        rounds = all_asks(GateCalls(gate_for(runs), 200, lambda _: None), *evidence_of(runs, SLOW, **changes))
        assert rounds
        assert not any(ask.cold for asks in rounds for ask in asks)


def test_a_limit_before_the_second_look_is_told(runs) -> None:
    calls = GateCalls(gate_for(runs), 200, lambda _: None)
    evidence, plan = evidence_of(runs, SLOW)
    assert calls.further(evidence, plan)
    report = calls.told(gate_for(runs).report(evidence, plan))
    assert (report.outcome, report.looks) == ("regression", 1)
    assert "a limit ended the run before what is red was measured again" in report.cautions


def test_the_advised_size_gets_as_many_calls_as_the_baseline_has_or_are_wanted(runs) -> None:
    said: list[str] = []
    evidence, plan = evidence_of(runs, FEW)
    first = GateCalls(gate_for(runs), 100, said.append).further(evidence, plan)
    assert [(ask.memory_mb, ask.calls) for ask in first if not ask.cold] == [(512, (200 - 40) // ENOUGH_CLUSTERS)]
    assert said == ["160 more calls at 512 MB, for the gate"]
    baseline_to_be = GateCalls(None, 120, said.append)
    rounds = all_asks(baseline_to_be, evidence, plan)
    assert len(rounds) == ENOUGH_CLUSTERS
    assert {ask.calls for asks in rounds for ask in asks if not ask.cold} == {10}


def test_a_busy_host_is_told_of_a_run_on_the_embedded_endpoint_alone(runs, tmp_path) -> None:
    for name, embedded, told in (("here", {"cpu_limiter": "cgroup-v2"}, True), ("there", None, False)):
        copy = tmp_path / name
        for recipe in (BASE, SAME):
            shutil.copytree(runs / recipe.id, copy / recipe.id)
            path = copy / recipe.id / "run.json"
            document = json.loads(path.read_text())
            document["environment"]["embedded"] = embedded
            document["validity"]["host_cpu_percent"] = 97.0
            path.write_text(json.dumps(document))
        base, run = (open_reference(recipe.id, copy) for recipe in (BASE, SAME))
        report = gate_recorded(Gate(base), run)
        assert any("cores were 97 % busy" in caution for caution in report.cautions) == told


def given(**values: object) -> dict[str, Given]:
    return {name.replace("_", "-"): Given(value, f"--{name}", Path.cwd()) for name, value in values.items()}


def test_a_gate_is_given_by_options_and_keys(runs, tmp_path) -> None:
    found = gate_of(given(baseline=str(runs / BASE.id / "run.json"), gate_margin="10%", inconclusive="fail"), tmp_path)
    assert found is not None
    assert (found.id, found.settings) == (BASE.id, GateSettings(0.1, "fail"))
    assert gate_of({}, tmp_path) is None
    assert gate_of(given(gate_calls=50), tmp_path) is None
    assert [gate_calls(each) for each in ({}, given(baseline="x"), given(baseline="x", gate_calls=50))] == [
        None,
        200,
        50,
    ]
    beside = {"baseline": Given(BASE.id, "profile `x.toml`, key `baseline`", runs)}
    assert gate_of(beside, tmp_path).id == BASE.id


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"inconclusive": "fail"}, "--inconclusive belongs to a gate, and there is no baseline"),
        ({"baseline": "nothing"}, "--baseline: run `nothing` was not found"),
        ({"baseline": "."}, "--baseline: `.*` is no baseline: it has no run.json"),
    ],
)
def test_a_gate_that_is_given_wrongly_is_refused(tmp_path, monkeypatch, values, said) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        gate_of(given(**values), tmp_path)


def test_drift_follows_comparable_runs_up_to_the_one_that_is_asked_about(runs) -> None:
    record = RecordedRun(open_reference(SLOW.id, runs).run.directory).result()
    (drift,) = drifts(record, runs)
    assert drift.runs == (BASE.id, SAME.id, SLOW.id)
    assert (drift.outcome, drift.memory_mb) == ("too few runs", 512)
    assert drifts(record, runs, runs=2)[0].runs == (SAME.id, SLOW.id)
    assert drifts(record, runs, memory_mb=1024)[0].memory_mb == 1024
