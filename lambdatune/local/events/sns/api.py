"""The actions of SNS, over the query protocol."""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError, not_implemented
from lambdatune.local.events import patterns, query
from lambdatune.local.events.deliveries import service_of
from lambdatune.local.events.sns.topics import MAX_BYTES, Notification, Subscription, Topic, publish
from lambdatune.local.reply import Reply, page

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.local.events.deliveries import Deliveries, Parcel
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming

NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_TOPIC_ATTRIBUTES = frozenset({"DisplayName", "Policy"})
_SUBSCRIPTION_ATTRIBUTES = frozenset({"RawMessageDelivery", "FilterPolicy", "FilterPolicyScope"})
_PROTOCOLS = ("lambda", "sqs")
_MAX_ENTRIES = 10


class SnsApi:
    """Keeps topics and serves the actions of SNS.

    Args:
        naming: makes ARNs.
        deliveries: takes messages to subscribers.
    """

    def __init__(self, naming: Naming, deliveries: Deliveries) -> None:
        self._naming = naming
        self._deliveries = deliveries
        self._topics: dict[str, Topic] = {}
        self._actions: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
            "CreateTopic": self._create,
            "DeleteTopic": self._delete,
            "ListTopics": self._list,
            "GetTopicAttributes": self._get_attributes,
            "SetTopicAttributes": self._set_attributes,
            "Subscribe": self._subscribe,
            "Unsubscribe": self._unsubscribe,
            "ListSubscriptions": self._list_subscriptions,
            "ListSubscriptionsByTopic": self._list_by_topic,
            "GetSubscriptionAttributes": self._get_subscription,
            "SetSubscriptionAttributes": self._set_subscription,
            "Publish": self._publish,
            "PublishBatch": self._publish_batch,
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": self._list_tags,
        }

    async def serve(self, request: Request, request_id: str) -> Reply:
        """Serve one action.

        Raises:
            ApiError: as SNS does.
        """
        form = query.decode(request)
        action = str(form.get("Action", ""))
        handler = self._actions.get(action)
        if handler is None:
            raise not_implemented(f"SNS {action}")
        body = query.render(action, handler(form), NAMESPACE, request_id)
        return Reply(200, body=body, content_type="text/xml")

    def deliver(self, arn: str, parcel: Parcel) -> None:
        """Publish for another service.

        Raises:
            ApiError: NotFound, InvalidParameter.
        """
        topic = self._topics.get(arn)
        if topic is None:
            raise _no_topic()
        publish(topic, Notification({"default": parcel.body}, None, dict(parcel.attributes)), self._deliveries)

    # Topics.

    def _create(self, form: dict[str, Any]) -> dict[str, Any]:
        name, attributes = str(form.get("Name", "")), query.mapping(form, "Attributes")
        if name.endswith(".fifo") or attributes.get("FifoTopic") == "true":
            raise not_implemented("FIFO topics")
        if _NAME.fullmatch(name) is None:
            raise _invalid("Topic Name")
        for key in attributes:
            _check_attribute(key, _TOPIC_ATTRIBUTES)
        arn = f"arn:aws:sns:{self._naming.region}:{self._naming.account_id}:{name}"
        topic = self._topics.setdefault(arn, Topic(arn, {}, {}))
        topic.attributes |= attributes
        topic.tags |= _tags(form)
        return {"TopicArn": arn}

    def _delete(self, form: dict[str, Any]) -> None:
        self._topics.pop(str(form.get("TopicArn")), None)

    def _list(self, form: dict[str, Any]) -> dict[str, Any]:
        return _paged(form, "Topics", [{"TopicArn": arn} for arn in sorted(self._topics)], "TopicArn")

    def _get_attributes(self, form: dict[str, Any]) -> dict[str, Any]:
        topic = self._topic(form)
        counted = {
            "TopicArn": topic.arn,
            "Owner": self._naming.account_id,
            "SubscriptionsConfirmed": str(len(topic.subscriptions)),
            "SubscriptionsPending": "0",
            "SubscriptionsDeleted": "0",
            "DisplayName": "",
        }
        return {"Attributes": query.Map({**counted, **topic.attributes})}

    def _set_attributes(self, form: dict[str, Any]) -> None:
        name = str(form.get("AttributeName", ""))
        _check_attribute(name, _TOPIC_ATTRIBUTES)
        self._topic(form).attributes[name] = str(form.get("AttributeValue", ""))

    def _tag(self, form: dict[str, Any]) -> dict[str, Any]:
        self._topic(form, "ResourceArn").tags |= _tags(form)
        return {}

    def _untag(self, form: dict[str, Any]) -> dict[str, Any]:
        topic = self._topic(form, "ResourceArn")
        for key in map(str, query.items(form, "TagKeys")):
            topic.tags.pop(key, None)
        return {}

    def _list_tags(self, form: dict[str, Any]) -> dict[str, Any]:
        tags = self._topic(form, "ResourceArn").tags
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    # Subscriptions.

    def _subscribe(self, form: dict[str, Any]) -> dict[str, Any]:
        topic = self._topic(form)
        protocol, endpoint = str(form.get("Protocol", "")), str(form.get("Endpoint", ""))
        if protocol not in _PROTOCOLS:
            raise not_implemented(
                f"SNS subscriptions with protocol {protocol or 'none'}, only {' and '.join(_PROTOCOLS)}"
            )
        if service_of(endpoint) != protocol:
            raise _invalid(f"{protocol} endpoint ARN")
        attributes = query.mapping(form, "Attributes")
        for key, value in attributes.items():
            _check_subscription(key, value)
        for subscription in topic.subscriptions.values():
            if (subscription.protocol, subscription.endpoint) == (protocol, endpoint):
                return {"SubscriptionArn": subscription.arn}
        arn = f"{topic.arn}:{uuid.uuid4()}"
        topic.subscriptions[arn] = Subscription(arn, topic.arn, protocol, endpoint, attributes)
        return {"SubscriptionArn": arn}

    def _unsubscribe(self, form: dict[str, Any]) -> None:
        arn = str(form.get("SubscriptionArn", ""))
        topic = self._topics.get(arn.rpartition(":")[0])
        if topic is not None:
            topic.subscriptions.pop(arn, None)

    def _list_subscriptions(self, form: dict[str, Any]) -> dict[str, Any]:
        found = [s for topic in self._topics.values() for s in topic.subscriptions.values()]
        return self._subscriptions(form, found)

    def _list_by_topic(self, form: dict[str, Any]) -> dict[str, Any]:
        return self._subscriptions(form, list(self._topic(form).subscriptions.values()))

    def _subscriptions(self, form: dict[str, Any], found: list[Subscription]) -> dict[str, Any]:
        views = [
            {
                "SubscriptionArn": subscription.arn,
                "Owner": self._naming.account_id,
                "Protocol": subscription.protocol,
                "Endpoint": subscription.endpoint,
                "TopicArn": subscription.topic_arn,
            }
            for subscription in found
        ]
        return _paged(form, "Subscriptions", views, "SubscriptionArn")

    def _get_subscription(self, form: dict[str, Any]) -> dict[str, Any]:
        subscription = self._subscription(form)
        return {
            "Attributes": query.Map({
                "SubscriptionArn": subscription.arn,
                "TopicArn": subscription.topic_arn,
                "Owner": self._naming.account_id,
                "Protocol": subscription.protocol,
                "Endpoint": subscription.endpoint,
                "PendingConfirmation": "false",
                "ConfirmationWasAuthenticated": "true",
                "RawMessageDelivery": "false",
                **subscription.attributes,
            })
        }  # fmt: skip

    def _set_subscription(self, form: dict[str, Any]) -> None:
        subscription = self._subscription(form)
        name, value = str(form.get("AttributeName", "")), str(form.get("AttributeValue", ""))
        _check_subscription(name, value)
        subscription.attributes[name] = value

    # Messages.

    def _publish(self, form: dict[str, Any]) -> dict[str, Any]:
        if form.get("PhoneNumber"):
            raise not_implemented("SNS Publish to a phone number")
        topic = self._topic(form, "TopicArn" if "TopicArn" in form else "TargetArn")
        return {"MessageId": publish(topic, _notification(form), self._deliveries)}

    def _publish_batch(self, form: dict[str, Any]) -> dict[str, Any]:
        topic = self._topic(form)
        entries = query.structures(form, "PublishBatchRequestEntries")
        ids = [str(entry.get("Id")) for entry in entries]
        if not entries:
            raise ApiError("EmptyBatchRequest", "The batch request doesn't contain any entries.")
        if len(entries) > _MAX_ENTRIES:
            raise ApiError("TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible.")
        if len(set(ids)) != len(ids):
            raise ApiError("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
        good: list[dict[str, str]] = []
        bad: list[dict[str, str]] = []
        if sum(len(str(entry.get("Message", "")).encode()) for entry in entries) > MAX_BYTES:
            raise ApiError("BatchRequestTooLong", "The length of all the batch messages put together is too long.")
        for identifier, entry in zip(ids, entries, strict=True):
            try:
                message_id = publish(topic, _notification(entry), self._deliveries)
                good.append({"Id": identifier, "MessageId": message_id})
            except ApiError as error:
                about = {"Id": identifier, "Code": error.code, "Message": error.message, "SenderFault": "true"}
                bad.append(about)
        return {"Successful": good, "Failed": bad}

    def _topic(self, form: dict[str, Any], member: str = "TopicArn") -> Topic:
        topic = self._topics.get(str(form.get(member)))
        if topic is None:
            raise _no_topic()
        return topic

    def _subscription(self, form: dict[str, Any]) -> Subscription:
        arn = str(form.get("SubscriptionArn", ""))
        topic = self._topics.get(arn.rpartition(":")[0])
        subscription = None if topic is None else topic.subscriptions.get(arn)
        if subscription is None:
            raise ApiError("NotFound", "Subscription does not exist", 404)
        return subscription


def _notification(form: dict[str, Any]) -> Notification:
    """Read a message.

    Raises:
        ApiError: InvalidParameter.
    """
    message, subject = str(form.get("Message", "")), form.get("Subject")
    if not message:
        raise ApiError("InvalidParameter", "Invalid parameter: Empty message")
    attributes: dict[str, tuple[str, str]] = {}
    for entry in query.structures(form, "MessageAttributes", "entry"):
        value = query.structure(entry.get("Value", {}))
        kind = str(value.get("DataType", ""))
        if kind.partition(".")[0] not in {"String", "Number", "Binary"}:
            raise _invalid(f"Message attribute '{entry.get('Name')}' has the type '{kind}'")
        attributes[str(entry.get("Name"))] = (kind, str(value.get("StringValue", value.get("BinaryValue", ""))))
    if form.get("MessageStructure") != "json":
        return Notification({"default": message}, subject, attributes)
    try:
        texts = json.loads(message)
    except ValueError as error:
        raise _invalid("Message Structure - JSON message body failed to parse") from error
    if not isinstance(texts, dict) or not isinstance(texts.get("default"), str):
        raise _invalid("Message Structure - No default entry in JSON message body")
    return Notification({str(k): str(v) for k, v in texts.items()}, subject, attributes)


def _check_attribute(name: str, known: frozenset[str]) -> None:
    if name not in known:
        raise not_implemented(f"the SNS attribute {name}, only {', '.join(sorted(known))}")


def _check_subscription(name: str, value: str) -> None:
    _check_attribute(name, _SUBSCRIPTION_ATTRIBUTES)
    if name == "RawMessageDelivery" and value not in {"true", "false"}:
        raise _invalid("RawMessageDelivery")
    if name == "FilterPolicyScope" and value not in {"MessageAttributes", "MessageBody"}:
        raise _invalid("FilterPolicyScope")
    if name == "FilterPolicy" and value and value.strip() != "{}":
        try:
            patterns.parse(value)
        except patterns.PatternError as error:
            raise _invalid(f"FilterPolicy: {error}") from error


def _tags(form: dict[str, Any]) -> dict[str, str]:
    return {str(tag.get("Key")): str(tag.get("Value", "")) for tag in query.structures(form, "Tags")}


def _paged(form: dict[str, Any], member: str, views: list[dict[str, str]], key: str) -> dict[str, Any]:
    chosen, token = page(views, lambda view: view[key], form.get("NextToken"), None, default=100, most=100)
    answer: dict[str, Any] = {member: list(chosen)}
    return answer if token is None else {**answer, "NextToken": token}


def _no_topic() -> ApiError:
    return ApiError("NotFound", "Topic does not exist", 404)


def _invalid(what: str) -> ApiError:
    return ApiError("InvalidParameter", f"Invalid parameter: {what}")
