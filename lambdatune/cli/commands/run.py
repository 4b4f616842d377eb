"""``lambdatune run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambdatune.cli.plan_options import (
    gate_from,
    gate_options,
    given_from,
    plan_from,
    plan_options,
    report_options,
    reports_from,
)
from lambdatune.model.errors import UsageError
from lambdatune.session.settings import build_plan

if TYPE_CHECKING:
    from lambdatune.model.plan import Plan


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
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take the plan from an input file of aws-lambda-power-tuning; stdout is then in that tool's output format.",
)
@click.option("--plain", is_flag=True, help="Narrate in lines, without a bar.")
@click.option("--quiet", is_flag=True, help="Only the result, no narration.")
@click.option("--yes", "assume_yes", is_flag=True, help="Do not ask before calls that cost money.")
def command(
    profile: str | None,
    output: Path | None,
    continued: str | None,
    power_tuning: Path | None,
    plain: bool,
    quiet: bool,
    assume_yes: bool,
    **options: Any,
) -> int:
    """Tune a function: measure memory sizes, recommend the cheapest that meets the targets.

    PROFILE is a TOML run profile, or the name of a bundled one (quickstart, cold-starts, queue, ci-gate). Every
    option of the plan is also a key of the profile; an option wins over it.

    The function itself is not touched: a clone is made, measured and deleted (--isolation says how else).

    --continue goes on with a run that was interrupted, killed, or left unproven by a limit. Of the options above it
    takes the limits, which count what is added to the run, and --payload, where the run did not record its own.

    Reports are written whatever became of the run. In a GitHub job one in Markdown is added to the job's summary.

    \b
    Exit codes: 0 targets met (or none set), 2 usage, 3 no size meets the targets,
    4 regression against the baseline, 5 unproven, 6 invalid measurement, 7 AWS refused,
    8 something could not be undone, 130/143 interrupted.
    """  # noqa: D301  \b keeps click from joining the lines
    from lambdatune.cli.headless import run_headless  # noqa: PLC0415  heavy, and not needed for --help
    from lambdatune.cli.report_files import ReportFiles  # noqa: PLC0415  not needed for --help

    going_on = gate = None
    where = ReportFiles.of(reports_from(profile, options))
    if power_tuning is not None:
        plan = _plan_of_input(power_tuning, profile, continued, options, quiet=quiet)
        where = where.with_stdout("power-tuning")
    elif continued is not None:
        from lambdatune.cli.continued import continuation_from  # noqa: PLC0415  heavy, too

        going_on = continuation_from(continued, output, profile, options)
        plan = going_on.plan
    else:
        plan = plan_from(profile, options)
    given_gate = gate_from(None if power_tuning is not None else profile, options)
    if given_gate:
        from lambdatune.session.gating import gate_of  # noqa: PLC0415  heavy, too
        from lambdatune.session.run_directory import default_output  # noqa: PLC0415

        gate = gate_of(given_gate, output or default_output())
    return run_headless(
        plan, output=output, reports=where, plain=plain, quiet=quiet,
        assume_yes=assume_yes, continued=going_on, gate=gate,
    )  # fmt: skip


def _plan_of_input(
    path: Path, profile: str | None, continued: str | None, options: dict[str, Any], *, quiet: bool
) -> Plan:
    """Return the plan of an input file of aws-lambda-power-tuning; options win over it, and a profile is another plan.

    Raises:
        UsageError: naming the file and its key.
    """
    from lambdatune.session.power_tuning import read_power_tuning  # noqa: PLC0415  not needed for --help

    if profile is not None or continued is not None:
        other = f"profile `{profile}`" if profile is not None else "--continue"
        raise UsageError(f"--power-tuning-input is a plan, and {other} is another", hint="leave one of them out")
    asked = read_power_tuning(path, "--power-tuning-input")
    for note in asked.notes if not quiet else ():
        click.echo(f"note: {note}", err=True)
    return build_plan(asked.given | given_from(None, options))
