"""The actions of SQS."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError, not_implemented
from lambdatune.local.events.sqs.message import (
    check_attributes,
    check_body,
    md5_of_attributes,
    size_of,
)
from lambdatune.local.events.sqs.queue import send_view
from lambdatune.local.reply import Reply, json_body, page, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.local.events.sqs.message import Message
    from lambdatune.local.events.sqs.queue import Queue
    from lambdatune.local.events.sqs.queues import Queues
    from lambdatune.local.httpd import Request

SENDER = "AIDAEMBEDDEDENDPOINT"
_MAX_ENTRIES = 10
_MAX_BATCH_BYTES = 1_048_576
_MAX_VISIBILITY_S = 43_200
_CONTENT = "application/x-amz-json-1.0"

_PREFIXED = frozenset({
    "BatchEntryIdsNotDistinct", "BatchRequestTooLong", "EmptyBatchRequest", "InvalidBatchEntryId", "MessageNotInflight",
    "PurgeQueueInProgress", "TooManyEntriesInBatchRequest", "UnsupportedOperation",
})  # fmt: skip
_QUERY_CODES = {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
}


class SqsApi:
    """Serves the actions of SQS.

    Args:
        queues: all queues.
    """

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self._actions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "CreateQueue": self._create,
            "DeleteQueue": self._delete_queue,
            "GetQueueUrl": self._get_url,
            "ListQueues": self._list,
            "ListDeadLetterSourceQueues": self._list_sources,
            "GetQueueAttributes": self._get_attributes,
            "SetQueueAttributes": self._set_attributes,
            "TagQueue": self._tag,
            "UntagQueue": self._untag,
            "ListQueueTags": self._list_tags,
            "SendMessage": self._send,
            "SendMessageBatch": self._send_batch,
            "DeleteMessage": self._delete,
            "DeleteMessageBatch": self._delete_batch,
            "ChangeMessageVisibility": self._change,
            "ChangeMessageVisibilityBatch": self._change_batch,
            "PurgeQueue": self._purge,
        }

    async def serve(self, action: str, request: Request) -> Reply:
        """Serve one action; its refusals carry the codes of the query protocol too, which SDKs go by.

        Raises:
            ApiError: UnknownOperationException for what is not implemented.
        """
        try:
            body = json_body(request)
            if action == "ReceiveMessage":
                answer = await self._receive(body)
            else:
                handler = self._actions.get(action)
                if handler is None:
                    raise not_implemented(f"SQS {action}")
                answer = handler(body)
        except ApiError as error:
            if error.code == "UnknownOperationException":
                raise
            return _refusal(error)
        return Reply(200, answer, content_type=_CONTENT)

    # Queues.

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        queue = self._queues.create(body.get("QueueName"), body.get("Attributes"), _tags(body.get("tags")))
        return {"QueueUrl": self._queues.url(queue)}

    def _delete_queue(self, body: dict[str, Any]) -> dict[str, Any]:
        self._queues.delete(self._queue(body))
        return {}

    def _get_url(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"QueueUrl": self._queues.url(self._queues.by_name(body.get("QueueName")))}

    def _list(self, body: dict[str, Any]) -> dict[str, Any]:
        prefix = str(body.get("QueueNamePrefix") or "")
        return self._page("QueueUrls", [q for q in self._queues if q.name.startswith(prefix)], body)

    def _list_sources(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._page("queueUrls", self._queues.sources_of(self._queue(body)), body)

    def _page(self, member: str, queues: list[Queue], body: dict[str, Any]) -> dict[str, Any]:
        chosen, token = page(
            queues, lambda queue: queue.name, body.get("NextToken"), body.get("MaxResults"), default=1_000, most=1_000
        )
        answer: dict[str, Any] = {member: [self._queues.url(queue) for queue in chosen]}
        if token is not None:
            answer["NextToken"] = token
        return answer

    def _get_attributes(self, body: dict[str, Any]) -> dict[str, Any]:
        everything = self._queue(body).all_attributes()
        names = texts(body.get("AttributeNames"))
        if "All" in names:
            return {"Attributes": everything}
        return {"Attributes": {name: everything[name] for name in names if name in everything}}

    def _set_attributes(self, body: dict[str, Any]) -> dict[str, Any]:
        self._queues.set(self._queue(body), body.get("Attributes"))
        return {}

    def _tag(self, body: dict[str, Any]) -> dict[str, Any]:
        queue = self._queue(body)
        queue.tags |= _tags(body.get("Tags"))
        return {}

    def _untag(self, body: dict[str, Any]) -> dict[str, Any]:
        queue = self._queue(body)
        for key in texts(body.get("TagKeys")):
            queue.tags.pop(key, None)
        return {}

    def _list_tags(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"Tags": dict(self._queue(body).tags)}

    def _purge(self, body: dict[str, Any]) -> dict[str, Any]:
        self._queue(body).purge()
        return {}

    # Messages.

    def _send(self, body: dict[str, Any]) -> dict[str, Any]:
        queue = self._queue(body)
        return _sent(queue, body, _size(queue, body))

    def _send_batch(self, body: dict[str, Any]) -> dict[str, Any]:
        queue = self._queue(body)
        entries = _entries(body)
        sizes = [
            size_of(str(e.get("MessageBody") or ""), check_attributes(e.get("MessageAttributes"))) for e in entries
        ]
        if sum(sizes) > _MAX_BATCH_BYTES:
            sentence = (
                f"Batch requests cannot be longer than {_MAX_BATCH_BYTES} bytes. You have sent {sum(sizes)} bytes."
            )
            raise ApiError("BatchRequestTooLong", sentence)
        return _each(entries, lambda entry: _sent(queue, entry, _size(queue, entry)))

    async def _receive(self, body: dict[str, Any]) -> dict[str, Any]:
        queue = self._queue(body)
        most = _number(body, "MaxNumberOfMessages", 1, 10, 1)
        wait_s = _number(body, "WaitTimeSeconds", 0, 20, queue.wait_s)
        visibility_s = _number(body, "VisibilityTimeout", 0, _MAX_VISIBILITY_S, queue.visibility_s)
        taken = await queue.receive(most, wait_s, visibility_s)
        if not taken:
            return {}
        system = {*texts(body.get("AttributeNames")), *texts(body.get("MessageSystemAttributeNames"))}
        named = texts(body.get("MessageAttributeNames"))
        return {"Messages": [_received(queue, message, system, named) for message in taken]}

    def _delete(self, body: dict[str, Any]) -> dict[str, Any]:
        self._queue(body).delete(_handle(body))
        return {}

    def _delete_batch(self, body: dict[str, Any]) -> dict[str, Any]:
        queue = self._queue(body)

        def delete(entry: dict[str, Any]) -> dict[str, Any]:
            queue.delete(_handle(entry))
            return {}

        return _each(_entries(body), delete)

    def _change(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("VisibilityTimeout") is None:
            raise ApiError("MissingParameter", "The request must contain the parameter VisibilityTimeout.")
        visibility_s = _number(body, "VisibilityTimeout", 0, _MAX_VISIBILITY_S, 0)
        self._queue(body).change_visibility(_handle(body), visibility_s)
        return {}

    def _change_batch(self, body: dict[str, Any]) -> dict[str, Any]:
        url = {"QueueUrl": body.get("QueueUrl")}
        return _each(_entries(body), lambda entry: self._change({**entry, **url}))

    def _queue(self, body: dict[str, Any]) -> Queue:
        return self._queues.by_url(body.get("QueueUrl"))


def _sent(queue: Queue, body: dict[str, Any], attributes: dict[str, Any]) -> dict[str, Any]:
    """Send the message of a request or of a batch entry, whose attributes were checked."""
    text = check_body(body.get("MessageBody"))
    group, key = body.get("MessageGroupId"), body.get("MessageDeduplicationId")
    delay_s = None if body.get("DelaySeconds") is None else _number(body, "DelaySeconds", 0, 900, 0)
    if queue.is_fifo:
        if not group:
            raise ApiError("MissingParameter", "The request must contain the parameter MessageGroupId.")
        if delay_s:
            raise _invalid(
                f"Value {delay_s} for parameter DelaySeconds is invalid. Reason: The request include parameter that is "
                "not valid for this queue type."
            )
        if not key and queue.attributes["ContentBasedDeduplication"] != "true":
            raise _invalid(
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
                "explicitly"
            )
        key = key or hashlib.sha256(text.encode()).hexdigest()
        delay_s = None
    elif key:
        raise _invalid(
            f"Value {key} for parameter MessageDeduplicationId is invalid. Reason: The request includes a parameter "
            "that is not valid for this queue type."
        )
    system = check_attributes(body.get("MessageSystemAttributes"))
    trace = system.get("AWSTraceHeader", {}).get("StringValue")
    message = queue.send(text, attributes, delay_s=delay_s, group=group, deduplication=key, trace_header=trace)
    view = send_view(message, queue)
    if attributes:
        view["MD5OfMessageAttributes"] = md5_of_attributes(attributes)
    if system:
        view["MD5OfMessageSystemAttributes"] = md5_of_attributes(system)
    return view


def _size(queue: Queue, body: dict[str, Any]) -> dict[str, Any]:
    """Check how large a message is; return its attributes."""
    attributes = check_attributes(body.get("MessageAttributes"))
    text = body.get("MessageBody")
    if isinstance(text, str) and size_of(text, attributes) > queue.max_bytes:
        raise _invalid(
            f"One or more parameters are invalid. Reason: Message must be shorter than {queue.max_bytes} bytes."
        )
    return attributes


def _received(queue: Queue, message: Message, system: set[str], named: list[str]) -> dict[str, Any]:
    view: dict[str, Any] = {
        "MessageId": message.message_id,
        "ReceiptHandle": message.handle,
        "MD5OfBody": message.md5,
        "Body": message.body,
    }
    if system:
        everything = message.system_attributes(SENDER, is_fifo=queue.is_fifo)
        view["Attributes"] = {k: v for k, v in everything.items() if "All" in system or k in system}
    if named and message.attributes:
        chosen = {name: value for name, value in message.attributes.items() if _is_named(name, named)}
        if chosen:
            view["MessageAttributes"] = chosen
            view["MD5OfMessageAttributes"] = md5_of_attributes(chosen)
    return view


def _is_named(name: str, wanted: list[str]) -> bool:
    return any(
        given in {"All", ".*", name} or (given.endswith(".*") and name.startswith(given[:-2])) for given in wanted
    )


def _entries(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of a batch.

    Raises:
        ApiError: EmptyBatchRequest, TooManyEntriesInBatchRequest, BatchEntryIdsNotDistinct.
    """
    entries = body.get("Entries")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ApiError("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > _MAX_ENTRIES:
        sentence = f"Maximum number of entries per request are {_MAX_ENTRIES}. You have sent {len(entries)}."
        raise ApiError("TooManyEntriesInBatchRequest", sentence)
    ids = [str(entry.get("Id")) for entry in entries]
    twice = [identifier for identifier in ids if ids.count(identifier) > 1]
    if twice:
        raise ApiError("BatchEntryIdsNotDistinct", f"Id {twice[0]} repeated.")
    return entries


def _each(entries: list[dict[str, Any]], act: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Do something with each entry of a batch; return what came of each."""
    good: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    for entry in entries:
        try:
            good.append({"Id": entry.get("Id"), **act(entry)})
        except ApiError as error:
            code = _query_code(error.code)
            bad.append({"Id": entry.get("Id"), "SenderFault": True, "Code": code, "Message": error.message})
    answer = {"Successful": good}
    return {**answer, "Failed": bad} if bad else answer


def _handle(body: dict[str, Any]) -> str:
    handle = body.get("ReceiptHandle")
    if not isinstance(handle, str) or not handle:
        raise ApiError("MissingParameter", "The request must contain the parameter ReceiptHandle.")
    return handle


def _number(body: dict[str, Any], name: str, low: int, high: int, default: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or not low <= value <= high:
        raise _invalid(
            f"Value {value} for parameter {name} is invalid. Reason: Must be between {low} and {high}, if provided."
        )
    return value


def _tags(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _invalid("Tags must be a map of strings to strings.")
    return dict(value)


def _invalid(sentence: str) -> ApiError:
    return ApiError("InvalidParameterValue", sentence)


def _query_code(code: str) -> str:
    return f"AWS.SimpleQueueService.{code}" if code in _PREFIXED else _QUERY_CODES.get(code, code)


def _refusal(error: ApiError) -> Reply:
    document = {"__type": f"com.amazonaws.sqs#{error.code}", "message": error.message}
    headers = [("x-amzn-query-error", f"{_query_code(error.code)};Sender")]
    return Reply(error.status, document, content_type=_CONTENT, headers=headers)
