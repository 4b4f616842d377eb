"""Pieces of requests: a payload within JSON, within a form, as the whole body; what a service takes and what not."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lambdatune.model.errors import UsageError
from lambdatune.model.request_form import BodyPart, RequestForm

if TYPE_CHECKING:
    from lambdatune.model.modes import Mode

_TOKEN = re.compile(r"(\{\{(?:uuid|sequence|timestamp)\}\})")
_ROOM_BYTES = 64
"""What tokens may add: the longest, a UUID, has 36 characters for the 8 of ``{{uuid}}``."""


def json_request(
    target: str, service: str, body: tuple[BodyPart, ...], *, version: str, base_url: str | None, **rest: Any
) -> RequestForm:
    """Return a request of the JSON protocol.

    Args:
        target: of the header X-Amz-Target.
        service: SigV4 service name.
        body: pieces of the body.
        version: of the protocol, ``1.0`` or ``1.1``.
        base_url: where the service is.
        **rest: further members of the form.
    """
    headers = (("Content-Type", f"application/x-amz-json-{version}"), ("X-Amz-Target", target))
    further = {"answer": "accept", **rest}
    return RequestForm("/", headers=headers, body=body, service=service, base_url=base_url, **further)


def json_with_text(document: dict[str, Any], member: str, text: bytes, *, tokens: bool) -> tuple[BodyPart, ...]:
    """Return `document` as JSON with `text` as a further member, a string.

    Tokens in `document` are ours, and always replaced.
    """
    head = f'{json.dumps(document)[:-1]}{", " if document else ""}{json.dumps(member)}: "'
    escaped = json.dumps(text.decode(), ensure_ascii=False)[1:-1].encode()
    return (BodyPart(head.encode(), tokens=True), BodyPart(escaped, tokens), BodyPart(b'"}'))


def json_with_base64(document: dict[str, Any], member: str, data: bytes, *, tokens: bool) -> tuple[BodyPart, ...]:
    """Return `document` as JSON with `data` as a further member, in base64."""
    head = f'{json.dumps(document)[:-1]}, {json.dumps(member)}: "'
    return (BodyPart(head.encode(), tokens=True), BodyPart(data, tokens, "base64"), BodyPart(b'"}'))


def form_text(text: str, *, tokens: bool, safe: str = "") -> str:
    """Return `text` percent-encoded, its tokens left as they are where they are to be replaced."""
    if not tokens:
        return quote(text, safe=safe)
    pieces = _TOKEN.split(text)
    return "".join(piece if _TOKEN.fullmatch(piece) else quote(piece, safe=safe) for piece in pieces)


def check_bytes(mode: Mode, payload: bytes, most: int, limit: str, *, tokens: bool) -> None:
    """Check that a payload is not too large for what takes it.

    Args:
        mode: the mode.
        payload: the payload.
        most: bytes that are taken.
        limit: whose limit that is, and how much, for the sentence.
        tokens: whether tokens in it are replaced.

    Raises:
        UsageError: naming mode and limit.
    """
    size = len(payload) + (_ROOM_BYTES * len(_TOKEN.findall(payload.decode("utf-8", "replace"))) if tokens else 0)
    if size > most:
        raise UsageError(
            f"a payload of {len(payload)} bytes is too large for mode {mode}: {limit}",
            hint="put the data where the function can read it, in S3 for example, and send its place",
        )


def parsed(payload: bytes, *, tokens: bool) -> Any:
    """Return a payload's JSON document; None for one that is JSON only after its tokens were replaced."""
    try:
        return json.loads(payload)
    except ValueError:
        if tokens:
            return None
        raise
