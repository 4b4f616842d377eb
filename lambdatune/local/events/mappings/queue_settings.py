"""What may be asked of a mapping of a queue (AWS API reference, "CreateEventSourceMapping")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import invalid, not_implemented
from lambdatune.local.reply import structure
from lambdatune.local.validate import bounded_number

if TYPE_CHECKING:
    from collections.abc import Mapping as Members

_MAX_UNWINDOWED = 10
_CONCURRENCY = (2, 1_000)
_UNSERVED = (
    "StartingPosition", "StartingPositionTimestamp", "ParallelizationFactor", "DestinationConfig",
    "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "MaximumRetryAttempts", "TumblingWindowInSeconds",
    "Topics", "Queues", "SourceAccessConfigurations", "SelfManagedEventSource", "AmazonManagedKafkaEventSourceConfig",
    "SelfManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig",
)  # fmt: skip
"""Members of other event sources, which AWS refuses for SQS."""


def refuse_unserved(body: Members[str, Any]) -> None:
    """Refuse the members that a mapping of a queue has not.

    Raises:
        ApiError: InvalidParameterValueException, or that this endpoint has no provisioned pollers.
    """
    for member in _UNSERVED:
        if body.get(member) not in (None, [], {}):
            raise invalid(f"Unsupported parameter for SQS event source: {member}")
    if body.get("ProvisionedPollerConfig"):
        raise not_implemented("ProvisionedPollerConfig of event source mappings")


def max_concurrency(value: object) -> int | None:
    """Return MaximumConcurrency of a ScalingConfig, None when there is none.

    Raises:
        ApiError: ValidationException, SerializationException.
    """
    most = structure(value).get("MaximumConcurrency")
    return None if most is None else bounded_number("scalingConfig.maximumConcurrency", most, *_CONCURRENCY)


def check_batch(queue_arn: str, batch_size: int, window_s: int) -> None:
    """Check what depends on the kind of the queue (AWS docs, "Using Lambda with Amazon SQS").

    Raises:
        ApiError: InvalidParameterValueException.
    """
    if queue_arn.endswith(".fifo"):
        if window_s:
            raise invalid("Batching window is not supported for FIFO queues.")
        if batch_size > _MAX_UNWINDOWED:
            raise invalid(f"Maximum batch size for FIFO queues is {_MAX_UNWINDOWED}.")
    if batch_size > _MAX_UNWINDOWED and not window_s:
        raise invalid(
            f"Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than "
            f"{_MAX_UNWINDOWED}"
        )
