"""The actions of S3, with the bucket in the path."""

from __future__ import annotations

import re
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from lambdatune.local.errors import ApiError
from lambdatune.local.events.deliveries import service_of
from lambdatune.local.events.s3.bodies import body_of, parse_xml
from lambdatune.local.events.s3.store import OWNER, PRINCIPAL, Notification, StoredObject, extended_id, new_identifier
from lambdatune.local.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from xml.etree.ElementTree import Element

    from lambdatune.local.events.permissions import Permissions
    from lambdatune.local.events.s3.store import Bucket, Store
    from lambdatune.local.httpd import Request

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_MAX_KEYS = 1_000
_MAX_KEY_BYTES = 1_024
_LIST_QUERY = frozenset({"list-type", "prefix", "delimiter", "max-keys", "continuation-token", "start-after",
                         "encoding-type", "fetch-owner", "marker"})  # fmt: skip
_OBJECT_QUERY = frozenset({"x-id"})
_KEPT_HEADERS = ("content-type", "content-encoding", "cache-control", "content-disposition", "content-language")
_UNSERVED_HEADERS = ("x-amz-copy-source", "if-match", "if-none-match", "x-amz-server-side-encryption-customer-key",
                     "x-amz-tagging", "x-amz-object-lock-mode")  # fmt: skip
_EVENT = re.compile(r"s3:Object(Created:(\*|Put)|Removed:(\*|Delete))")


class S3Api:
    """Serves the actions of S3.

    Args:
        store: the buckets.
        permissions: says whether S3 may invoke a function.
        region: the region of buckets.
    """

    def __init__(self, store: Store, permissions: Permissions, region: str) -> None:
        self._store = store
        self._permissions = permissions
        self._region = region

    async def serve(self, request: Request, request_id: str) -> Reply:
        """Serve one request.

        Raises:
            ApiError: as S3 does; NotImplemented for what this endpoint does not have.
        """
        request_id = own_id(request_id)
        name, _, key = request.path.lstrip("/").partition("/")
        name, key = unquote(name), unquote(key)
        if not name:
            reply = self._list_buckets(request)
        elif not key:
            reply = self._serve_bucket(name, request, request_id)
        else:
            reply = self._serve_object(self._store.bucket(name), key, request, request_id)
        reply.own_id = ("x-amz-request-id", request_id)
        reply.headers.append(("x-amz-id-2", extended_id(request_id)))
        return reply

    def _serve_bucket(self, name: str, request: Request, request_id: str) -> Reply:
        query = {key for key, _ in request.query_pairs} - _OBJECT_QUERY
        if request.method == "PUT" and not query:
            return self._create(name)
        bucket = self._store.bucket(name)
        if request.method == "DELETE" and not query:
            self._store.delete(bucket)
            return Reply(204)
        if request.method == "HEAD" and not query:
            return Reply(200, headers=[("x-amz-bucket-region", self._region)], content_type="application/xml")
        if request.method == "GET" and query <= _LIST_QUERY:
            return _list(bucket, request.query)
        if request.method == "POST" and query == {"delete"}:
            return self._delete_many(bucket, request, request_id)
        if query == {"location"} and request.method == "GET":
            region = "" if self._region == "us-east-1" else self._region
            return _xml("LocationConstraint", region)
        if query == {"notification"} and request.method == "GET":
            return _xml("NotificationConfiguration", "".join(_notification_xml(n) for n in bucket.notifications))
        if query == {"notification"} and request.method == "PUT":
            self._configure(bucket, request)
            return Reply(200, content_type="application/xml")
        raise _not_implemented(f"{request.method} /bucket?{'&'.join(sorted(query))}")

    def _serve_object(self, bucket: Bucket, key: str, request: Request, request_id: str) -> Reply:
        query = {name for name, _ in request.query_pairs} - _OBJECT_QUERY
        if query:
            raise _not_implemented(f"{request.method} /bucket/key?{'&'.join(sorted(query))}")
        if request.method == "PUT":
            return self._put(bucket, key, request, request_id)
        if request.method == "DELETE":
            self._store.remove(bucket, key, request_id)
            return Reply(204)
        if request.method in {"GET", "HEAD"}:
            return _object_reply(self._store.get(bucket, key), is_head=request.method == "HEAD")
        raise _not_implemented(f"{request.method} /bucket/key")

    def _create(self, name: str) -> Reply:
        if _BUCKET_NAME.fullmatch(name) is None:
            raise ApiError("InvalidBucketName", "The specified bucket is not valid.")
        self._store.create(name)
        return Reply(200, headers=[("Location", f"/{name}")], content_type="application/xml")

    def _list_buckets(self, request: Request) -> Reply:
        if request.method != "GET":
            raise _not_implemented(f"{request.method} /")
        views = [
            f"<Bucket><Name>{name}</Name><CreationDate>{_iso(bucket.created)}</CreationDate></Bucket>"
            for name, bucket in sorted(self._store.buckets.items())
        ]
        owner = f"<Owner><ID>{OWNER}</ID></Owner>"
        return _xml("ListAllMyBucketsResult", f"{owner}<Buckets>{''.join(views)}</Buckets>")

    def _put(self, bucket: Bucket, key: str, request: Request, request_id: str) -> Reply:
        for header in _UNSERVED_HEADERS:
            if header in request.headers:
                raise _not_implemented(f"the header {header}")
        if len(key.encode()) > _MAX_KEY_BYTES:
            raise ApiError("KeyTooLongError", "Your key is too long")
        headers = {name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers}
        coding = [part for part in headers.get("content-encoding", "").split(",") if part.strip() != "aws-chunked"]
        headers["content-encoding"] = ",".join(coding)
        headers |= {name: value for name, value in request.headers.items() if name.startswith("x-amz-meta-")}
        kept = {name: value for name, value in headers.items() if value}
        stored = self._store.put(bucket, key, body_of(request), kept, request_id)
        return Reply(200, headers=[("ETag", f'"{stored.etag}"')], content_type="application/xml")

    def _delete_many(self, bucket: Bucket, request: Request, request_id: str) -> Reply:
        root = parse_xml(body_of(request))
        keys = [element.findtext("Key") or "" for element in root.iter("Object")]
        if len(keys) > _MAX_KEYS:
            raise ApiError("MalformedXML", f"At most {_MAX_KEYS} keys can be deleted at once.")
        for key in keys:
            self._store.remove(bucket, key, request_id)
        if root.findtext("Quiet") == "true":
            return _xml("DeleteResult", "")
        return _xml("DeleteResult", "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys))

    def _configure(self, bucket: Bucket, request: Request) -> None:
        """Replace the notifications, if each of them is valid."""
        root = parse_xml(body_of(request))
        for element in root:
            if element.tag != "CloudFunctionConfiguration":
                raise _not_implemented(f"{element.tag} of notifications, only CloudFunctionConfiguration")
        found = tuple(_read_notification(element) for element in root)
        for notification in found:
            try:
                self._permissions.check(notification.arn, PRINCIPAL, bucket.arn)
            except ApiError as error:
                sentence = f"Unable to validate the following destination configurations ({error.message})"
                raise ApiError("InvalidArgument", sentence) from error
        for index, one in enumerate(found):
            if any(one.overlaps(other) for other in found[:index]):
                raise ApiError(
                    "InvalidArgument",
                    "Configurations overlap. Configurations on the same bucket cannot share a common event type.",
                )
        bucket.notifications = found


def _read_notification(element: Element) -> Notification:
    arn = element.findtext("CloudFunction") or ""
    events = tuple(event.text or "" for event in element.iter("Event"))
    if service_of(arn) != "lambda":
        raise ApiError("InvalidArgument", "The ARN could not be parsed")
    for event in events:
        if _EVENT.fullmatch(event) is None:
            raise _not_implemented(f"the event {event} of notifications")
    if not events:
        raise ApiError("MalformedXML", "The XML you provided was not well-formed or did not validate.")
    rules: dict[str, str] = {}
    for rule in element.iter("FilterRule"):
        name = (rule.findtext("Name") or "").lower()
        if name not in {"prefix", "suffix"} or name in rules:
            raise ApiError("InvalidArgument", "filter rule name must be either prefix or suffix, each of them once")
        rules[name] = rule.findtext("Value") or ""
    identifier = element.findtext("Id") or new_identifier()
    return Notification(identifier, arn, events, rules.get("prefix", ""), rules.get("suffix", ""))


def _notification_xml(notification: Notification) -> str:
    events = "".join(f"<Event>{event}</Event>" for event in notification.events)
    rules = "".join(
        f"<FilterRule><Name>{name}</Name><Value>{escape(value)}</Value></FilterRule>"
        for name, value in (("Prefix", notification.prefix), ("Suffix", notification.suffix))
        if value
    )
    filters = f"<Filter><S3Key>{rules}</S3Key></Filter>" if rules else ""
    return (
        f"<CloudFunctionConfiguration><Id>{escape(notification.identifier)}</Id>"
        f"<CloudFunction>{escape(notification.arn)}</CloudFunction>{events}{filters}</CloudFunctionConfiguration>"
    )


def _object_reply(stored: StoredObject, *, is_head: bool) -> Reply:
    headers = [
        ("ETag", f'"{stored.etag}"'),
        ("Last-Modified", format_datetime(stored.modified, usegmt=True)),
        *((name, value) for name, value in stored.headers.items() if name != "content-type"),
    ]
    kind = stored.headers.get("content-type", "binary/octet-stream")
    if is_head:
        # The length is that of the object, which a response without a body has to say itself.
        return Reply(200, content_type=kind, headers=headers, body=stored.body)
    return Reply(200, body=stored.body, content_type=kind, headers=headers)


def _list(bucket: Bucket, query: dict[str, str]) -> Reply:
    """ListObjects and ListObjectsV2."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    is_v2 = query.get("list-type") == "2"
    after = query.get("continuation-token") or query.get("start-after") or query.get("marker") or ""
    given = query.get("max-keys", str(_MAX_KEYS))
    if not given.isdecimal():
        raise ApiError("InvalidArgument", "Provided max-keys not an integer or within integer range")
    most = min(int(given), _MAX_KEYS)
    encode: Callable[[str], str] = (lambda t: quote(t, safe="/")) if query.get("encoding-type") == "url" else escape
    found: list[StoredObject] = []
    folders: list[str] = []
    last, more = "", False
    for key in sorted(bucket.objects):
        if not key.startswith(prefix) or key <= after or (after and delimiter and key.startswith(after)):
            continue
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        folder = key[: end + len(delimiter)] if end >= 0 else ""
        if folder and folder in folders:
            continue
        if len(found) + len(folders) >= most:
            more = True
            break
        if folder:
            folders.append(folder)
        else:
            found.append(bucket.objects[key])
        last = folder or key
    contents = "".join(
        f"<Contents><Key>{encode(o.key)}</Key><LastModified>{_iso(o.modified)}</LastModified>"
        f'<ETag>"{o.etag}"</ETag><Size>{len(o.body)}</Size><StorageClass>STANDARD</StorageClass></Contents>'
        for o in found
    )
    common = "".join(f"<CommonPrefixes><Prefix>{encode(f)}</Prefix></CommonPrefixes>" for f in folders)
    token = "NextContinuationToken" if is_v2 else "NextMarker"
    following = f"<{token}>{escape(last)}</{token}>" if more else ""
    counted = f"<KeyCount>{len(found) + len(folders)}</KeyCount>" if is_v2 else ""
    coded = "<EncodingType>url</EncodingType>" if query.get("encoding-type") == "url" else ""
    return _xml(
        "ListBucketResult",
        f"<Name>{bucket.name}</Name><Prefix>{encode(prefix)}</Prefix><MaxKeys>{most}</MaxKeys>"
        f"<Delimiter>{encode(delimiter)}</Delimiter>{coded}{counted}<IsTruncated>{str(more).lower()}</IsTruncated>"
        f"{following}{contents}{common}",
    )


def own_id(request_id: str) -> str:
    """Return a request id in the form that S3's have: 16 capital letters and digits."""
    return request_id.replace("-", "")[:16].upper()


def refusal(error: ApiError, request_id: str) -> bytes:
    """Return an error as S3 writes it."""
    code = error.code.removesuffix("Exception")
    code = {"InvalidSignature": "SignatureDoesNotMatch", "UnknownOperation": "NotImplemented"}.get(code, code)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{escape(error.message)}</Message>'
        f"<RequestId>{own_id(request_id)}</RequestId></Error>"
    ).encode()


def _xml(name: str, inner: str) -> Reply:
    body = f'<?xml version="1.0" encoding="UTF-8"?><{name} xmlns="{_NAMESPACE}">{inner}</{name}>'
    return Reply(200, body=body.encode(), content_type="application/xml")


def _iso(moment: Any) -> str:
    return str(moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z")


def _not_implemented(what: str) -> ApiError:
    return ApiError("NotImplemented", f"The embedded lambdatune endpoint does not implement {what} of S3.", 501)
