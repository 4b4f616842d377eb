"""`kinesis` and `dynamodb-streams`: records of a stream of the run's own, which Lambda takes in batches, in order.

Sources: AWS docs, "Using Lambda with Kinesis", "Using AWS Lambda with Amazon DynamoDB".
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from lambdatune.aws.modes import records
from lambdatune.aws.modes.base import SLACK_S, Base
from lambdatune.aws.modes.mapping import map_source
from lambdatune.aws.modes.own_queue import OwnQueue, policy_for
from lambdatune.aws.refusals import refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lambdatune.aws.isolation import Ledger, Watcher
    from lambdatune.aws.modes.protocol import Ending
    from lambdatune.aws.modes.site import Site

DEFAULT_BATCH = 100
RETRIES = 2
"""AWS would try a batch until its records expire; what fails three times is given up, as of asynchronous events."""

BECOMES_ACTIVE_S = 180.0
_POLL_S = 10.0


class Streamed(Base, ABC):
    """A mode whose messages are records of a stream.

    Subclasses make the stream, and say how a record is written to it.

    Args:
        site: the run.
    """

    reading: tuple[str, ...]
    """What Lambda does to read the stream."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._ended = OwnQueue(site, f"{site.clone}-ended", lambda _id, body: records.of_batch(body))
        self._stream_arn = ""
        self._base_url: str | None = None

    @property
    def changes(self) -> tuple[str, ...]:
        """What is made, and that it is deleted."""
        return (
            *super().changes,
            f"create queue {self._ended.name} for records of batches that failed; deleted at the end",
            f"create an event source mapping that tries a batch {RETRIES + 1} times; deleted at the end",
        )

    @property
    def batch_size(self) -> int:
        """Most records of a batch."""
        return self._site.options.batch_size or DEFAULT_BATCH

    @property
    @abstractmethod
    def lanes(self) -> int:
        """Shards times batches of a shard at once."""

    @property
    def retry_after_s(self) -> float:
        """At once."""
        return 0.0

    @property
    def most_attempts(self) -> int:
        """The first, and the retries that the mapping makes."""
        return RETRIES + 1

    @property
    def patience_s(self) -> float:
        """Seconds until a batch that fails every time is given up."""
        options, timeout_s = self._site.options, self._site.source.timeout_s
        return (RETRIES + 1) * timeout_s + options.batch_window_s + _POLL_S + SLACK_S

    async def prepare(self, ledger: Ledger, watcher: Watcher) -> None:
        """Make alias, queue, stream and mapping.

        Raises:
            AwsRefused: when AWS refuses.
        """
        await super().prepare(ledger, watcher)
        await self._ended.create(ledger, actions=("sqs:SendMessage",))
        await self._create_stream(ledger, watcher)
        options = self._site.options
        members: dict[str, Any] = {
            # Nothing is missed that is sent before the mapping is live everywhere.
            "StartingPosition": "TRIM_HORIZON",
            "BatchSize": self.batch_size,
            "ParallelizationFactor": options.parallelization_factor,
            "MaximumRetryAttempts": RETRIES,
            "DestinationConfig": {"OnFailure": {"Destination": self._ended.arn}},
        }
        if options.batch_window_s:
            members["MaximumBatchingWindowInSeconds"] = options.batch_window_s
        await map_source(self._site, self._stream_arn, ledger, watcher, reading=self.reading, **members)

    @abstractmethod
    async def _create_stream(self, ledger: Ledger, watcher: Watcher) -> None:
        """Make the stream, and set its ARN and the URL of its service."""

    async def _let_role_read(self, put_policy: Callable[[str], Awaitable[Any]], watcher: Watcher) -> None:
        """Let the clone's role, which is the function's, read the stream: its own policies know nothing of it."""
        policy = json.dumps(policy_for(self._site.role, self._stream_arn, self.reading))
        with refused(f"letting the clone's role read {self._stream_arn}"):
            try:
                await put_policy(policy)
            except (ClientError, ResponseParserError):
                if self._site.is_aws:
                    raise
                watcher.narrate(
                    "this endpoint has no resource policies of streams: the function's role has to be able to read it"
                )

    async def endings(self) -> list[Ending]:
        """Return the batches that were given up since the last time.

        Raises:
            AwsRefused: when AWS refuses.
        """
        return await self._ended.drain()
