"""GitHub's Markdown: for a pull request, a wiki, or the summary of a job."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lambdatune.reports import cold_start_table, gate_table, reproduce
from lambdatune.reports.mode_table import ModeTable, mode_tables
from lambdatune.reports.plain_table import UNKNOWN, ms, ms_and_interval
from lambdatune.reports.wording import (
    OUTCOMES,
    billed,
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
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lambdatune.model.gate import GateReport
    from lambdatune.model.result import CellResult, RunResult

_SPECIAL = re.compile(r"([\\`*_\[\]|~#$])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def render_markdown(result: RunResult) -> str:
    """Return the result as Markdown: the verdict, tables of cold and warm calls apart, remarks, how to reproduce it."""
    advice = result.recommendation
    outcome = OUTCOMES[advice.status] + ("" if result.status == "complete" else f" ({result.status})")
    lines = [f"## lambdatune: {escape(result.function.name)}", "", f"**{outcome}**: {escape(advice.sentence)}", ""]
    lines += [f"- or: {escape(alternative.sentence)}" for alternative in advice.alternatives]
    lines += [""] if advice.alternatives else []
    lines += [] if result.gate is None else gate_markdown(result.gate)
    lines += [_facts(result), "", "### Warm calls", "", *_warm(result), "", "### Cold starts", "", *_cold(result), ""]
    lines += [f"Times in ms, with intervals at {advice.confidence:.0%} confidence. Cold: init and handler.", ""]
    for told in mode_tables(result):
        lines += [*_of_mode(told), "", escape(told.meaning), ""]
    lines += _cold_start_advice(result)
    said = [f"- **{escape(kind)}**: {escape(sentence)}" for kind, sentence in remarks(result)]
    lines += ["### Remarks", "", *said, ""] if said else []
    return "\n".join([*lines, *_how_to_reproduce(result)]) + "\n"


def gate_markdown(report: GateReport) -> list[str]:
    """Return what a gate found as lines of Markdown."""
    lines = [f"### Gate: {report.outcome}", "", escape(report.sentence), ""]
    if report.checks:
        lines += [*markdown_table(gate_table.HEADERS, gate_table.gate_rows(report), words=1), ""]
        lines += [escape(gate_table.gate_legend(report)), ""]
    said = [f"- **{escape(kind)}**: {escape(sentence)}" for kind, sentence in gate_table.gate_remarks(report)]
    return [*lines, *said, *([""] if said else [])]


def escape(text: str) -> str:
    """Return text that Markdown shows as it is, on one line: names and errors come from elsewhere."""
    escaped = _SPECIAL.sub(r"\\\1", printable(" ".join(text.split())))
    return "".join(_ENTITIES.get(character, character) for character in escaped)


def _facts(result: RunResult) -> str:
    facts = [
        escape(function_of(result)), f"mode {mode_of(result)}", escape(targets_of(result)),
        f"{result.spend.invocations} calls", escape(billed(result)), f"run {escape(result.id)}",
    ]  # fmt: skip
    return " · ".join(facts)


def _warm(result: RunResult) -> list[str]:
    headers = ["MB", "calls", "p50", "p95", "p99", "errors", f"{currency_sign(result)} per 1M", "verdict"]
    return markdown_table(headers, [_warm_row(cell, result) for cell in result.cells], words=1)


def _warm_row(cell: CellResult, result: RunResult) -> list[str]:
    cost, duration = cell.cost_usd_per_million, cell.warm.duration_ms
    return [
        str(cell.memory_mb), str(cell.warm.count), *(ms_and_interval(duration, name) for name in ("p50", "p95", "p99")),
        str(failed_calls(cell)), UNKNOWN if cost.blended is None else f"{cost.blended:.2f}{margin(cost)}",
        f"{verdict_words(cell)} ★ best".strip() if is_best(cell, result) else verdict_words(cell),
    ]  # fmt: skip


def _cold(result: RunResult) -> list[str]:
    rows = [
        [
            str(cell.memory_mb), str(cell.cold.count), ms(cell.cold.init_ms, "p50"),
            *(ms_and_interval(cell.cold.total_ms, name) for name in ("p50", "p95", "p99")),
        ]
        for cell in result.cells
    ]  # fmt: skip
    return markdown_table(["MB", "starts", "init p50", "p50", "p95", "p99"], rows)


def _cold_start_advice(result: RunResult) -> list[str]:
    advice = result.cold_start_advice
    if advice is None:
        return []
    supposed = [f"- {escape(assumption)}" for assumption in advice.assumptions]
    return [
        f"### {escape(cold_start_table.title(advice))}", "", escape(advice.sentence), "",
        *markdown_table(cold_start_table.headers(result), cold_start_table.rows(advice), words=1), "",
        escape(cold_start_table.meaning(advice)), "",
        "<details><summary>What this supposes</summary>", "", *supposed, "", "</details>", "",
    ]  # fmt: skip


def _of_mode(told: ModeTable) -> list[str]:
    return markdown_table(told.names, told.rows)


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 0) -> list[str]:
    """Return a table, figures to the right; the last `words` columns are words."""
    aligned = ["---:"] * (len(headers) - words) + [":---"] * words
    return [_line([escape(header) for header in headers]), _line(aligned), *(_line(map(escape, row)) for row in rows)]


def _line(fields: Iterable[str]) -> str:
    return f"| {' | '.join(fields)} |"


def _how_to_reproduce(result: RunResult) -> list[str]:
    text = printable(reproduce.command(result), kept="\n")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    said = [f"- {escape(caution)}" for caution in reproduce.cautions(result)]
    version = result.environment.get("lambdatune")
    made = f"lambdatune {version}, {result.started}" if version else result.started
    return [
        "<details><summary>How to reproduce</summary>", "", f"{fence}sh", text, fence, "",
        *said, *([""] if said else []), f"Made by {escape(made)}.", "", "</details>",
    ]  # fmt: skip
