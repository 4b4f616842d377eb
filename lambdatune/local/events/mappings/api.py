"""Event source mappings over HTTP, and their life: states with short waits, as on AWS."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError, conflict, invalid, not_found, not_implemented, validation
from lambdatune.local.events.deliveries import service_of
from lambdatune.local.events.mappings.queue_poller import QueuePoller
from lambdatune.local.events.mappings.records import Mapping, read_changes
from lambdatune.local.events.mappings.stream_poller import StreamPoller
from lambdatune.local.events.mappings.stream_settings import starting
from lambdatune.local.events.sqs.queue import Queue
from lambdatune.local.names import parse_reference
from lambdatune.local.reply import Reply, json_body, page
from lambdatune.local.validate import check_tags

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping as ByName

    from lambdatune.local.events.deliveries import Deliveries
    from lambdatune.local.events.invoker import Invoker
    from lambdatune.local.events.record import Messages
    from lambdatune.local.events.sqs.queues import Queues
    from lambdatune.local.events.streams.shard import Feed
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming

_MISSING_QUEUE = (
    "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
    "SQS Error Message: The specified queue does not exist."
)


@dataclass(frozen=True, slots=True)
class Sources:
    """What mappings read from.

    Attributes:
        queues: all queues.
        feeds: by service, returns the stream of an ARN, None when there is none.
        poll_s: from one poll of a Kinesis shard to the next, in seconds.
    """

    queues: Queues
    feeds: ByName[str, Callable[[str], Feed | None]]
    poll_s: float


class MappingsApi:
    """Serves event source mappings of queues and streams.

    Args:
        sources: what mappings read from.
        invoker: runs the batches.
        deliveries: takes batches that are given up to their destination.
        messages: the record.
        naming: makes ARNs.
        settle_s: how long Creating, Updating and the like last, in seconds.
    """

    def __init__(
        self,
        sources: Sources,
        invoker: Invoker,
        deliveries: Deliveries,
        messages: Messages,
        naming: Naming,
        settle_s: float,
    ) -> None:
        self._sources = sources
        self._invoker = invoker
        self._deliveries = deliveries
        self._messages = messages
        self._naming = naming
        self._settle_s = settle_s
        self._mappings: dict[str, Mapping] = {}
        self._pollers: dict[str, QueuePoller | StreamPoller] = {}
        self._leaving: dict[asyncio.Task[None], str] = {}
        self._closed = False

    async def create(self, _name: str, request: Request) -> Reply:
        """CreateEventSourceMapping."""
        body = json_body(request)
        arn = str(body.get("EventSourceArn") or "")
        self._check_served(arn)
        name, qualifier = parse_reference(str(body.get("FunctionName") or ""))
        stream = None if service_of(arn) == "sqs" else starting(body, service_of(arn))
        mapping = Mapping(arn, name, qualifier, stream, tags=check_tags(body.get("Tags") or {}))
        for attribute, value in read_changes(body, mapping).items():
            setattr(mapping, attribute, value)
        self._check(mapping)
        for other in self._mappings.values():
            if (other.source_arn, other.function, other.qualifier) == (arn, name, qualifier):
                kind = "SQS" if stream is None else "event source"
                raise conflict(
                    f'An event source mapping with {kind} arn (" {arn} ") and function (" {name} ") already exists. '
                    f"Please update or delete the existing mapping with UUID {other.identifier}"
                )
        self._mappings[mapping.identifier] = mapping
        self._settle(mapping, "Creating", is_enabled=body.get("Enabled", True) is not False)
        return Reply(202, mapping.to_api(self._naming))

    async def list(self, _name: str, request: Request) -> Reply:
        """ListEventSourceMappings, of all, of a source or of a function."""
        query = request.query
        arn, reference = query.get("EventSourceArn"), query.get("FunctionName")
        named = parse_reference(reference) if reference else None
        found = [
            mapping
            for mapping in self._mappings.values()
            if arn in {None, "", mapping.source_arn} and named in {None, (mapping.function, mapping.qualifier)}
        ]
        chosen, marker = page(
            found, lambda m: m.identifier, query.get("Marker"), query.get("MaxItems"), default=100, most=100
        )
        document: dict[str, Any] = {"EventSourceMappings": [mapping.to_api(self._naming) for mapping in chosen]}
        if marker is not None:
            document["NextMarker"] = marker
        return Reply(200, document)

    async def get(self, identifier: str, _request: Request) -> Reply:
        """GetEventSourceMapping."""
        return Reply(200, self._mapping(identifier).to_api(self._naming))

    async def update(self, identifier: str, request: Request) -> Reply:
        """UpdateEventSourceMapping."""
        mapping = self._mapping(identifier)
        body = json_body(request)
        self._check_idle(mapping)
        changes = read_changes(body, mapping)
        if body.get("FunctionName"):
            changes["function"], changes["qualifier"] = parse_reference(str(body["FunctionName"]))
            self._invoker.find(changes["function"], changes["qualifier"])
        was_enabled = mapping.state == "Enabled"
        is_enabled = was_enabled if body.get("Enabled") is None else bool(body["Enabled"])
        for attribute, value in changes.items():
            setattr(mapping, attribute, value)
        mapping.changed_s = time.time()
        state = "Updating" if is_enabled == was_enabled else "Enabling" if is_enabled else "Disabling"
        self._stop(mapping)
        self._settle(mapping, state, is_enabled=is_enabled)
        return Reply(202, mapping.to_api(self._naming))

    async def delete(self, identifier: str, _request: Request) -> Reply:
        """DeleteEventSourceMapping; batches under way go on to their end."""
        mapping = self._mapping(identifier)
        self._check_idle(mapping)
        mapping.state = "Deleting"
        self._stop(mapping)
        self._later(lambda: self._forget(identifier))
        return Reply(202, mapping.to_api(self._naming))

    def of_arn(self, arn: str) -> Mapping | None:
        """Return the mapping of an ARN, None for the ARN of something else.

        Raises:
            ApiError: ResourceNotFoundException when there is no such mapping.
        """
        _, separator, identifier = arn.partition(":event-source-mapping:")
        return self._mapping(identifier) if separator else None

    def counts(self) -> dict[str, int]:
        """Return the concurrency that each polled mapping has now, by function."""
        return {self._mappings[key].function: poller.concurrency for key, poller in self._pollers.items()}

    def stop(self) -> None:
        """Poll no more."""
        self._closed = True
        for poller in self._pollers.values():
            poller.stop()

    async def close(self) -> None:
        """Wait for the batches under way, whose environments have ended by now."""
        await asyncio.gather(*(poller.close() for poller in self._pollers.values()), *self._leaving)

    def _forget(self, identifier: str) -> None:
        self._mappings.pop(identifier, None)

    def _mapping(self, identifier: str) -> Mapping:
        mapping = self._mappings.get(identifier)
        if mapping is None:
            raise not_found("The resource you requested does not exist.")
        return mapping

    def _check_idle(self, mapping: Mapping) -> None:
        if mapping.state not in {"Enabled", "Disabled"}:
            raise ApiError(
                "ResourceInUseException",
                f"Cannot update the event source mapping because it is in use. Its state is {mapping.state}.",
            )

    def _check_served(self, arn: str) -> None:
        if not arn:
            raise validation("eventSourceArn", "null", "Member must not be null")
        if service_of(arn) not in {"sqs", *self._sources.feeds}:
            raise not_implemented(f"event source mappings of {service_of(arn) or arn}")
        if "/consumer/" in arn:
            raise not_implemented("event source mappings of Kinesis consumers (enhanced fan-out)")

    def _check(self, mapping: Mapping) -> None:
        """Check the function and the source of a new mapping."""
        _, version = self._invoker.find(mapping.function, mapping.qualifier)
        source = self._source(mapping)
        if source is None:
            raise invalid(_missing(mapping))
        if isinstance(source, Queue) and source.visibility_s < version.configuration.timeout_s:
            raise invalid(
                f"Queue visibility timeout: {source.visibility_s} seconds is less than Function timeout: "
                f"{version.configuration.timeout_s} seconds"
            )

    def _source(self, mapping: Mapping) -> Queue | Feed | None:
        if mapping.stream is None:
            return self._sources.queues.by_arn(mapping.source_arn)
        return self._sources.feeds[service_of(mapping.source_arn)](mapping.source_arn)

    def _settle(self, mapping: Mapping, state: str, *, is_enabled: bool) -> None:
        mapping.state = state

        def settled(_leaver: asyncio.Task[None] | None = None) -> None:
            if self._closed or self._mappings.get(mapping.identifier) is not mapping or mapping.state != state:
                return
            for task, identifier in self._leaving.items():
                if is_enabled and mapping.stream is not None and identifier == mapping.identifier:
                    # Records stay in order: what runs has to end before the next poller begins.
                    task.add_done_callback(settled)
                    return
            mapping.state = "Enabled" if is_enabled else "Disabled"
            source = self._source(mapping)
            if source is None:
                mapping.last_result = f"PROBLEM: {_missing(mapping)}"
            elif is_enabled:
                self._pollers[mapping.identifier] = self._poller(mapping, source)

        self._later(settled)

    def _poller(self, mapping: Mapping, source: Queue | Feed) -> QueuePoller | StreamPoller:
        if isinstance(source, Queue):
            return QueuePoller(mapping, source, self._invoker, self._messages, self._naming.region)
        assert mapping.stream is not None
        return StreamPoller(
            mapping,
            mapping.stream,
            source,
            self._invoker,
            self._deliveries,
            self._messages,
            self._naming,
            self._sources.poll_s,
        )

    def _stop(self, mapping: Mapping) -> None:
        poller = self._pollers.pop(mapping.identifier, None)
        if poller is not None:
            poller.stop()
            task = asyncio.get_running_loop().create_task(poller.close())
            self._leaving[task] = mapping.identifier
            task.add_done_callback(self._leaving.pop)

    def _later(self, change: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(self._settle_s, lambda: None if self._closed else change())


def _missing(mapping: Mapping) -> str:
    return _MISSING_QUEUE if mapping.stream is None else f"Stream not found: {mapping.source_arn}"
