"""A message of a queue, and the digests that clients check."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TYPE = re.compile(r"(String|Number|Binary)(\..{1,249})?")
_NAME = re.compile(r"[A-Za-z0-9_\-.]{1,256}")
_MAX_ATTRIBUTES = 10

AVAILABLE, DELAYED, IN_FLIGHT, GONE = "available", "delayed", "in flight", "gone"


@dataclass(slots=True, eq=False)
class Message:
    """One message.

    Attributes:
        message_id: a UUID.
        body: its text.
        md5: of the body.
        attributes: message attributes as the API has them.
        accepted_ns: when it was sent, in nanoseconds of Unix time.
        sequence: place in the queue.
        group: MessageGroupId, or None.
        deduplication: MessageDeduplicationId, or None.
        trace_header: AWSTraceHeader, or None.
        receives: how often it was received.
        first_received_ms: when for the first time, in milliseconds of Unix time.
        handle: the receipt handle of the last receive.
        state: available, delayed, in flight or gone, which it also is before it enters its queue.
        due_ns: when it becomes available, on the monotonic clock.
        source_arn: the queue that it was a dead letter of, or None.
        consumer: the function to which a mapping gave it last, or an empty text.
    """

    message_id: str
    body: str
    md5: str
    attributes: Mapping[str, Mapping[str, Any]]
    accepted_ns: int
    sequence: int
    group: str | None = None
    deduplication: str | None = None
    trace_header: str | None = None
    receives: int = 0
    first_received_ms: int = 0
    handle: str = ""
    state: str = GONE
    due_ns: int = 0
    source_arn: str | None = None
    consumer: str = ""

    def system_attributes(self, sender: str, *, is_fifo: bool) -> dict[str, str]:
        """Return AWS's attributes of a message that was received."""
        answer = {
            "ApproximateReceiveCount": str(self.receives),
            "SentTimestamp": str(self.accepted_ns // 1_000_000),
            "SenderId": sender,
            "ApproximateFirstReceiveTimestamp": str(self.first_received_ms),
        }
        if is_fifo:
            answer["SequenceNumber"] = sequence_number(self.sequence)
            answer["MessageDeduplicationId"] = self.deduplication or ""
        if self.group is not None:
            answer["MessageGroupId"] = self.group
        if self.trace_header is not None:
            answer["AWSTraceHeader"] = self.trace_header
        if self.source_arn is not None:
            answer["DeadLetterQueueSourceArn"] = self.source_arn
        return answer


def sequence_number(sequence: int) -> str:
    """Return AWS's SequenceNumber: twenty digits that grow."""
    return str(18_850_000_000_000_000_000 + sequence * 256)


def md5_of(text: str) -> str:
    """Return the digest of a body."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def md5_of_attributes(attributes: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the digest of message attributes (AWS docs, "Calculating the MD5 message digest")."""
    digest = hashlib.md5(usedforsecurity=False)
    for name, value in sorted(attributes.items()):
        kind = value["DataType"]
        is_binary = kind.startswith("Binary")
        data = base64.b64decode(value["BinaryValue"]) if is_binary else value["StringValue"].encode()
        for part in (name.encode(), kind.encode()):
            digest.update(struct.pack(">I", len(part)) + part)
        digest.update((b"\x02" if is_binary else b"\x01") + struct.pack(">I", len(data)) + data)
    return digest.hexdigest()


def check_body(body: object) -> str:
    """Return the body of a request.

    Raises:
        ApiError: MissingParameter, InvalidMessageContents.
    """
    if not isinstance(body, str) or not body:
        raise ApiError("MissingParameter", "The request must contain the parameter MessageBody.")
    if not body.isascii() or not body.isprintable():
        _check_characters(body, "the message body")
    return body


def check_attributes(attributes: object) -> dict[str, dict[str, Any]]:
    """Return the message attributes of a request.

    Raises:
        ApiError: InvalidParameterValue.
    """
    if not attributes:
        return {}
    if not isinstance(attributes, dict) or len(attributes) > _MAX_ATTRIBUTES:
        count = len(attributes) if isinstance(attributes, dict) else 0
        raise _invalid(f"Number of message attributes [{count}] exceeds the allowed maximum [{_MAX_ATTRIBUTES}].")
    for name, value in attributes.items():
        kind = value.get("DataType") if isinstance(value, dict) else None
        if _NAME.fullmatch(name) is None:
            raise _invalid(f"Invalid message attribute name '{name}'.")
        if not isinstance(kind, str) or _TYPE.fullmatch(kind) is None:
            raise _invalid(
                f"The message attribute '{name}' has an invalid message attribute type, the set of supported type "
                "prefixes is Binary, Number, and String."
            )
        member = "BinaryValue" if kind.startswith("Binary") else "StringValue"
        if not isinstance(value.get(member), str) or not value[member]:
            raise _invalid(f"The message attribute '{name}' must contain a non-empty {member} for type '{kind}'.")
        if member == "BinaryValue" and not _is_base64(value[member]):
            raise _invalid(f"The BinaryValue of the message attribute '{name}' is not base64.")
        if member == "StringValue":
            _check_characters(value[member], f"the value of the message attribute '{name}'")
        if kind.startswith("Number") and not _is_number(value["StringValue"]):
            raise _invalid(f"Can't cast the value of message (user) attribute '{name}' to a number.")
    return attributes


def size_of(body: str, attributes: Mapping[str, Mapping[str, Any]]) -> int:
    """Return the bytes of a message that count for its limit."""
    size = len(body) if body.isascii() else len(body.encode(errors="surrogatepass"))
    for name, value in attributes.items():
        size += len(name) + len(value["DataType"])
        binary = value.get("BinaryValue")
        size += len(value["StringValue"].encode()) if binary is None else len(base64.b64decode(binary))
    return size


def _check_characters(text: str, where: str) -> None:
    """Refuse what XML 1.0 has no place for, as AWS does.

    Raises:
        ApiError: InvalidMessageContents.
    """
    found = _NOT_XML.search(text)
    if found is not None:
        raise ApiError("InvalidMessageContents", f"Invalid binary character '#x{ord(found[0]):X}' was found in {where}")


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _invalid(sentence: str) -> ApiError:
    return ApiError("InvalidParameterValue", sentence)
