"""Provisioned concurrency of what a run measures: put, waited for, taken away.

Facts: AWS docs, "Configuring provisioned concurrency for a function"; API reference, PutProvisionedConcurrencyConfig.
It is of a version or an alias, never of ``$LATEST``; calls by exactly that name find the environments, and those that
find none free are served by environments on demand (spill-over). Their init may take as long as the function's timeout,
130 s at the least, and 15 minutes at the most.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdatune.aws.refusals import error_code, refused
from lambdatune.model.change import Change
from lambdatune.model.errors import AwsRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.aws.access import AwsAccess
    from lambdatune.aws.isolation import Ledger
    from lambdatune.model.change import Place

NOT_THERE = frozenset({"ProvisionedConcurrencyConfigNotFoundException", "ResourceNotFoundException"})
"""Codes with which Lambda says that there is no such configuration, version or function."""

_FIRST_LOOK_S = 0.05
_LONGEST_PAUSE_S = 2.0
_PATIENCE_S = 1200.0
"""The longest init that AWS allows, 15 minutes, and some for the allocation itself."""


async def provide(
    access: AwsAccess,
    function: str,
    qualifier: str,
    environments: int,
    *,
    ledger: Ledger,
    place: Place,
    is_stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Give a version or an alias its provisioned environments, and wait until they are initialised.

    Args:
        access: the account.
        function: its name.
        qualifier: the version or the alias.
        environments: how many.
        ledger: the change is written there before it is made.
        place: where it is made.
        is_stopped: whether nobody wants them any more: then they are not waited for.

    Raises:
        AwsRefused: when AWS refuses, or they cannot be initialised.
    """
    client = await access.functions()
    name = f"{function}:{qualifier}"
    change = change_of(function, qualifier, place)
    ledger.intend(change)
    doing = f"provisioning {environments} environments of `{name}`"
    try:
        with refused(doing):
            await client.put_provisioned_concurrency_config(
                FunctionName=function, Qualifier=qualifier, ProvisionedConcurrentExecutions=environments
            )
    except AwsRefused as error:
        # Its code is that of a memory size that cannot be had as well, and this is about the whole run.
        raise AwsRefused(error.message, hint=error.hint or _HINT, setting="provisioned-concurrency") from error
    pause_s, waited_s = _FIRST_LOOK_S, 0.0
    while not is_stopped():
        with refused(f"waiting for the provisioned environments of `{name}`"):
            now = await client.get_provisioned_concurrency_config(FunctionName=function, Qualifier=qualifier)
        if now["Status"] == "READY":
            return
        if now["Status"] == "FAILED":
            raise AwsRefused(
                f"{doing} failed: {now.get('StatusReason') or 'AWS gives no reason'}",
                hint="does its init end well? `--provisioned-concurrency` left out shows its calls",
                setting="provisioned-concurrency",
            )
        if waited_s >= _PATIENCE_S:
            raise AwsRefused(f"{doing}: they were not ready after {_PATIENCE_S / 60:.0f} minutes")
        await asyncio.sleep(pause_s)
        waited_s += pause_s
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)


_HINT = "fewer environments or sizes need less of the account's concurrency, of which AWS keeps 100 unreserved"


def change_of(function: str, qualifier: str, place: Place) -> Change:
    """Return the change that `provide` makes."""
    return Change("put-provisioned-concurrency", function, place, version=qualifier)


async def take_away(access: AwsAccess, function: str, qualifier: str) -> bool:
    """End the provisioned environments of a version or an alias; return whether there were any.

    Raises:
        AwsRefused: when AWS refuses.
    """
    client = await access.functions()
    with refused(f"deleting the provisioned concurrency of `{function}:{qualifier}`"):
        try:
            # Deleting what is not there succeeds, so that only a look tells.
            await client.get_provisioned_concurrency_config(FunctionName=function, Qualifier=qualifier)
            await client.delete_provisioned_concurrency_config(FunctionName=function, Qualifier=qualifier)
        except ClientError as error:
            if error_code(error) in NOT_THERE:
                return False
            raise
    return True
