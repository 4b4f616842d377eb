"""Applying an advice: the memory size of the user's own function, planned, set, and put back.

This is the one place that changes the user's function for good, and only when a person asks for it. What is changed
stands in ``applied.jsonl`` of the run, written and synced before the change. It is a journal of its own, so that
`restore`, which undoes what a run left behind, does not take back what a person wanted.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdatune.aws.access import AwsAccess
from lambdatune.aws.account import region_of
from lambdatune.aws.functions import LATEST, split_function_name
from lambdatune.aws.memory_size import NOTHING_CHANGED, read_size, set_size, try_size
from lambdatune.model.change import Change, Place
from lambdatune.model.errors import AwsRefused, NotUndone, UsageError
from lambdatune.model.memory import parse_memory
from lambdatune.session.fingerprint import CODE_SHA256, CONFIGURATION, OVERRIDDEN
from lambdatune.session.holding import refuse_going
from lambdatune.session.journal import Journal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lambdatune.aws.memory_size import SizeNow
    from lambdatune.model.plan import Plan
    from lambdatune.model.result import RunResult
    from lambdatune.session.run_directory import RunDirectory

APPLIED_FILE = "applied.jsonl"


@dataclass(frozen=True, slots=True)
class PlannedApply:
    """The change that `apply` would make.

    Attributes:
        call: the exact API call, as AWS CLI command.
        function: whose memory size changes.
        from_mb: that it has now.
        to_mb: that it would have; `from_mb` when there is nothing to change.
        revision_id: to give back to `apply`.
        warnings: what else to know before.
        undoes: the size that `undo_apply` would put back; None when nothing that was applied is in force.
    """

    call: str
    function: str
    from_mb: int
    to_mb: int
    revision_id: str
    warnings: tuple[str, ...]
    undoes: int | None


async def require_permission(plan: Plan) -> None:
    """Find out before a run whether its advice may be applied after it; nothing is changed.

    Raises:
        UsageError: when no region is given.
        AwsRefused: when the function does not exist, or the permission to set its size is missing.
    """
    region = region_of(plan.function.name, plan.region)
    async with AwsAccess(region=region, aws_profile=plan.aws_profile, endpoint_url=plan.endpoint_url) as access:
        await try_size(access, plan.function.name)


async def plan_apply(run: RunDirectory, memory_mb: int) -> PlannedApply:
    """Return what would set the function that `run` measured to `memory_mb` MB; nothing is changed.

    Raises:
        UsageError: when there is no function to change, the size is none, or the run still holds the function.
        AwsRefused: when the function is not there any more, or may not be read.
    """
    parse_memory(str(memory_mb))
    async with _function_of(run) as (result, place, _, now):
        undoes = _in_force(run, now)
        return PlannedApply(
            call=_call(now, place, memory_mb),
            function=now.name,
            from_mb=now.memory_mb,
            to_mb=memory_mb,
            revision_id=now.revision_id,
            warnings=(
                *(() if undoes and undoes.memory_mb == memory_mb else _doubts(result, now, memory_mb)),
                *_consequences(result, now),
            ),
            undoes=None if undoes is None else undoes.memory_mb,
        )


async def plan_undo(run: RunDirectory) -> PlannedApply:
    """Return what would put back the size that the last `apply` of `run` changed; nothing is changed.

    Raises:
        UsageError: when nothing was applied.
        NotUndone: when the function has another size than the one applied.
        AwsRefused: as `plan_apply`.
    """
    async with _function_of(run) as (result, place, _, now):
        change = _in_force(run, now)
        if change is None or change.memory_mb is None:
            raise _nothing_to_undo(run, now)
        return PlannedApply(
            call=_call(now, place, change.memory_mb),
            function=now.name,
            from_mb=now.memory_mb,
            to_mb=change.memory_mb,
            revision_id=now.revision_id,
            warnings=tuple(_consequences(result, now)),
            undoes=change.memory_mb,
        )


async def apply(run: RunDirectory, memory_mb: int, revision_id: str) -> str:
    """Set the function that `run` measured to `memory_mb` MB; return what is now true, as a sentence.

    Args:
        run: recorded.
        memory_mb: the size.
        revision_id: as `plan_apply` told it.

    Raises:
        UsageError: as `plan_apply`, and when the function has that size already.
        AwsRefused: when the function was changed meanwhile, or AWS refuses.
    """
    parse_memory(str(memory_mb))
    async with _function_of(run) as (_, place, access, now):
        if now.memory_mb == memory_mb:
            raise UsageError(f"function `{now.name}` has {memory_mb} MB already: nothing was changed")
        change = Change("update-function", now.name, place, memory_mb=now.memory_mb, changed_memory_mb=memory_mb)
        journal = journal_of(run)
        journal.intend(change)
        try:
            await set_size(access, now.name, memory_mb=memory_mb, revision_id=revision_id)
        except AwsRefused as error:
            if error.code in NOTHING_CHANGED:
                journal.undone(change)
            raise
        return f"function `{now.name}` in {place} now has {memory_mb} MB in $LATEST; it had {now.memory_mb} MB"


async def undo_apply(run: RunDirectory, revision_id: str | None = None) -> str:
    """Put back the memory size that the last `apply` of `run` changed; return what is now true, as a sentence.

    Args:
        run: recorded.
        revision_id: of the function as it was when the undo was looked at; None when it was not.

    Raises:
        UsageError: when nothing was applied.
        NotUndone: when the function has another size than the one applied: someone else's choice is never written over.
        AwsRefused: as `apply`.
    """
    async with _function_of(run) as (_, place, access, now):
        change = _in_force(run, now)
        if change is None or change.memory_mb is None:
            raise _nothing_to_undo(run, now)
        await set_size(access, now.name, memory_mb=change.memory_mb, revision_id=revision_id or now.revision_id)
        journal_of(run).undone(change)
        said = f"function `{now.name}` in {place} has {change.memory_mb} MB in $LATEST again"
        return f"{said}, as before {now.memory_mb} MB was applied"


def journal_of(run: RunDirectory) -> Journal:
    """Return the journal of what was applied."""
    return Journal(run.path / APPLIED_FILE)


def _in_force(run: RunDirectory, now: SizeNow) -> Change | None:
    """Return the last change that was applied and is in force; None when there is none."""
    pending = journal_of(run).pending()
    last = pending[0] if pending else None
    return last if last is not None and last.changed_memory_mb == now.memory_mb else None


def _nothing_to_undo(run: RunDirectory, now: SizeNow) -> UsageError | NotUndone:
    pending = journal_of(run).pending()
    if not pending:
        return UsageError(
            f"nothing of run {run.id} is applied to function `{now.name}`, so that there is nothing to put back"
        )
    last = pending[0]
    return NotUndone(
        f"function `{now.name}` has {now.memory_mb} MB, and {last.changed_memory_mb} MB was applied: "
        "someone else changed it since, and their choice stays",
        hint=f"by hand: {last.command()}",
    )


@asynccontextmanager
async def _function_of(run: RunDirectory) -> AsyncIterator[tuple[RunResult, Place, AwsAccess, SizeNow]]:
    """Open the way to the function that `run` measured, and read it."""
    result = run.read()
    _refuse_unfit(run, result)
    environment, plan = result.environment, result.plan
    place = Place(environment["region"], plan.get("endpoint_url"), plan.get("aws_profile"))
    async with AwsAccess(region=place.region, aws_profile=place.aws_profile, endpoint_url=place.endpoint_url) as access:
        now = await read_size(access, result.function.name)
        measured, _ = split_function_name(result.function.arn)
        if measured != now.arn:
            raise UsageError(
                f"run {run.id} measured {measured}, and the credentials in use lead to {now.arn}",
                hint="use the credentials of the account that was measured",
            )
        yield result, place, access, now


def _refuse_unfit(run: RunDirectory, result: RunResult) -> None:
    """Refuse a run that has no function to change, or whose function is still its own to change."""
    if result.plan["function"]["is_path"]:
        raise UsageError(
            f"run {run.id} measured code on this machine: there is no function that the size could be applied to",
            hint="give the memory size to whatever deploys the code",
        )
    refuse_going(run, finished=result.finished is not None)
    name, _ = split_function_name(result.function.name)
    if any(change.name == name for change in run.journal.pending()):
        raise UsageError(
            f"run {run.id} still owes an undo of function `{name}` itself",
            hint=f"`lambdatune restore {run.path}` first",
        )


def _call(now: SizeNow, place: Place, memory_mb: int) -> str:
    return (
        f"aws lambda update-function-configuration --function-name {now.name} --memory-size {memory_mb} "
        f"--revision-id {now.revision_id}{place.options}"
    )


def _doubts(result: RunResult, now: SizeNow, memory_mb: int) -> list[str]:
    """Return why the size may not be what the measurement advises for the function as it is now."""
    found = []
    measured = [cell.memory_mb for cell in result.cells if cell.warm.count]
    if memory_mb not in measured:
        found.append(f"{memory_mb} MB was not measured in this run")
    advice = result.recommendation
    if memory_mb in measured and memory_mb != advice.memory_mb:
        found.append(f"the run itself does not advise {memory_mb} MB: {advice.sentence}")
    if advice.status == "none":
        found.append("no target was set, so that its latency was not judged")
    if not result.validity.valid:
        found.append(f"the measurement is invalid: {'; '.join(result.validity.reasons)}")
    found += _otherwise(result)
    if now.memory_mb != result.function.memory_mb:
        found.append(f"it had {result.function.memory_mb} MB when it was measured, and has {now.memory_mb} MB now")
    code = result.environment.get(CODE_SHA256)
    if code is not None and code != now.code_sha256:
        found.append("its code is another one than was measured")
    return found


def _otherwise(result: RunResult) -> list[str]:
    """Return in what the clone that was measured differs from the function, which a memory size does not change."""
    measured = result.environment.get(CONFIGURATION) or {}
    found = [
        f"its clone was measured with {name} {measured.get(name)}, and the function has {own}"
        for name, own in (result.environment.get(OVERRIDDEN) or {}).items()
    ]
    environments = result.plan.get("provisioned_concurrency")
    return found + (
        [f"it was measured with {environments} provisioned environments, which the function may not have"]
        if environments
        else []
    )


def _consequences(result: RunResult, now: SizeNow) -> list[str]:
    """Return what comes with a change of the size, and what does not."""
    found = [_untouched(result, now)]
    if now.stack is not None:
        found.append(f"CloudFormation stack {now.stack} manages it: its next deployment sets the template's size again")
    if now.tag is not None:
        found.append(f"its tag {now.tag} says what deploys it: the next deployment sets its own size again")
    found.append("every running environment is replaced: the next calls start cold")
    return found


def _untouched(result: RunResult, now: SizeNow) -> str:
    """Return which traffic the change does not reach."""
    _, qualifier = split_function_name(result.plan["function"]["name"])
    which = f"the run measured `{qualifier}`; " if qualifier not in {None, LATEST} else ""
    if now.versions is None or now.aliases is None:
        said = (
            "only $LATEST changes; whether there are versions and aliases may not be read: any of them keeps its size"
        )
    elif not now.versions:
        said = "only $LATEST changes; no version is published, so that all calls get the new size"
    else:
        versions = f"{now.versions} published version" + ("s" if now.versions > 1 else "")
        aliases = f" and alias {', '.join(now.aliases)}" if now.aliases else ""
        said = f"only $LATEST changes: {versions}{aliases} keep their size, and calls through them do too"
    return which + said
