"""Buses with their rules and targets, and the way of an event through them."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lambdatune.local.events import patterns
from lambdatune.local.events.deliveries import Parcel
from lambdatune.local.events.record import Origin

if TYPE_CHECKING:
    from lambdatune.local.events.deliveries import Deliveries

_PRINCIPAL = "events.amazonaws.com"


@dataclass(slots=True)
class Target:
    """Where a rule sends events.

    Attributes:
        identifier: unique in the rule.
        arn: of a function, a queue, a topic or a bus.
        text: JSON that is sent in place of the event, or None.
        path: the part of the event that is sent, for example ``$.detail``, or None.
        group: MessageGroupId for a FIFO queue, or None.
    """

    identifier: str
    arn: str
    text: str | None = None
    path: str | None = None
    group: str | None = None

    def to_api(self) -> dict[str, Any]:
        """Return the API's Target."""
        view: dict[str, Any] = {"Id": self.identifier, "Arn": self.arn}
        if self.text is not None:
            view["Input"] = self.text
        if self.path is not None:
            view["InputPath"] = self.path
        if self.group is not None:
            view["SqsParameters"] = {"MessageGroupId": self.group}
        return view

    def body(self, event: dict[str, Any]) -> str:
        """Return what is sent for an event."""
        if self.text is not None:
            return self.text
        part: Any = event
        for name in (self.path or "$").split(".")[1:]:
            part = part.get(name) if isinstance(part, dict) else None
        return json.dumps(part, separators=(",", ":"), ensure_ascii=False)


@dataclass(slots=True, eq=False)
class Rule:
    """A rule; its pattern is kept as it was given and as it was parsed."""

    name: str
    arn: str
    pattern: str
    parsed: dict[str, Any]
    is_enabled: bool = True
    description: str = ""
    role: str = ""
    targets: dict[str, Target] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Bus:
    """A bus with its rules by name."""

    name: str
    arn: str
    rules: dict[str, Rule] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


def publish(bus: Bus, event: dict[str, Any], deliveries: Deliveries) -> str:
    """Send an event to the targets of the rules that it matches; return its identifier.

    Args:
        bus: where it is put.
        event: source, detail-type, account, region, resources and detail; the rest is added.
        deliveries: takes it to targets.
    """
    origin = Origin("eventbridge", str(uuid.uuid4()), time.time_ns())
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    whole = {
        "version": "0",
        "id": origin.message_id,
        "detail-type": event["detail-type"],
        "source": event["source"],
        "account": event["account"],
        "time": event.get("time", now),
        "region": event["region"],
        "resources": event["resources"],
        "detail": event["detail"],
    }
    for rule in list(bus.rules.values()):
        if not rule.is_enabled or not patterns.matches(rule.parsed, whole):
            continue
        for target in list(rule.targets.values()):
            parcel = Parcel(
                target.body(whole),
                origin,
                _PRINCIPAL,
                rule.arn,
                detail_type=event["detail-type"],
                group=target.group,
            )
            deliveries.send(target.arn, parcel)
    return origin.message_id
