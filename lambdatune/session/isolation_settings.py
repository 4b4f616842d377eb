"""The settings of isolation: their values, and what they leave no room for in other settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from lambdatune.model.errors import UsageError, did_you_mean
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import IsolationName
from lambdatune.model.quantities import parse_share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdatune.model.target import Target
    from lambdatune.session.setting_table import Given


def parse_isolation(text: str) -> IsolationName:
    """Read the name of an isolation.

    Raises:
        UsageError: naming the nearest one.
    """
    for isolation in get_args(IsolationName):
        if text == isolation:
            return isolation  # type: ignore[no-any-return]
    raise UsageError(
        f"there is no isolation `{text}`: expected clone, version or current",
        hint=did_you_mean(text, get_args(IsolationName)),
    )


def parse_concurrency_share(text: str) -> float:
    """Read the share of the account's concurrency, above 0 to 1.

    Raises:
        UsageError: when it is none.
    """
    share = parse_share(text)
    if share == 0:
        raise UsageError(f"`{text}` leaves no call to make: expected more than 0%", hint="for example 50%")
    return share


def refuse_what_current_cannot(given: Mapping[str, Given], targets: tuple[Target, ...]) -> None:
    """Refuse what needs another function than the one that is there.

    Raises:
        UsageError: naming the setting.
    """
    if "memory" in given and parse_memory(given["memory"].value).is_range:
        raise UsageError(
            f"{given['memory'].origin}: a range is for a search, and --isolation current measures the function's own "
            "size",
            hint="leave the memory out; other sizes need --isolation clone or version",
            setting="memory",
        )
    if "cold-starts" in given and given["cold-starts"].value:
        raise UsageError(
            f"{given['cold-starts'].origin}: a cold start cannot be forced without a change, and --isolation current "
            "makes none",
            hint="leave it out: cold starts that come by themselves are shown; or use --isolation clone or version",
            setting="cold-starts",
        )
    for target in targets:
        if target.population == "cold":
            raise UsageError(
                f"{given['target'].origin}: `{target}` needs cold starts, which --isolation current cannot force",
                hint="use --isolation clone or version for it",
                setting="target",
            )
