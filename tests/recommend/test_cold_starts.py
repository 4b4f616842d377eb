"""The advice on cold starts: which ways are told, of which size, and what is said not to be known."""

from __future__ import annotations

import numpy as np
import pytest

from lambdatune.model.cell import Cell
from lambdatune.model.invocation import Start
from lambdatune.pricing.cost import Tariff
from lambdatune.recommend.cold_start_words import amount, per_day, per_second, percent
from lambdatune.recommend.cold_starts import Question, advise, measured_of
from lambdatune.recommend.evidence import gather


@pytest.fixture
def measured(plan_for, make_rows):
    """Return evidence at 512 MB and 1024 MB: warm 100 and 60 ms, cold with an init of 400 ms (or none)."""

    def make(*targets: str, region="us-east-1", runtime="python3.13", start=Start.COLD, cold=True, mode="invoke"):
        plan = plan_for(*targets, memory="512,1024")
        cells = [Cell("shop", size, "x86_64", runtime, mode) for size in (512, 1024)]
        evidence = gather(cells, plan, Tariff.of(region, "x86_64"))
        for cell, warm_ms in zip(evidence, (100.0, 60.0), strict=True):
            if cold:
                rows = make_rows(np.full(5, warm_ms), start=start, init_ms=400.0 if start == Start.COLD else None)
                if start == Start.RESTORED:
                    rows["restore_ms"], rows["billed_ms"] = 150.0, warm_ms + 100
                cell.add(rows, cold=True)
            cell.add(make_rows(np.full(40, warm_ms)))
        return evidence

    return make


def kinds(advice) -> list[str]:
    return [option.kind for option in advice.options]


def test_a_cell_is_told_in_the_numbers_that_traffic_is_reckoned_with(measured) -> None:
    small = measured_of(measured()[0])
    assert (small.warm_ms, small.cold_ms, small.init_ms, small.used_mb) == (100.0, 500.0, 400.0, 40)


def test_every_way_is_held_against_the_size_on_demand(measured) -> None:
    advice = advise(measured(), Question(20.0, 0.02, 512))
    assert advice is not None
    assert (advice.memory_mb, advice.cold_rate, advice.cold_rate_source) == (512, 0.02, "given")
    assert advice.in_flight_mean == pytest.approx(2.0)
    # P(N <= 5) = 0.983 and P(N <= 6) = 0.995 with 2 in the mean
    assert advice.in_flight_p99 == 6
    assert kinds(advice) == [
        "on-demand", "provisioned", "provisioned", "snap-start", "memory", "always-on", "always-on"
    ]  # fmt: skip
    on_demand, peaks, paying, snap_start, larger, fargate, ec2 = advice.options
    # 0.02 x 20/s x 86,400 s; 525,600 x 2 cold calls a month of 0.4 s more x 0.5 GB
    assert on_demand.cold_calls_per_day == pytest.approx(34_560)
    assert advice.cold_usd_per_month == pytest.approx(1_051_200 * 0.4 * 0.5 * 0.0000166667)
    assert (peaks.name, peaks.units, paying.units) == ("6 provisioned", 6, 1)
    # one of B(1) = 2/3 is busy for 2 x 1/3
    assert paying.utilisation == pytest.approx(2 / 3)
    assert peaks.cold_calls_per_day < paying.cold_calls_per_day <= on_demand.cold_calls_per_day
    assert snap_start.break_even_per_s is None
    # 512 MB: 0.05 + 0.2 r GB-s, 1 GB: 0.06 + 0.4 r: dearer at every rate
    assert (larger.name, larger.break_even_cold_rate) == ("1024 MB", None)
    assert fargate.name.startswith("Fargate 2 x ")
    assert ec2.name == "EC2 2 x c7i.large"
    assert ec2.cold_calls_per_day == 0


def test_the_sentence_says_what_colds_cost_what_pays_and_what_is_not_known(measured) -> None:
    said = advise(measured(), Question(20.0, 0.02, 512)).sentence
    # 52.56 M calls: $10.5120; 0.98 x 100 + 0.02 x 500 ms: 2,838,240 GB-s: $47.3041
    assert said.startswith(
        "At 20/s, 2 % of the calls start cold (given): 34,560 a day wait 400 ms for an init, and cost $3.50 more than "
        "warm ones, of $57.82 a month at 512 MB; a lighter runtime, or less to load, can save $3.50 at the most."
    )
    assert " at the most for $" in said
    assert said.endswith("the init is that of this run.")


def test_a_traffic_per_minute_is_told_with_three_digits(measured) -> None:
    assert advise(measured(), Question(5 / 60)).sentence.startswith("At 0.0833/s, ")


def test_a_size_that_misses_is_never_called_cheaper(measured) -> None:
    evidence = measured("p95<=70ms")
    advice = advise(evidence, Question(20.0, 0.02, 1024))
    smaller = next(option for option in advice.options if option.kind == "memory")
    assert smaller.is_refuted
    assert smaller.usd_per_month < advice.options[0].usd_per_month
    assert "misses the target" in smaller.note
    assert "512 MB (" not in advice.sentence
    without = advise(measured(), Question(20.0, 0.02, 1024))
    assert "512 MB (" in without.sentence


def test_without_a_given_rate_the_stream_decides(measured) -> None:
    rare, busy = (advise(measured(), Question(rate, None, 512)) for rate in (0.0001, 100.0))
    assert rare.cold_rate_source == busy.cold_rate_source == "modelled"
    assert rare.cold_rate > 0.9
    assert busy.cold_rate < 0.001
    assert any("10 minutes" in assumption for assumption in busy.assumptions)
    assert not any("10 minutes" in each for each in advise(measured(), Question(1.0, 0.1)).assumptions)


def test_without_a_size_it_is_about_the_cheapest(measured) -> None:
    assert advise(measured(), Question(1.0, 0.0)).memory_mb == 512
    assert advise(measured(), Question(1.0, 0.0, 768)).memory_mb == 512


def test_with_snap_start_in_force_its_charges_are_in_and_nothing_is_said_of_provisioned(measured) -> None:
    advice = advise(measured(start=Start.RESTORED), Question(1.0, 0.1, 1024))
    assert advice.init_ms == 150.0
    assert kinds(advice) == ["on-demand", "memory", "always-on", "always-on"]
    # 2,628,000 calls: $0.5256; 0.9 x 60 + 0.1 x 160 ms = 0.07 s each: 183,960 GB-s: $3.0660; 1 GB kept: $3.9541;
    # 262,800 restores: $36.7394
    assert advice.options[0].usd_per_month == pytest.approx(0.5256 + 3.0660 + 3.9541 + 36.7394, abs=2e-4)
    assert any("excludes SnapStart" in assumption for assumption in advice.assumptions)


def test_without_a_cold_start_what_it_costs_is_not_made_up(measured) -> None:
    advice = advise(measured(cold=False), Question(1.0, 0.1, 512))
    assert advice.init_ms is advice.init_usd_per_month is advice.cold_usd_per_month is None
    assert "snap-start" not in kinds(advice)
    assert "is not known, for none was measured" in advice.sentence
    assert any("no cold start was measured" in assumption for assumption in advice.assumptions)


def test_of_what_is_not_in_the_table_it_says_so(measured) -> None:
    sao_paulo = advise(measured(region="sa-east-1"), Question(1.0)).assumptions
    assert any("Fargate's price in sa-east-1 is not in the table: that of us-east-1" in each for each in sao_paulo)
    assert any("provisioned concurrency and SnapStart in sa-east-1 is derived" in each for each in sao_paulo)
    china = advise(measured(region="cn-north-1"), Question(1.0))
    assert "always-on" not in kinds(china)
    assert any("nothing that is always on is priced in cn-north-1" in each for each in china.assumptions)
    assert "CNY" in china.sentence


def test_messages_of_a_batch_share_its_environment(measured, make_rows, plan_for) -> None:
    """10 messages a batch, each with a tenth of its 100 ms: 50 messages a second are 5 invocations a second."""
    plan = plan_for(memory="512")
    evidence = gather([Cell("shop", 512, "x86_64", "nodejs22.x", "sqs")], plan, Tariff.of("us-east-1", "x86_64"))
    rows = make_rows(np.full(40, 100.0))
    rows["attempts"], rows["invocations"], rows["billed_ms"] = 1, 0.1, 10.0
    evidence[0].add(rows)
    advice = advise(evidence, Question(50.0, 0.0))
    assert advice.in_flight_mean == pytest.approx(0.5)
    # 13,140,000 invocations a month: $2.628 and 657,000 GB-s: $10.9500
    assert advice.options[0].usd_per_month == pytest.approx(2.628 + 10.95, abs=1e-3)
    assert "of the messages start cold" in advice.sentence
    # In invocations it would be a tenth.
    fargate = next(option for option in advice.options if option.name.startswith("Fargate"))
    invoked = advise(evidence, Question(fargate.break_even_per_s * 1.01, 0.0))
    assert next(option for option in invoked.options if option.name.startswith("Fargate")).usd_per_month < (
        invoked.options[0].usd_per_month
    )


def test_without_a_warm_call_there_is_no_advice(plan_for, evidence_for) -> None:
    assert advise(evidence_for(plan_for()), Question(1.0)) is None


def test_figures_are_shown_with_the_digits_that_mean_something() -> None:
    assert [percent(share) for share in (1.0, 0.5, 0.02, 0.000123, 0.0)] == [
        "100 %", "50 %", "2 %", "0.012 %", "0 %"
    ]  # fmt: skip
    assert [per_second(rate) for rate in (0.01234, 21.557, 99.96, 313.4, 12_345.0)] == [
        "0.0123/s", "21.6/s", "100/s", "313/s", "12,345/s"
    ]  # fmt: skip
    assert [per_day(count) for count in (0, 0.002, 0.086, 3.21, 15.4, 34_560.0)] == [
        "0", "under 0.01", "0.086", "3.2", "15", "34,560"
    ]  # fmt: skip
    assert [amount(dollars, "USD") for dollars in (0.0, 12.345, 0.0094, 1e-9)] == [
        "$0.00", "$12.35", "$0.0094", "under $0.000001"
    ]  # fmt: skip
