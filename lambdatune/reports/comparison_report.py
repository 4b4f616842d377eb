"""Runs side by side as text, JSON, Markdown, JUnit and a page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import msgspec

from lambdatune.reports import comparison_tables as tables
from lambdatune.reports import gate_table
from lambdatune.reports.plain_table import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.model.compared import Comparison


def render_comparison(comparison: Comparison, format_name: str) -> str:
    """Return a comparison in one of `COMPARISON_FORMATS`."""
    return COMPARISON_FORMATS[format_name](comparison)


def _text(comparison: Comparison) -> str:
    lines = [tables.title(comparison), ""]
    lines += [f"  {run.label}: run {run.id}, {run.started}" for run in comparison.runs if run.label != run.id]
    lines += [""] if lines[-1] else []
    lines += _plain("warm", tables.warm_headers(comparison), tables.warm_rows(comparison))
    cold = tables.cold_rows(comparison)
    lines += ["", *_plain("cold", tables.COLD_HEADERS, cold)] if cold else []
    lines += ["", tables.legend(comparison), ""]
    if comparison.gate is not None and comparison.gate.checks:
        headers = [("", header) for header in gate_table.HEADERS]
        lines += [*table(headers, gate_table.gate_rows(comparison.gate))[1:], ""]
        lines += [gate_table.gate_legend(comparison.gate), ""]
    lines += [f"{kind}: {sentence}" for kind, sentence in tables.notes(comparison)]
    pairs = tables.pair_lines(comparison)
    lines += ["", *pairs] if pairs else []
    return "\n".join([*lines, "", tables.conclusion(comparison)]) + "\n"


def _plain(group: str, headers: tuple[str, ...], rows: list[list[str]]) -> list[str]:
    """Return a table whose first column is aligned left, as names are."""
    width = max(len(row[0]) for row in [[headers[0]], *rows])
    named = [[row[0].ljust(width), *row[1:]] for row in rows]
    grouped = [("", headers[0].ljust(width)), ("", headers[1]), (group, headers[2])]
    return table([*grouped, *(("", header) for header in headers[3:])], named)


def _json(comparison: Comparison) -> str:
    return msgspec.json.format(msgspec.json.encode(comparison), indent=1).decode() + "\n"


def _markdown(comparison: Comparison) -> str:
    from lambdatune.reports.markdown_report import escape, gate_markdown, markdown_table  # noqa: PLC0415

    lines = [f"## lambdatune: {escape(tables.title(comparison))}", ""]
    lines += [] if comparison.gate is not None else [f"**{escape(tables.conclusion(comparison))}**", ""]
    lines += [f"- {escape(sentence)}" for sentence in tables.pair_lines(comparison)]
    lines += ["", *gate_markdown(comparison.gate)] if comparison.gate is not None else [""]
    lines += [
        "### Warm calls",
        "",
        *markdown_table(tables.warm_headers(comparison), tables.warm_rows(comparison), words=1),
    ]
    cold = tables.cold_rows(comparison)
    lines += ["", "### Cold starts", "", *markdown_table(tables.COLD_HEADERS, cold)] if cold else []
    lines += ["", escape(tables.legend(comparison)), "", f"Runs: {escape(tables.labels(comparison.runs))}", ""]
    told = tables.notes(comparison) if comparison.gate is None else [("note", each) for each in comparison.cautions]
    lines += [f"- **{escape(kind)}**: {escape(sentence)}" for kind, sentence in told]
    return "\n".join(lines).rstrip() + "\n"


def _junit(comparison: Comparison) -> str:
    """Return the gate's cases; without a gate a case for each pair, which passes and tells its verdict."""
    from lambdatune.reports.junit_report import case_of, gate_cases, suite_of  # noqa: PLC0415
    from lambdatune.reports.wording import printable  # noqa: PLC0415

    last = comparison.runs[-1]
    name = last.function.name
    if comparison.gate is not None:
        cases = gate_cases(comparison.gate, name)
    else:
        cases = []
        for pair in comparison.pairs:
            case = case_of(name, f"{pair.other} against {pair.base}")
            ET.SubElement(case, "system-out").text = printable(pair.sentence, kept="\t\n")
            cases.append(case)
    properties = {f"run_{number}": run.id for number, run in enumerate(comparison.runs, start=1)}
    return suite_of(cases, name, last.started, properties, tables.conclusion(comparison))


def _html(comparison: Comparison) -> str:
    from lambdatune.reports.html_report import render_page  # noqa: PLC0415  heavy, and not needed for text

    gate = comparison.gate
    status, outcome = ("none", "compared") if gate is None else (_GATE_STATUS[gate.outcome], gate.outcome)
    shown = [("Warm calls", tables.warm_headers(comparison), tables.warm_rows(comparison))]
    cold = tables.cold_rows(comparison)
    shown += [("Cold starts", tables.COLD_HEADERS, cold)] if cold else []
    if gate is not None and gate.checks:
        shown.insert(0, (f"Gate: {gate.outcome}", gate_table.HEADERS, gate_table.gate_rows(gate)))
    return render_page(
        name=tables.title(comparison),
        status=status,
        outcome=outcome,
        sentence=tables.conclusion(comparison),
        points=tables.pair_lines(comparison),
        facts=[("Base", comparison.runs[0].label), ("Strategy", comparison.strategy),
               ("Confidence", f"{comparison.confidence:g}"), ("Runs", tables.labels(comparison.runs))],
        tables=shown,
        legend=tables.legend(comparison),
        remarks=tables.notes(comparison),
        command=" ".join(["lambdatune compare", *(["--gate"] if gate else []), *(run.id for run in comparison.runs)]),
    )  # fmt: skip


_GATE_STATUS = {"no regression shown": "met", "regression": "missed", "inconclusive": "unproven"}

COMPARISON_FORMATS: dict[str, Callable[[Comparison], str]] = {
    "text": _text, "json": _json, "markdown": _markdown, "junit": _junit, "html": _html,
}  # fmt: skip
"""Name of a format to what renders a comparison in it."""
