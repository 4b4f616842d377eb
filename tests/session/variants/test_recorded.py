"""A recorded comparison, made again from the rows of its runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.recorded_runs import MET, make_run

from lambdatune.model.errors import UsageError
from lambdatune.model.target import parse_target
from lambdatune.reports.formats import render
from lambdatune.session.comparing import Reference, compare
from lambdatune.session.replay import RecordedRun, WhatIf
from lambdatune.session.run_directory import list_runs
from lambdatune.session.variants.directory import ComparisonDirectory, find_comparison
from lambdatune.session.variants.recorded import compare_recorded

SIZES = (512, 768)
ONE, OTHER = replace(MET, sizes=SIZES), replace(MET, id="20261124-161500-d0e1", sizes=SIZES, slowness=3.0, seed=9)


@pytest.fixture
def comparison(tmp_path) -> ComparisonDirectory:
    directory = ComparisonDirectory(tmp_path / "runs" / "20261123-151100-0000")
    runs = {name: make_run(directory.path, recipe) for name, recipe in (("one", ONE), ("other", OTHER))}
    directory.note("2026-11-23T15:11:00Z", runs)
    return directory


def test_it_is_found_by_its_id_and_decided_anew(comparison, tmp_path) -> None:
    found = find_comparison("20261123-151100-0000", tmp_path / "runs")
    assert found is not None
    made = compare_recorded(found)
    assert [run.label for run in made.runs] == ["one", "other"]
    assert made.best is not None
    assert made.best.label == "one"
    assert made.pairs[0].time.word == "slower"
    anew = compare_recorded(found, WhatIf(targets=(parse_target("p95<=1ms"),)))
    assert anew.targets == ("warm.duration.p95<=1ms",)
    assert anew.best is None


def test_at_a_traffic_each_costs_what_its_own_run_says(comparison) -> None:
    what_if = WhatIf(traffic_per_s=2.0, cold_rate=0.05, traffic_cold_rate=0.05)
    made = compare_recorded(comparison, what_if)
    alone = [RecordedRun(run).decide(what_if).cold_start_advice for run in comparison.runs().values()]
    assert [month.label for month in made.months] == ["one", "other"]
    assert [month.usd_per_month for month in made.months] == [each.options[0].usd_per_month for each in alone if each]
    assert all(month.cold_calls_per_day == pytest.approx(2 * 86_400 * 0.05) for month in made.months)
    text = render(made, "text")
    assert "a month at 2/s on demand, of it $" in text
    assert "8,640 a day" in text
    assert "a month at" not in render(compare_recorded(comparison), "text")


def test_its_runs_are_listed_as_any_others(comparison, tmp_path) -> None:
    alone = make_run(tmp_path / "runs", replace(MET, id="20261124-000000-ffff"))
    assert [run.id for run in list_runs(tmp_path / "runs")] == [ONE.id, alone.id, OTHER.id]


def test_one_variant_with_calls_is_nothing_to_compare(comparison) -> None:
    (comparison.path / OTHER.id / "invocations.csv").unlink()
    with pytest.raises(UsageError, match="calls were made of one"):
        compare_recorded(comparison)


def test_a_record_that_cannot_be_read_is_told(comparison) -> None:
    (comparison.path / "variants.json").write_text("{")
    with pytest.raises(UsageError, match=r"variants.json` cannot be read"):
        compare_recorded(comparison)


def test_what_is_billed_by_time_is_not_passed_over(comparison) -> None:
    """Two environments of 512 MB in eu-central-1 on arm64: 2 x 0.5 GB x 730 h x 3600 s x the price of a GB-second."""
    runs = [RecordedRun(run) for run in comparison.runs().values()]
    runs[0].plan = replace(runs[0].plan, provisioned_concurrency=2)
    made = compare([Reference("", run) for run in runs], variants=["provisioned", "other"])
    price = runs[0].evidence(runs[0].plan).tariff.prices.provisioned_concurrency
    (told,) = [caution for caution in made.cautions if "provisioned" in caution]
    size = made.runs[0].best_memory_mb
    assert f"(2 of {size} MB)" in told
    assert f"${2 * size / 1024 * 730 * 3600 * price:.2f} a month" in told
    assert made.best is not None
    assert "without what its provisioned environments cost by time" in made.best.sentence
