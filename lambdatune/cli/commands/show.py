"""``lambdatune show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lambdatune.model.errors import UsageError
from lambdatune.model.power_tuning import is_url, read_visualization_url
from lambdatune.model.quantities import parse_share, parse_traffic_per_s
from lambdatune.model.target import parse_target
from lambdatune.reports.formats import FORMATS, ROW_FORMATS, render, render_recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.model.result import RunResult
    from lambdatune.session.replay import WhatIf
    from lambdatune.session.run_directory import RunDirectory
    from lambdatune.session.variants.directory import ComparisonDirectory

Value = TypeVar("Value")

_TAGGED = ("hgrm", "hlog")
_DOING = ("--format", "--change", "--apply", "--undo-apply")
"""What a command can do: one of these, `--format text` when none is given."""
_TAKEN = {
    "--format": {"--tag", "--to", "--target and the like"},
    "--change": {"--to", "--target and the like"},
    "--apply": {"--yes", "--target and the like"},
    "--undo-apply": {"--yes"},
}
"""What each takes besides."""
_TOOLS = ("sam", "cloudformation", "terraform", "cdk", "serverless", "aws-cli")


@click.command("show")
@click.argument("run")
@click.option("--format", "format_name", type=click.Choice((*FORMATS, *ROW_FORMATS)),
              help="How to render it. [default: text]")  # fmt: skip
@click.option("--tag", metavar="TAG", help="With hgrm and hlog: only this one, for example mem-512.warm.duration.")
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
@click.option("--change", "tool", type=click.Choice(_TOOLS),
              help="Print the change that follows the advice, for this tool; nothing is changed.")  # fmt: skip
@click.option("--apply", "is_applied", is_flag=True,
              help="Set the memory size of your function to the advice, after a question.")  # fmt: skip
@click.option("--undo-apply", "is_undone", is_flag=True,
              help="Put back the memory size that it had before the last --apply of RUN.")  # fmt: skip
@click.option("--yes", "assume_yes", is_flag=True, help="Do not ask before --apply and --undo-apply.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Where RUN is looked for. [default: the user's data directory]")  # fmt: skip
@click.option("--to", "file", type=click.Path(path_type=Path), metavar="FILE",
              help="Write it there instead of to stdout.")  # fmt: skip
def command(  # noqa: PLR0917  click gives options by name
    run: str,
    format_name: str | None,
    tag: str | None,
    tool: str | None,
    is_applied: bool,
    is_undone: bool,
    assume_yes: bool,
    output: Path | None,
    file: Path | None,
    **anew: Any,
) -> None:
    """Render a recorded run, finished or interrupted, or decide it anew from its recorded calls.

    RUN is a run's directory, its id or the start of it, or `latest`; the directory or id of a comparison that `run`
    made; or a visualization URL of aws-lambda-power-tuning, in quotes, whose figures are printed.

    \b
    Exit codes: 0 shown, or applied, 2 usage, or nothing to apply, 7 AWS refused,
    8 --undo-apply: someone else has changed the size since.
    """  # noqa: D301  \b keeps click from joining the lines
    asked = {
        "--format": format_name is not None, "--change": tool is not None, "--apply": is_applied,
        "--undo-apply": is_undone, "--tag": tag is not None, "--to": file is not None, "--yes": assume_yes,
        "--target and the like": any(value not in (None, ()) for value in anew.values()),
    }  # fmt: skip
    _refuse_clashes(run, {option for option, is_given in asked.items() if is_given}, format_name)
    if is_url(run):
        _put(_figures(run), file)
        return
    from lambdatune.session.replay import open_run  # noqa: PLC0415  heavy, and not needed for --help
    from lambdatune.session.run_directory import default_output, find_run  # noqa: PLC0415
    from lambdatune.session.variants.directory import find_comparison  # noqa: PLC0415
    from lambdatune.session.variants.recorded import compare_recorded  # noqa: PLC0415

    whole = find_comparison(run, output or default_output())
    if whole is not None:
        _refuse_of_one(whole, {option for option, is_given in asked.items() if is_given}, format_name)
        _put(render(compare_recorded(whole, _what_if(**anew)), format_name or "text"), file)
        return
    found = find_run(run, output or default_output())
    if is_undone:
        _undo(found, assume_yes=assume_yes)
        return
    result = open_run(found, _what_if(**anew))
    if is_applied:
        _apply(found, result, assume_yes=assume_yes)
    elif tool is not None:
        _put(_change(result, tool), file)
    else:
        _put(_render(found, result, format_name or "text", tag), file)


def _refuse_of_one(whole: ComparisonDirectory, given: set[str], format_name: str | None) -> None:
    """Refuse what is only to be had of one run.

    Raises:
        UsageError: naming it.
    """
    from lambdatune.reports.comparison_report import COMPARISON_FORMATS  # noqa: PLC0415  not needed for --help

    of_one = sorted((given & set(_DOING)) - {"--format"})
    if format_name is not None and format_name not in COMPARISON_FORMATS:
        of_one.append(f"--format {format_name}")
    if of_one:
        run = next(iter(whole.runs().values()), None)
        raise UsageError(
            f"{of_one[0]} is for one run, and {whole.id} is a comparison of several",
            hint=f"show the run of one variant, {'' if run is None else run.id}; a comparison has the formats "
            f"{', '.join(COMPARISON_FORMATS)}",
        )


def _refuse_clashes(run: str, given: set[str], format_name: str | None) -> None:
    """Refuse options that would do nothing beside each other.

    Raises:
        UsageError: naming both.
    """
    doing = sorted(given & set(_DOING))
    if len(doing) > 1:
        raise UsageError(f"{doing[0]} does one thing, and {doing[1]} another", hint="leave one of them out")
    does = doing[0] if doing else "--format"
    idle = sorted(given - set(_DOING) - _TAKEN[does])
    if is_url(run):
        idle, does = sorted(given - {"--to"}), "a visualization URL"
    if idle:
        raise UsageError(f"{idle[0]} says nothing to {does}", hint="leave it out")
    if "--tag" in given and format_name not in _TAGGED:
        raise UsageError(f"--tag: format {format_name or 'text'} has no tags",
                         hint="add --format hgrm or --format hlog")  # fmt: skip


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


def _render(run: RunDirectory, result: RunResult, format_name: str, tag: str | None) -> str:
    from lambdatune.session.replay import RecordedRun  # noqa: PLC0415  heavy, and not needed for --help

    if tag is None:
        return render_recorded(result, format_name, lambda: RecordedRun(run))
    if format_name == "hlog":
        from lambdatune.reports.hlog_report import render_hlog  # noqa: PLC0415  heavy, too

        return render_hlog(RecordedRun(run), tag)
    from lambdatune.reports.hgrm_report import render_hgrm  # noqa: PLC0415  heavy, too

    return render_hgrm(result, tag)


def _change(result: RunResult, tool: str) -> str:
    from lambdatune.reports.change_report import render_change  # noqa: PLC0415

    return render_change(result, tool)


def _figures(url: str) -> str:
    from lambdatune.reports.tuning_table import render_tunings  # noqa: PLC0415

    return render_tunings(read_visualization_url(url))


def _apply(run: RunDirectory, result: RunResult, *, assume_yes: bool) -> None:
    from lambdatune.cli.applying import apply_advice, refuse_unasked  # noqa: PLC0415  heavy, too

    refuse_unasked("--apply", assume_yes=assume_yes)
    click.echo(apply_advice(run, result, assume_yes=assume_yes))


def _undo(run: RunDirectory, *, assume_yes: bool) -> None:
    from lambdatune.cli.applying import refuse_unasked, undo_advice  # noqa: PLC0415  heavy, too

    refuse_unasked("--undo-apply", assume_yes=assume_yes)
    click.echo(undo_advice(run, assume_yes=assume_yes))
