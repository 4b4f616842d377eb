"""The output of aws-lambda-power-tuning, and the URL of its page, which is read here as that page reads it."""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import replace

import pytest
from support.recorded_runs import FAILING, MISSED, SLOWER

from lambdatune.model.power_tuning import read_visualization_url
from lambdatune.reports.power_tuning_report import render_power_tuning


def decoded(url: str) -> tuple[list[int], list[float], list[float]]:
    """Read a URL as the page does: Int16Array and Float32Array on a little-endian machine."""
    sizes, times, costs = (base64.b64decode(part, validate=True) for part in url.partition("#")[2].split(";"))
    count = len(sizes) // 2
    return (
        list(struct.unpack(f"<{count}h", sizes)),
        list(struct.unpack(f"<{count}f", times)),
        list(struct.unpack(f"<{count}f", costs)),
    )


def test_the_output_has_the_shape_of_the_other_tool_and_the_figures_of_the_run(recorded) -> None:
    result = recorded(SLOWER)
    told = json.loads(render_power_tuning(result))
    best = result.cells[3]
    assert list(told) == ["power", "cost", "duration", "stateMachine", "stats"]
    assert told["power"] == 768
    assert told["duration"] == best.warm.duration_ms.mean
    assert told["cost"] == pytest.approx(best.cost_usd_per_million.warm / 1e6)
    assert told["stateMachine"]["lambdaCost"] == result.spend.usd
    assert told["stats"][3] == {"value": 768, "averagePrice": told["cost"], "averageDuration": told["duration"]}
    sizes, times, costs = decoded(told["stateMachine"]["visualization"])
    assert sizes == [each["value"] for each in told["stats"]] == [cell.memory_mb for cell in result.cells]
    assert times == pytest.approx([each["averageDuration"] for each in told["stats"]], rel=1e-6)
    assert costs == pytest.approx([each["averagePrice"] for each in told["stats"]], rel=1e-6)
    (read,) = read_visualization_url(told["stateMachine"]["visualization"])
    assert (list(read.sizes_mb), list(read.durations_ms), list(read.costs)) == (sizes, times, costs)


def test_a_size_without_figures_is_left_out_and_no_advice_is_null(recorded) -> None:
    assert json.loads(render_power_tuning(recorded(FAILING)))["stats"][0]["value"] == 256
    missed = json.loads(render_power_tuning(recorded(MISSED)))
    assert (missed["power"], missed["cost"], missed["duration"]) == (None, None, None)
    assert len(missed["stats"]) == 7


def test_in_china_the_page_is_told_the_currency_and_other_kinds_of_cells_stay_apart(result) -> None:
    _, small, large = result.cells
    arm = replace(small, architecture="arm64", memory_mb=256)
    advice = replace(result.recommendation, memory_mb=512, architecture="x86_64")
    mixed = replace(result, cells=(arm, large, small), environment={"region": "cn-north-1"}, recommendation=advice)
    told = json.loads(render_power_tuning(mixed))
    assert [each["value"] for each in told["stats"]] == [512, 1024]
    assert told["stateMachine"]["visualization"].startswith("https://lambda-power-tuning.show/?currency=CNY#")


def test_nothing_measured_is_no_error(result) -> None:
    told = json.loads(render_power_tuning(replace(result, cells=())))
    assert (told["power"], told["stats"]) == (None, [])
