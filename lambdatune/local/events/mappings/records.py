"""An event source mapping, and what a request changes of one (AWS API reference, "CreateEventSourceMapping")."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import invalid, validation
from lambdatune.local.events import patterns
from lambdatune.local.events.mappings import queue_settings, stream_settings
from lambdatune.local.validate import bounded_number

if TYPE_CHECKING:
    from collections.abc import Mapping as Members

    from lambdatune.local.events.mappings.stream_lane import Progress
    from lambdatune.local.events.mappings.stream_settings import StreamSettings
    from lambdatune.local.names import Naming

_QUEUE_BATCH = 10
_STREAM_BATCH = 100
_MAX_BATCH = 10_000
_MAX_WINDOW_S = 300
_MAX_FILTERS = 10


@dataclass(slots=True, eq=False)
class Mapping:
    """One event source mapping.

    Attributes:
        source_arn: what is polled.
        function: bare name of the function.
        qualifier: version or alias, or None.
        stream: how a stream is read; None for a queue.
        batch_size: most messages in a batch.
        window_s: how long a batch is gathered, in seconds.
        max_concurrency: most batches at once, or None.
        reports_items: whether the function says which messages failed.
        filters: the patterns, of which a message has to match one; none lets all through.
        identifier: its UUID.
        state: AWS's State.
        last_result: AWS's LastProcessingResult.
        changed_s: when it was changed, in seconds of Unix time.
        tags: key to value.
        progress: how far a stream was processed, None before it was read.
    """

    source_arn: str
    function: str
    qualifier: str | None
    stream: StreamSettings | None = None
    batch_size: int = 0
    window_s: int = 0
    max_concurrency: int | None = None
    reports_items: bool = False
    filters: tuple[str, ...] = ()
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "Creating"
    last_result: str = "No records processed"
    changed_s: float = field(default_factory=time.time)
    tags: dict[str, str] = field(default_factory=dict)
    progress: Progress | None = None

    def __post_init__(self) -> None:
        """Take the batch size that AWS gives where none is asked for."""
        if not self.batch_size:
            self.batch_size = _QUEUE_BATCH if self.stream is None else _STREAM_BATCH

    @property
    def rules(self) -> tuple[dict[str, Any], ...]:
        """The filters, parsed."""
        return tuple(patterns.parse(text) for text in self.filters)

    def to_api(self, naming: Naming) -> dict[str, Any]:
        """Return the API's EventSourceMappingConfiguration."""
        answer: dict[str, Any] = {
            "UUID": self.identifier,
            "EventSourceMappingArn": arn_of(naming, self.identifier),
            "EventSourceArn": self.source_arn,
            "FunctionArn": naming.function_arn(self.function, self.qualifier),
            "BatchSize": self.batch_size,
            "MaximumBatchingWindowInSeconds": self.window_s,
            "FunctionResponseTypes": ["ReportBatchItemFailures"] if self.reports_items else [],
            "State": self.state,
            "StateTransitionReason": "USER_INITIATED" if self.stream is None else "User action",
            "LastProcessingResult": self.last_result,
            "LastModified": round(self.changed_s, 3),
        }
        if self.max_concurrency is not None:
            answer["ScalingConfig"] = {"MaximumConcurrency": self.max_concurrency}
        if self.stream is not None:
            answer |= self.stream.to_api()
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
    changes: dict[str, Any] = {}
    if mapping.stream is None:
        queue_settings.refuse_unserved(body)
    else:
        changes["stream"] = stream_settings.changed(mapping.stream, body)
    if body.get("BatchSize") is not None:
        changes["batch_size"] = bounded_number("batchSize", body["BatchSize"], 1, _MAX_BATCH)
    if body.get("MaximumBatchingWindowInSeconds") is not None:
        window_s = body["MaximumBatchingWindowInSeconds"]
        changes["window_s"] = bounded_number("maximumBatchingWindowInSeconds", window_s, 0, _MAX_WINDOW_S)
    if mapping.stream is None and body.get("ScalingConfig") is not None:
        changes["max_concurrency"] = queue_settings.max_concurrency(body["ScalingConfig"])
    if body.get("FunctionResponseTypes") is not None:
        changes["reports_items"] = _reports_items(body["FunctionResponseTypes"])
    if body.get("FilterCriteria") is not None:
        changes["filters"] = _filters(body["FilterCriteria"])
    if mapping.stream is None:
        queue_settings.check_batch(
            mapping.source_arn,
            changes.get("batch_size", mapping.batch_size),
            changes.get("window_s", mapping.window_s),
        )
    return changes


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
