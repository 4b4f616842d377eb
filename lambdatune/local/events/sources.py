"""Everything that invokes functions on its own: how the parts are put together, and what the port asks of them."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdatune.local.errors import ApiError, invalid
from lambdatune.local.events import query
from lambdatune.local.events.asynchronous import MAX_PAYLOAD_BYTES, AsyncEvent, AsyncQueue
from lambdatune.local.events.deliveries import Deliveries, Parcel
from lambdatune.local.events.dynamodb.api import DynamoDbApi
from lambdatune.local.events.dynamodb.streams_api import StreamsApi
from lambdatune.local.events.dynamodb.tables import Tables
from lambdatune.local.events.eventbridge.api import EventBridgeApi
from lambdatune.local.events.invoke_settings import EventInvokeApi
from lambdatune.local.events.kinesis.api import KinesisApi
from lambdatune.local.events.kinesis.stream import Streams
from lambdatune.local.events.mappings.api import MappingsApi, Sources
from lambdatune.local.events.permissions import Permissions
from lambdatune.local.events.record import Messages, Origin
from lambdatune.local.events.s3.api import S3Api
from lambdatune.local.events.s3.api import refusal as s3_refusal
from lambdatune.local.events.s3.store import Store
from lambdatune.local.events.sns.api import NAMESPACE, SnsApi
from lambdatune.local.events.sqs.api import SqsApi
from lambdatune.local.events.sqs.queues import Queues
from lambdatune.local.gateways.wiring import Gateways
from lambdatune.local.names import parse_reference
from lambdatune.local.reply import Reply
from lambdatune.local.step_functions import StepFunctionsApi

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from lambdatune.local.events.invoker import Invoker
    from lambdatune.local.events.mappings.records import Mapping as SourceMapping
    from lambdatune.local.front import Handler
    from lambdatune.local.functions import Functions
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming
    from lambdatune.local.options import Options
    from lambdatune.local.signatures import SignatureVerifier


@dataclass(frozen=True, slots=True)
class Target:
    """A service of the JSON protocol.

    Attributes:
        scope: for which its requests are signed.
        serve: serves an action.
    """

    scope: str
    serve: Callable[[str, Request], Awaitable[Reply]]


class EventSources:
    """The event sources of one endpoint.

    Args:
        functions: the registry.
        invoker: runs the calls.
        naming: makes ARNs.
        signatures: verifies who sent a request to a gateway.
        options: of the endpoint.
        endpoint_url: returns the URL of the endpoint.
    """

    def __init__(
        self,
        functions: Functions,
        invoker: Invoker,
        naming: Naming,
        signatures: SignatureVerifier,
        options: Options,
        endpoint_url: Callable[[], str],
    ) -> None:
        self._invoker = invoker
        self._messages = Messages()
        self._deliveries = Deliveries()
        self._scale = options.async_wait_scale
        self._settle_s = options.settle_ms / 1_000
        self._stream_poll_ms = options.stream_poll_ms
        self._queue = AsyncQueue(invoker, self._deliveries, self._messages, naming, options.async_wait_scale)
        self._queues = Queues(naming, self._messages, endpoint_url)
        self._deliveries.register("lambda", self._invoke)
        self._deliveries.register("sqs", self._queues.deliver)
        sns = SnsApi(naming, self._deliveries)
        bridge = EventBridgeApi(naming, self._deliveries)
        self._deliveries.register("sns", sns.deliver)
        self._deliveries.register("events", bridge.deliver)
        streams = Streams(naming.region, naming.account_id, self._later)
        tables = Tables(naming.region, naming.account_id, self._later)
        self._permissions = permissions = Permissions(functions, naming)
        gateways = Gateways(invoker, permissions, naming, signatures, options, endpoint_url)
        self.doors = gateways.doors
        s3 = S3Api(Store(naming.region, self._deliveries), permissions, naming.region)
        self.others: Mapping[str, Callable[[Request, str], Awaitable[Reply]]] = {
            "sns": sns.serve,
            "s3": s3.serve,
            **gateways.controls,
        }
        self.refusals: Mapping[str, Callable[[ApiError, str], bytes]] = {
            "sns": lambda error, request_id: query.refusal(error, NAMESPACE, request_id),
            "s3": s3_refusal,
            **gateways.refusals,
        }
        self.targets: Mapping[str, Target] = {
            "AmazonSQS": Target("sqs", SqsApi(self._queues).serve),
            "AWSEvents": Target("events", bridge.serve),
            "AWSStepFunctions": Target("states", StepFunctionsApi(invoker, naming).serve),
            "Kinesis_20131202": Target("kinesis", KinesisApi(streams).serve),
            "DynamoDB_20120810": Target("dynamodb", DynamoDbApi(tables).serve),
            "DynamoDBStreams_20120810": Target("dynamodb", StreamsApi(tables).serve),
        }
        feeds = {"kinesis": streams.by_arn, "dynamodb": tables.stream}
        read = Sources(self._queues, feeds, options.stream_poll_ms / 1_000)
        self._mappings = mappings = MappingsApi(read, invoker, self._deliveries, self._messages, naming, self._settle_s)
        settings = EventInvokeApi(functions, naming)
        self.routes: Mapping[str, Handler] = {
            "POST 2015-03-31/functions/*/policy": permissions.add,
            "GET 2015-03-31/functions/*/policy": permissions.get,
            "DELETE 2015-03-31/functions/*/policy/*": permissions.remove,
            "POST 2015-03-31/event-source-mappings": mappings.create,
            "GET 2015-03-31/event-source-mappings": mappings.list,
            "GET 2015-03-31/event-source-mappings/*": mappings.get,
            "PUT 2015-03-31/event-source-mappings/*": mappings.update,
            "DELETE 2015-03-31/event-source-mappings/*": mappings.delete,
            "PUT 2019-09-25/functions/*/event-invoke-config": settings.put,
            "POST 2019-09-25/functions/*/event-invoke-config": settings.update,
            "GET 2019-09-25/functions/*/event-invoke-config": settings.get,
            "DELETE 2019-09-25/functions/*/event-invoke-config": settings.delete,
            "GET 2019-09-25/functions/*/event-invoke-config/*": settings.list,
        }

    def accept(self, name: str, qualifier: str | None, request: Request, request_id: str) -> Reply:
        """Serve Invoke with InvocationType Event, of a function that exists.

        Raises:
            ApiError: RequestTooLargeException.
        """
        if request.body_bytes > MAX_PAYLOAD_BYTES:
            message = (
                f"{request.body_bytes} byte payload is too large for the Event invocation type "
                f"(limit {MAX_PAYLOAD_BYTES} bytes)"
            )
            raise ApiError("RequestTooLargeException", message, 413)
        origin = Origin("event", request_id, time.time_ns())
        trace_id = request.headers.get("x-amzn-trace-id")
        self._queue.put(AsyncEvent(request_id, name, qualifier, request.body or b"{}", origin, trace_id))
        return Reply(202)

    def messages(self, request: Request) -> Reply:
        """Serve ``GET /_lambdatune/messages``: the record, as JSON lines.

        Raises:
            ApiError: InvalidParameterValueException when a number is none.
        """
        try:
            lines = self._messages.page(request.query)
        except ValueError as error:
            raise invalid(f"after and limit are whole numbers: {error}") from error
        return Reply(200, body=lines, content_type="application/jsonl")

    def host(self) -> dict[str, object]:
        """Return what ``GET /_lambdatune/host`` says about the event sources."""
        return {
            "async_wait_scale": self._scale,
            "asynchronous": self._queue.counts(),
            "stream_poll_ms": self._stream_poll_ms,
            "mapping_concurrency": self._mappings.counts(),
            "undelivered": dict(self._deliveries.failed),
        }

    def mapping(self, arn: str) -> SourceMapping | None:
        """Return the event source mapping of an ARN, None for the ARN of something else.

        Raises:
            ApiError: ResourceNotFoundException.
        """
        return self._mappings.of_arn(arn)

    def stop(self) -> None:
        """Begin nothing any more."""
        self._queue.stop()
        self._mappings.stop()
        self._queues.stop()

    async def close(self) -> None:
        """Wait for what is under way, after the environments have ended."""
        await asyncio.gather(self._queue.close(), self._mappings.close())

    def _later(self, change: Callable[[], None]) -> None:
        """Make a change after the settle time."""
        asyncio.get_running_loop().call_later(self._settle_s, change)

    def _invoke(self, arn: str, parcel: Parcel) -> None:
        """Deliver to a function, by the asynchronous queue."""
        name, qualifier = parse_reference(arn)
        self._invoker.find(name, qualifier)
        if parcel.principal is not None:
            self._permissions.check(arn, parcel.principal, parcel.source_arn)
        request_id = str(uuid.uuid4())
        self._queue.put(AsyncEvent(request_id, name, qualifier, parcel.body.encode(), parcel.origin))
