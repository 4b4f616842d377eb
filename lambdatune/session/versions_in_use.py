"""The versions that a run calls: one of each size at a time, and what they cost while they are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdatune.aws.isolation import Isolation, Version
    from lambdatune.session.sending import Sender
    from lambdatune.session.standing_meter import StandingMeter


class VersionsInUse:
    """Makes versions as they are needed, and discards those that are not needed any more.

    Args:
        isolation: where they come from.
        sender: is pointed to the one that is called.
        meter: counts what they cost by time; None where they cost nothing.
    """

    def __init__(self, isolation: Isolation, sender: Sender, meter: StandingMeter | None) -> None:
        self._isolation = isolation
        self._sender = sender
        self._meter = meter
        self._by_size: dict[int, Version] = {}

    def __contains__(self, memory_mb: int) -> bool:
        """Whether there is a version of a size."""
        return memory_mb in self._by_size

    async def version(self, memory_mb: int, *, is_fresh: bool) -> Version:
        """Return the version of a size to call: a fresh one for cold starts, whose predecessor is deleted.

        Raises:
            AwsRefused: when AWS refuses.
        """
        present = self._by_size.get(memory_mb)
        if present is not None and not is_fresh:
            return present
        since_s = self._meter.now_s() if self._meter else 0.0
        version = await self._isolation.version(memory_mb)
        if self._meter:
            self._meter.made(version, since_s)
        self._by_size[memory_mb] = version
        if present is not None:
            await self.point_to(version)
            await self._isolation.discard(present)
            if self._meter:
                self._meter.discarded(present)
        return version

    async def point_to(self, version: Version) -> None:
        """Let calls reach a version from now on.

        Raises:
            AwsRefused: when AWS refuses.
        """
        since_s = self._meter.now_s() if self._meter else 0.0
        await self._sender.point_to(version)
        if self._meter:
            self._meter.pointed_to(version, since_s)
