"""``lambdatune run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambdatune.cli.plan_options import (
    comparison_from,
    gate_from,
    gate_options,
    given_from,
    plan_options,
    report_options,
    reports_from,
)
from lambdatune.model.errors import UsageError
from lambdatune.session.settings import build_plan
from lambdatune.session.variants.settings import is_comparison, variants_of

if TYPE_CHECKING:
    from lambdatune.model.plan import Plan
    from lambdatune.model.power_tuning import PowerTuning


@click.command("run")
@click.argument("profile", required=False)
@plan_options
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Directory in which the run's directory is made. [default: the user's data directory]")  # fmt: skip
@gate_options
@report_options
@click.option(
    "--continue",
    "continued",
    metavar="RUN",
    help="Go on with a recorded run in its own directory: a directory, an id or the start of one, or latest.",
)
@click.option(
    "--power-tuning-input",
    "power_tuning",
    metavar="FILE|URL",
    help="Take the plan from an input file of aws-lambda-power-tuning; stdout is then in that tool's output format. "
    "Or take the sizes from its visualization URL, or its output, and compare the figures.",
)
@click.option("--apply", "is_applied", is_flag=True,
              help="Set the memory size of your function to the advice, if one follows, after a question.")  # fmt: skip
@click.option("--plain", is_flag=True, help="Narrate in lines, without a bar.")
@click.option("--quiet", is_flag=True, help="Only the result, no narration.")
@click.option(
    "--yes", "assume_yes", is_flag=True, help="Do not ask: neither before calls that cost money nor before --apply."
)
def command(
    profile: str | None,
    output: Path | None,
    continued: str | None,
    power_tuning: str | None,
    is_applied: bool,
    plain: bool,
    quiet: bool,
    assume_yes: bool,
    **options: Any,
) -> int:
    """Tune a function: measure memory sizes, recommend the cheapest that meets the targets.

    PROFILE is a TOML run profile, or the name of a bundled one (quickstart, cold-starts, queue, ci-gate,
    compare-runtimes). Every option of the plan is also a key of the profile; an option wins over it.

    The function itself is not touched: a clone is made, measured and deleted (--isolation says how else).

    --continue goes on with a run that was interrupted, killed, or left unproven by a limit. Of the options above it
    takes the limits, which count what is added to the run, and --payload, where the run did not record its own.

    --apply changes nothing unless the run ends with exit code 0. `lambdatune show RUN --undo-apply` puts it back.

    Reports are written whatever became of the run. In a GitHub job one in Markdown is added to the job's summary.

    \b
    Exit codes: 0 targets met (or none set), 2 usage, 3 no size meets the targets,
    4 regression against the baseline, 5 unproven, 6 invalid measurement, 7 AWS refused,
    8 something could not be undone, 130/143 interrupted.
    """  # noqa: D301  \b keeps click from joining the lines
    from lambdatune.cli.headless import run_headless  # noqa: PLC0415  heavy, and not needed for --help
    from lambdatune.cli.report_files import ReportFiles  # noqa: PLC0415  not needed for --help

    going_on = gate = calls = None
    figures: tuple[PowerTuning, ...] = ()
    where = ReportFiles.of(reports_from(profile, options))
    if power_tuning is not None:
        plan, figures = _plan_of_input(power_tuning, profile, continued, options, quiet=quiet)
        where = where if figures else where.with_stdout("power-tuning")
    elif continued is not None:
        from lambdatune.cli.continued import continuation_from  # noqa: PLC0415  heavy, too

        going_on = continuation_from(continued, output, profile, options)
        plan = going_on.plan
    else:
        given, tables = comparison_from(profile, options)
        if is_comparison(given, tables):
            _refuse_of_one(profile, options, is_applied=is_applied)
            from lambdatune.cli.side_by_side import run_side_by_side  # noqa: PLC0415  heavy, too

            return run_side_by_side(
                variants_of(given, tables), output=output, reports=where, plain=plain, quiet=quiet,
                assume_yes=assume_yes,
            )  # fmt: skip
        plan = build_plan(given)
    given_gate = gate_from(None if power_tuning is not None else profile, options)
    if given_gate:
        from lambdatune.session.gating import gate_calls, gate_of  # noqa: PLC0415  heavy, too
        from lambdatune.session.run_directory import default_output  # noqa: PLC0415

        gate = gate_of(given_gate, output or default_output())
        calls = gate_calls(given_gate)
    if is_applied:
        _refuse_apply(plan, assume_yes=assume_yes)
    return run_headless(
        plan, output=output, reports=where, plain=plain, quiet=quiet,
        assume_yes=assume_yes, continued=going_on, gate=gate, gate_calls=calls,
        figures=figures, is_applied=is_applied,
    )  # fmt: skip


def _refuse_of_one(profile: str | None, options: dict[str, Any], *, is_applied: bool) -> None:
    """Refuse what is done with one function where several are compared.

    Raises:
        UsageError: naming the option or key.
    """
    gate = next(iter(gate_from(profile, options).values()), None)
    origin = "--apply" if is_applied else None if gate is None else gate.origin
    if origin is not None:
        raise UsageError(
            f"{origin} is for one function, and several are compared",
            hint="leave it out; `lambdatune show RUN` and `compare --gate` take the run of one variant",
        )


def _refuse_apply(plan: Plan, *, assume_yes: bool) -> None:
    """Refuse before the first call what could not be applied after the last.

    Raises:
        UsageError: when there is no function to change, or nobody to ask.
        AwsRefused: when it may not be changed.
    """
    import asyncio  # noqa: PLC0415  heavy, and not needed for --help

    from lambdatune.cli.applying import refuse_unasked  # noqa: PLC0415  heavy, too
    from lambdatune.session.apply import require_permission  # noqa: PLC0415  heavy, too

    if plan.function.is_path:
        raise UsageError(
            f"--apply: `{plan.function.name}` is code on this machine: there is no function to change",
            hint="`lambdatune show latest --change sam` prints the change for what deploys it",
        )
    refuse_unasked("--apply", assume_yes=assume_yes)
    asyncio.run(require_permission(plan))


def _plan_of_input(
    text: str, profile: str | None, continued: str | None, options: dict[str, Any], *, quiet: bool
) -> tuple[Plan, tuple[PowerTuning, ...]]:
    """Return the plan of an input file or a URL of aws-lambda-power-tuning, and the figures that the latter holds.

    Options win over it, and a profile is another plan.

    Raises:
        UsageError: naming the file and its key.
    """
    from lambdatune.session.power_tuning import read_power_tuning  # noqa: PLC0415  not needed for --help

    if profile is not None or continued is not None:
        other = f"profile `{profile}`" if profile is not None else "--continue"
        raise UsageError(f"--power-tuning-input is a plan, and {other} is another", hint="leave one of them out")
    asked = read_power_tuning(text, "--power-tuning-input")
    given = asked.given | given_from(None, options)
    if asked.figures and "function" not in given:
        raise UsageError("--power-tuning-input: a visualization URL does not tell which function it is about",
                         hint="add --function NAME")  # fmt: skip
    for note in asked.notes if not quiet else ():
        click.echo(f"note: {note}", err=True)
    return build_plan(given), asked.figures
