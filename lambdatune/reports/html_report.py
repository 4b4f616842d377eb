"""A page in one file: charts, tables and advice; no script, no request, readable on a phone, dark and light.

The page's content security policy allows nothing but its own style sheet, by its hash, so that even a name that would
break out of the escaping could load and run nothing.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

import lambdatune
from lambdatune.reports import charts, cold_start_table, gate_table, reproduce
from lambdatune.reports.mode_table import mode_tables
from lambdatune.reports.plain_table import UNKNOWN, ms, ms_and_interval
from lambdatune.reports.wording import (
    OUTCOMES,
    billed,
    cell_labels,
    currency_sign,
    failed_calls,
    function_of,
    is_best,
    margin,
    mode_of,
    printable,
    remarks,
    targets_of,
    verdict_words,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.model.result import CellResult, RunResult

_INTERVALS = (
    "lines are intervals, dotted where the calls do not bound them. Of those that are joined none is beaten in cost "
    "and median time at once."
)
_MARKS = {"met": "✓", "none": "✓", "missed": "✗", "unproven": "?", "invalid": "!"}


@dataclass(frozen=True, slots=True)
class _Row:
    fields: Sequence[str]
    is_best: bool = False


@dataclass(frozen=True, slots=True)
class _Table:
    title: str
    headers: Sequence[str]
    rows: Sequence[_Row]
    legend: str


@dataclass(frozen=True, slots=True)
class _Chart:
    title: str
    svg: Markup
    caption: str
    keys: tuple[tuple[str, str], ...] = ()


def render_html(result: RunResult) -> str:
    """Return the result as one self-contained page."""
    advice = result.recommendation
    style = _style()
    return _template().render(
        policy=policy(style),
        style=Markup(style),  # noqa: S704  our own file
        name=_shown(result.function.name),
        status=advice.status,
        mark=_MARKS[advice.status],
        outcome=OUTCOMES[advice.status] + ("" if result.status == "complete" else f" ({result.status})"),
        sentence=_shown(advice.sentence),
        points=[],
        alternatives=[_shown(alternative.sentence) for alternative in advice.alternatives],
        facts=[(key, _shown(value)) for key, value in _facts(result)],
        charts=_charts(result),
        tables=[
            *_of_gate(result),
            _warm(result),
            _cold(result),
            *_of_mode(result),
            *_evidence(result),
            *_cold_start_advice(result),
        ],
        remarks=[(kind, _shown(sentence)) for kind, sentence in _remarks(result)],
        command=printable(reproduce.command(result), kept="\n"),
        cautions=reproduce.cautions(result),
        made=_shown(f"lambdatune {result.environment.get('lambdatune', '')}, run {result.id}, {result.started}"),
    )


def render_page(
    *,
    name: str,
    status: str,
    outcome: str,
    sentence: str,
    points: Sequence[str],
    facts: Sequence[tuple[str, str]],
    tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[str]]]],
    legend: str,
    remarks: Sequence[tuple[str, str]],
    command: str,
) -> str:
    """Return a page of tables that is no run's: title, verdict, points below it, facts, tables and remarks.

    Args:
        name: its heading.
        status: of an advice, which gives the verdict its colour.
        outcome: the verdict in a word or two.
        sentence: the verdict.
        points: sentences below it.
        facts: names and values.
        tables: title, headers and rows of each.
        legend: below each table.
        remarks: kinds and sentences.
        command: that makes the page again.
    """
    style = _style()
    return _template().render(
        policy=policy(style),
        style=Markup(style),  # noqa: S704  our own file
        name=_shown(name),
        status=status,
        mark=_MARKS[status],
        outcome=outcome,
        sentence=_shown(sentence),
        points=[_shown(point) for point in points],
        alternatives=[],
        facts=[(key, _shown(value)) for key, value in facts],
        charts=[],
        tables=[
            _Table(title, headers, [_Row([_shown(field) for field in row]) for row in rows], legend)
            for title, headers, rows in tables
        ],
        remarks=[(kind, _shown(told)) for kind, told in remarks],
        command=printable(command, kept="\n"),
        cautions=(),
        made=f"lambdatune {lambdatune.__version__}",
    )


def policy(style: str) -> str:
    """Return the content security policy of a page with one style sheet: nothing but that, and an empty icon."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


@functools.cache
def _style() -> str:
    return files("lambdatune.reports").joinpath("report.css").read_text(encoding="utf-8")


@functools.cache
def _template() -> jinja2.Template:
    source = files("lambdatune.reports").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(source)


def _shown(text: str) -> str:
    return printable(" ".join(text.split()))


def _facts(result: RunResult) -> list[tuple[str, str]]:
    environment = result.environment
    where = "embedded endpoint" if environment.get("embedded") else str(environment.get("region") or UNKNOWN)
    return [
        ("Runs on", function_of(result)), ("Where", where), ("Mode", mode_of(result)), ("Target", targets_of(result)),
        ("Strategy", result.recommendation.strategy), ("Confidence", f"{result.recommendation.confidence:g}"),
        ("Calls", f"{result.spend.invocations:,}"), ("Cost of the run", billed(result)),
    ]  # fmt: skip


def _charts(result: RunResult) -> list[_Chart]:
    """Return the charts for which there are calls."""
    target = (("target", "the target"),) if result.plan.get("targets") else ()
    starts = (("warm", "warm calls"), ("cold", "cold starts, with init"))
    drawn = [
        ("Cost and latency", charts.frontier(result), _against_cost(result), target),
        ("Distributions", charts.distributions(result), "each as high as its own highest place", starts),
        ("Percentiles of warm calls", charts.percentiles(result, "warm"), _curves(result, "warm"), ()),
        ("Percentiles of cold starts", charts.percentiles(result, "cold"), _curves(result, "cold"), ()),
    ]
    return [_Chart(title, svg, caption, keys) for title, svg, caption, keys in drawn if svg is not None]


def _against_cost(result: RunResult) -> str:
    return f"{charts.latency_axis(result)} against cost; {_INTERVALS}"


def _curves(result: RunResult, start: str) -> str:
    measured = sum(f"{start}.duration" in cell.histograms for cell in result.cells)
    left_out = f"; {charts.LINES} of {measured} sizes" if measured > charts.LINES else ""
    return f"duration; each curve ends at what its calls can tell{left_out}"


def _warm(result: RunResult) -> _Table:
    headers = ["size", "calls", "p50", "p95", "p99", "errors", f"{currency_sign(result)} per 1M", "verdict"]
    rows = [_warm_row(cell, label, result) for cell, label in _labelled(result)]
    return _Table("Warm calls", headers, rows, _legend(result))


def _warm_row(cell: CellResult, label: str, result: RunResult) -> _Row:
    cost = cell.cost_usd_per_million
    best = is_best(cell, result)
    return _Row([
        label, str(cell.warm.count), *(ms_and_interval(cell.warm.duration_ms, name) for name in ("p50", "p95", "p99")),
        str(failed_calls(cell)), UNKNOWN if cost.blended is None else f"{cost.blended:.2f}{margin(cost)}",
        f"{verdict_words(cell)} ★ best".strip() if best else verdict_words(cell),
    ], best)  # fmt: skip


def _cold(result: RunResult) -> _Table:
    rows = [
        _Row([
            label, str(cell.cold.count), ms(cell.cold.init_ms, "p50"),
            *(ms_and_interval(cell.cold.total_ms, name) for name in ("p50", "p95", "p99")),
        ], is_best(cell, result))
        for cell, label in _labelled(result)
    ]  # fmt: skip
    return _Table("Cold starts", ["size", "starts", "init p50", "p50", "p95", "p99"], rows, _legend(result))


def _of_gate(result: RunResult) -> list[_Table]:
    """Return the table of what was held against the baseline; none where there was none."""
    gate = result.gate
    if gate is None or not gate.checks:
        return []
    rows = [_Row([_shown(field) for field in row]) for row in gate_table.gate_rows(gate)]
    return [_Table(f"Gate: {gate.outcome}", gate_table.HEADERS, rows, _shown(gate_table.gate_legend(gate)))]


def _remarks(result: RunResult) -> list[tuple[str, str]]:
    gate = result.gate
    of_gate = [] if gate is None else [("gate", gate.sentence), *gate_table.gate_remarks(gate)]
    return [*of_gate, *remarks(result)]


def _of_mode(result: RunResult) -> list[_Table]:
    tables = []
    for told in mode_tables(result):
        title = "Messages" if "sent" in told.names else f"Times of mode {mode_of(result)}"
        tables.append(_Table(title, told.names, [_Row(row) for row in told.rows], told.meaning))
    return tables


def _evidence(result: RunResult) -> list[_Table]:
    """Return the table of what is proven about each target; none where there is no target."""
    rows = [
        _Row([label, certificate.target, certificate.status, str(certificate.calls), str(certificate.exceedances)],
             is_best(cell, result))
        for cell, label in _labelled(result) for certificate in cell.certificates
    ]  # fmt: skip
    if not rows:
        return []
    headers = ["size", "target", "proven", "calls", "over it"]
    legend = f"at {result.recommendation.confidence:.0%} confidence, however often the run looked"
    return [_Table("Evidence", headers, rows, legend)]


def _cold_start_advice(result: RunResult) -> list[_Table]:
    """Return the table of what would pay at the plan's traffic; none where it has none."""
    advice = result.cold_start_advice
    if advice is None:
        return []
    rows = [_Row(row) for row in cold_start_table.rows(advice)]
    supposed = f"Supposed: {'; '.join(advice.assumptions)}."
    legend = f"{advice.sentence} {cold_start_table.meaning(advice)}. {supposed}"
    return [_Table(cold_start_table.title(advice), cold_start_table.headers(result), rows, _shown(legend))]


def _labelled(result: RunResult) -> list[tuple[CellResult, str]]:
    return [(cell, _shown(label)) for cell, label in zip(result.cells, cell_labels(result), strict=True)]


def _legend(result: RunResult) -> str:
    return f"ms, with intervals at {result.recommendation.confidence:.0%} confidence; cold: init and handler"
