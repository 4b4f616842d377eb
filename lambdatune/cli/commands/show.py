"""``lambdatune show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lambdatune.model.errors import UsageError

if TYPE_CHECKING:
    from lambdatune.model.result import RunResult

_FORMATS = ("text", "json", "csv", "hgrm")


@click.command("show")
@click.argument("run")
@click.option("--format", "format_name", type=click.Choice(_FORMATS), default="text", show_default=True,
              help="How to render it.")  # fmt: skip
@click.option("--tag", metavar="TAG", help="With hgrm: only this histogram, for example mem-512.warm.duration.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Where RUN is looked for. [default: the user's data directory]")  # fmt: skip
def command(run: str, format_name: str, tag: str | None, output: Path | None) -> None:
    """Render a recorded run, finished or interrupted.

    RUN is a run's directory, its id or the start of it, or `latest`.
    """
    from lambdatune.session.replay import open_run  # noqa: PLC0415  heavy, and not needed for --help
    from lambdatune.session.run_directory import default_output, find_run  # noqa: PLC0415

    if tag is not None and format_name != "hgrm":
        raise UsageError(f"--tag: format {format_name} has no tags", hint="add --format hgrm")
    result = open_run(find_run(run, output or default_output()))
    click.echo(_render(result, format_name, tag), nl=False)


def _render(result: RunResult, format_name: str, tag: str | None) -> str:
    from lambdatune.reports.csv_report import render_csv  # noqa: PLC0415
    from lambdatune.reports.hgrm_report import render_hgrm  # noqa: PLC0415
    from lambdatune.reports.json_report import render_json  # noqa: PLC0415
    from lambdatune.reports.text import render_text  # noqa: PLC0415

    if format_name == "hgrm":
        return render_hgrm(result, tag)
    return {"text": render_text, "json": render_json, "csv": render_csv}[format_name](result)
