"""Buckets, their objects, and whom they notify."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from lambdatune.local.errors import ApiError
from lambdatune.local.events.deliveries import Parcel
from lambdatune.local.events.endings import iso_now
from lambdatune.local.events.record import Origin

if TYPE_CHECKING:
    from lambdatune.local.events.deliveries import Deliveries

PRINCIPAL = "s3.amazonaws.com"
OWNER = "AIDAEMBEDDEDENDPOINT"
_MAX_TOTAL_BYTES = 512 * 1024 * 1024


def extended_id(request_id: str) -> str:
    """Return x-amz-id-2 of a request."""
    return base64.b64encode(hashlib.sha384(request_id.encode()).digest()).decode()


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object.

    Attributes:
        key: its key.
        body: its bytes.
        etag: MD5 of the bytes, in hexadecimal.
        headers: Content-Type and the x-amz-meta- headers.
        modified: when it was put.
    """

    key: str
    body: bytes
    etag: str
    headers: dict[str, str]
    modified: datetime


@dataclass(frozen=True, slots=True)
class Notification:
    """Which events of which keys are sent to a function.

    Attributes:
        identifier: its Id.
        arn: the function.
        events: for example ``s3:ObjectCreated:*``.
        prefix: of the keys.
        suffix: of the keys.
    """

    identifier: str
    arn: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""

    def wants(self, event: str, key: str) -> bool:
        """Whether an event such as ``ObjectCreated:Put`` is sent."""
        named = any(f"s3:{event}" == e or (e.endswith("*") and f"s3:{event}".startswith(e[:-1])) for e in self.events)
        return named and key.startswith(self.prefix) and key.endswith(self.suffix)

    def overlaps(self, other: Notification) -> bool:
        """Whether one object could be sent to both for the same event, which AWS refuses."""
        prefixes = self.prefix.startswith(other.prefix) or other.prefix.startswith(self.prefix)
        suffixes = self.suffix.endswith(other.suffix) or other.suffix.endswith(self.suffix)
        kinds = {event.split(":")[1] for event in self.events} & {event.split(":")[1] for event in other.events}
        return prefixes and suffixes and bool(kinds)


@dataclass(slots=True, eq=False)
class Bucket:
    """A bucket."""

    name: str
    created: datetime
    objects: dict[str, StoredObject] = field(default_factory=dict)
    notifications: tuple[Notification, ...] = ()

    @property
    def arn(self) -> str:
        """Its ARN, which names no account."""
        return f"arn:aws:s3:::{self.name}"


class Store:
    """All buckets.

    Args:
        region: named in events.
        deliveries: takes notifications to functions.
    """

    def __init__(self, region: str, deliveries: Deliveries) -> None:
        self._region = region
        self._deliveries = deliveries
        self._sequence = itertools.count(1)
        self._total_bytes = 0
        self.buckets: dict[str, Bucket] = {}

    def bucket(self, name: str) -> Bucket:
        """Return a bucket.

        Raises:
            ApiError: NoSuchBucket.
        """
        bucket = self.buckets.get(name)
        if bucket is None:
            raise ApiError("NoSuchBucket", "The specified bucket does not exist", 404)
        return bucket

    def create(self, name: str) -> Bucket:
        """Return a new bucket, or the one that is there."""
        return self.buckets.setdefault(name, Bucket(name, datetime.now(UTC)))

    def delete(self, bucket: Bucket) -> None:
        """Remove an empty bucket.

        Raises:
            ApiError: BucketNotEmpty.
        """
        if bucket.objects:
            raise ApiError("BucketNotEmpty", "The bucket you tried to delete is not empty", 409)
        del self.buckets[bucket.name]

    def get(self, bucket: Bucket, key: str) -> StoredObject:
        """Return an object.

        Raises:
            ApiError: NoSuchKey.
        """
        found = bucket.objects.get(key)
        if found is None:
            raise ApiError("NoSuchKey", "The specified key does not exist.", 404)
        return found

    def put(self, bucket: Bucket, key: str, body: bytes, headers: dict[str, str], request_id: str) -> StoredObject:
        """Keep an object and notify.

        Raises:
            ApiError: EntityTooLarge when all objects together would take more memory than is right.
        """
        current = bucket.objects.get(key)
        total = self._total_bytes + len(body) - (0 if current is None else len(current.body))
        if total > _MAX_TOTAL_BYTES:
            raise ApiError(
                "EntityTooLarge", f"The embedded lambdatune endpoint keeps {_MAX_TOTAL_BYTES} bytes of objects at most."
            )
        self._total_bytes = total
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        stored = bucket.objects[key] = StoredObject(key, body, etag, headers, datetime.now(UTC))
        about = {"key": quote_plus(key, safe="/"), "size": len(body), "eTag": etag}
        self._notify(bucket, "ObjectCreated:Put", key, about, request_id)
        return stored

    def remove(self, bucket: Bucket, key: str, request_id: str) -> None:
        """Remove an object and notify; one that is not there is no error, as on AWS."""
        current = bucket.objects.pop(key, None)
        if current is not None:
            self._total_bytes -= len(current.body)
            self._notify(bucket, "ObjectRemoved:Delete", key, {"key": quote_plus(key, safe="/")}, request_id)

    def _notify(self, bucket: Bucket, event: str, key: str, about: dict[str, Any], request_id: str) -> None:
        """Send AWS's event (AWS docs, "Event message structure") to those who want it."""
        sequencer = f"{next(self._sequence):016X}"
        origin = Origin("s3", request_id, time.time_ns())
        for notification in bucket.notifications:
            if not notification.wants(event, key):
                continue
            record = {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": self._region,
                "eventTime": iso_now(),
                "eventName": event,
                "userIdentity": {"principalId": f"AWS:{OWNER}"},
                "requestParameters": {"sourceIPAddress": "127.0.0.1"},
                "responseElements": {"x-amz-request-id": request_id, "x-amz-id-2": extended_id(request_id)},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": notification.identifier,
                    "bucket": {
                        "name": bucket.name,
                        "ownerIdentity": {"principalId": OWNER},
                        "arn": bucket.arn,
                    },
                    "object": {**about, "sequencer": sequencer},
                },
            }
            body = json.dumps({"Records": [record]}, separators=(",", ":"))
            self._deliveries.send(notification.arn, Parcel(body, origin, PRINCIPAL, bucket.arn))


def new_identifier() -> str:
    """Return the Id of a notification that was given none."""
    return str(uuid.uuid4())
