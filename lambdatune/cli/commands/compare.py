"""``lambdatune compare``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambdatune.cli.plan_options import report_options, reports_from
from lambdatune.model.errors import ExitCode, UsageError
from lambdatune.session.setting_table import Given

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.model.compared import Comparison
    from lambdatune.session.comparing import Reference

_OF_THE_GATE = ("gate-margin", "inconclusive")


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--gate", "is_gate", is_flag=True,
              help="Hold the second run against the first, as CI does: exit code 4 when it is slower, dearer or more "
                   "faulty.")  # fmt: skip
@click.option("--gate-margin", metavar="SHARE", help="With --gate: what is no regression in practice. [default: 5%]")
@click.option("--inconclusive", metavar="pass|fail",
              help="With --gate: whether too few calls to tell pass, and say so, or fail with exit code 5. "
                   "[default: pass]")  # fmt: skip
@click.option("--drift", "drift_runs", type=click.IntRange(2, 10_000), metavar="N",
              help="Also look for a drift over the last N runs up to the last RUN, in --output.")  # fmt: skip
@click.option("--fail-on-drift", is_flag=True, help="End with exit code 4 when a drift to slower is shown.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Where runs are looked for. [default: the user's data directory]")  # fmt: skip
@report_options
def command(
    runs: tuple[str, ...],
    is_gate: bool,
    drift_runs: int | None,
    fail_on_drift: bool,
    output: Path | None,
    **options: Any,
) -> int:
    """Hold recorded runs side by side, the first as the base: figures, the best of all, a verdict for each pair.

    RUN is a run's directory, its id or the start of it, or `latest`; RUN:512 is that run at one size. Runs that were
    not measured alike are refused, with what differs.

    \b
    Exit codes: 0 compared (and no regression shown), 2 usage, or not measured alike,
    4 regression (with --gate), 5 inconclusive (with --inconclusive fail), 6 invalid measurement.
    """  # noqa: D301  \b keeps click from joining the lines
    from lambdatune.cli.report_files import ReportFiles  # noqa: PLC0415  not needed for --help
    from lambdatune.session.comparing import open_reference  # noqa: PLC0415  heavy
    from lambdatune.session.run_directory import default_output  # noqa: PLC0415

    gate_given = {
        name: Given(value, f"--{name}", Path.cwd())
        for name in _OF_THE_GATE
        if (value := options.pop(name.replace("-", "_"))) is not None
    }
    _check_numbers(runs, is_gate=is_gate, is_drift=drift_runs is not None, gate_given=gate_given)
    where = ReportFiles.of(reports_from(None, options))
    place = output or default_output()
    references = [open_reference(text, place) for text in runs]
    comparison = _compared(references, is_gate=is_gate, gate_given=gate_given)
    if drift_runs is not None or fail_on_drift:
        from lambdatune.session.gating import DRIFT_RUNS, drifts  # noqa: PLC0415

        last = references[-1]
        found = drifts(last.run.result(), place, drift_runs or DRIFT_RUNS, last.memory_mb)
        comparison = replace(comparison, drift=found)
    failures = [*where.write(comparison), *filter(None, [where.write_summary(comparison)])]
    for sentence in failures:
        click.echo(f"error: {sentence}", err=True)
    where.show(comparison)
    code = _exit_code(comparison, fail_on_drift=fail_on_drift)
    return code if not failures else code or ExitCode.INTERNAL


def _check_numbers(runs: Sequence[str], *, is_gate: bool, is_drift: bool, gate_given: dict[str, Given]) -> None:
    """Check how many runs were given for what is asked.

    Raises:
        UsageError: naming how many there are, and what is missing.
    """
    if is_gate and len(runs) != 2:
        raise UsageError(
            f"--gate holds one run against one baseline, and {len(runs)} runs are given",
            hint="lambdatune compare --gate BASELINE RUN",
        )
    if gate_given and not is_gate:
        raise UsageError(f"{next(iter(gate_given.values())).origin} belongs to a gate", hint="add --gate")
    if len(runs) < 2 and not is_drift:
        raise UsageError(
            f"one run is given, `{runs[0]}`, and there is nothing to compare it with",
            hint=f"two sizes of one run are {runs[0]}:512 {runs[0]}:1024",
        )


def _compared(references: list[Reference], *, is_gate: bool, gate_given: dict[str, Given]) -> Comparison:
    from lambdatune.session.comparing import compare  # noqa: PLC0415  heavy

    if not is_gate:
        return compare(references)
    from lambdatune.session.gating import Gate, gate_recorded, gate_settings  # noqa: PLC0415

    gate = Gate(references[0], gate_settings(gate_given))
    report = gate_recorded(gate, references[1])
    return replace(compare(references), gate=report)


def _exit_code(comparison: Comparison, *, fail_on_drift: bool) -> ExitCode:
    gate = comparison.gate
    if gate is not None and gate.outcome == "regression":
        return ExitCode.REGRESSION
    if fail_on_drift and any(drift.outcome == "slower" for drift in comparison.drift):
        return ExitCode.REGRESSION
    return ExitCode.OK if gate is None or gate.passes else ExitCode.UNPROVEN
