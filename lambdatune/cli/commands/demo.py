"""``lambdatune demo``."""

from __future__ import annotations

from pathlib import Path

import click

from lambdatune.cli.plan_options import plan_from


@click.command("demo")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Directory in which the run's directory is made. [default: the user's data directory]")  # fmt: skip
@click.option("--plain", is_flag=True, help="Narrate in lines, without a bar.")
@click.option("--quiet", is_flag=True, help="Only the result, no narration.")
def command(output: Path | None, plain: bool, quiet: bool) -> int:
    """Tune a bundled function on the embedded endpoint, end to end; no account needed.

    The same as `lambdatune run quickstart`: a real Python handler in real processes, with CPU and memory in
    proportion to the memory size. It takes about a minute.
    """
    from lambdatune.cli.headless import run_headless  # noqa: PLC0415  heavy, and not needed for --help

    plan = plan_from("quickstart", {})
    return run_headless(plan, output=output, json_file=None, plain=plain, quiet=quiet, assume_yes=True)
