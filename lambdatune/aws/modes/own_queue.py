"""A queue of the run's own: where Lambda tells what became of messages, and where messages end that fail."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from lambdatune.aws.refusals import refused
from lambdatune.model.change import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lambdatune.aws.isolation import Ledger
    from lambdatune.aws.modes.protocol import Ending
    from lambdatune.aws.modes.site import Site

_MOST = 10
"""Messages of one ReceiveMessage at the most (AWS API reference, SQS)."""

_RECEIVERS = 8
_DRAIN_S = 2.0
"""After that what was found is returned, though more may be there."""

_RETENTION_S = 86_400
_VISIBILITY_S = 60
_COUNTS = (
    "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed",
)  # fmt: skip
_LONG_POLL_S = 1
"""A receive without a wait asks only some of SQS's servers, and may find nothing though something is there."""


class OwnQueue:
    """A queue.

    Args:
        site: the run.
        name: its name; one of a FIFO queue ends with ``.fifo``.
        read: what a message's id and body tell; None for nothing.
    """

    def __init__(self, site: Site, name: str, read: Callable[[str, str], Ending | None]) -> None:
        self.name = name
        self.arn = site.arn("sqs", name)
        self.url = ""
        self._site = site
        self._read = read
        self._seen: set[str] = set()
        self._found: list[Ending] = []

    async def create(
        self, ledger: Ledger, *, actions: tuple[str, ...], attributes: Mapping[str, str] | None = None
    ) -> None:
        """Make it; the clone's role may do `actions` with it.

        Raises:
            AwsRefused: when AWS refuses.
        """
        ledger.intend(Change("create-queue", self.name, self._site.place))
        client = await self._site.access.service("sqs")
        settings = {
            "MessageRetentionPeriod": str(_RETENTION_S),
            "VisibilityTimeout": str(_VISIBILITY_S),
            "Policy": json.dumps(policy_for(self._site.role, self.arn, actions)),
        }
        if self.name.endswith(".fifo"):
            settings["FifoQueue"] = "true"
        with refused(f"creating queue `{self.name}`"):
            made = await client.create_queue(
                QueueName=self.name, Attributes={**settings, **(attributes or {})}, tags=self._site.tags
            )
            self.url = made["QueueUrl"]
            told = await client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
            self.arn = told.get("Attributes", {}).get("QueueArn") or self.arn

    async def drain(self) -> list[Ending]:
        """Return what the messages tell that are there now, and delete them.

        Raises:
            AwsRefused: when AWS refuses; what was read before is returned the next time.
        """
        receivers, deadline = 1, time.monotonic() + _DRAIN_S
        with refused(f"reading queue `{self.name}`"):
            while sum(await asyncio.gather(*(self._take() for _ in range(receivers)))):
                if time.monotonic() > deadline:
                    break
                receivers = min(receivers * 2, _RECEIVERS)
        found, self._found = self._found, []
        return found

    async def backlog(self) -> int:
        """Return about how many messages are in it, those included that were received and not deleted.

        Raises:
            AwsRefused: when AWS refuses.
        """
        client = await self._site.access.service("sqs")
        with refused(f"counting the messages of queue `{self.name}`"):
            told = await client.get_queue_attributes(QueueUrl=self.url, AttributeNames=list(_COUNTS))
        return sum(int(told.get("Attributes", {}).get(name, 0)) for name in _COUNTS)

    async def _take(self) -> int:
        client = await self._site.access.service("sqs")
        answer = await client.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=_MOST, WaitTimeSeconds=_LONG_POLL_S if self._site.is_aws else 0
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        for message in messages:
            # SQS delivers at least once: the same message may come again.
            if message["MessageId"] in self._seen:
                continue
            self._seen.add(message["MessageId"])
            ending = self._read(message["MessageId"], message.get("Body", ""))
            if ending is not None:
                self._found.append(ending)
        if messages:
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages)
            ]
            await client.delete_message_batch(QueueUrl=self.url, Entries=entries)
        return len(messages)


def policy_for(role: str, arn: str, actions: tuple[str, ...]) -> dict[str, Any]:
    """Return the resource policy that lets `role` do `actions` with what has `arn`."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "LambdatuneClone", "Effect": "Allow", "Principal": {"AWS": role}, "Action": list(actions),
             "Resource": arn}
        ],
    }  # fmt: skip
