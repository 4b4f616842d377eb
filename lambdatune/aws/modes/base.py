"""What the modes share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.aws.modes.alias import Alias
from lambdatune.aws.modes.protocol import ALIAS

if TYPE_CHECKING:
    from lambdatune.aws.isolation import Ledger, Version, Watcher
    from lambdatune.aws.modes.protocol import Ending
    from lambdatune.aws.modes.site import Site

GATEWAY_IN_FORCE_S = 5.0
"""After that a URL or API that was made answers as it was told, on AWS."""

SLACK_S = 60.0
"""How long AWS may take to do what needs no time, on a bad day."""


class Base:
    """A mode that invokes the clone by its alias; what follows of that.

    Args:
        site: the run.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._alias = Alias(site)

    @property
    def changes(self) -> tuple[str, ...]:
        """What is made, and that it is deleted."""
        alias = f"alias {ALIAS} of the clone, which moves from version to version; it goes with the clone"
        environments = self._site.provisioned_concurrency
        if not environments:
            return (alias,)
        provisioned = (
            f"provisioned concurrency {environments} of the alias, allocated anew each time that it moves, for which "
            "AWS takes minutes; it goes with the clone"
        )
        return (alias, provisioned)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def lanes(self) -> int:
        """No order is kept."""
        return 0

    @property
    def retry_after_s(self) -> float | None:
        """AWS decides, or nothing is tried again."""
        return None

    @property
    def most_attempts(self) -> int | None:
        """AWS decides, or nothing is tried again."""
        return None

    @property
    def batch_size(self) -> int:
        """One: a message is an invocation."""
        return 1

    @property
    def patience_s(self) -> float:
        """Seconds that a single execution can take."""
        return self._site.source.timeout_s + SLACK_S

    async def prepare(self, ledger: Ledger, watcher: Watcher) -> None:
        """Make the alias.

        Raises:
            AwsRefused: when AWS refuses.
        """
        await self._alias.make(ledger, watcher)

    async def point_to(self, version: Version) -> None:
        """Move the alias.

        Raises:
            AwsRefused: when AWS refuses.
        """
        await self._alias.move(version)

    async def endings(self) -> list[Ending]:
        """Return nothing: whoever sends is told."""
        return []

    async def backlog(self) -> int | None:
        """Return None: AWS does not tell."""
        return None
