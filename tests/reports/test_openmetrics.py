"""The OpenMetrics report, read by the reference parser (prometheus_client)."""

from __future__ import annotations

import math

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support.recorded_runs import ALL, SLOWER

from lambdatune.reports.openmetrics_report import render_openmetrics


def samples(result) -> dict[str, list]:
    text = render_openmetrics(result)
    assert text.endswith("\n# EOF\n")
    families = list(text_string_to_metric_families(text))
    assert {family.type for family in families} == {"gauge"}
    return {family.name: family.samples for family in families}


@pytest.mark.parametrize("recipe", ALL, ids=lambda recipe: recipe.id)
def test_every_run_is_read_by_the_reference_parser(recorded, recipe) -> None:
    assert samples(recorded(recipe))["lambdatune_run"][0].labels["run"] == recipe.id


def test_figures_are_gauges_in_base_units_by_size_start_and_quantile(recorded) -> None:
    result = recorded(SLOWER)
    found = samples(result)
    cell = result.cells[3]
    labels = {
        "function": "orders-api", "memory_mb": "768", "architecture": "arm64", "runtime": "python3.13",
        "mode": "invoke",
    }  # fmt: skip

    def value(name: str, **more: str) -> float:
        (sample,) = [each for each in found[name] if each.labels == {**labels, **more}]
        return sample.value

    assert value("lambdatune_duration_seconds", start="warm", quantile="0.95") == cell.warm.duration_ms.p95 / 1000
    assert value("lambdatune_duration_seconds", start="cold", quantile="0.5") == cell.cold.total_ms.p50 / 1000
    assert value("lambdatune_init_seconds", start="cold", quantile="0.5") == cell.cold.init_ms.p50 / 1000
    low, high = cell.warm.duration_ms.intervals["p95"]
    interval = {"start": "warm", "quantile": "0.95"}
    assert value("lambdatune_duration_interval_seconds", **interval, end="low") == low / 1000
    assert value("lambdatune_duration_interval_seconds", **interval, end="high") == high / 1000
    cold = {"start": "cold", "quantile": "0.99", "end": "high"}
    assert math.isinf(value("lambdatune_duration_interval_seconds", **cold))
    assert value("lambdatune_cost_per_invocation", start="blended") == cell.cost_usd_per_million.blended / 1e6
    assert value("lambdatune_memory_used_max_bytes") == 78 * 1024 * 1024
    assert [sample.labels["memory_mb"] for sample in found["lambdatune_recommended"] if sample.value] == ["768"]
    assert value("lambdatune_verdict", verdict="meets") == 1


def test_what_is_not_known_has_no_sample_and_errors_have_their_kind(result) -> None:
    found = samples(result)
    assert {sample.labels["memory_mb"] for sample in found["lambdatune_duration_seconds"]} == {"512", "1024"}
    assert [(sample.labels["kind"], sample.value) for sample in found["lambdatune_errors"]] == [("out_of_memory", 12)]


def test_what_became_of_messages_is_told(delivered) -> None:
    fates = {sample.labels["fate"]: sample.value for sample in samples(delivered)["lambdatune_messages"]}
    assert (fates["sent"], fates["executed"], fates["lost"]) == (300, 298, 1)


def test_text_from_elsewhere_stays_in_its_label(hostile) -> None:
    found = samples(hostile)
    assert found["lambdatune_run"][0].labels["function"] == hostile.function.name
    assert found["lambdatune_errors"][0].labels["kind"] == hostile.function.name
