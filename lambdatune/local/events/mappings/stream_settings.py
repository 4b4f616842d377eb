"""What may be asked of a mapping of a stream (AWS API reference, "CreateEventSourceMapping")."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError, invalid, not_implemented, validation
from lambdatune.local.events.deliveries import service_of
from lambdatune.local.reply import structure
from lambdatune.local.validate import bounded_number

if TYPE_CHECKING:
    from collections.abc import Mapping as Members

FOREVER = -1
_MAX_PARALLEL = 10
_MAX_RETRIES = 10_000
_AGE_S = (60, 604_800)
_POSITIONS = {"kinesis": ("LATEST", "TRIM_HORIZON", "AT_TIMESTAMP"), "dynamodb": ("LATEST", "TRIM_HORIZON")}
_DESTINATION = re.compile(r"arn:aws[a-zA-Z-]*:[a-z0-9-]+:[a-z0-9-]*:\d*:\S+")
_UNSERVED = (
    "ScalingConfig", "ProvisionedPollerConfig", "Topics", "Queues", "SourceAccessConfigurations",
    "SelfManagedEventSource", "AmazonManagedKafkaEventSourceConfig", "SelfManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig",
)  # fmt: skip
"""Members of other event sources, which AWS refuses for streams."""


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How a stream is read.

    Attributes:
        position: StartingPosition.
        timestamp_s: StartingPositionTimestamp in seconds of Unix time, with AT_TIMESTAMP only.
        parallel: most batches at once of one shard.
        max_age_s: how old a record may be that is tried; -1 is no limit but that of the stream.
        max_retries: of a batch that fails; -1 is no limit.
        bisects: whether a batch that fails is tried again in two halves.
        on_failure: ARN that is told about what is given up; empty for none.
    """

    position: str
    timestamp_s: float | None = None
    parallel: int = 1
    max_age_s: int = FOREVER
    max_retries: int = FOREVER
    bisects: bool = False
    on_failure: str = ""

    def to_api(self) -> dict[str, Any]:
        """Return the members of the API's EventSourceMappingConfiguration that only streams have."""
        answer: dict[str, Any] = {
            "StartingPosition": self.position,
            "ParallelizationFactor": self.parallel,
            "MaximumRecordAgeInSeconds": self.max_age_s,
            "MaximumRetryAttempts": self.max_retries,
            "BisectBatchOnFunctionError": self.bisects,
            "TumblingWindowInSeconds": 0,
            "DestinationConfig": {"OnFailure": {"Destination": self.on_failure} if self.on_failure else {}},
        }
        if self.timestamp_s is not None:
            answer["StartingPositionTimestamp"] = self.timestamp_s
        return answer


def starting(body: Members[str, Any], service: str) -> StreamSettings:
    """Return the settings of a new mapping before its changes: where it starts.

    Args:
        body: of CreateEventSourceMapping.
        service: kinesis or dynamodb.

    Raises:
        ApiError: for what cannot be.
    """
    position, timestamp = body.get("StartingPosition"), body.get("StartingPositionTimestamp")
    if position is None:
        raise validation("startingPosition", "null", "Member must not be null")
    if position not in _POSITIONS["kinesis"]:
        choices = ", ".join(_POSITIONS["kinesis"])
        raise validation("startingPosition", position, f"Member must satisfy enum value set: [{choices}]")
    if position not in _POSITIONS[service]:
        raise invalid(f"Unsupported starting position for arn type: {position}")
    if position != "AT_TIMESTAMP":
        if timestamp is not None:
            raise invalid("StartingPositionTimestamp is only valid with StartingPosition AT_TIMESTAMP.")
        return StreamSettings(str(position))
    if timestamp is None:
        raise invalid("StartingPositionTimestamp is required with StartingPosition AT_TIMESTAMP.")
    if not isinstance(timestamp, int | float) or isinstance(timestamp, bool):
        raise ApiError("SerializationException", "startingPositionTimestamp: NUMBER_VALUE expected")
    return StreamSettings(str(position), float(timestamp))


def changed(settings: StreamSettings, body: Members[str, Any]) -> StreamSettings:
    """Apply what a request changes.

    Raises:
        ApiError: for the first member that cannot be.
    """
    for member in _UNSERVED:
        if body.get(member) not in (None, [], {}):
            raise invalid(f"Unsupported parameter for stream event source: {member}")
    if body.get("TumblingWindowInSeconds"):
        raise not_implemented("TumblingWindowInSeconds of event source mappings")
    changes: dict[str, Any] = {}
    if body.get("ParallelizationFactor") is not None:
        given = body["ParallelizationFactor"]
        changes["parallel"] = bounded_number("parallelizationFactor", given, 1, _MAX_PARALLEL)
    if body.get("MaximumRetryAttempts") is not None:
        given = body["MaximumRetryAttempts"]
        changes["max_retries"] = bounded_number("maximumRetryAttempts", given, FOREVER, _MAX_RETRIES)
    if body.get("MaximumRecordAgeInSeconds") is not None:
        given = body["MaximumRecordAgeInSeconds"]
        changes["max_age_s"] = bounded_number("maximumRecordAgeInSeconds", given, FOREVER, _AGE_S[1])
        if FOREVER < changes["max_age_s"] < _AGE_S[0]:
            raise invalid(f"MaximumRecordAgeInSeconds is -1 or at least {_AGE_S[0]}.")
    if body.get("BisectBatchOnFunctionError") is not None:
        if not isinstance(body["BisectBatchOnFunctionError"], bool):
            raise ApiError("SerializationException", "bisectBatchOnFunctionError: BOOLEAN_VALUE expected")
        changes["bisects"] = body["BisectBatchOnFunctionError"]
    if body.get("DestinationConfig") is not None:
        changes["on_failure"] = _destination(body["DestinationConfig"])
    return replace(settings, **changes)


def _destination(value: object) -> str:
    config = structure(value)
    if structure(config.get("OnSuccess")).get("Destination"):
        raise invalid("Unsupported DestinationConfig parameter for given event source mapping type: OnSuccess")
    arn = structure(config.get("OnFailure")).get("Destination") or ""
    if not arn:
        return ""
    if not isinstance(arn, str) or _DESTINATION.fullmatch(arn) is None:
        raise validation(
            "destinationConfig.onFailure.destination",
            arn,
            f"Member must satisfy regular expression pattern: {_DESTINATION.pattern}",
        )
    service = service_of(arn)
    if service == "s3":
        raise not_implemented("S3 buckets as OnFailure destination of event source mappings")
    if service not in {"sqs", "sns"} or arn.endswith(".fifo"):
        raise invalid(f"Invalid destination: {arn}. Supported are standard SQS queues and standard SNS topics.")
    return arn
