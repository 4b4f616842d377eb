"""Every format renders the same result."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import jsonschema
import msgspec
import pytest

from lambdatune.model.errors import UsageError
from lambdatune.model.result import RunResult
from lambdatune.reports.csv_report import render_csv
from lambdatune.reports.hgrm_report import render_hgrm
from lambdatune.reports.json_report import render_json, schema
from lambdatune.reports.schema import make_schema
from lambdatune.reports.text import render_text

TEXT = """\
shop (python3.12, x86_64), warm.duration.p95<=60ms: 632 calls, $0.0004, run 20261123-151200-a1b2

      cold                                   warm                               per 1M
  MB     n  init p50    p50     p95     p99     n   p50   p95    p99  errors         $  verdict
 128    12         -      -       -       -     0     -     -      -      12         -  ! failed
 512    10     100.0  140.0  140.0+  140.0+   300  41.5  42.8  43.0+       0  0.56 ±0%  ✓ meets
1024    10     100.0  120.1  120.1+  120.1+   300  21.5  22.8  23.0+       0  0.58 ±0%  ✓ meets

ms; cold = init + handler; + : these calls do not bound it from above at 95% confidence
note: few environments: calls are taken as independent, but about one environment at a time served each size, \
and a slow host looks like a slow function: --concurrency 10 spreads the calls over more hosts
128 MB failed: all 12 calls ended as out of memory
"""


def test_the_table_keeps_cold_and_warm_apart_and_says_what_the_calls_do_not_bound(result) -> None:
    lines = render_text(result).splitlines()
    expected = TEXT.splitlines()
    got = [line.replace("  ★ best", "") for line in lines[: len(expected)]]
    assert got == expected


def test_the_recommended_size_is_marked_and_the_advice_is_a_sentence(result) -> None:
    text = render_text(result)
    best = result.recommendation.memory_mb
    (marked,) = [line for line in text.splitlines() if "★ best" in line]
    assert marked.split()[0] == str(best)
    assert f"\nUse {best} MB: the cheapest of 2 sizes that meets warm.duration.p95<=60ms" in text


def test_json_is_of_the_schema_and_comes_back_as_it_was(result) -> None:
    text = render_json(result)
    jsonschema.validate(json.loads(text), schema())
    assert msgspec.json.decode(text, type=RunResult) == result


def test_the_schema_that_ships_is_that_of_the_types() -> None:
    assert schema() == json.loads(make_schema())


def test_an_end_that_the_calls_do_not_bound_is_null(result) -> None:
    cold = json.loads(render_json(result))["cells"][1]["cold"]["total_ms"]
    assert cold["intervals"]["p99"][1] is None
    assert cold["intervals"]["p50"][1] is not None


def test_csv_has_a_line_per_size_in_full_precision_and_nothing_for_the_unknown(result) -> None:
    failed, small, _ = csv.DictReader(render_csv(result).splitlines())
    assert failed["warm_duration_ms_p50"] == ""
    assert float(small["warm_duration_ms_p95"]) == pytest.approx(42.84, rel=0.001)
    assert float(small["cost_per_million_blended"]) == result.cells[1].cost_usd_per_million.blended


def test_hgrm_is_one_distribution_or_all_of_them_by_tag(result) -> None:
    one = render_hgrm(result, "mem-512.warm.duration")
    assert one.count("#[Mean") == 1
    assert render_hgrm(result).count("#[Tag: mem-") == len(result.cells[1].histograms) * 2
    with pytest.raises(UsageError, match="has no histogram") as caught:
        render_hgrm(result, "mem-512.warm.duratoin")
    assert caught.value.hint == "did you mean mem-512.warm.duration?"


def test_an_interrupted_run_says_so(result) -> None:
    assert "status: interrupted" in render_text(replace(result, status="interrupted"))


def test_environments_made_ahead_of_time_are_told_of(result) -> None:
    few, other, *rest = result.cells
    seen = replace(result, cells=(replace(few, preinitialised=1), replace(other, preinitialised=2), *rest))
    assert "note: 3 calls met an environment that was initialised ahead of time" in render_text(seen)
    assert [cell["preinitialised"] for cell in json.loads(render_json(seen))["cells"]] == [1, 2, 0]


def test_a_run_recorded_before_that_was_counted_can_be_read(result) -> None:
    document = json.loads(render_json(result))
    for cell in document["cells"]:
        del cell["preinitialised"]
    jsonschema.validate(document, schema())
    assert msgspec.json.decode(json.dumps(document), type=RunResult) == result
