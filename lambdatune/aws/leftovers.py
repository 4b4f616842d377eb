"""What runs left behind, found without a journal: by what AWS's own lists, tags and descriptions say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdatune.aws.functions import LATEST, variables_of
from lambdatune.aws.marks import CLONE_PREFIX as PREFIX
from lambdatune.aws.marks import (
    LOG_GROUP_PREFIX,
    NONCE_VARIABLE,
    OWNER_TAG,
    RUN_TAG,
    log_group_of,
    read_description,
    read_nonce,
    run_of_clone,
)
from lambdatune.aws.modes.leftovers import set_up_for
from lambdatune.aws.refusals import refused
from lambdatune.model.change import Change

if TYPE_CHECKING:
    from collections.abc import Collection

    from types_aiobotocore_lambda import LambdaClient

    from lambdatune.aws.access import AwsAccess
    from lambdatune.model.change import Place


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that a run made and that is there.

    Attributes:
        change: what undoes it.
        run: id of the run.
        owner: the process that made it, ``host:pid:start``; None when nothing tells.
    """

    change: Change
    run: str
    owner: str | None


async def find_leftovers(access: AwsAccess, place: Place, known_log_groups: Collection[str]) -> list[Leftover]:
    """Return what runs left in the account and region of `access`, in the order in which to undo it.

    A function counts as a clone only when its name and its tag name the same run; what a mode set up when it is named
    like that run's and Lambda says that it invokes the clone; a version when both its description and its nonce name
    the run; a log group when its clone is found here too, or it is one of `known_log_groups`: those that journals on
    this machine name.

    Raises:
        AwsRefused: when functions, tags or log groups may not be listed.
    """
    client = await access.functions()
    found: list[Leftover] = []
    foreign: set[str] = set()
    with refused(f"listing the functions in {place}"):
        async for page in client.get_paginator("list_functions").paginate(FunctionVersion="ALL"):
            for entry in page["Functions"]:
                configuration: dict[str, Any] = dict(entry)
                name, is_latest = configuration["FunctionName"], configuration["Version"] == LATEST
                if run_of_clone(name) is None:
                    leftover = _on_users_function(configuration, place)
                elif is_latest:
                    leftover = await _clone(client, configuration, place)
                    foreign |= set() if leftover else {name}
                    found += await _set_up_for(access, leftover, configuration["FunctionArn"]) if leftover else []
                else:
                    leftover = None
                found += [leftover] if leftover else []
    return found + await _log_groups(access, place, found, set(known_log_groups) - set(map(log_group_of, foreign)))


def _on_users_function(configuration: dict[str, Any], place: Place) -> Leftover | None:
    """Return what is left on a function that is no clone: a version that was published, or a change of $LATEST."""
    name, version = configuration["FunctionName"], configuration["Version"]
    nonce = read_nonce(variables_of(configuration).get(NONCE_VARIABLE, ""))
    if nonce is None:
        return None
    maker = nonce.maker
    if version == LATEST:
        change = Change(
            "update-function", name, place, run=maker.run, memory_mb=nonce.before_mb, changed_memory_mb=nonce.now_mb
        )
        return Leftover(change, maker.run, maker.owner)
    if read_description(configuration.get("Description", "")) != maker:
        return None
    return Leftover(Change("publish-version", name, place, run=maker.run, version=version), maker.run, maker.owner)


async def _clone(client: LambdaClient, configuration: dict[str, Any], place: Place) -> Leftover | None:
    name: str = configuration["FunctionName"]
    arn: str = configuration["FunctionArn"].removesuffix(f":{LATEST}")
    with refused(f"reading the tags of function `{name}`"):
        tags = (await client.list_tags(Resource=arn)).get("Tags", {})
    run = run_of_clone(name)
    if run is None or tags.get(RUN_TAG) != run:
        return None
    return Leftover(Change("create-function", name, place), run, tags.get(OWNER_TAG))


async def _set_up_for(access: AwsAccess, clone: Leftover, arn: str) -> list[Leftover]:
    """Return what the run set up for its clone, which is undone before the clone."""
    change = clone.change
    return [Leftover(each, clone.run, clone.owner) for each in await set_up_for(access, change.name, arn, change.place)]


async def _log_groups(
    access: AwsAccess, place: Place, clones: list[Leftover], known_log_groups: set[str]
) -> list[Leftover]:
    by_group = {log_group_of(left.change.name): left for left in clones if left.change.kind == "create-function"}
    client = await access.logs()
    found = []
    with refused(f"listing the log groups in {place}"):
        pages = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=LOG_GROUP_PREFIX + PREFIX)
        async for page in pages:
            for group in page["logGroups"]:
                name = group["logGroupName"]
                run = run_of_clone(name.removeprefix(LOG_GROUP_PREFIX))
                if run is None or not (name in by_group or name in known_log_groups):
                    continue
                owner = by_group[name].owner if name in by_group else None
                found.append(Leftover(Change("create-log-group", name, place), run, owner))
    return found
