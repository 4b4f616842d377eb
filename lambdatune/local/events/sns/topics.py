"""Topics and subscriptions, and what subscribers are sent."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError
from lambdatune.local.events import patterns
from lambdatune.local.events.deliveries import Parcel
from lambdatune.local.events.endings import iso_now
from lambdatune.local.events.record import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdatune.local.events.deliveries import Deliveries

_PRINCIPAL = "sns.amazonaws.com"
MAX_BYTES = 262_144
"""Of a message with its attributes (AWS docs, "Amazon SNS quotas")."""

Attributes = dict[str, tuple[str, str]]


@dataclass(slots=True, eq=False)
class Subscription:
    """A subscription.

    Attributes:
        arn: its ARN.
        topic_arn: of its topic.
        protocol: lambda or sqs.
        endpoint: ARN of the function or queue.
        attributes: RawMessageDelivery, FilterPolicy and FilterPolicyScope, as far as set.
    """

    arn: str
    topic_arn: str
    protocol: str
    endpoint: str
    attributes: dict[str, str] = field(default_factory=dict)

    def wants(self, message: str, attributes: Attributes) -> bool:
        """Whether the filter policy lets a message through."""
        policy = self.attributes.get("FilterPolicy")
        if not policy or policy.strip() == "{}":
            return True
        rule = patterns.parse(policy)
        if self.attributes.get("FilterPolicyScope") != "MessageBody":
            return patterns.matches(rule, {name: _value(*given) for name, given in attributes.items()})
        try:
            return patterns.matches(rule, json.loads(message))
        except ValueError:
            return False


@dataclass(slots=True, eq=False)
class Topic:
    """A topic with its subscriptions by ARN."""

    arn: str
    attributes: dict[str, str]
    tags: dict[str, str]
    subscriptions: dict[str, Subscription] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notification:
    """A message as it is published.

    Attributes:
        texts: by protocol; ``default`` is for all others.
        subject: or None.
        attributes: message attributes, name to (data type, value).
    """

    texts: Mapping[str, str]
    subject: str | None
    attributes: Attributes

    @property
    def size(self) -> int:
        """The bytes that count for the limit."""
        parts = [part for name, (kind, value) in self.attributes.items() for part in (name, kind, value)]
        return sum(len(text.encode()) for text in (*self.texts.values(), *parts))


def publish(topic: Topic, notification: Notification, deliveries: Deliveries) -> str:
    """Send a message to the subscribers; return its identifier.

    Raises:
        ApiError: InvalidParameter when it is too long.
    """
    if notification.size > MAX_BYTES:
        raise ApiError("InvalidParameter", "Invalid parameter: Message too long")
    origin = Origin("sns", str(uuid.uuid4()), time.time_ns())
    stamp = iso_now()
    for subscription in list(topic.subscriptions.values()):
        text = notification.texts.get(subscription.protocol, notification.texts.get("default", ""))
        if subscription.wants(text, notification.attributes):
            parcel = _parcel(topic, subscription, notification, text, origin, stamp)
            deliveries.send(subscription.endpoint, parcel)
    return origin.message_id


def _parcel(
    topic: Topic, subscription: Subscription, notification: Notification, text: str, origin: Origin, stamp: str
) -> Parcel:
    if subscription.protocol == "sqs" and subscription.attributes.get("RawMessageDelivery") == "true":
        return Parcel(text, origin, _PRINCIPAL, topic.arn, notification.attributes)
    is_lambda = subscription.protocol == "lambda"
    body: dict[str, Any] = {"Type": "Notification", "MessageId": origin.message_id, "TopicArn": topic.arn}
    if notification.subject is not None or is_lambda:
        body["Subject"] = notification.subject
    # Nothing is signed here; the members are there because handlers read them.
    spelling = ("SigningCertUrl", "UnsubscribeUrl") if is_lambda else ("SigningCertURL", "UnsubscribeURL")
    body |= {"Message": text, "Timestamp": stamp, "SignatureVersion": "1", "Signature": "EMBEDDED"}
    body |= dict.fromkeys(spelling, "EMBEDDED")
    if notification.attributes or is_lambda:
        body["MessageAttributes"] = {
            name: {"Type": kind, "Value": value} for name, (kind, value) in notification.attributes.items()
        }
    if is_lambda:
        record = {
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription.arn,
            "Sns": body,
        }
        return Parcel(json.dumps({"Records": [record]}, ensure_ascii=False), origin, _PRINCIPAL, topic.arn)
    return Parcel(json.dumps(body, ensure_ascii=False), origin, _PRINCIPAL, topic.arn)


def _value(kind: str, text: str) -> Any:
    """Return the value of a message attribute that a filter policy compares."""
    if kind not in {"Number", "String.Array"}:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
