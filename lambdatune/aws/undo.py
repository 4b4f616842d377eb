"""Undoing one change, whether it was made, half made or put back already."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdatune.aws.functions import variables_of, wait_settled
from lambdatune.aws.marks import NONCE_VARIABLE, read_description, read_nonce
from lambdatune.aws.modes.undo import UNDO as UNDO_OF_MODES
from lambdatune.aws.provisioned import take_away
from lambdatune.aws.refusals import error_code, refused
from lambdatune.model.errors import AwsRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lambdatune.aws.access import AwsAccess
    from lambdatune.model.change import Change, ChangeKind

_NOT_THERE = "ResourceNotFoundException"
_TRIES = 5
_LATE_LINES_S = 5.0
"""Lambda delivers log lines seconds after the call, and makes the group anew for them."""


async def undo_change(access: AwsAccess, change: Change) -> bool:
    """Undo `change`; return whether there was something to undo.

    Raises:
        AwsRefused: when AWS refuses, or what is there cannot be told from what its owner wants.
    """
    return await _UNDO[change.kind](access, change)


async def _delete_clone(access: AwsAccess, change: Change) -> bool:
    return await _delete_function(access, change.name)


async def _delete_function(access: AwsAccess, name: str, qualifier: str | None = None) -> bool:
    client = await access.functions()
    ask: dict[str, Any] = {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})
    with refused(f"deleting {f'version {qualifier} of ' if qualifier else ''}function `{name}`"):
        try:
            await client.delete_function(**ask)
        except ClientError as error:
            if error_code(error) == _NOT_THERE:
                return False
            raise
    return True


async def _delete_log_group(access: AwsAccess, change: Change) -> bool:
    """Delete a log group; on AWS again when the last lines have come, which would bring it back.

    Its function is deleted by then: changes are undone last first.
    """
    name = change.name
    was_there = await _delete_log_group_now(access, name)
    if access.endpoint_url is not None:
        return was_there
    await asyncio.sleep(_LATE_LINES_S)
    return await _delete_log_group_now(access, name) or was_there


async def _delete_log_group_now(access: AwsAccess, name: str) -> bool:
    client = await access.logs()
    with refused(f"deleting log group `{name}`"):
        try:
            await client.delete_log_group(logGroupName=name)
        except ClientError as error:
            if error_code(error) == _NOT_THERE:
                return False
            raise
    return True


async def _take_away_provisioned(access: AwsAccess, change: Change) -> bool:
    return await take_away(access, change.name, str(change.version))


async def _put_back(access: AwsAccess, change: Change) -> bool:
    """Take the run's nonce out of `$LATEST`, and its memory size where it is still the one that the run set.

    All else is left as it is found, so that what its owner changed meanwhile stays.
    """
    client, name = await access.functions(), change.name
    for _ in range(_TRIES):
        try:
            now = await wait_settled(client, name)
        except AwsRefused as error:
            if error.code == _NOT_THERE:
                return False
            raise
        variables = _readable_variables(now, name)
        nonce = read_nonce(variables.pop(NONCE_VARIABLE, ""))
        memory_mb: int = now["MemorySize"]
        if nonce is None or nonce.maker.run != change.run:
            _refuse_doubtful_size(change, memory_mb)
            return False
        if memory_mb == change.changed_memory_mb and change.memory_mb is not None:
            memory_mb = change.memory_mb
        with refused(f"putting back function `{name}`"):
            try:
                await client.update_function_configuration(
                    FunctionName=name, MemorySize=memory_mb, Environment={"Variables": variables},
                    RevisionId=now["RevisionId"],
                )  # fmt: skip
            except ClientError as error:
                if error_code(error) != "PreconditionFailedException":
                    raise
                continue
        await wait_settled(client, name)
        return True
    raise AwsRefused(f"function `{name}` is being changed by someone else again and again", hint="try again later")


def _readable_variables(configuration: dict[str, Any], name: str) -> dict[str, str]:
    problem = configuration.get("Environment", {}).get("Error")
    if problem:
        raise AwsRefused(
            f"the environment variables of `{name}` cannot be read: {problem.get('Message') or 'no reason given'}",
            hint="ask for kms:Decrypt with the function's key",
        )
    return variables_of(configuration)


def _refuse_doubtful_size(change: Change, memory_mb: int) -> None:
    """Refuse to decide about a size that the run set when the mark that came with it is gone."""
    if memory_mb == change.changed_memory_mb != change.memory_mb:
        raise AwsRefused(
            f"function `{change.name}` has {memory_mb} MB, which run {change.run} set, but the run's mark is gone: it "
            f"had {change.memory_mb} MB before, and may be meant to have {memory_mb} MB now"
        )


async def _delete_versions(access: AwsAccess, change: Change) -> bool:
    """Delete what the run published: the version that is named, or all that bear its description."""
    client = await access.functions()
    numbers = []
    with refused(f"listing the versions of function `{change.name}`"):
        try:
            async for page in client.get_paginator("list_versions_by_function").paginate(FunctionName=change.name):
                for version in page["Versions"]:
                    maker = read_description(version.get("Description", ""))
                    if maker is not None and maker.run == change.run and change.version in {None, version["Version"]}:
                        numbers.append(version["Version"])
        except ClientError as error:
            if error_code(error) == _NOT_THERE:
                return False
            raise
    for number in numbers:
        await _delete_function(access, change.name, number)
    return bool(numbers)


_UNDO: dict[ChangeKind, Callable[[AwsAccess, Change], Awaitable[bool]]] = {
    "create-function": _delete_clone,
    "create-log-group": _delete_log_group,
    "update-function": _put_back,
    "publish-version": _delete_versions,
    "put-provisioned-concurrency": _take_away_provisioned,
    **UNDO_OF_MODES,
}
