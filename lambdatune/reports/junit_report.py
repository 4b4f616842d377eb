"""JUnit XML, as CI servers read it: what was asked for as test cases, each with what was measured.

The elements and attributes are those that the JUnit plugin of Jenkins and its like know (junit-10.xsd of
jenkinsci/xunit-plugin). Nothing is ever skipped: what is not proven has not passed.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from lambdatune.reports import gate_table
from lambdatune.reports.measured import proof_words
from lambdatune.reports.wording import cell_labels, is_best, mode_of, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambdatune.model.gate import GateCheck, GateReport
    from lambdatune.model.result import CellResult, RunResult

_ENDINGS = {"interrupted": "the run was interrupted", "failed": "an error ended the run"}


def render_junit(result: RunResult) -> str:
    """Return a suite with a case for the measurement itself, and one per target at the size of the advice.

    Without an advice there is a case per target and size, each of which tells why it is none. An invalid measurement
    is an error, and so is a size at which the function fails; a target that is missed or unproven is a failure.
    """
    cases = [_measurement(result), *_targets(result)]
    said = [result.recommendation.sentence]
    if result.gate is not None:
        cases += gate_cases(result.gate, result.function.name)
        said.append(result.gate.sentence)
    return suite_of(
        cases, result.function.name, result.started, _properties(result), "\n".join(said), seconds=_seconds(result)
    )


def suite_of(
    cases: Sequence[ET.Element],
    name: str,
    started: str,
    properties: Mapping[str, str],
    said: str,
    *,
    seconds: float | None = None,
) -> str:
    """Return a document with one suite.

    Args:
        cases: test cases.
        name: of the suite.
        started: UTC, as text.
        properties: of the suite.
        said: what the suite prints.
        seconds: how long it took; None when that is not known.
    """
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
        **({} if seconds is None else {"time": f"{seconds:.3f}"}),
    }
    suites = ET.Element("testsuites", {"name": "lambdatune", **counts})
    suite = ET.SubElement(
        suites, "testsuite",
        {"name": _text(name), **counts, "skipped": "0", "timestamp": _text(started.removesuffix("Z"))},
    )  # fmt: skip
    of_suite = ET.SubElement(suite, "properties")
    for key, value in properties.items():
        ET.SubElement(of_suite, "property", {"name": key, "value": _text(value)})
    suite.extend(cases)
    ET.SubElement(suite, "system-out").text = _text(said)
    ET.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suites, encoding="unicode")}\n'


def gate_cases(report: GateReport, classname: str) -> list[ET.Element]:
    """Return a case for the gate as a whole and one for each size and figure, which fails with what was measured."""
    whole = case_of(classname, f"gate against baseline {report.baseline}")
    if report.passes:
        ET.SubElement(whole, "system-out").text = _text(report.sentence)
    else:
        _add(whole, "failure", report.outcome, report.sentence)
    return [whole, *(_checked(check, report, classname) for check in report.checks)]


def _checked(check: GateCheck, report: GateReport, classname: str) -> ET.Element:
    case = case_of(classname, f"gate: {check.measure.replace('_', '.')} at {check.memory_mb} MB")
    ratio = "" if check.ratio is None else f", ratio {check.ratio:.2f}x ({gate_table.interval(check)})"
    actual, base = (gate_table.figure(check, value) for value in (check.figure, check.base))
    told = f"actual {actual}, baseline {base}{ratio}, margin {100 * check.margin:g} %: {check.sentence}"
    if check.outcome == "regression" or (check.outcome == "inconclusive" and report.inconclusive == "fail"):
        _add(case, "failure", check.outcome, told)
    else:
        ET.SubElement(case, "system-out").text = _text(f"{check.outcome}: {told}")
    return case


def _measurement(result: RunResult) -> ET.Element:
    """Return the case that passes when the run came to its end and its numbers describe the function."""
    case = _case(result, "measurement")
    if result.recommendation.status == "invalid" or not result.validity.valid:
        _add(case, "error", "invalid", "; ".join(result.validity.reasons) or result.recommendation.sentence)
    elif result.status != "complete":
        _add(case, "error", result.status, f"{_ENDINGS[result.status]}: {result.recommendation.sentence}")
    elif result.recommendation.status == "unproven" and not result.plan.get("targets"):
        _add(case, "failure", "unproven", result.recommendation.sentence)
    return case


def _targets(result: RunResult) -> list[ET.Element]:
    targets = result.plan.get("targets", [])
    if result.recommendation.status == "invalid" or not result.validity.valid:
        return [_invalid(result, target) for target in targets]
    labels = cell_labels(result)
    chosen = [(cell, label) for cell, label in zip(result.cells, labels, strict=True) if is_best(cell, result)]
    tried = [(cell, label) for cell, label in zip(result.cells, labels, strict=True) if cell.invocations]
    if targets and not (chosen or tried):
        return [_unmeasured(result, target) for target in targets]
    return [_target(result, cell, label, target) for cell, label in chosen or tried for target in targets]


def _invalid(result: RunResult, target: str) -> ET.Element:
    case = _case(result, target)
    _add(case, "error", "invalid", result.recommendation.sentence)
    return case


def _unmeasured(result: RunResult, target: str) -> ET.Element:
    case = _case(result, target)
    _add(case, "failure", "unproven", f"no call was made: {result.recommendation.sentence}")
    return case


def _target(result: RunResult, cell: CellResult, label: str, target: str) -> ET.Element:
    case = _case(result, f"{target} at {label}")
    certificate = next((each for each in cell.certificates if each.target == target), None)
    if cell.verdict == "failed":
        _add(case, "error", "failed", cell.reason or "every call failed")
    elif certificate is None:
        _add(case, "failure", "unproven", "no call was counted")
    elif certificate.status == "meets":
        ET.SubElement(case, "system-out").text = _text(proof_words(cell, certificate))
    else:
        kind = "missed" if certificate.status == "misses" else "unproven"
        _add(case, "failure", kind, proof_words(cell, certificate))
    return case


def _case(result: RunResult, name: str) -> ET.Element:
    return case_of(result.function.name, name)


def case_of(classname: str, name: str) -> ET.Element:
    """Return a test case that passes as long as nothing is added."""
    return ET.Element("testcase", {"classname": _text(classname), "name": _text(name)})


def _add(case: ET.Element, element: str, kind: str, message: str) -> None:
    """Add a failure or error; the message stands in both places, since servers show one or the other."""
    added = ET.SubElement(case, element, {"type": kind, "message": _text(message)})
    added.text = _text(message)


def _properties(result: RunResult) -> dict[str, str]:
    advice, function = result.recommendation, result.function
    found = {
        "run_id": result.id, "function": function.name, "arn": function.arn, "runtime": function.runtime,
        "architecture": result.architectures, "mode": mode_of(result), "confidence": f"{advice.confidence:g}",
        "strategy": advice.strategy, "status": result.status, "recommendation": advice.status,
        "memory_mb": "" if advice.memory_mb is None else str(advice.memory_mb),
        "region": str(result.environment.get("region") or ""), "invocations": str(result.spend.invocations),
        "lambdatune": str(result.environment.get("lambdatune") or ""),
    }  # fmt: skip
    return {name: value for name, value in found.items() if value}


def _seconds(result: RunResult) -> float | None:
    """Return how long the run took; None when it did not end or its times cannot be read."""
    try:
        began, ended = (dt.datetime.fromisoformat(text) for text in (result.started, result.finished or ""))
        return max((ended - began).total_seconds(), 0.0)
    except (ValueError, TypeError):  # no time, or one without and one with a zone
        return None


def _text(text: str) -> str:
    """Return text that XML 1.0 can hold: what it cannot, not even escaped (section 2.2), is not printable either."""
    return printable(text, kept="\t\n")
