"""What runs left behind in one account and region, undone without their journals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.aws.access import AwsAccess
from lambdatune.aws.leftovers import find_leftovers
from lambdatune.model.change import Place
from lambdatune.model.errors import UsageError
from lambdatune.session.liveness import why_in_use
from lambdatune.session.restore import Undone, undo_one

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lambdatune.aws.leftovers import Leftover
    from lambdatune.session.events import Observer
    from lambdatune.session.run_directory import RunDirectory


async def sweep_place(
    *,
    region: str | None,
    aws_profile: str | None,
    endpoint_url: str | None,
    runs: Iterable[RunDirectory],
    observer: Observer,
) -> list[Undone]:
    """Undo what AWS's lists, tags and descriptions show to be left by runs, of this machine and of others.

    Nothing of a run that is, or may be, still going is touched.

    Args:
        region: AWS region; None takes it from the AWS configuration.
        aws_profile: a profile of the AWS configuration; None is the standard chain.
        endpoint_url: an endpoint that speaks like AWS; None is AWS.
        runs: those known on this machine: their journals name log groups, which bear no mark themselves.
        observer: is told what was undone.

    Raises:
        AwsRefused: when AWS does not let functions, tags or log groups be listed.
    """
    known = list(runs)
    async with AwsAccess(region=region, aws_profile=aws_profile, endpoint_url=endpoint_url) as access:
        place = Place(access.region, endpoint_url, aws_profile)
        done = []
        for leftover in await find_leftovers(access, place, _log_groups_of(known)):
            reason = _why_in_use(leftover, known)
            if reason is not None:
                done.append(Undone(leftover.change.thing, str(place), "in use", reason))
                continue
            outcome = await undo_one(access, leftover.change)
            if outcome.state in {"removed", "put back"}:
                observer.narrate(f"{outcome.state}: {leftover.change}")
            done.append(outcome)
        return done


def _log_groups_of(runs: list[RunDirectory]) -> set[str]:
    """Return the log groups that journals name; one that cannot be read names none."""
    names = set()
    for run in runs:
        try:
            names |= {change.name for change in run.journal.intents() if change.kind == "create-log-group"}
        except UsageError:
            continue  # `restore RUN` and the pass over what is owed say what is wrong with it
    return names


def _owner_of(run: RunDirectory) -> str | None:
    try:
        return run.journal.owner()
    except UsageError:
        return None  # as above


def _why_in_use(leftover: Leftover, known: list[RunDirectory]) -> str | None:
    """Return why something may belong to a run that is still going; None when its run has ended."""
    owner = leftover.owner or next((_owner_of(run) for run in known if run.id == leftover.run), None)
    reason = why_in_use(leftover.run, owner)
    return reason and f"{reason}; if it is not: {leftover.change.command()}"
