"""Attributes of queues: which there are, what they may be, and AWS's sentences for what they may not."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBERS = {
    "DelaySeconds": (0, 900),
    "MaximumMessageSize": (1_024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
}
_CHOICES = {
    "ContentBasedDeduplication": ("true", "false"),
    "SqsManagedSseEnabled": ("true", "false"),
    "DeduplicationScope": ("messageGroup", "queue"),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
    "FifoQueue": ("true",),
}
_ONLY_FIFO = frozenset({"FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"})
_TEXTS = frozenset({"KmsMasterKeyId"})
_DOCUMENTS = frozenset({"Policy", "RedrivePolicy", "RedriveAllowPolicy"})
_DEFAULTS = {
    "VisibilityTimeout": "30",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "DelaySeconds": "0",
    "ReceiveMessageWaitTimeSeconds": "0",
    "SqsManagedSseEnabled": "true",
}
_FIFO_DEFAULTS = {
    "FifoQueue": "true",
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "queue",
    "FifoThroughputLimit": "perQueue",
}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,80}|[a-zA-Z0-9_-]{1,75}\.fifo")


def check_queue_name(name: object) -> str:
    """Return the name of a new queue.

    Raises:
        ApiError: InvalidParameterValue.
    """
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ApiError(
            "InvalidParameterValue",
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        )
    return name


def defaults(*, is_fifo: bool) -> dict[str, str]:
    """Return what a new queue has."""
    return {**_DEFAULTS, **(_FIFO_DEFAULTS if is_fifo else {})}


def checked(attributes: object, *, is_fifo: bool) -> dict[str, str]:
    """Return the attributes of CreateQueue or SetQueueAttributes; an empty document stands for its removal.

    Raises:
        ApiError: InvalidAttributeName, InvalidAttributeValue.
    """
    if attributes is None:
        return {}
    if not isinstance(attributes, dict):
        raise ApiError("InvalidAttributeValue", "Attributes must be a map of strings to strings.")
    for name, value in attributes.items():
        known = name in _NUMBERS or name in _CHOICES or name in _TEXTS or name in _DOCUMENTS
        if not known or (name in _ONLY_FIFO and not is_fifo):
            raise ApiError("InvalidAttributeName", f"Unknown Attribute {name}.")
        if not isinstance(value, str) or not _is_valid(name, value):
            raise ApiError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
    return dict(attributes)


def _is_valid(name: str, value: str) -> bool:
    if name in _NUMBERS:
        low, high = _NUMBERS[name]
        return value.isdecimal() and low <= int(value) <= high
    if name in _DOCUMENTS:
        return not value or _object(value) is not None
    return name in _TEXTS or value in _CHOICES[name]


def redrive_of(attributes: Mapping[str, str]) -> tuple[str, int] | None:
    """Return the dead letter queue's ARN and maxReceiveCount of a RedrivePolicy, None when there is none.

    Raises:
        ApiError: InvalidParameterValue.
    """
    text = attributes.get("RedrivePolicy")
    if not text:
        return None
    policy = _object(text) or {}
    target, most = policy.get("deadLetterTargetArn"), str(policy.get("maxReceiveCount", ""))
    if not isinstance(target, str) or not most.isdecimal():
        raise redrive_refusal(text, "Redrive policy does not contain mandatory attributes.")
    if not 1 <= int(most) <= 1_000:
        raise redrive_refusal(text, f"Invalid value for maxReceiveCount: {most}, valid values are from 1 to 1000.")
    return target, int(most)


def allows_redrive(attributes: Mapping[str, str], source_arn: str) -> bool:
    """Whether the RedriveAllowPolicy of a dead letter queue lets another queue use it."""
    policy = _object(attributes.get("RedriveAllowPolicy") or "{}") or {}
    permission = policy.get("redrivePermission", "allowAll")
    return permission == "allowAll" or (permission == "byQueue" and source_arn in policy.get("sourceQueueArns", []))


def redrive_refusal(text: str, reason: str) -> ApiError:
    """Return AWS's refusal of a RedrivePolicy."""
    return ApiError("InvalidParameterValue", f"Value {text} for parameter RedrivePolicy is invalid. Reason: {reason}")


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
