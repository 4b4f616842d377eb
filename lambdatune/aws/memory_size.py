"""The memory size of the user's own function: read, with what stands beside it, and set under a RevisionId guard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdatune.aws.functions import LATEST, describe_function, split_function_name, wait_ready, wait_settled
from lambdatune.aws.refusals import DENIED, error_code, refused
from lambdatune.aws.versions import REFUSED_SIZE, is_same_configuration
from lambdatune.model.errors import AwsRefused

if TYPE_CHECKING:
    from types_aiobotocore_lambda import LambdaClient

    from lambdatune.aws.access import AwsAccess

_STACK_TAG = "aws:cloudformation:stack-name"
"""AWS's tag of what a CloudFormation stack manages (AWS docs, "Resource tags")."""

_TOOLS = frozenset({"terraform", "opentofu", "pulumi", "ansible", "crossplane"})
"""What tags such as ``managed-by`` name, where a team sets them; no tool but CloudFormation tags by itself."""

_CHANGED = "PreconditionFailedException"

_NO_REVISION = "00000000-0000-0000-0000-000000000000"

NOTHING_CHANGED = frozenset({_CHANGED}) | REFUSED_SIZE | DENIED
"""Codes of refusals after which the function surely is as it was."""


@dataclass(frozen=True, slots=True)
class SizeNow:
    """A function's ``$LATEST`` as it is now, as far as its memory size is concerned.

    Attributes:
        arn: of the function, without version or alias.
        memory_mb: its memory size.
        revision_id: changes with every change of the function.
        code_sha256: of its code; empty where AWS tells none.
        versions: how many are published, and so keep their size; None when that may not be read.
        aliases: the names that point to versions; None when they may not be read.
        stack: the CloudFormation stack that manages it; None when a tag names none.
        tag: the tag that names another tool as what manages it, ``managed-by=terraform``; None when there is none.
    """

    name: str
    arn: str
    memory_mb: int
    revision_id: str
    code_sha256: str
    versions: int | None
    aliases: tuple[str, ...] | None
    stack: str | None
    tag: str | None


async def read_size(access: AwsAccess, function: str) -> SizeNow:
    """Return a function as it is when no update of it is under way.

    Raises:
        AwsRefused: when it does not exist, may not be read, or its last update failed.
    """
    name, _ = split_function_name(function)
    found = await describe_function(access, name)
    client = await access.functions()
    now = await wait_ready(client, found.name)
    with refused(f"looking for versions and aliases of function `{name}`"):
        versions, aliases = await _count_versions(client, found.name), await _aliases(client, found.name)
    return SizeNow(
        name=found.name,
        arn=now["FunctionArn"],
        memory_mb=now["MemorySize"],
        revision_id=now["RevisionId"],
        code_sha256=now.get("CodeSha256", ""),
        versions=versions,
        aliases=aliases,
        stack=found.tags.get(_STACK_TAG),
        tag=next((f"{key}={value}" for key, value in found.tags.items() if value.strip().lower() in _TOOLS), None),
    )


async def set_size(access: AwsAccess, function: str, *, memory_mb: int, revision_id: str) -> None:
    """Set the memory size of ``$LATEST``, and wait until it is in force.

    Args:
        access: where the function is.
        function: its name.
        memory_mb: the size.
        revision_id: of the function as it was read: when it is another one now, nothing is changed.

    Raises:
        AwsRefused: when the function was changed meanwhile, AWS refuses, or the update does not come through.
    """
    client = await access.functions()
    before = await wait_settled(client, function)
    if before["RevisionId"] != revision_id:
        raise _changed_meanwhile(function)
    with refused(f"setting the memory size of function `{function}`"):
        try:
            await client.update_function_configuration(
                FunctionName=function, MemorySize=memory_mb, RevisionId=revision_id
            )
        except ClientError as error:
            if error_code(error) != _CHANGED:
                raise
            # The answer to our first request may have been lost, and the request made again.
            now = await wait_settled(client, function)
            if not is_same_configuration(now, {**before, "MemorySize": memory_mb}):
                raise _changed_meanwhile(function) from error
    await wait_ready(client, function)


async def try_size(access: AwsAccess, function: str) -> None:
    """Find out whether the size of a function may be set: the size that it has is set for a revision that it never had.

    Raises:
        AwsRefused: when the function does not exist, or the permission to change it is missing.
    """
    name, _ = split_function_name(function)
    found = await describe_function(access, name)
    client = await access.functions()
    with refused(f"setting the memory size of function `{found.name}`"):
        try:
            await client.update_function_configuration(
                FunctionName=found.name, MemorySize=found.memory_mb, RevisionId=_NO_REVISION
            )
        except ClientError as error:
            if error_code(error) in DENIED:
                raise
            # Any other answer, the one about the revision above all, comes after the question of permission.


def _changed_meanwhile(function: str) -> AwsRefused:
    return AwsRefused(
        f"function `{function}` was changed by someone else since it was looked at: nothing was changed",
        hint="look at the change again, as the function is now",
        code=_CHANGED,
    )


async def _count_versions(client: LambdaClient, function: str) -> int | None:
    count = 0
    try:
        async for page in client.get_paginator("list_versions_by_function").paginate(FunctionName=function):
            count += sum(version["Version"] != LATEST for version in page["Versions"])
    except ClientError:
        return None  # it may be forbidden where the function may be changed
    return count


async def _aliases(client: LambdaClient, function: str) -> tuple[str, ...] | None:
    names: list[str] = []
    try:
        async for page in client.get_paginator("list_aliases").paginate(FunctionName=function):
            names += [alias["Name"] for alias in page["Aliases"]]
    except ClientError:
        return None  # as above
    return tuple(names)
