"""A month of traffic in dollars: by hand, and what holds at every traffic."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambdatune.pricing.always_on import Machine, machines
from lambdatune.pricing.cost import Tariff
from lambdatune.recommend.always_on import cheapest_fleet, fleet_of
from lambdatune.recommend.traffic import Costs, Measured, break_even_cold_rate, break_even_per_s

TARIFF = Tariff.of("us-east-1", "x86_64")
"""A request $0.0000002; a GB-second $0.0000166667, in a provisioned environment $0.0000097222 and $0.0000041667 for
keeping it; a snapshot $0.0000015046 per GB-second and $0.0001397998 per GB restored."""

GIGABYTE = Measured(1024, warm_ms=100.0, cold_ms=600.0, init_ms=500.0, used_mb=200, runtime="python3.13")
AT_ONE_PERCENT = Costs(GIGABYTE, TARIFF, cold_rate=0.01)
MODELLED = Costs(GIGABYTE, TARIFF)


def test_on_demand_every_call_pays_its_request_and_its_seconds() -> None:
    # 10/s x 2,628,000 s = 26.28 M calls of 0.99 x 0.1 + 0.01 x 0.6 = 0.105 s: $5.256 + 2,759,400 GB-s x $0.0000166667
    assert AT_ONE_PERCENT.on_demand(10) == pytest.approx(5.256 + 45.9901, abs=1e-4)
    # 262,800 inits of 0.5 s; a cold call takes 0.5 s longer than a warm one: the same
    assert AT_ONE_PERCENT.init_usd(10) == pytest.approx(2.19, abs=1e-4)
    assert AT_ONE_PERCENT.cold_usd(10) == pytest.approx(2.19, abs=1e-4)


def test_beyond_six_billion_gb_seconds_a_month_they_are_cheaper() -> None:
    # 30,000/s x 0.1 s = 3,000 GB at once: 7.884 G GB-s, of which 1.884 G in the second tier; and 78,840 M requests.
    warm = Costs(GIGABYTE, TARIFF, cold_rate=0.0)
    assert warm.on_demand(30_000) == pytest.approx(6e9 * 0.0000166667 + 1.884e9 * 0.000015 + 78_840 * 0.2, rel=1e-6)


def test_provisioned_environments_cost_for_being_there_and_calls_in_them_less() -> None:
    # 1 call in flight. 4 environments: B(4) = (1/24) / (1 + 1 + 1/2 + 1/6 + 1/24) = 1/65 find no room, of which 1 % of
    # all start cold. Kept: 4 x 2,628,000 GB-s x $0.0000041667 = $43.8003. Carried: 26.28 M x 64/65 = 25,875,692 calls:
    # $5.1751 and 2,587,569 s x $0.0000097222 = $25.1569. No room: 404,308 calls: $0.0809, and 141,508 x 0.1 s + 262,800
    # x 0.6 s = 171,831 s x $0.0000166667 = $2.8638.
    assert AT_ONE_PERCENT.environments(10) == 4
    assert AT_ONE_PERCENT.spilled(10, 4) == pytest.approx(1 / 65)
    assert AT_ONE_PERCENT.provisioned(10, 4) == pytest.approx(43.8003 + 5.1751 + 25.1569 + 0.0809 + 2.8638, abs=2e-4)
    assert AT_ONE_PERCENT.provisioned(10, 0) == pytest.approx(AT_ONE_PERCENT.on_demand(10))


def test_an_environment_pays_when_it_is_busy_for_sixty_percent_of_the_time() -> None:
    # 0.0000041667 / (0.0000166667 - 0.0000097222) = 0.6. With a calls in flight the first is busy for a / (1 + a):
    # 0.5 with 1, 0.667 with 2; the second then for 2 (2/3 - 2/5) = 0.533.
    assert MODELLED.paying_environments(10) == 0
    assert MODELLED.paying_environments(20) == 1
    # a / (1 + a) = 0.6 with a = 1.5
    assert MODELLED.paying_environments(14.99) == 0
    assert MODELLED.paying_environments(15.01) == 1


@pytest.mark.parametrize("rate_per_s", [16.0, 55.0, 700.0])
def test_no_other_number_of_environments_is_cheaper_than_the_one_that_is_told(rate_per_s) -> None:
    warm = Costs(GIGABYTE, TARIFF, cold_rate=0.0)
    best = warm.paying_environments(rate_per_s)
    others = [warm.provisioned(rate_per_s, count) for count in range(warm.environments(rate_per_s) + 5)]
    assert others[best] == min(others)


def test_snap_start_replaces_the_init_by_its_own_charges_but_for_java() -> None:
    # All 26.28 M calls are billed 0.1 s: $5.256 + 2,628,000 GB-s x $0.0000166667 = $49.0561; kept: 2,628,000 GB-s x
    # $0.0000015046 = $3.9541; 262,800 restores of 1 GB: $36.7394.
    assert AT_ONE_PERCENT.snap_start(10) == pytest.approx(49.0561 + 3.9541 + 36.7394, abs=2e-4)
    java = replace(AT_ONE_PERCENT, measured=replace(GIGABYTE, runtime="java21"))
    assert java.snap_start(10) == pytest.approx(49.0561, abs=1e-4)
    assert break_even_per_s(java, java.snap_start) == 0.0
    restored = replace(AT_ONE_PERCENT, measured=replace(GIGABYTE, restored=True))
    assert restored.on_demand(10) == pytest.approx(51.2461 + 3.9541 + 36.7394, abs=2e-4)
    assert not restored.can_snap_start()
    assert not replace(AT_ONE_PERCENT, measured=replace(GIGABYTE, runtime="nodejs22.x")).can_snap_start()


def test_storage_above_what_is_free_is_paid_with_every_second() -> None:
    # 9.5 GB of /tmp at $0.0000000309 per GB-second, for 2,759,400 s
    stored = replace(AT_ONE_PERCENT, tariff=replace(TARIFF, ephemeral_storage_mb=10_240))
    more = 2_759_400 * 9.5 * 3.09e-8
    assert stored.on_demand(10) - AT_ONE_PERCENT.on_demand(10) == pytest.approx(more)
    assert stored.provisioned(10, 0) == pytest.approx(stored.on_demand(10))


def test_two_sizes_cost_the_same_where_their_lines_cross() -> None:
    # 1 GB: 0.1 + 0.5 r GB-s; 2 GB: 2 (0.06 + 0.1 r) = 0.12 + 0.2 r; the same at r = 0.02 / 0.3.
    larger = replace(AT_ONE_PERCENT, measured=Measured(2048, 60.0, 160.0, 100.0, 200, "python3.13"))
    assert break_even_cold_rate(AT_ONE_PERCENT, larger) == pytest.approx(0.02 / 0.3)
    dearer = replace(larger, measured=replace(larger.measured, cold_ms=600.0))
    assert break_even_cold_rate(AT_ONE_PERCENT, dearer) is None
    assert break_even_cold_rate(AT_ONE_PERCENT, replace(larger, measured=replace(GIGABYTE, cold_ms=None))) is None


def test_machines_are_enough_for_the_cpu_the_memory_and_one_to_fail() -> None:
    one_vcpu = replace(GIGABYTE, memory_mb=1769)
    c7i = Machine("EC2", "c7i.large", 2, 4, 0.08925, "us-east-1")
    # 100/s x 0.1 s x 1 vCPU = 10 vCPUs of 2 x 0.6: 8.3, so 9, busy for 10 / 18; 9 x 730 h x $0.08925 = $586.3725
    fleet = fleet_of(c7i, one_vcpu, 100)
    assert fleet is not None
    assert (fleet.count, fleet.cpu_in_use, fleet.usd_per_month) == (9, pytest.approx(10 / 18), pytest.approx(586.3725))
    # 18 calls of 1,000 MB at once, P(N <= 18) = 0.9928: 3 fit into 0.8 x 4 GB, so that 6 are enough; the CPU takes 9.
    assert fleet_of(c7i, replace(one_vcpu, used_mb=1000), 100).count == 9
    # with 3,000 MB each takes one of its own
    assert fleet_of(c7i, replace(one_vcpu, used_mb=3000), 100).count == 18
    assert fleet_of(c7i, one_vcpu, 0.001).count == 2
    assert fleet_of(c7i, replace(one_vcpu, used_mb=3300), 1) is None
    assert fleet_of(c7i, replace(one_vcpu, memory_mb=3600), 1) is None


def test_the_cheapest_task_holds_a_call_with_the_memory_that_was_used() -> None:
    fargate = [each for each in machines("us-east-1", "x86_64") if each.service == "Fargate"]
    # 256 MB have 0.145 vCPU: the smallest task, 0.25 vCPU and 0.5 GB, $0.0123425 an hour, twice
    small = cheapest_fleet(fargate, replace(GIGABYTE, memory_mb=256), 1)
    assert small is not None
    assert small.machine.name == "0.25 vCPU 0.5 GB"
    assert small.usd_per_month == pytest.approx(2 * 730 * 0.0123425)
    largest = cheapest_fleet(fargate, replace(GIGABYTE, memory_mb=10_240, used_mb=10_000), 1)
    assert largest is not None
    assert largest.machine.vcpus == 8
    assert cheapest_fleet([], GIGABYTE, 1) is None


def options(costs: Costs):
    every = machines("us-east-1", "x86_64")

    def on(service: str):
        own = [machine for machine in every if machine.service == service]
        return lambda rate: cheapest_fleet(own, costs.measured, rate).usd_per_month

    return {
        "provisioned": costs.provisioned_for_peaks, "some provisioned": costs.provisioned_to_pay,
        "SnapStart": costs.snap_start, "Fargate": on("Fargate"), "EC2": on("EC2"),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["provisioned", "some provisioned", "SnapStart", "Fargate", "EC2"])
@pytest.mark.parametrize("cold_rate", [None, 0.003])
def test_at_its_break_even_an_option_costs_as_much_as_on_demand_and_less_beyond(name, cold_rate) -> None:
    slow = replace(GIGABYTE, cold_ms=12_100.0, init_ms=12_000.0)
    costs = Costs(slow if name == "SnapStart" else GIGABYTE, TARIFF, cold_rate)
    other = options(costs)[name]
    rate = break_even_per_s(costs, other)
    if rate is None:
        # A modelled stream starts hardly any call cold: what a snapshot costs is never saved.
        assert (name, cold_rate) == ("SnapStart", None)
        assert other(1_000) > costs.on_demand(1_000)
        return
    assert other(rate) <= costs.on_demand(rate)
    assert other(rate * (1 - 1e-6)) > costs.on_demand(rate * (1 - 1e-6))
    assert all(other(rate * factor) <= costs.on_demand(rate * factor) for factor in (1.5, 2.5, 10.0))


@pytest.mark.parametrize("name", ["provisioned", "some provisioned", "SnapStart", "Fargate", "EC2"])
def test_more_traffic_never_costs_less(name) -> None:
    other = options(AT_ONE_PERCENT)[name]
    rates = [0.001 * 1.37**step for step in range(50)]
    dollars = [other(rate) for rate in rates]
    assert dollars == sorted(dollars)
    on_demand = [AT_ONE_PERCENT.on_demand(rate) for rate in rates]
    assert on_demand == sorted(on_demand)


def test_a_fleet_that_is_not_to_be_had_never_pays() -> None:
    assert break_even_per_s(AT_ONE_PERCENT, lambda rate: None) is None
