"""What every invocation mode can do; one file each beside this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.aws.isolation import Ledger, Version, Watcher
    from lambdatune.model.request_form import RequestForm

ALIAS = "lambdatune"
"""Alias of the clone that what invokes it points to; it moves from version to version."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What AWS tells of a message that left a mode's own ways: a destination's record, or a dead letter.

    Attributes:
        message_id: identifies the message, as `RequestForm` has it read from the answer (its last 36 characters); None
            where only a range is known.
        request_id: of its last execution; None when AWS does not tell.
        outcome: ``executed`` or ``dead-lettered``.
        error: why it was given up: an error type or a condition of AWS; empty when it was executed.
        first_sequence: of a batch of a stream that was given up, the sequence number of its first record.
        last_sequence: of its last record.
        batch_size: messages that this tells of.
    """

    message_id: str | None
    request_id: str | None
    outcome: Literal["executed", "dead-lettered"]
    error: str = ""
    first_sequence: str | None = None
    last_sequence: str | None = None
    batch_size: int = 1


class InvocationMode(Protocol):
    """A way to invoke the clone."""

    @property
    def changes(self) -> Sequence[str]:
        """Every change that `prepare` will make and how it is undone, in sentences for the plan card."""

    @property
    def warnings(self) -> Sequence[str]:
        """What a user should know before."""

    @property
    def batch_size(self) -> int:
        """Most messages of an invocation; 1 where a message is an invocation."""

    @property
    def lanes(self) -> int:
        """Most invocations at once that keep an order among messages, shards x parallelization factor; 0: no limit."""

    @property
    def retry_after_s(self) -> float | None:
        """Seconds from the start of a failed execution until the message is taken again; None where AWS decides.

        The visibility timeout of a queue; 0 for a stream, which tries the same batch again at once.
        """

    @property
    def most_attempts(self) -> int | None:
        """Executions after which a message is given up; None where AWS or the function's settings decide."""

    @property
    def patience_s(self) -> float:
        """Longest time from one ending to the next while messages are still expected, retries included."""

    async def prepare(self, ledger: Ledger, watcher: Watcher) -> None:
        """Set up, after the clone was made, what messages come by; each change is journalled before it is made.

        Raises:
            AwsRefused: when AWS refuses.
        """

    async def point_to(self, version: Version) -> None:
        """Let messages reach `version` from now on; returns when they do.

        Raises:
            AwsRefused: when AWS refuses.
        """

    def request(self, version: Version, payload: bytes, *, tokens: bool) -> RequestForm:
        """Return how a message with `payload` is sent.

        Raises:
            UsageError: when the payload cannot be sent this way.
        """

    async def endings(self) -> list[Ending]:
        """Return what was told since the last time of messages that were executed or given up, and take it away.

        Raises:
            AwsRefused: when AWS refuses.
        """

    async def backlog(self) -> int | None:
        """Return about how many messages wait or are being worked on; None where AWS does not tell.

        Raises:
            AwsRefused: when AWS refuses.
        """
