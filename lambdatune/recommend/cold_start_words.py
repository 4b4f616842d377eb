"""The advice on cold starts in sentences: what was reckoned, what it supposes and what it does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.model.quantities import format_number
from lambdatune.pricing.cost import decimals_of, money
from lambdatune.recommend.always_on import CPU_IN_USE, LEAST_MACHINES, MEMORY_IN_USE
from lambdatune.recommend.traffic import HOURS_PER_MONTH, IDLE_S, LIFETIME_S, PEAK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.model.cold_starts import ColdStartAdvice, ColdStartOption
    from lambdatune.pricing.always_on import Machine
    from lambdatune.recommend.traffic import Costs

_CHEAPER = 0.01
"""Amounts closer than this share are not called cheaper."""

_MOST_TOLD = 3
_LEAST = 1e-6


def sentence(advice: ColdStartAdvice, currency: str, unit: str) -> str:
    """Return the advice in a few sentences.

    Args:
        advice: its figures.
        currency: of its amounts.
        unit: what the traffic is made of, ``calls`` or ``messages``.
    """
    return " ".join([_what_colds_cost(advice, currency, unit), *_what_pays(advice, currency), _not_known(advice)])


def amount(dollars: float, currency: str) -> str:
    """Return an amount with cents, and with two digits of its own where it is less."""
    if 0 < dollars < _LEAST:
        return f"under {money(_LEAST, currency, 6)}"
    return money(dollars, currency, min(decimals_of(dollars), 6))


def per_second(rate_per_s: float) -> str:
    """Return a rate with three digits, ``0.0123/s`` to ``12,300/s``."""
    digits = f"{rate_per_s:,.0f}" if rate_per_s >= 100 else format_number(float(f"{rate_per_s:.3g}"))
    return f"{digits}/s"


def per_day(count: float) -> str:
    """Return how many calls a day, without digits that mean nothing."""
    if count >= 10 or count == 0:
        return f"{count:,.0f}"
    return format_number(float(f"{count:.2g}")) if count >= 0.01 else "under 0.01"


def percent(share: float) -> str:
    """Return a share in percent with two digits, ``0.012 %``."""
    return f"{format_number(float(f'{100 * share:.2g}'))} %"


def assumptions(costs: Costs, priced: Sequence[Machine]) -> tuple[str, ...]:
    """Return what the figures suppose, in sentences.

    Args:
        costs: of the measured size.
        priced: what is always on and has a price.
    """
    steady = f"the traffic never changes, its calls come at random (Poisson), and a month has {HOURS_PER_MONTH} hours"
    left_out = "free tier, Savings Plans, Spot and what stands before the function (API, queue) are left out"
    return (f"{steady}; {left_out}", *_of_cold_rate(costs), _of_provisioned(costs), *_of_prices(costs),
            *_of_always_on(costs.tariff.prices.region, priced))  # fmt: skip


def _of_cold_rate(costs: Costs) -> list[str]:
    said = []
    if costs.cold_rate is None:
        said.append(
            f"cold starts are modelled: an environment is taken away after {IDLE_S / 60:g} minutes without a call and "
            f"replaced every {LIFETIME_S / 3600:g} hours, and the last used is taken first; AWS publishes none of these"
        )
    if costs.measured.cold_ms is None:
        said.append("no cold start was measured: cold calls are reckoned as warm ones (--cold-starts N measures some)")
    return said


def _of_provisioned(costs: Costs) -> str:
    if costs.measured.restored:
        return "provisioned concurrency excludes SnapStart: measure without SnapStart to reckon it"
    how = "start cold as the model has it"
    if costs.cold_rate is not None:
        how = "are taken to start cold, as far as so many do on demand"
    room = f"room for {percent(PEAK)} of moments: enough environments for the calls in flight then"
    return f"{room}, whose own inits are left out; calls that find none provisioned run on demand, and {how}"


def _of_always_on(region: str, priced: Sequence[Machine]) -> list[str]:
    if not priced:
        return [f"nothing that is always on is priced in {region}"]
    spare = f"with {percent(CPU_IN_USE)} of their CPU and {percent(MEMORY_IN_USE)} of their memory in use at the most"
    share = "a call takes the CPU share it had in Lambda all its time, which is less for one that waits"
    stand_ins = {machine.service: machine.region for machine in priced if machine.region != region}
    return [
        f"always on: {LEAST_MACHINES} machines at the least, {spare}; {share}, and memory of its own",
        *(f"{name}'s price in {region} is not in the table: that of {whose}" for name, whose in stand_ins.items()),
    ]


def _of_prices(costs: Costs) -> list[str]:
    prices = costs.tariff.prices
    names = {"provisioned_concurrency": "provisioned concurrency", "snapstart_cache": "SnapStart"}
    derived = [name for key, name in names.items() if key in prices.derived]
    if not derived:
        return []
    return [f"the price of {' and '.join(derived)} in {prices.region} is derived from us-east-1's"]


def _what_colds_cost(advice: ColdStartAdvice, currency: str, unit: str) -> str:
    on_demand = advice.options[0]
    rate = per_second(advice.traffic_per_s)
    colds = f"{percent(advice.cold_rate)} of the {unit} start cold ({advice.cold_rate_source})"
    total = f"{amount(on_demand.usd_per_month, currency)} a month at {advice.memory_mb} MB"
    if advice.cold_usd_per_month is None or advice.init_usd_per_month is None or advice.init_ms is None:
        told = f"At {rate}, {colds}, {per_day(on_demand.cold_calls_per_day)} a day"
        return f"{told}; what they cost of {total} is not known, for none was measured."
    return (
        f"At {rate}, {colds}: {per_day(on_demand.cold_calls_per_day)} a day wait {advice.init_ms:.0f} ms for an init, "
        f"and cost {amount(max(advice.cold_usd_per_month, 0.0), currency)} more than warm ones, of {total}; a lighter "
        f"runtime, or less to load, can save {amount(advice.init_usd_per_month, currency)} at the most."
    )


def _what_pays(advice: ColdStartAdvice, currency: str) -> list[str]:
    on_demand, *others = advice.options
    enough = on_demand.usd_per_month * (1 - _CHEAPER)
    cheaper = sorted(
        (option for option in others if option.usd_per_month < enough and not option.is_refuted),
        key=lambda option: option.usd_per_month,
    )
    said = ["Nothing that was reckoned is cheaper."]
    if cheaper:
        told = [f"{option.name} ({amount(option.usd_per_month, currency)})" for option in cheaper[:_MOST_TOLD]]
        said = [f"Cheaper by the month: {', '.join(told)}."]
    peaks = next((option for option in others if option.kind == "provisioned"), None)
    if peaks is not None and peaks not in cheaper:
        more = amount(peaks.usd_per_month - on_demand.usd_per_month, currency)
        most = " at the most" if advice.cold_rate_source == "given" else ""
        left = f"{per_day(peaks.cold_calls_per_day)} cold a day{most}"
        said.append(
            f"Room for {percent(PEAK)} of moments, {peaks.name}, would leave {left} for {more} more a month, and "
            f"{_pays(peaks)}."
        )
    machines = [option for option in others if option.kind == "always-on" and option.break_even_per_s is not None]
    if machines and not any(option.kind == "always-on" for option in cheaper):
        first = min(machines, key=lambda option: option.break_even_per_s or 0.0)
        said.append(f"Always on pays from {per_second(first.break_even_per_s or 0.0)} on ({first.name.split()[0]}).")
    return said


def _pays(option: ColdStartOption) -> str:
    if option.break_even_per_s is None:
        return "pays at no traffic that was looked at"
    return f"pays from {per_second(option.break_even_per_s)} on"


def _not_known(advice: ColdStartAdvice) -> str:
    more = "which start more calls cold than a stream that never changes"
    init = "the init is that of this run" if advice.init_ms is not None else "the init"
    joined = "; " if advice.init_ms is not None else ", and "
    return f"Not known: nights, bursts and deployments, {more}{joined}{init}."
