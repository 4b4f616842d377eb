"""``lambdatune show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lambdatune.model.errors import UsageError
from lambdatune.model.quantities import parse_share, parse_traffic_per_s
from lambdatune.model.target import parse_target
from lambdatune.reports.formats import FORMATS, render

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.model.result import RunResult
    from lambdatune.session.replay import WhatIf

Value = TypeVar("Value")

_TOOLS = ("sam", "cloudformation", "terraform", "cdk", "serverless", "aws-cli")


@click.command("show")
@click.argument("run")
@click.option("--format", "format_name", type=click.Choice(tuple(FORMATS)), default="text", show_default=True,
              help="How to render it.")  # fmt: skip
@click.option("--tag", metavar="TAG", help="With hgrm: only this histogram, for example mem-512.warm.duration.")
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="TARGET",
    help="Decide anew for this target in place of the run's, with no call. Repeatable: all must hold.",
)
@click.option("--strategy", metavar="STRATEGY", help="Decide anew: cheapest, fastest or balanced.")
@click.option("--confidence", type=float, metavar="SHARE", help="Decide anew with this confidence.")
@click.option("--cold-rate", metavar="SHARE", help="Decide anew for this share of cold starts.")
@click.option("--traffic", metavar="N/s",
              help="Tell what cold starts cost a month at this traffic, and what would pay.")  # fmt: skip
@click.option("--apply", "tool", type=click.Choice(_TOOLS),
              help="Print the change that follows the advice, for this tool; nothing is changed.")  # fmt: skip
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Where RUN is looked for. [default: the user's data directory]")  # fmt: skip
@click.option("--to", "file", type=click.Path(path_type=Path), metavar="FILE",
              help="Write it there instead of to stdout.")  # fmt: skip
def command(
    run: str,
    format_name: str,
    tag: str | None,
    tool: str | None,
    output: Path | None,
    file: Path | None,
    **anew: Any,
) -> None:
    """Render a recorded run, finished or interrupted, or decide it anew from its recorded calls.

    RUN is a run's directory, its id or the start of it, or `latest`.
    """
    from lambdatune.session.replay import open_run  # noqa: PLC0415  heavy, and not needed for --help
    from lambdatune.session.run_directory import default_output, find_run  # noqa: PLC0415

    if tag is not None and format_name != "hgrm":
        raise UsageError(f"--tag: format {format_name} has no tags", hint="add --format hgrm")
    if tool is not None and format_name != "text":
        raise UsageError(f"--apply is printed in place of a report, and --format {format_name} is given as well",
                         hint="leave one of them out")  # fmt: skip
    result = open_run(find_run(run, output or default_output()), _what_if(**anew))
    _put(_render(result, format_name, tag) if tool is None else _change(result, tool), file)


def _put(text: str, file: Path | None) -> None:
    """Write a text to a file, or to stdout.

    Raises:
        UsageError: when it cannot be written.
    """
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"--to: `{file}` cannot be written: {error.strerror}",
            hint="give a file in a directory that exists and may be written to",
        ) from error


def _what_if(
    targets: tuple[str, ...],
    strategy: str | None,
    confidence: float | None,
    cold_rate: str | None,
    traffic: str | None,
) -> WhatIf | None:
    """Return what to decide anew for, None when nothing was given.

    Raises:
        UsageError: naming the option that is wrong.
    """
    from lambdatune.session.replay import WhatIf  # noqa: PLC0415  heavy, and not needed for --help
    from lambdatune.session.setting_table import check_kind  # noqa: PLC0415
    from lambdatune.session.settings import parse_strategy  # noqa: PLC0415

    if not targets and all(value is None for value in (strategy, confidence, cold_rate, traffic)):
        return None
    share = None if cold_rate is None else _read("--cold-rate", parse_share, cold_rate)
    return WhatIf(
        targets=tuple(_read("--target", parse_target, text) for text in targets) or None,
        strategy=None if strategy is None else _read("--strategy", parse_strategy, strategy),
        confidence=None if confidence is None else check_kind("confidence", confidence, "--confidence"),
        cold_rate=share,
        traffic_per_s=None if traffic is None else _read("--traffic", parse_traffic_per_s, traffic),
        traffic_cold_rate=share,
    )


def _read(option: str, parse: Callable[[str], Value], text: str) -> Value:
    try:
        return parse(text)
    except UsageError as error:
        raise UsageError(f"{option}: {error.message}", hint=error.hint) from error


def _render(result: RunResult, format_name: str, tag: str | None) -> str:
    if tag is not None:
        from lambdatune.reports.hgrm_report import render_hgrm  # noqa: PLC0415  heavy, and not needed for --help

        return render_hgrm(result, tag)
    return render(result, format_name)


def _change(result: RunResult, tool: str) -> str:
    from lambdatune.reports.apply_report import render_apply  # noqa: PLC0415

    return render_apply(result, tool)
