"""``lambdatune restore``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lambdatune.model.errors import NotUndone, UsageError

if TYPE_CHECKING:
    from lambdatune.session.restore import Undone


@click.command("restore")
@click.argument("run", required=False)
@click.option("--all", "every", is_flag=True, help="Every run that was killed before it could undo its changes.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Where RUN is looked for. [default: the user's data directory]")  # fmt: skip
@click.option("--region", metavar="REGION", help="With --all: search this region for what runs left there, too.")
@click.option("--aws-profile", metavar="NAME", help="With --all: search with this profile of the AWS configuration.")
@click.option("--endpoint-url", metavar="URL", help="With --all: search at this endpoint that speaks like AWS.")
def command(
    run: str | None,
    every: bool,
    output: Path | None,
    region: str | None,
    aws_profile: str | None,
    endpoint_url: str | None,
) -> None:
    """Undo what an interrupted run left behind: clones, versions, log groups, processes.

    RUN is a run's directory, its id or the start of it, or `latest`. A run that is still going is left alone.

    --all undoes what the journals on this machine say. With --region, --aws-profile or --endpoint-url it also
    searches there, without any journal, for what bears the name and the tag (versions: the description) of a run.

    \b
    Exit codes: 0 nothing is left, 2 usage (or the run is still going), 7 AWS refused, 8 something is left:
    the table has a command for each.
    """  # noqa: D301  \b keeps click from joining the lines
    if (run is None) != every:
        raise UsageError("expected either a RUN or --all", hint="`lambdatune restore --all` undoes whatever is left")
    searched = {"region": region, "aws_profile": aws_profile, "endpoint_url": endpoint_url}
    if run is not None and any(searched.values()):
        raise UsageError(
            "--region, --aws-profile and --endpoint-url say where --all searches",
            hint="leave them out: the journal of a RUN says where its changes are",
        )
    import asyncio  # noqa: PLC0415  heavy, and not needed for --help

    done = asyncio.run(_restore(run, output, searched))
    _print(done)
    left = [outcome for outcome in done if outcome.state == "left"]
    if left:
        raise NotUndone(
            f"left behind: {', '.join(outcome.what for outcome in left)}",
            hint="\n      ".join(outcome.detail for outcome in left),
        )


async def _restore(run: str | None, output: Path | None, searched: dict[str, str | None]) -> list[Undone]:
    from lambdatune.cli.narration import PlainNarration  # noqa: PLC0415
    from lambdatune.session.leftovers import sweep_place  # noqa: PLC0415
    from lambdatune.session.restore import restore_all, restore_run  # noqa: PLC0415
    from lambdatune.session.run_directory import OwedUndo, default_output, find_run, list_runs  # noqa: PLC0415

    owed, narration = OwedUndo(), PlainNarration()
    output = output or default_output()
    if run is not None:
        return await restore_run(find_run(run, output), owed, narration)
    known = [*owed.runs(), *list_runs(output)]
    done = await restore_all(owed.runs(), owed, narration)
    if any(searched.values()):
        done += await sweep_place(**searched, runs=known, observer=narration)
    return done


def _print(done: list[Undone]) -> None:
    """Print a table of what became of each change, and the sum."""
    if done:
        what_width = max(len(outcome.what) for outcome in done)
        where_width = max(len(outcome.where) for outcome in done)
        for outcome in done:
            line = f"{outcome.state:<12}  {outcome.what:<{what_width}}  {outcome.where:<{where_width}}"
            click.echo(f"{line}  {outcome.detail}".rstrip())
    undone = sum(outcome.state in {"removed", "put back", "already gone"} for outcome in done)
    in_use = sum(outcome.state == "in use" for outcome in done)
    left = sum(outcome.state == "left" for outcome in done)
    rest = [f"{in_use} in use by a run that is, or may be, still going"] if in_use else []
    rest += [f"{left} left" if left else "nothing is left"] if undone or left else []
    things = "1 change was undone" if undone == 1 else f"{undone} changes were undone"
    click.echo("; ".join([things, *rest]) if undone or left else "; ".join(["nothing was left to undo", *rest]))
