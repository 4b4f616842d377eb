"""``lambdatune show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lambdatune.model.errors import UsageError
from lambdatune.reports.csv_report import render_csv
from lambdatune.reports.hgrm_report import render_hgrm
from lambdatune.reports.json_report import render_json
from lambdatune.reports.text import render_text
from lambdatune.session.replay import open_run
from lambdatune.session.run_directory import default_output, find_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.model.result import RunResult

_RENDERERS: dict[str, Callable[[RunResult], str]] = {
    "text": render_text,
    "json": render_json,
    "csv": render_csv,
    "hgrm": render_hgrm,
}


@click.command("show")
@click.argument("run")
@click.option("--format", "format_name", type=click.Choice(list(_RENDERERS)), default="text", show_default=True,
              help="How to render it.")  # fmt: skip
@click.option("--tag", metavar="TAG", help="With hgrm: only this histogram, for example mem-512.warm.duration.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Where RUN is looked for. [default: the user's data directory]")  # fmt: skip
def command(run: str, format_name: str, tag: str | None, output: Path | None) -> None:
    """Render a recorded run, finished or interrupted.

    RUN is a run's directory, its id or the start of it, or `latest`.
    """
    if tag is not None and format_name != "hgrm":
        raise UsageError(f"--tag: format {format_name} has no tags", hint="add --format hgrm")
    result = open_run(find_run(run, output or default_output()))
    text = render_hgrm(result, tag) if format_name == "hgrm" else _RENDERERS[format_name](result)
    click.echo(text, nl=False)
