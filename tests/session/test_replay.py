"""A recorded run is shown as it ended, made from its rows when it was killed, and decided anew for a what-if."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import replace

import numpy as np
import pytest

from lambdatune.cli.main import main
from lambdatune.model.cell import Cell
from lambdatune.model.invocation import Start
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import FunctionSource, Plan
from lambdatune.model.result import FunctionInfo
from lambdatune.model.target import parse_target
from lambdatune.pricing.cost import Tariff
from lambdatune.recommend.decide import recommend
from lambdatune.recommend.evidence import Evidence
from lambdatune.recommend.sizes import spread_sizes
from lambdatune.session.generator import GeneratorRecord
from lambdatune.session.outcome import Outcome
from lambdatune.session.recorder import Recorder
from lambdatune.session.replay import WhatIf, open_run
from lambdatune.session.results import Facts, compose
from lambdatune.session.run_directory import RunDirectory

TARIFF = Tariff.of("eu-central-1", "x86_64")


def empty_evidence(plan: Plan) -> Evidence:
    return Evidence([Cell("shop", size, "x86_64", "python3.12") for size in spread_sizes(plan.memory)], plan, TARIFF)


@pytest.fixture
def recorded(tmp_path, make_rows):
    """Record a run over a range in which 700 MB was added; return its directory and its result."""

    def record(*targets: str, finished: bool = True, warm_calls: int = 240):
        plan = Plan(FunctionSource("shop"), parse_memory("128-3008"), tuple(map(parse_target, targets)), cold_starts=3)
        evidence = empty_evidence(plan)
        facts = Facts(
            "20261123-151200-a1b2", "2026-11-23T15:12:00Z", None,
            FunctionInfo("shop", "arn:aws:lambda:eu-central-1:1:function:shop", "python3.12", "x86_64", 1024),
            {"region": "eu-central-1", "embedded": None, "ephemeral_storage_mb": 512},
        )  # fmt: skip
        run = RunDirectory.create(tmp_path, facts.id)
        run.write(compose(plan, evidence, facts, "interrupted", Outcome()))
        rng = np.random.default_rng(1)
        order = 0
        with Recorder(run, evidence) as recorder:
            for size in [*spread_sizes(plan.memory), 700]:
                index = evidence.index_of(size)
                for cold, calls in ((True, 3), (False, warm_calls)):
                    order += 1
                    rows = make_rows(20_000 / size * np.exp(0.05 * rng.standard_normal(calls)), cell=index)
                    rows["order"] = order
                    if cold:
                        rows["start"], rows["init_ms"] = Start.COLD, 200.0
                    recorder.record(rows, cold=cold)
        if finished:
            facts = replace(facts, finished=dt.datetime(2026, 11, 23, 15, 13, tzinfo=dt.UTC).isoformat())
            outcome = Outcome(generator=GeneratorRecord(loop_lag_ms_p99=0.5))
            run.write(compose(plan, evidence, facts, "complete", outcome))
        return run

    return record


def test_a_size_that_was_added_is_in_its_place(recorded) -> None:
    result = open_run(recorded("p95<=40ms"))
    sizes = [cell.memory_mb for cell in result.cells]
    assert 700 in sizes
    assert sizes == sorted(sizes)


def test_a_run_that_was_killed_is_made_from_its_rows_added_sizes_too(recorded) -> None:
    result = open_run(recorded("p95<=40ms", finished=False))
    assert result.status == "interrupted"
    assert {cell.memory_mb: cell.invocations for cell in result.cells}[700] == 243
    assert result.recommendation.memory_mb == 700


def test_decided_anew_for_what_it_was_made_for_the_advice_is_the_same(recorded) -> None:
    run = recorded("p95<=40ms")
    ended = open_run(run)
    anew = open_run(run, WhatIf(targets=(parse_target("p95<=40ms"),)))
    assert anew.recommendation == ended.recommendation
    assert [cell.certificates for cell in anew.cells] == [cell.certificates for cell in ended.cells]
    assert anew.validity == ended.validity


@pytest.mark.parametrize(
    ("what_if", "status", "memory_mb"),
    [
        (WhatIf(targets=(parse_target("p95<=15ms"),)), "met", 1769),
        (WhatIf(targets=(parse_target("p50<=15ms"), parse_target("all.response.p50<=20s"))), "met", 1769),
        (WhatIf(targets=(parse_target("p95<=2ms"),)), "missed", None),
        (WhatIf(strategy="fastest"), "met", 3008),
        (WhatIf(confidence=0.999_999), "unproven", None),
    ],
)
def test_a_what_if_is_decided_from_the_recorded_calls(recorded, what_if, status, memory_mb) -> None:
    result = open_run(recorded("p95<=40ms"), what_if)
    assert (result.recommendation.status, result.recommendation.memory_mb) == (status, memory_mb)


def test_a_cold_rate_is_decided_anew(recorded) -> None:
    run = recorded("p95<=40ms")
    cheap, dear = (open_run(run, WhatIf(cold_rate=rate)).recommendation for rate in (0.0, 0.5))
    assert cheap.cost_usd_per_million is not None
    assert dear.cost_usd_per_million is not None
    assert dear.cost_usd_per_million > cheap.cost_usd_per_million


def test_show_decides_anew_and_says_which_option_is_wrong(recorded, capsys) -> None:
    run = recorded("p95<=40ms")

    def said(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["show", str(run.path), *arguments])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    code, out, _ = said("--target", "p95<=15ms", "--confidence", "0.9")
    assert code == 0
    assert "warm.duration.p95<=15ms" in out
    assert "90% confidence" in out
    _, out, _ = said("--traffic", "20/s")
    assert "\nA month at 20/s, " in out
    assert " of the calls start cold (modelled)" in out
    _, out, _ = said("--traffic", "20/s", "--cold-rate", "1%")
    assert "At 20/s, 1 % of the calls start cold (given)" in out
    for option, value, expected in (
        ("--target", "p95<15ms", "--target: target `p95<15ms` compares with `<`"),
        ("--strategy", "cheepest", "did you mean cheapest?"),
        ("--confidence", "2", "--confidence: 2 is out of range"),
        ("--cold-rate", "200%", "--cold-rate: `200%` is not a share"),
        ("--traffic", "much", "--traffic: `much` is not a rate"),
        ("--traffic", "0/s", "--traffic: `0/s` is not a rate"),
        ("--traffic", "1000000/s", "--traffic: `1000000/s` is no traffic that can be reckoned with"),
    ):
        code, _, err = said(option, value)
        assert code == 2
        assert expected in err


@pytest.mark.alone
def test_deciding_anew_is_fast_enough_for_a_key_press(make_rows) -> None:
    sizes = (128, 192, 256, 320, 384, 512, 640, 768, 1024, 1536, 1769, 3008)
    plan = Plan(FunctionSource("shop"), parse_memory(",".join(map(str, sizes))), (parse_target("p95<=30ms"),))
    rng = np.random.default_rng(1)
    parts = []
    for order in range(1_200):
        index = order % 12
        rows = make_rows(20_000 / sizes[index] * np.exp(0.1 * rng.standard_normal(10)), cell=index)
        rows["order"] = order
        parts.append(rows)
    rows = np.concatenate(parts)
    took_s = []
    for _ in range(5):
        began = time.perf_counter()
        evidence = empty_evidence(plan)
        evidence.take_in(rows)
        assert recommend(evidence, plan, current_memory_mb=1024).status == "met"
        took_s.append(time.perf_counter() - began)
    assert min(took_s) < 0.05
