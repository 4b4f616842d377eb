"""The table of what cold starts cost at a traffic and what would pay, shared by the reports for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.model.quantities import format_number
from lambdatune.pricing.cost import decimals_of
from lambdatune.recommend.cold_start_words import per_day, per_second, percent
from lambdatune.reports.plain_table import UNKNOWN, table
from lambdatune.reports.wording import currency_sign

if TYPE_CHECKING:
    from lambdatune.model.cold_starts import ColdStartAdvice, ColdStartOption
    from lambdatune.model.result import RunResult


def title(advice: ColdStartAdvice) -> str:
    """Return what the table is about."""
    return f"A month at {per_second(advice.traffic_per_s)}, {advice.memory_mb} MB"


def headers(result: RunResult) -> list[str]:
    """Return a name for each column; the last is of words."""
    return ["", f"{currency_sign(result)} a month", "cold a day", "in use", "pays from", "note"]


def rows(advice: ColdStartAdvice) -> list[list[str]]:
    """Return a row for each way to serve the traffic."""
    return [_row(option, advice) for option in advice.options]


def meaning(advice: ColdStartAdvice) -> str:
    """Return what the columns mean."""
    mean = format_number(float(f"{advice.in_flight_mean:.2g}"))
    return (
        f"busy at once: {mean} in the mean, at most {advice.in_flight_p99} in 99 % of moments; "
        "cold a day: calls that wait for an init; in use: share of what is paid for around the clock; pays from: "
        "traffic from which on, or share of cold starts at which, it costs no more than on demand; Lambda's prices of "
        f"{advice.prices_as_of}, Fargate's and EC2's of {advice.always_on_as_of}"
    )


def cold_start_lines(result: RunResult) -> list[str]:
    """Return the lines of the table in plain text, with the advice and what it supposes; none without an advice."""
    advice = result.cold_start_advice
    if advice is None:
        return []
    grouped = [("", header) for header in headers(result)[:-1]] + [("", "")]
    lines = ["", f"{title(advice)}:", *table(grouped, rows(advice))[1:], "", meaning(advice)]
    lines += [f"supposed: {assumption}" for assumption in advice.assumptions]
    return [*lines, "", advice.sentence]


def _row(option: ColdStartOption, advice: ColdStartAdvice) -> list[str]:
    # Beside provisioned environments a rate that was given is only a bound.
    bound = "≤" if option.kind == "provisioned" and advice.cold_rate_source == "given" else ""
    decimals = min(decimals_of(option.usd_per_month), 6)
    return [
        option.name, f"{option.usd_per_month:.{decimals}f}",
        f"{bound}{per_day(option.cold_calls_per_day)}",
        UNKNOWN if option.utilisation is None else percent(option.utilisation), _break_even(option), option.note,
    ]  # fmt: skip


def _break_even(option: ColdStartOption) -> str:
    if option.kind == "on-demand":
        return UNKNOWN
    if option.kind == "memory":
        rate = option.break_even_cold_rate
        return UNKNOWN if rate is None else f"{percent(rate)} cold"
    if option.break_even_per_s is None:
        return "never"
    return per_second(option.break_even_per_s) if option.break_even_per_s else "always"
