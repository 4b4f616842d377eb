"""What a run measures instead of the user's `$LATEST`: three ways behind one protocol.

`clone` (`aws/clone.py`) copies the function; `version` (`aws/versions.py`) publishes versions of the function itself,
for users who may not create functions; `current` (here) changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.aws.functions import FunctionDescription
    from lambdatune.model.change import Change


@dataclass(frozen=True, slots=True)
class Version:
    """Something that can be called at one memory size.

    Attributes:
        version: number of a published version, or an alias; None for the function as its name alone means it.
    """

    function: str
    version: str | None
    memory_mb: int


class Ledger(Protocol):
    """Where changes are written before they are made."""

    def intend(self, change: Change) -> None:
        """Write that `change` is about to be made; on return it is safe."""

    def undone(self, change: Change) -> None:
        """Write that `change` has been put back."""


class Watcher(Protocol):
    """Follows what is prepared, and may have had enough."""

    def narrate(self, sentence: str) -> None:
        """Tell that something happened."""

    def is_stopped(self) -> bool:
        """Whether the run was stopped: what is not begun yet is not wanted any more."""


class Isolation(Protocol):
    """Makes what is called, tells what that changes, and takes it away again."""

    @property
    def source(self) -> FunctionDescription:
        """The function as it was found."""

    @property
    def log_group(self) -> str:
        """The log group that the calls write to."""

    @property
    def changes(self) -> tuple[str, ...]:
        """Every change that will be made and how it is undone, in sentences."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know before: how what is measured differs from the function."""

    async def prepare(self, ledger: Ledger, sizes_mb: Sequence[int], watcher: Watcher) -> None:
        """Make what is needed before the first call.

        Args:
            ledger: each change is written there before it is made.
            sizes_mb: the memory sizes known so far.
            watcher: is told what is done, and asked whether to go on.

        Raises:
            AwsRefused: when AWS refuses.
        """

    async def version(self, memory_mb: int) -> Version:
        """Return something to call at `memory_mb` MB that no environment serves yet, where that can be made.

        Raises:
            AwsRefused: when AWS refuses.
        """

    async def discard(self, version: Version) -> None:
        """Take away a version that is not needed any more, and its environments with it.

        Raises:
            AwsRefused: when AWS refuses.
        """


class Current:
    """The function, or the version or alias that is named, as it is: nothing is changed.

    Args:
        source: the function.
    """

    warnings: tuple[str, ...] = (
        "the function is called as it is, at its one size: cold starts are not forced, and those that come are shown",
    )

    def __init__(self, source: FunctionDescription) -> None:
        self.source = source

    @property
    def log_group(self) -> str:
        """The function's own."""
        return self.source.log_group

    @property
    def changes(self) -> tuple[str, ...]:
        """The one thing that is left behind: log lines."""
        return ("none; the calls run in the function's own environments and write to its own log",)

    async def prepare(self, ledger: Ledger, sizes_mb: Sequence[int], watcher: Watcher) -> None:
        """Make nothing."""

    async def version(self, memory_mb: int) -> Version:
        """Return the function as it was named."""
        return Version(self.source.name, self.source.qualifier, memory_mb)

    async def discard(self, version: Version) -> None:
        """Take nothing away."""
