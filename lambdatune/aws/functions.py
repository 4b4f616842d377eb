"""Functions as they are found: description, lookup with the nearest names, states."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdatune.aws.marks import log_group_of
from lambdatune.aws.refusals import error_code, refused
from lambdatune.aws.unmodelled import unmodelled_of
from lambdatune.model.errors import AwsRefused, UsageError, nearest

if TYPE_CHECKING:
    from types_aiobotocore_lambda import LambdaClient

    from lambdatune.aws.access import AwsAccess

_ARN = re.compile(
    r"arn:(?P<partition>aws[\w-]*):lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):function:"
    r"(?P<name>[\w-]+)(?::(?P<qualifier>[\w$-]+))?"
)
LATEST = "$LATEST"
_FIRST_LOOK_S = 0.05
_PATIENCE_S = 300.0
"""What AWS's waiters function_active_v2 and function_updated_v2 wait."""

_PATIENCE_WITH_VERSION_S = 1560.0
"""What AWS's waiter published_version_active waits: SnapStart takes its snapshot meanwhile."""

MOST_LISTED = 1000
"""A list to choose from that is longer helps nobody, and takes 20 calls a thousand."""

_NAME = re.compile(r"(?P<name>[\w-]{1,64})(?::(?P<qualifier>[\w$-]+))?")


@dataclass(frozen=True, slots=True)
class FunctionDescription:
    """A function as AWS describes it.

    Attributes:
        configuration: AWS's GetFunction ``Configuration``, whole.
        code: AWS's GetFunction ``Code``: a short-lived ``Location`` of the zip, or ``ImageUri``.
        tags: the function's tags.
        qualifier: the version or alias that was described; None for the function itself.
        reserved_concurrency: what is reserved for the function; None when nothing is.
        are_tags_hidden: whether AWS did not give the tags, for want of a permission.
        unmodelled: members of the configuration that the AWS SDK in use does not know, as AWS wrote them.
    """

    name: str
    arn: str
    runtime: str
    architecture: str
    memory_mb: int
    timeout_s: int
    ephemeral_storage_mb: int
    configuration: dict[str, Any]
    code: dict[str, Any]
    tags: dict[str, str]
    qualifier: str | None = None
    reserved_concurrency: int | None = None
    are_tags_hidden: bool = False
    unmodelled: dict[str, Any] = field(default_factory=dict)

    @property
    def shown_name(self) -> str:
        """The name with the version or alias that was described, as it is shown and compared."""
        return f"{self.name}:{self.qualifier}" if self.qualifier else self.name

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables, secrets among them: never to be shown or written."""
        return variables_of(self.configuration)

    @property
    def log_group(self) -> str:
        """The log group that it writes to: its own, unless it is told another."""
        told: str | None = self.configuration.get("LoggingConfig", {}).get("LogGroup")
        return told or log_group_of(self.name)

    @property
    def logs_json(self) -> bool:
        """Whether its log lines, REPORT among them, are JSON."""
        return bool(self.configuration.get("LoggingConfig", {}).get("LogFormat") == "JSON")


def variables_of(configuration: dict[str, Any]) -> dict[str, str]:
    """Return the environment variables of a configuration; they may hold secrets."""
    return dict(configuration.get("Environment", {}).get("Variables", {}))


@dataclass(frozen=True, slots=True)
class FunctionArn:
    """The parts of a function's ARN that say where it is."""

    region: str
    account: str


def where_of(text: str) -> FunctionArn | None:
    """Return region and account when `text` is the ARN of a function, else None."""
    match = _ARN.fullmatch(text)
    return FunctionArn(match["region"], match["account"]) if match else None


def split_function_name(text: str) -> tuple[str, str | None]:
    """Return (name or ARN without qualifier, qualifier) of a name, ``name:qualifier`` or an ARN.

    Raises:
        UsageError: when `text` is none of them.
    """
    match = _ARN.fullmatch(text)
    if match:
        return text.removesuffix(f":{match['qualifier']}") if match["qualifier"] else text, match["qualifier"]
    match = _NAME.fullmatch(text)
    if match is None:
        raise UsageError(
            f"`{text}` is neither the name nor the ARN of a function, nor an existing path",
            hint="a path needs a directory or a zip; a name has letters, digits, - and _",
            setting="function",
        )
    return match["name"], match["qualifier"]


async def describe_function(access: AwsAccess, function: str) -> FunctionDescription:
    """Return the function named `function` (name, ``name:qualifier`` or ARN).

    Raises:
        AwsRefused: when it does not exist (with the nearest names of the region) or may not be read.
        UsageError: when `function` cannot be a function's name.
    """
    name, qualifier = split_function_name(function)
    client = await access.functions()
    ask: dict[str, Any] = {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})
    with refused(f"reading function `{function}`"):
        try:
            answer = await client.get_function(**ask)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                raise await _not_found(client, function, access.region) from error
            raise
    configuration: dict[str, Any] = dict(answer["Configuration"])
    return FunctionDescription(
        name=configuration["FunctionName"],
        arn=configuration["FunctionArn"],
        runtime=configuration.get("Runtime", ""),
        architecture=(configuration.get("Architectures") or ["x86_64"])[0],
        memory_mb=configuration["MemorySize"],
        timeout_s=configuration["Timeout"],
        ephemeral_storage_mb=configuration.get("EphemeralStorage", {}).get("Size", 512),
        configuration=configuration,
        code=dict(answer["Code"]),
        tags=dict(answer.get("Tags", {})),
        qualifier=None if qualifier == LATEST else qualifier,
        reserved_concurrency=answer.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
        are_tags_hidden="TagsError" in answer,
        unmodelled=unmodelled_of(answer),
    )


@dataclass(frozen=True, slots=True)
class FunctionSummary:
    """A function as a list of functions tells it.

    Attributes:
        runtime: AWS's identifier; empty for a container image.
        modified: when its code or configuration changed last, as AWS writes it (ISO 8601).
    """

    name: str
    runtime: str
    architecture: str
    memory_mb: int
    modified: str


async def list_functions(access: AwsAccess) -> tuple[FunctionSummary, ...]:
    """Return the functions of the account in the region by name; of more than `MOST_LISTED` those that come first.

    Raises:
        AwsRefused: when they may not be listed, or nobody answers.
    """
    found: list[FunctionSummary] = []
    with refused("listing functions"):
        # AWS gives 50 a page; the pages are asked for at the pace of the control plane.
        async for page in (await access.functions()).get_paginator("list_functions").paginate():
            found += [_summary(dict(entry)) for entry in page["Functions"]]
            if len(found) >= MOST_LISTED:
                break
    return tuple(sorted(found[:MOST_LISTED], key=lambda function: function.name))


def _summary(entry: dict[str, Any]) -> FunctionSummary:
    return FunctionSummary(
        name=entry["FunctionName"],
        runtime=entry.get("Runtime", ""),
        architecture=(entry.get("Architectures") or ["x86_64"])[0],
        memory_mb=entry.get("MemorySize", 128),
        modified=entry.get("LastModified", ""),
    )


async def wait_ready(client: LambdaClient, function: str, qualifier: str | None = None) -> dict[str, Any]:
    """Wait until `function` (or a version of it) can be invoked and its last update is in force.

    AWS's own waiters look once a second; most updates are done sooner, so the looks here start close
    together and then keep to AWS's pace.

    Returns:
        its configuration then.

    Raises:
        AwsRefused: when it failed, with the reason that AWS gives, or is not ready after five minutes (a version:
            after 26).
    """
    name = f"{function}:{qualifier}" if qualifier else function
    state = await wait_settled(client, function, qualifier)
    if "Failed" in {state.get("State"), state.get("LastUpdateStatus")}:
        reason = state.get("LastUpdateStatusReason") or state.get("StateReason") or "AWS gives no reason"
        raise AwsRefused(f"function `{name}` did not become ready: {reason}")
    return state


async def wait_settled(client: LambdaClient, function: str, qualifier: str | None = None) -> dict[str, Any]:
    """Wait until nothing is under way at `function` (or a version of it), whether that went well or not.

    Returns:
        its configuration then.

    Raises:
        AwsRefused: when something still is after the patience of `wait_ready`, or it may not be read.
    """
    ask: dict[str, Any] = {"FunctionName": function} | ({"Qualifier": qualifier} if qualifier else {})
    name = f"{function}:{qualifier}" if qualifier else function
    patience_s = _PATIENCE_WITH_VERSION_S if qualifier else _PATIENCE_S
    pause_s, waited_s = _FIRST_LOOK_S, 0.0
    while True:
        with refused(f"waiting for function `{name}`"):
            answer = await client.get_function(**ask)
        state: dict[str, Any] = dict(answer["Configuration"])
        if state.get("State", "Active") != "Pending" and state.get("LastUpdateStatus", "Successful") != "InProgress":
            return state
        if waited_s >= patience_s:
            raise AwsRefused(f"function `{name}` was not ready after {patience_s:.0f} s: it is {state.get('State')}")
        await asyncio.sleep(pause_s)
        waited_s += pause_s
        pause_s = min(pause_s * 2, 1.0)


async def _not_found(client: LambdaClient, function: str, region: str) -> AwsRefused:
    names: list[str] = []
    try:
        async for page in client.get_paginator("list_functions").paginate():
            names += [entry["FunctionName"] for entry in page["Functions"]]
    except ClientError:
        names = []  # the list may be forbidden where the look-up is not: then there is no nearest name
    by_folded_name = {name.casefold(): name for name in names}
    bare_name = split_function_name(function)[0].rpartition(":")[2]
    if bare_name in names:
        return AwsRefused(
            f"function `{bare_name}` has no version or alias `{function.rpartition(':')[2]}` in {region}",
            hint=f"`aws lambda list-aliases --function-name {bare_name}` and `list-versions-by-function` list them",
            setting="function",
        )
    match = nearest(bare_name, by_folded_name)
    hint = f"did you mean {by_folded_name[match]}?" if match else "`aws lambda list-functions` lists what is there"
    return AwsRefused(f"function `{function}` was not found in {region}", hint=hint, setting="function")
