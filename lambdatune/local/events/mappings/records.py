"""An event source mapping, and what may be asked of one (AWS API reference, "CreateEventSourceMapping")."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import invalid, not_implemented, validation
from lambdatune.local.events import patterns
from lambdatune.local.reply import structure
from lambdatune.local.validate import bounded_number

if TYPE_CHECKING:
    from collections.abc import Mapping as Members

    from lambdatune.local.names import Naming

_MAX_BATCH = 10_000
_MAX_UNWINDOWED = 10
_MAX_WINDOW_S = 300
_CONCURRENCY = (2, 1_000)
_MAX_FILTERS = 10
_UNSERVED = (
    "StartingPosition", "StartingPositionTimestamp", "ParallelizationFactor", "DestinationConfig",
    "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "MaximumRetryAttempts", "TumblingWindowInSeconds",
    "Topics", "Queues", "SourceAccessConfigurations", "SelfManagedEventSource", "AmazonManagedKafkaEventSourceConfig",
    "SelfManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig",
)  # fmt: skip
"""Members of other event sources, which AWS refuses for SQS."""


@dataclass(slots=True, eq=False)
class Mapping:
    """One event source mapping.

    Attributes:
        identifier: its UUID.
        queue_arn: what is polled.
        function: bare name of the function.
        qualifier: version or alias, or None.
        batch_size: most messages in a batch.
        window_s: how long a batch is gathered, in seconds.
        max_concurrency: most batches at once, or None.
        reports_items: whether the function says which messages failed.
        filters: the patterns, of which a message has to match one; none lets all through.
        state: AWS's State.
        last_result: AWS's LastProcessingResult.
        changed_s: when it was changed, in seconds of Unix time.
        tags: key to value.
    """

    queue_arn: str
    function: str
    qualifier: str | None
    batch_size: int = 10
    window_s: int = 0
    max_concurrency: int | None = None
    reports_items: bool = False
    filters: tuple[str, ...] = ()
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "Creating"
    last_result: str = "No records processed"
    changed_s: float = field(default_factory=time.time)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def rules(self) -> tuple[dict[str, Any], ...]:
        """The filters, parsed."""
        return tuple(patterns.parse(text) for text in self.filters)

    def to_api(self, naming: Naming) -> dict[str, Any]:
        """Return the API's EventSourceMappingConfiguration."""
        answer: dict[str, Any] = {
            "UUID": self.identifier,
            "EventSourceMappingArn": arn_of(naming, self.identifier),
            "EventSourceArn": self.queue_arn,
            "FunctionArn": naming.function_arn(self.function, self.qualifier),
            "BatchSize": self.batch_size,
            "MaximumBatchingWindowInSeconds": self.window_s,
            "FunctionResponseTypes": ["ReportBatchItemFailures"] if self.reports_items else [],
            "State": self.state,
            "StateTransitionReason": "USER_INITIATED",
            "LastProcessingResult": self.last_result,
            "LastModified": round(self.changed_s, 3),
        }
        if self.max_concurrency is not None:
            answer["ScalingConfig"] = {"MaximumConcurrency": self.max_concurrency}
        if self.filters:
            answer["FilterCriteria"] = {"Filters": [{"Pattern": text} for text in self.filters]}
        return answer


def arn_of(naming: Naming, identifier: str) -> str:
    """Return the ARN of a mapping."""
    return f"arn:aws:lambda:{naming.region}:{naming.account_id}:event-source-mapping:{identifier}"


def read_changes(body: Members[str, Any], mapping: Mapping) -> dict[str, Any]:
    """Return the attributes of a mapping that a request changes.

    Raises:
        ApiError: for the first member that cannot be.
    """
    for member in _UNSERVED:
        if body.get(member) not in (None, [], {}):
            raise invalid(f"Unsupported parameter for SQS event source: {member}")
    if body.get("ProvisionedPollerConfig"):
        raise not_implemented("ProvisionedPollerConfig of event source mappings")
    changes: dict[str, Any] = {}
    if body.get("BatchSize") is not None:
        changes["batch_size"] = bounded_number("batchSize", body["BatchSize"], 1, _MAX_BATCH)
    if body.get("MaximumBatchingWindowInSeconds") is not None:
        window_s = body["MaximumBatchingWindowInSeconds"]
        changes["window_s"] = bounded_number("maximumBatchingWindowInSeconds", window_s, 0, _MAX_WINDOW_S)
    if body.get("ScalingConfig") is not None:
        most = structure(body["ScalingConfig"]).get("MaximumConcurrency")
        changes["max_concurrency"] = (
            None if most is None else bounded_number("scalingConfig.maximumConcurrency", most, *_CONCURRENCY)
        )
    if body.get("FunctionResponseTypes") is not None:
        changes["reports_items"] = _reports_items(body["FunctionResponseTypes"])
    if body.get("FilterCriteria") is not None:
        changes["filters"] = _filters(body["FilterCriteria"])
    _check_batch(
        mapping.queue_arn,
        changes.get("batch_size", mapping.batch_size),
        changes.get("window_s", mapping.window_s),
    )
    return changes


def _check_batch(queue_arn: str, batch_size: int, window_s: int) -> None:
    """Check what depends on the kind of the queue (AWS docs, "Using Lambda with Amazon SQS")."""
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


def _reports_items(value: object) -> bool:
    if not isinstance(value, list) or any(kind != "ReportBatchItemFailures" for kind in value):
        raise validation(
            "functionResponseTypes", value, "Member must satisfy enum value set: [ReportBatchItemFailures]"
        )
    return bool(value)


def _filters(value: object) -> tuple[str, ...]:
    given = value.get("Filters") or [] if isinstance(value, dict) else None
    if not isinstance(given, list) or len(given) > _MAX_FILTERS:
        raise invalid(f"FilterCriteria takes a list of at most {_MAX_FILTERS} Filters.")
    texts = tuple(str(each.get("Pattern") or "") if isinstance(each, dict) else "" for each in given)
    for text in texts:
        try:
            patterns.parse(text)
        except patterns.PatternError as error:
            raise invalid(f"Invalid filter pattern definition. {error}") from error
    return texts
