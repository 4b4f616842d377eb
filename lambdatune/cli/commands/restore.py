"""``lambdatune restore``."""

from __future__ import annotations

from pathlib import Path

import click

from lambdatune.model.errors import UsageError


@click.command("restore")
@click.argument("run", required=False)
@click.option("--all", "every", is_flag=True, help="Every run that was killed before it could undo its changes.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Where RUN is looked for. [default: the user's data directory]")  # fmt: skip
def command(run: str | None, every: bool, output: Path | None) -> None:
    """Undo what an interrupted run left behind: clones, versions, log groups, processes.

    RUN is a run's directory, its id or the start of it, or `latest`.
    """
    if (run is None) != every:
        raise UsageError("expected either a RUN or --all", hint="`lambdatune restore --all` undoes whatever is left")
    import asyncio  # noqa: PLC0415  heavy, and not needed for --help

    from lambdatune.cli.narration import PlainNarration  # noqa: PLC0415
    from lambdatune.session.restore import restore_all, restore_run  # noqa: PLC0415
    from lambdatune.session.run_directory import OwedUndo, default_output, find_run  # noqa: PLC0415

    owed, narration = OwedUndo(), PlainNarration()
    if run is None:
        count = asyncio.run(restore_all(owed.runs(), owed, narration))
    else:
        count = asyncio.run(restore_run(find_run(run, output or default_output()), owed, narration))
    things = "1 change was" if count == 1 else f"{count} changes were"
    click.echo(f"{things} undone; nothing is left" if count else "nothing was left to undo")
