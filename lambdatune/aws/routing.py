"""Aliases that share their calls between two versions: what such an alias means for a measurement.

Source: AWS docs, "Implement Lambda canary deployments using a weighted alias"; API, AliasRoutingConfiguration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from lambdatune.aws.functions import LATEST
from lambdatune.aws.refusals import translated
from lambdatune.model.errors import UsageError

if TYPE_CHECKING:
    from lambdatune.aws.access import AwsAccess
    from lambdatune.aws.functions import FunctionDescription
    from lambdatune.model.plan import IsolationName


def is_alias(qualifier: str | None) -> bool:
    """Return whether a qualifier names an alias: a version is a number, and no alias is."""
    return qualifier is not None and qualifier != LATEST and not qualifier.isdigit()


async def check_routing(access: AwsAccess, found: FunctionDescription, isolation: IsolationName) -> str | None:
    """Return what to know of the alias that was named, when it sends a share of its calls to another version.

    Returns:
        a sentence; None when there is nothing to tell.

    Raises:
        UsageError: when the alias itself would be called, so that two versions were measured as one.
    """
    if not is_alias(found.qualifier):
        return None
    client = await access.functions()
    try:
        alias = await client.get_alias(FunctionName=found.name, Name=str(found.qualifier))
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        reason = translated(error, f"reading alias `{found.qualifier}`").message
        return f"whether the alias sends a share of its calls to another version is not known: {reason}"
    others = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    if not others:
        return None
    shares = ", ".join(f"{weight:.0%} of its calls to version {version}" for version, weight in sorted(others.items()))
    main = alias["FunctionVersion"]
    if isolation == "current":
        raise UsageError(
            f"alias `{found.shown_name}` sends {shares}, the others to version {main}: two versions would be measured "
            "as one",
            hint=f"name the versions: --function {found.name}:{main}, or --function {found.name}:{min(others)}",
            setting="function",
        )
    return f"alias `{found.shown_name}` sends {shares}: the clone is of version {main}, which gets the others"
