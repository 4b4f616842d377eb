"""What cold starts cost at a traffic, in the reports for people; nothing of it where no traffic is asked for."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import msgspec
import pytest
from support.recorded_runs import INVALID, MET, MISSED

from lambdatune.model.result import RunResult
from lambdatune.reports.formats import render
from lambdatune.reports.json_report import render_json, schema
from lambdatune.session.replay import WhatIf, open_run

TEXT = """\
A month at 20/s, 512 MB:
                           $ a month  cold a day  in use  pays from
                on demand      28.84      34,560       -          -
            4 provisioned      38.86     ≤21,055    23 %      155/s  room in 99 % of moments
                SnapStart     102.20      34,560       -      never  at the least: restores are taken as no time
                   128 MB      27.00      34,560       -          -  init 476 ms, misses the target
                   256 MB      27.56      34,560       -          -  init 361 ms, misses the target
                   768 MB      30.74      34,560       -          -  init 272 ms
                  1024 MB      33.85      34,560       -          -  init 284 ms, unproven
Fargate 2 x 0.5 vCPU 1 GB      33.16           0    27 %       23/s  no load balancer, storage, upkeep
       EC2 2 x c8g.medium      66.21           0    13 %     45.9/s  no load balancer, storage, upkeep
"""


@pytest.fixture(scope="module")
def run(run_of):
    return run_of(replace(MET, runtime="python3.13"))


@pytest.fixture(scope="module")
def advised(run) -> RunResult:
    return open_run(run, WhatIf(traffic_per_s=20.0, cold_rate=0.02, traffic_cold_rate=0.02))


def test_the_text_has_the_table_what_it_supposes_and_the_advice(advised) -> None:
    text = render(advised, "text")
    assert TEXT in text
    assert text.count("\nsupposed: ") == len(advised.cold_start_advice.assumptions)
    assert text.endswith(f"\n\n{advised.cold_start_advice.sentence}\n")


def test_markdown_and_the_page_have_the_same_figures(advised) -> None:
    markdown, page = render(advised, "markdown"), render(advised, "html")
    assert "### A month at 20/s, 512 MB" in markdown
    assert "| 4 provisioned | 38.86 | ≤21,055 | 23 % | 155/s | room in 99 % of moments |" in markdown
    assert "<summary>What this supposes</summary>" in markdown
    assert "<h2>A month at 20/s, 512 MB</h2>" in page
    assert '<th scope="row">4 provisioned</th><td>38.86</td><td>≤21,055</td><td>23 %</td><td>155/s</td>' in page
    assert "Supposed: the traffic never changes" in page


def test_json_is_of_the_schema_and_comes_back_as_it_was(advised) -> None:
    text = render_json(advised)
    jsonschema.validate(json.loads(text), schema())
    assert msgspec.json.decode(text, type=RunResult) == advised
    assert json.loads(text)["cold_start_advice"]["options"][0]["kind"] == "on-demand"


def test_a_result_of_before_has_no_advice_and_is_read(run) -> None:
    document = json.loads(run.path.joinpath("run.json").read_text(encoding="utf-8"))
    document.pop("cold_start_advice")
    assert msgspec.convert(document, RunResult).cold_start_advice is None
    jsonschema.validate(document, schema())


@pytest.mark.parametrize("name", ["text", "markdown", "html", "csv", "junit"])
def test_without_a_traffic_a_report_is_what_it_was(run, advised, name) -> None:
    plain = open_run(run)
    assert plain.cold_start_advice is None
    same = {"plan": plain.plan, "cells": plain.cells, "recommendation": plain.recommendation}
    assert render(plain, name) == render(replace(advised, cold_start_advice=None, **same), name)
    assert "A month at" not in render(plain, name)


def test_a_traffic_that_is_asked_of_a_record_changes_nothing_else(run) -> None:
    plain, asked = open_run(run), open_run(run, WhatIf(traffic_per_s=20.0))
    assert asked.cold_start_advice is not None
    assert asked.recommendation == plain.recommendation
    assert asked.cells == plain.cells
    assert open_run(run) == plain


def test_an_invalid_run_has_no_advice(run_of) -> None:
    assert open_run(run_of(INVALID), WhatIf(traffic_per_s=20.0)).cold_start_advice is None


def test_a_run_that_meets_nothing_has_one_at_the_cheapest_size(run_of) -> None:
    missed = open_run(run_of(MISSED), WhatIf(traffic_per_s=20.0, traffic_cold_rate=0.0))
    cheapest = min(missed.cells, key=lambda cell: cell.cost_usd_per_million.blended or 0.0)
    assert missed.recommendation.memory_mb is None
    assert missed.cold_start_advice.memory_mb == cheapest.memory_mb
