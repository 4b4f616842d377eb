"""What requests to Kinesis hold, checked, with AWS's sentences for what cannot be."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from lambdatune.local.errors import ApiError, validation
from lambdatune.local.events.deliveries import service_of

MAX_DATA_BYTES = 1_048_576
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}")
_MAX_HASH = (1 << 128) - 1
_MAX_KEY = 256
_MAX_TAGS = 50


def invalid(sentence: str) -> ApiError:
    """Return InvalidArgumentException (400)."""
    return ApiError("InvalidArgumentException", sentence)


def stream_name(body: dict[str, Any]) -> str:
    """Return the name of the stream that a request names, by StreamName or by StreamARN.

    Raises:
        ApiError: InvalidArgumentException, ValidationException.
    """
    arn, name = body.get("StreamARN"), body.get("StreamName")
    if arn:
        if service_of(str(arn)) != "kinesis" or ":stream/" not in str(arn):
            pattern = r"arn:aws.*:kinesis:.*:\d{12}:stream/\S+"
            raise validation("streamARN", arn, f"Member must satisfy regular expression pattern: {pattern}")
        return str(arn).partition(":stream/")[2]
    if not name:
        raise invalid("Either StreamName or StreamARN must be provided.")
    return new_name(name)


def new_name(name: object) -> str:
    """Return a name that a stream may have.

    Raises:
        ApiError: ValidationException.
    """
    if name is None:
        raise validation("streamName", "null", "Member must not be null")
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise validation("streamName", name, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
    return name


def tags(value: object) -> dict[str, str]:
    """Return tags; none when none are given.

    Raises:
        ApiError: InvalidArgumentException.
    """
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ApiError("SerializationException", "Tags must be a map of strings to strings.")
    if len(value) > _MAX_TAGS:
        raise invalid(f"A stream has {_MAX_TAGS} tags at the most.")
    return dict(value)


def record(body: dict[str, Any]) -> tuple[str, int | None, str, int]:
    """Return partition key, explicit hash, data in base64, and the size of the data.

    Raises:
        ApiError: ValidationException, SerializationException, InvalidArgumentException.
    """
    key, data = body.get("PartitionKey"), body.get("Data")
    if not isinstance(key, str) or not 1 <= len(key) <= _MAX_KEY:
        if key is None:
            raise validation("partitionKey", "null", "Member must not be null")
        raise validation("partitionKey", key, f"Member must have length between 1 and {_MAX_KEY}")
    if data is None:
        raise validation("data", "null", "Member must not be null")
    size = _size(data)
    if size > MAX_DATA_BYTES:
        raise validation("data", f"{size} bytes", f"Member must have length less than or equal to {MAX_DATA_BYTES}")
    return key, _explicit_hash(body.get("ExplicitHashKey")), data, size


def _size(data: object) -> int:
    """Return how many bytes a base64 text stands for."""
    try:
        if not isinstance(data, str):
            raise TypeError
        return len(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError, TypeError) as error:
        raise ApiError("SerializationException", "Data: expected base64") from error


def _explicit_hash(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, str) or not (value.isascii() and value.isdecimal()) or len(value) > 39:
        raise validation("explicitHashKey", value, r"Member must satisfy regular expression pattern: 0|([1-9]\d{0,38})")
    if int(value) > _MAX_HASH:
        raise invalid(
            f"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {value}"
        )
    return int(value)


def whole(body: dict[str, Any], member: str, low: int, high: int, default: int) -> int:
    """Return a number of a request.

    Raises:
        ApiError: ValidationException, SerializationException.
    """
    value = body.get(member)
    if value is None:
        return default
    path = member[0].lower() + member[1:]
    if not isinstance(value, int) or isinstance(value, bool):
        raise ApiError("SerializationException", f"{path}: NUMBER_VALUE expected")
    if value < low:
        raise validation(path, value, f"Member must have value greater than or equal to {low}")
    if value > high:
        raise validation(path, value, f"Member must have value less than or equal to {high}")
    return value


def moment(value: object) -> float:
    """Return a timestamp in seconds of Unix time.

    Raises:
        ApiError: InvalidArgumentException, SerializationException.
    """
    if value is None:
        raise invalid("Must either specify timestamp or use another ShardIteratorType than AT_TIMESTAMP.")
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ApiError("SerializationException", "Timestamp: NUMBER_VALUE expected")
    return float(value)


def sequence(value: object, kind: str) -> int:
    """Return a sequence number.

    Raises:
        ApiError: InvalidArgumentException.
    """
    if value is None:
        raise invalid(f"Must specify starting sequence number for ShardIteratorType {kind}.")
    if not isinstance(value, str) or not (value.isascii() and value.isdecimal()) or len(value) > 129:
        raise validation(
            "startingSequenceNumber", value, r"Member must satisfy regular expression pattern: 0|([1-9]\d{0,128})"
        )
    return int(value)
