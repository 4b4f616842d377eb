"""``lambdatune tui``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("tui")
@click.argument("run", required=False)
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Where runs are looked for. [default: the user's data directory]")  # fmt: skip
def command(run: str | None, output: Path | None) -> int:
    """Look at recorded runs on screens: results, what-if, comparison.

    RUN is a run's directory, its id or the start of it, or `latest`: its result is opened. Without it the list
    of runs is shown. The keys are told by `?`; they can be changed in keymap.toml (docs/tui.md).

    \b
    Exit codes: 0 left with q, 2 usage or no terminal, 130 left with ctrl+c twice, 143 ended by a signal.
    """  # noqa: D301  \b keeps click from joining the lines
    from lambdatune.cli.surface import show_screens  # noqa: PLC0415  only when the screens are shown

    return show_screens(run=run, output=output)
