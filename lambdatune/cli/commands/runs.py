"""``lambdatune runs``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lambdatune.model.errors import LambdatuneError

if TYPE_CHECKING:
    from lambdatune.session.run_directory import RunDirectory


@click.command("runs")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Where runs are looked for. [default: the user's data directory]")  # fmt: skip
def command(output: Path | None) -> None:
    """List recorded runs, newest last."""
    from lambdatune.session.run_directory import default_output, list_runs  # noqa: PLC0415  heavy, and not for --help

    directory = output or default_output()
    lines = [_line(run) for run in list_runs(directory)]
    if not lines:
        click.echo(f"no runs below {directory}", err=True)
        return
    widths = [max(len(fields[column]) for fields in lines) for column in range(3)]
    for fields in lines:
        padded = [field.ljust(width) for field, width in zip(fields[:3], widths, strict=True)]
        click.echo("  ".join([*padded, fields[3]]))


def _line(run: RunDirectory) -> tuple[str, str, str, str]:
    from lambdatune.session.replay import open_run  # noqa: PLC0415

    try:
        result = open_run(run)
    except LambdatuneError as error:
        return run.id, "?", "unreadable", error.message
    sentence = result.recommendation.sentence
    return run.id, result.function.name, result.status, sentence
