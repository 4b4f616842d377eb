"""A payload as an HTTP request: its method, path, query, headers and body, or only a body."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lambdatune.aws.modes.forms import check_bytes, form_text, parsed
from lambdatune.model.errors import UsageError
from lambdatune.model.request_form import BodyPart, RequestForm

if TYPE_CHECKING:
    from lambdatune.model.modes import Mode

_MEMBERS = ("method", "path", "query", "headers", "body")
_METHOD = re.compile(r"[A-Z]{1,20}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OF_THE_CONNECTION = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"}
)
_PATH_SAFE = "/-._~!$&'()*+,;=:@"
_JSON = ("Content-Type", "application/json")
MAX_BYTES = 6 * 1024 * 1024
ALB_MAX_BYTES = 1024 * 1024


def http_request(
    mode: Mode,
    payload: bytes,
    *,
    url: str,
    base_url: str | None,
    service: str | None,
    tokens: bool,
    id_header: str = "x-amzn-requestid",
    most: int = MAX_BYTES,
    limit: str = "a function takes 6 MB by HTTP",
) -> RequestForm:
    """Return the request that a payload stands for.

    An object with no other members than ``method``, ``path``, ``query``, ``headers`` and ``body`` is a request;
    anything else is the body of a POST to ``/``.

    Args:
        mode: the mode, for errors.
        payload: the payload.
        url: what answers, its path included.
        base_url: scheme, host and port of it; None for the endpoint that the load goes to.
        service: SigV4 service name, None for requests that are not signed.
        tokens: whether tokens in the payload are replaced.
        id_header: header of the answer that identifies the call.
        most: bytes of a body at the most.
        limit: whose limit that is, as a sentence.

    Raises:
        UsageError: naming the member that is not as it has to be, or the limit.
    """
    check_bytes(mode, payload, most, limit, tokens=tokens)
    document = parsed(payload, tokens=tokens)
    parts: dict[str, Any] = {"body": None}
    body, headers = payload, [_JSON]
    if isinstance(document, dict) and document and document.keys() <= set(_MEMBERS):
        parts = document
        body, headers = _body_of(document), _headers_of(mode, document)
    default = "POST" if body else "GET"
    method = parts.get("method", default)
    if not isinstance(method, str) or _METHOD.fullmatch(method.upper()) is None:
        raise _wrong(mode, "method", "a word like GET or POST", method)
    return RequestForm(
        urlsplit(url).path.rstrip("/") + _path_of(mode, parts, tokens=tokens) + _query_of(mode, parts, tokens=tokens),
        method=method.upper(),
        headers=tuple(headers),
        body=(BodyPart(body, tokens),) if body else (),
        service=service,
        base_url=base_url,
        answer="http",
        id_header=id_header,
    )


def _body_of(document: dict[str, Any]) -> bytes:
    body = document.get("body")
    if body is None:
        return b""
    return body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()


def _headers_of(mode: Mode, document: dict[str, Any]) -> list[tuple[str, str]]:
    given = document.get("headers", {})
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise _wrong(mode, "headers", "an object of texts", given)
    for name, value in given.items():
        if _HEADER.fullmatch(name) is None or "\r" in value or "\n" in value or "\0" in value or not value.isascii():
            raise _wrong(mode, "headers", "names and values as HTTP has them, in ASCII on one line", {name: value})
        if name.lower() in _OF_THE_CONNECTION:
            raise UsageError(
                f"a payload for mode {mode}: the header {name} is of the connection, and set by the load itself",
                hint=f"leave {name} out",
            )
    headers = list(given.items())
    has_type = any(name.lower() == "content-type" for name in given)
    is_json = document.get("body") is not None and not isinstance(document["body"], str)
    return headers if has_type or not is_json else [*headers, _JSON]


def _path_of(mode: Mode, document: dict[str, Any], *, tokens: bool) -> str:
    path = document.get("path", "/")
    if not isinstance(path, str) or not path.startswith("/"):
        raise _wrong(mode, "path", "a text that begins with /", path)
    if "?" in path or "#" in path:
        raise _wrong(mode, "path", "a path alone: what stands after ? is `query`", path)
    return form_text(path, tokens=tokens, safe=_PATH_SAFE)


def _query_of(mode: Mode, document: dict[str, Any], *, tokens: bool) -> str:
    query = document.get("query", {})
    if not isinstance(query, dict):
        raise _wrong(mode, "query", "an object of names and values", query)
    pairs = []
    for name, values in query.items():
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, dict | list):
                raise _wrong(mode, "query", "values that are texts or numbers, or lists of them", query)
            text = value if isinstance(value, str) else json.dumps(value)
            pairs.append(f"{form_text(name, tokens=tokens)}={form_text(text, tokens=tokens)}")
    return f"?{'&'.join(pairs)}" if pairs else ""


def _wrong(mode: Mode, member: str, expected: str, value: object) -> UsageError:
    return UsageError(
        f"a payload for mode {mode}: `{member}` is {json.dumps(value)[:60]}: expected {expected}",
        hint='for example --payload \'{"method": "GET", "path": "/items", "query": {"id": 1}}\'',
    )
