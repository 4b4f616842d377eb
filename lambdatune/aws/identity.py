"""Who asks, of which account, and how far this host's clock is from AWS's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from lambdatune.aws.refusals import refused, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdatune.aws.access import AwsAccess
    from lambdatune.model.errors import AwsRefused


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller, as STS knows it."""

    account: str
    arn: str


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the first call to AWS told.

    Attributes:
        identity: the caller; None when AWS refused.
        refusal: why it refused; None when it did not.
        clock_ahead_s: by how many seconds this host's clock is ahead of AWS's (whole seconds: HTTP's Date is no
            finer); None when the answer had no date.
    """

    identity: Identity | None
    refusal: AwsRefused | None
    clock_ahead_s: float | None


@dataclass(frozen=True, slots=True)
class AccountConcurrency:
    """Concurrent executions of an account in a region: in all, and those that no function has reserved."""

    limit: int
    unreserved: int


async def greet(access: AwsAccess) -> Greeting:
    """Ask STS who we are (which needs no permission), and compare clocks by the answer."""
    client = await access.service("sts")
    before_s = time.time()
    identity: Identity | None = None
    refusal: AwsRefused | None = None
    headers: Mapping[str, str] = {}
    try:
        answer: Any = await client.get_caller_identity()
        identity = Identity(answer["Account"], answer["Arn"])
        headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
    except ClientError as error:
        refusal = translated(error, "asking AWS who the caller is")
        metadata: Any = error.response.get("ResponseMetadata", {})
        headers = metadata.get("HTTPHeaders", {})
    except (BotoCoreError, ResponseParserError) as error:
        refusal = translated(error, "asking AWS who the caller is")
    return Greeting(identity, refusal, _ahead_s(headers.get("date"), (before_s + time.time()) / 2))


async def account_concurrency(access: AwsAccess) -> AccountConcurrency:
    """Return the account's concurrency.

    Raises:
        AwsRefused: when it may not be read.
    """
    client = await access.functions()
    with refused("reading the account's settings"):
        limit = (await client.get_account_settings())["AccountLimit"]
    return AccountConcurrency(limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"])


def _ahead_s(date: str | None, ours_s: float) -> float | None:
    """Return how far ours is ahead of a Date header, which is cut to its second."""
    if date is None:
        return None
    try:
        theirs_s = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    return ours_s - (theirs_s + 0.5)
