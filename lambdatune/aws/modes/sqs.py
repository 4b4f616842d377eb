"""`sqs`: messages are sent to a queue of the run's own, from which Lambda takes them to the clone in batches.

Source: AWS docs, "Using Lambda with Amazon SQS".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lambdatune.aws.modes import records
from lambdatune.aws.modes.base import SLACK_S, Base
from lambdatune.aws.modes.forms import check_bytes, json_request, json_with_text
from lambdatune.aws.modes.mapping import map_source
from lambdatune.aws.modes.own_queue import OwnQueue

if TYPE_CHECKING:
    from lambdatune.aws.isolation import Ledger, Version, Watcher
    from lambdatune.aws.modes.protocol import Ending
    from lambdatune.aws.modes.site import Site
    from lambdatune.model.request_form import RequestForm

_DEFAULT_BATCH = 10
_RECEIVES = 3
"""How often a message is received before it is a dead letter."""

_MAX_BYTES = 1024 * 1024
_HIGH_THROUGHPUT = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
"""Of a FIFO queue, so that not the queue, but the function is measured: 300 messages a second otherwise."""

_READING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility")


class Sqs(Base):
    """A queue, standard or FIFO.

    Args:
        site: the run.
    """

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        suffix = ".fifo" if site.options.fifo else ""
        self._queue = OwnQueue(site, f"{site.clone}-in{suffix}", lambda _id, _body: None)
        self._dead = OwnQueue(site, f"{site.clone}-dead{suffix}", records.of_dead_letter)
        self._base_url: str | None = None

    @property
    def changes(self) -> tuple[str, ...]:
        """What is made, and that it is deleted."""
        return (
            *super().changes,
            f"create queue {self._queue.name} and dead-letter queue {self._dead.name}; deleted at the end",
            "create an event source mapping from the queue to the clone; deleted at the end",
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """How messages are grouped in a FIFO queue."""
        if not self._site.options.fifo:
            return ()
        return ("each message is a group of its own: fewer groups in your queue mean fewer executions at once",)

    @property
    def batch_size(self) -> int:
        """Most messages of a batch."""
        return self._site.options.batch_size or _DEFAULT_BATCH

    @property
    def retry_after_s(self) -> float:
        """The queue's visibility timeout.

        As short as Lambda allows it, the function's timeout, so that a message that failed comes back soon; six times
        that, as AWS advises for queues that throttle, would only make a run longer.
        """
        return float(max(self._site.source.timeout_s, 1) + self._site.options.batch_window_s)

    @property
    def most_attempts(self) -> int:
        """Receives before a message goes to the dead-letter queue."""
        return _RECEIVES

    @property
    def patience_s(self) -> float:
        """Seconds until a message that fails every time is a dead letter."""
        return _RECEIVES * self.retry_after_s + SLACK_S

    async def prepare(self, ledger: Ledger, watcher: Watcher) -> None:
        """Make alias, queues and mapping.

        Raises:
            AwsRefused: when AWS refuses.
        """
        await super().prepare(ledger, watcher)
        await self._dead.create(ledger, actions=("sqs:GetQueueAttributes",))
        redrive = json.dumps({"deadLetterTargetArn": self._dead.arn, "maxReceiveCount": _RECEIVES})
        visibility = str(round(self.retry_after_s))
        attributes = {"VisibilityTimeout": visibility, "RedrivePolicy": redrive}
        attributes |= _HIGH_THROUGHPUT if self._site.options.fifo else {}
        await self._queue.create(ledger, actions=_READING, attributes=attributes)
        self._base_url = self._site.base_url_of(await self._site.access.service("sqs"))
        options = self._site.options
        members: dict[str, Any] = {"BatchSize": self.batch_size}
        if options.batch_window_s:
            members["MaximumBatchingWindowInSeconds"] = options.batch_window_s
        if options.maximum_concurrency is not None:
            members["ScalingConfig"] = {"MaximumConcurrency": options.maximum_concurrency}
        await map_source(self._site, self._queue.arn, ledger, watcher, reading=_READING, **members)

    def request(self, version: Version, payload: bytes, *, tokens: bool) -> RequestForm:  # noqa: ARG002  by the alias
        """Return a SendMessage.

        Raises:
            UsageError: when the payload is too large.
        """
        check_bytes("sqs", payload, _MAX_BYTES, "a message of SQS has 1 MB at the most", tokens=tokens)
        document = {"QueueUrl": self._queue.url}
        if self._site.options.fifo:
            document |= {"MessageGroupId": "{{uuid}}", "MessageDeduplicationId": "{{uuid}}"}
        body = json_with_text(document, "MessageBody", payload, tokens=tokens)
        return json_request(
            "AmazonSQS.SendMessage", "sqs", body, version="1.0", base_url=self._base_url, id_key="MessageId"
        )

    async def endings(self) -> list[Ending]:
        """Return the messages that became dead letters since the last time.

        Raises:
            AwsRefused: when AWS refuses.
        """
        return await self._dead.drain()

    async def backlog(self) -> int | None:
        """Return about how many messages are in the queue, waiting or being worked on.

        Raises:
            AwsRefused: when AWS refuses.
        """
        return await self._queue.backlog()
