"""``lambdatune demo``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lambdatune.cli.plan_options import given_from, plan_from


@click.command("demo")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Directory in which the run's directory is made. [default: the user's data directory]")  # fmt: skip
@click.option("--plain", is_flag=True, help="Text, narrated in lines.")
@click.option("--quiet", is_flag=True, help="Only the result, no narration.")
def command(output: Path | None, plain: bool, quiet: bool) -> int:
    """Tune a bundled function on the embedded endpoint, end to end; no account needed.

    The same as `lambdatune run quickstart`: a real Python handler in real processes, with CPU and memory in
    proportion to the memory size. It takes about a minute. On a terminal it is shown on the screens, elsewhere or with
    --plain as text.
    """
    if not plain and not quiet and sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty():
        from lambdatune.cli.surface import show_screens  # noqa: PLC0415  only when the screens are shown
        from lambdatune.session.live.plans import settings_of  # noqa: PLC0415  not needed for --help

        return show_screens(output=output, settings=settings_of(given_from("quickstart", {})), starts=True)
    from lambdatune.cli.headless import run_headless  # noqa: PLC0415  heavy, and not needed for --help
    from lambdatune.cli.report_files import ReportFiles  # noqa: PLC0415  not needed for --help

    plan = plan_from("quickstart", {})
    return run_headless(plan, output=output, reports=ReportFiles(), plain=plain, quiet=quiet, assume_yes=True)
