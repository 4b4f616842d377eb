"""What one service hands to another: messages to the ARN of a queue, a topic, a function or a bus."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lambdatune.local.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lambdatune.local.events.record import Origin

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is delivered.

    Attributes:
        body: the text of the message, or the payload of the function.
        origin: where it came from, which the record of a function's call names.
        principal: the service that delivers, for example sns.amazonaws.com; None for a role that may.
        source_arn: the resource that it delivers for.
        attributes: message attributes, name to (data type, value).
        detail_type: of the event, where it goes to a bus.
        group: MessageGroupId, where it goes to a FIFO queue.
    """

    body: str
    origin: Origin
    principal: str | None = None
    source_arn: str = ""
    attributes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    detail_type: str = ""
    group: str | None = None


class Deliveries:
    """Takes parcels to where they belong; what cannot be delivered is counted and told in the log."""

    def __init__(self) -> None:
        self._carriers: dict[str, Callable[[str, Parcel], None]] = {}
        self.failed: Counter[str] = Counter()

    def register(self, service: str, carrier: Callable[[str, Parcel], None]) -> None:
        """Let `carrier` deliver to ARNs of a service; it raises ApiError for what it cannot deliver."""
        self._carriers[service] = carrier

    def reaches(self, arn: str) -> bool:
        """Whether ARNs of this service are delivered to."""
        return service_of(arn) in self._carriers

    def send(self, arn: str, parcel: Parcel) -> bool:
        """Deliver; return whether that was possible."""
        try:
            self._carriers[service_of(arn)](arn, parcel)
        except ApiError as error:
            self.failed[error.code] += 1
            _log.warning("not delivered from %s to %s: %s", parcel.source_arn or parcel.origin.source, arn, error)
            return False
        return True


def service_of(arn: str) -> str:
    """Return the service of an ARN, an empty text when it is none."""
    parts = arn.split(":")
    return parts[2] if len(parts) > 5 and parts[0] == "arn" else ""
