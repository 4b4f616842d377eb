"""All queues: by name, URL and ARN, with their dead letter queues."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lambdatune.local.errors import ApiError
from lambdatune.local.events.policies import allows
from lambdatune.local.events.record import DEAD_LETTERED, Origin
from lambdatune.local.events.sqs import settings
from lambdatune.local.events.sqs.message import check_attributes, check_body
from lambdatune.local.events.sqs.queue import Queue, no_such_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lambdatune.local.events.deliveries import Parcel
    from lambdatune.local.events.record import Messages
    from lambdatune.local.events.sqs.message import Message
    from lambdatune.local.names import Naming


class Queues:
    """The queues of one endpoint.

    Args:
        naming: makes ARNs.
        messages: the record, which dead letters enter.
        endpoint_url: returns the URL of the endpoint.
    """

    def __init__(self, naming: Naming, messages: Messages, endpoint_url: Callable[[], str]) -> None:
        self._naming = naming
        self._messages = messages
        self._endpoint_url = endpoint_url
        self._queues: dict[str, Queue] = {}

    def __iter__(self) -> Iterator[Queue]:
        """Iterate over the queues by name."""
        return iter([queue for _, queue in sorted(self._queues.items())])

    def url(self, queue: Queue) -> str:
        """Return the URL of a queue."""
        return f"{self._endpoint_url()}/{self._naming.account_id}/{queue.name}"

    def create(self, name: object, attributes: object, tags: dict[str, str]) -> Queue:
        """Return a new queue, or the one that is there with these very attributes.

        Raises:
            ApiError: InvalidParameterValue, InvalidAttributeName, InvalidAttributeValue, QueueNameExists.
        """
        name = settings.check_queue_name(name)
        is_fifo = name.endswith(".fifo")
        given = settings.checked(attributes, is_fifo=is_fifo)
        if is_fifo and given.get("FifoQueue") != "true":
            raise ApiError(
                "InvalidParameterValue",
                "A name that ends with .fifo is that of a FIFO queue: set the attribute FifoQueue to true.",
            )
        current = self._queues.get(name)
        if current is not None:
            for key, value in given.items():
                if current.attributes.get(key) != value:
                    sentence = "A queue already exists with the same name and a different value for attribute"
                    raise ApiError("QueueNameExists", f"{sentence} {key}")
            return current
        arn = self.arn(name)
        merged = _without_empty({**settings.defaults(is_fifo=is_fifo), **given})
        self._check_redrive(arn, merged)
        queue = self._queues[name] = Queue(name, arn, merged, tags, self._dead_letter)
        return queue

    def set(self, queue: Queue, attributes: object) -> None:
        """Change attributes.

        Raises:
            ApiError: InvalidAttributeName, InvalidAttributeValue, InvalidParameterValue.
        """
        given = settings.checked(attributes, is_fifo=queue.is_fifo)
        merged = _without_empty({**queue.attributes, **given})
        self._check_redrive(queue.arn, merged)
        queue.set(merged)

    def by_name(self, name: object) -> Queue:
        """Return a queue.

        Raises:
            ApiError: QueueDoesNotExist.
        """
        queue = self._queues.get(str(name))
        if queue is None:
            raise no_such_queue()
        return queue

    def by_url(self, url: object) -> Queue:
        """Return the queue of a URL, of which only the path counts, or of a bare name.

        Raises:
            ApiError: MissingParameter, QueueDoesNotExist.
        """
        if not isinstance(url, str) or not url:
            raise ApiError("MissingParameter", "The request must contain the parameter QueueUrl.")
        return self.by_name(urlsplit(url).path.rpartition("/")[2])

    def by_arn(self, arn: str) -> Queue | None:
        """Return the queue of an ARN, None when there is none."""
        queue = self._queues.get(arn.rpartition(":")[2])
        return queue if queue is not None and queue.arn == arn else None

    def arn(self, name: str) -> str:
        """Return the ARN of a queue of this name."""
        return f"arn:aws:sqs:{self._naming.region}:{self._naming.account_id}:{name}"

    def delete(self, queue: Queue) -> None:
        """Remove a queue with its messages."""
        del self._queues[queue.name]
        queue.close()

    def sources_of(self, dead: Queue) -> list[Queue]:
        """Return the queues whose dead letters go to a queue."""
        return [queue for queue in self if queue.redrive is not None and queue.redrive[0] == dead.arn]

    def deliver(self, arn: str, parcel: Parcel) -> None:
        """Send a message for another service.

        Raises:
            ApiError: QueueDoesNotExist, AccessDenied, or what is wrong with the message.
        """
        queue = self.by_arn(arn)
        if queue is None:
            raise no_such_queue()
        policy = queue.attributes.get("Policy")
        if parcel.principal is not None and not allows(
            policy, parcel.principal, "sqs:SendMessage", arn, parcel.source_arn
        ):
            sentence = f"The policy of the queue does not let {parcel.principal} send for {parcel.source_arn}."
            raise ApiError("AccessDenied", sentence, 403)
        kinds = {name: {"DataType": kind, "StringValue": value} for name, (kind, value) in parcel.attributes.items()}
        group = (parcel.group or "none") if queue.is_fifo else None
        key = parcel.origin.message_id if queue.is_fifo else None
        queue.send(check_body(parcel.body), check_attributes(kinds), group=group, deduplication=key)

    def stop(self) -> None:
        """Wake everyone who waits for messages."""
        for queue in list(self._queues.values()):
            queue.close()

    def _check_redrive(self, arn: str, attributes: dict[str, str]) -> None:
        redrive = settings.redrive_of(attributes)
        if redrive is None:
            return
        text = attributes["RedrivePolicy"]
        dead = self.by_arn(redrive[0])
        if dead is None:
            raise settings.redrive_refusal(text, "Dead letter target does not exist.")
        if dead.is_fifo != arn.endswith(".fifo"):
            raise settings.redrive_refusal(text, "Dead-letter queue must be same type of queue as the source.")
        if dead.arn == arn or not settings.allows_redrive(dead.attributes, arn):
            raise settings.redrive_refusal(text, "Dead letter target owner should allow redrive from the source.")

    def _dead_letter(self, target: str, queue: Queue, message: Message) -> bool:
        dead = self.by_arn(target)
        if dead is None:
            return False
        dead.take_dead_letter(message, queue.arn)
        origin = Origin("sqs", message.message_id, message.accepted_ns)
        self._messages.add(origin, message.consumer, DEAD_LETTERED, attempt=message.receives)
        return True


def _without_empty(attributes: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if value}
