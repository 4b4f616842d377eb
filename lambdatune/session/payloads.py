"""Payloads as people give them: JSON or a file, with a weight."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError
from lambdatune.model.plan import Payload

if TYPE_CHECKING:
    from lambdatune.session.settings import Given

_MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
"""AWS's limit of a synchronous invocation's payload."""

_TOKEN = re.compile(rb"\{\{(?:uuid|sequence|timestamp)\}\}")
_WEIGHTED = re.compile(r"(?P<what>.*):(?P<weight>\d+(?:\.\d+)?|\.\d+)", re.DOTALL)


def read_payloads(given: Given | None, *, tokens: bool) -> tuple[Payload, ...]:
    """Return the events that a plan is told to send; an empty object without any.

    Raises:
        UsageError: naming the one that cannot be read, is not JSON, too large or of no weight.
    """
    if given is None:
        return (Payload(b"{}"),)
    return tuple(_payload(text, given, tokens=tokens) for text in given.value)


def _payload(text: str, given: Given, *, tokens: bool) -> Payload:
    weight = 1.0
    if text.startswith("@"):
        weighted = _WEIGHTED.fullmatch(text)
        name = text
        if weighted and not (given.directory / text[1:]).exists():
            name, weight = weighted["what"], float(weighted["weight"])
        path = given.directory / name[1:]
        try:
            body = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{given.origin}: file `{path}` cannot be read: {error.strerror}") from error
    else:
        body = text.encode()
        if not _is_json(body, tokens=tokens):
            weighted = _WEIGHTED.fullmatch(text)
            if weighted is None or not _is_json(weighted["what"].encode(), tokens=tokens):
                raise UsageError(
                    f"{given.origin}: payload is not JSON",
                    hint="quote it as in --payload '{\"id\": 1}', or use @FILE",
                )
            body, weight = weighted["what"].encode(), float(weighted["weight"])
    if len(body) > _MAX_PAYLOAD_BYTES:
        raise UsageError(f"{given.origin}: payload has {len(body)} bytes: a synchronous call takes 6 MB at the most")
    if weight <= 0:
        raise UsageError(f"{given.origin}: weight {weight:g} is not above zero", hint="leave the payload out")
    return Payload(body, weight, tokens)


def _is_json(body: bytes, *, tokens: bool) -> bool:
    if tokens:
        body = _TOKEN.sub(b"0", body)
    try:
        json.loads(body)
    except ValueError:
        return False
    return True
