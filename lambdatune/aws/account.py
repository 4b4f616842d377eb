"""Whose account it is, and how much of its concurrency is free for load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from lambdatune.aws.functions import where_of
from lambdatune.aws.refusals import translated
from lambdatune.model.errors import AwsRefused, UsageError

if TYPE_CHECKING:
    from lambdatune.aws.access import AwsAccess


def region_of(function: str, region: str | None) -> str | None:
    """Return the region to look for `function` in: that of its ARN, else the one that is given.

    Raises:
        UsageError: when both are given and differ.
    """
    where = where_of(function)
    if where is None:
        return region
    if region is not None and region != where.region:
        raise UsageError(
            f"`{function}` is in {where.region}, and the region given is {region}",
            hint=f"give --region {where.region}, or leave it out",
        )
    return where.region


async def refuse_other_account(access: AwsAccess, function: str) -> str | None:
    """Refuse the ARN of a function in another account than the caller's.

    A function of another account may at most be called: neither a copy nor a version of it can be made.

    Returns:
        why it could not be checked; None when the account is the caller's, or `function` is no ARN.

    Raises:
        UsageError: naming both accounts.
    """
    where = where_of(function)
    if where is None:
        return None
    client = await access.identity()
    try:
        account = (await client.get_caller_identity())["Account"]
    except (ClientError, BotoCoreError) as error:
        return translated(error, "asking whose credentials these are").message
    if account != where.account:
        raise UsageError(
            f"`{function}` belongs to account {where.account}, and the credentials to {account}: "
            "a function of another account can be called, but neither copied nor published",
            hint=f"use credentials of {where.account}, for example --aws-profile NAME",
        )
    return None


async def unreserved_concurrency(access: AwsAccess) -> int:
    """Return how many executions at once all functions without a reservation share (AWS GetAccountSettings).

    Raises:
        AwsRefused: when it may not be read, or the endpoint does not say.
    """
    client = await access.functions()
    try:
        limit = (await client.get_account_settings())["AccountLimit"]
        return limit["UnreservedConcurrentExecutions"]
    except (ClientError, BotoCoreError) as error:
        raise translated(error, "reading the account's concurrency") from error
    except KeyError as error:
        raise AwsRefused(f"reading the account's concurrency: the answer has no {error.args[0]}") from error
