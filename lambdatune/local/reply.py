"""What an API handler returns, and how requests are read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError, validation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from lambdatune.local.httpd import Request


@dataclass(slots=True)
class Reply:
    """An answer: HTTP status, a JSON document or bytes, and further headers.

    `stream` gives the body chunk by chunk, instead of `body`; it raises BrokenStreamError when it has no proper end.
    `own_id` is the header with which a gateway names its request instead of Lambda's x-amzn-RequestId; empty
    where it has none.
    """

    status: int = 200
    document: Any = None
    body: bytes = b""
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)
    own_id: tuple[str, str] | None = None
    stream: AsyncIterator[bytes] | None = None

    def queued(self, host_queued_ns: int) -> Reply:
        """Return this answer, which tells how long the call waited for the host, if it did."""
        if host_queued_ns:
            self.headers.append(("X-Lambdatune-Queued-Ms", f"{host_queued_ns / 1e6:.3f}"))
        return self

    def content(self) -> bytes:
        """Return the bytes of the body."""
        return self.body if self.document is None else json.dumps(self.document).encode()


def json_body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request; an empty body is an empty object.

    Raises:
        ApiError: SerializationException.
    """
    if not request.body:
        return {}
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise ApiError("SerializationException", "Could not parse request body into json") from error
    if not isinstance(body, dict):
        raise ApiError("SerializationException", "Start of structure or map found where not expected.")
    return body


def structure(value: object) -> dict[str, Any]:
    """Return a structure of a request; one that is not given is empty.

    Raises:
        ApiError: SerializationException.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ApiError("SerializationException", "Start of structure or map found where not expected.")
    return value


def structures(value: object) -> list[dict[str, Any]]:
    """Return a list of structures of a request; one that is not given is empty.

    Raises:
        ApiError: SerializationException.
    """
    return [structure(each) for each in _list(value)]


def texts(value: object) -> list[str]:
    """Return a list of texts of a request; one that is not given is empty.

    Raises:
        ApiError: SerializationException.
    """
    found = _list(value)
    if not all(isinstance(each, str) for each in found):
        raise ApiError("SerializationException", "STRING_VALUE expected")
    return found


def _list(value: object) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ApiError("SerializationException", "Expected list or null")
    return value


def page(
    items: Sequence[Any], key: Callable[[Any], str], marker: str | None, limit: object, *, default: int, most: int
) -> tuple[Sequence[Any], str | None]:
    """Return one page of `items` and the marker of the next page, or None at the end.

    Args:
        items: everything, in a fixed order.
        key: unique text of an item; the marker is the key of the last one returned.
        marker: marker of the request.
        limit: the request's page size.
        default: page size when none is given.
        most: largest page size; larger ones are cut, as AWS does.

    Raises:
        ApiError: ValidationException, InvalidParameterValueException for a marker that is none of ours.
    """
    size = default if limit in (None, "") else _whole(limit)
    if size < 1:
        raise validation("maxItems", limit, "Member must have value greater than or equal to 1")
    start = 0
    if marker:
        keys = [key(item) for item in items]
        if marker not in keys:
            raise ApiError("InvalidParameterValueException", "Invalid pagination marker.")
        start = keys.index(marker) + 1
    chosen = items[start : start + min(size, most)]
    more = start + len(chosen) < len(items)
    return chosen, key(chosen[-1]) if more and chosen else None


def _whole(value: object) -> int:
    try:
        return int(str(value))
    except ValueError as error:
        raise ApiError("SerializationException", f"'{value}' is not a number") from error
