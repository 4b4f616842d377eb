"""Payloads as people give them: JSON, a file or an object in S3, with a weight."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NoReturn

from lambdatune.model.errors import UsageError
from lambdatune.model.plan import Payload

if TYPE_CHECKING:
    from lambdatune.session.setting_table import Given

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
"""AWS's limit of a synchronous invocation's payload (AWS docs, "Lambda quotas")."""

_BOM = b"\xef\xbb\xbf"
_TOKEN = re.compile(rb"\{\{(?:uuid|sequence|timestamp)\}\}")
_WEIGHTED = re.compile(r"(?P<what>.*):(?P<weight>\d+(?:\.\d+)?|\.\d+)", re.DOTALL)
_S3 = re.compile(r"s3://(?P<bucket>[a-zA-Z0-9][\w.-]{1,254})/(?P<key>.+)", re.DOTALL)


def read_payloads(given: Given | None, *, tokens: bool) -> tuple[Payload, ...]:
    """Return the events that a plan is told to send; an empty object without any.

    Those in S3 are named and not yet read: `stored_payloads.fetch_payloads` reads them when the session starts.

    Raises:
        UsageError: naming the one that cannot be read, is not JSON, too large or of no weight.
    """
    if given is None:
        return (Payload(b"{}"),)
    return tuple(_payload(text, given, tokens=tokens) for text in given.value)


def _payload(text: str, given: Given, *, tokens: bool) -> Payload:
    if text.startswith("s3://"):
        return _in_s3(text, given, tokens=tokens)
    weight = 1.0
    if text.startswith("@"):
        name, weight = _file_and_weight(text[1:], given)
        path = given.directory / name
        try:
            body = path.read_bytes()
        except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
            why = error.strerror if isinstance(error, OSError) else error
            raise UsageError(f"{given.origin}: file `{path}` cannot be read: {why}") from error
        named = f"{given.origin}: payload file `{path}`"
    else:
        body, named = text.encode(), f"{given.origin}: payload"
        weighted = _WEIGHTED.fullmatch(text)
        if weighted and _why_no_json(body, tokens=tokens):
            body, weight = weighted["what"].encode(), float(weighted["weight"])
    check_size(len(body), named)
    check_body(body, named, tokens=tokens)
    return Payload(body, _checked_weight(weight, given), tokens)


def _in_s3(text: str, given: Given, *, tokens: bool) -> Payload:
    """Return a payload that is to be read: ``s3://bucket/key``, with ``:WEIGHT`` after it."""
    weight = 1.0
    weighted = _WEIGHTED.fullmatch(text)
    if weighted:
        text, weight = weighted["what"], float(weighted["weight"])
    match = _S3.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{given.origin}: `{text}` is no object in S3: expected s3://BUCKET/KEY",
            hint="for example s3://events/order.json, with a weight s3://events/order.json:0.9",
        )
    return Payload(b"", _checked_weight(weight, given), tokens, (match["bucket"], match["key"]))


def _file_and_weight(name: str, given: Given) -> tuple[str, float]:
    """Return file and weight; a file whose name ends like a weight is that file."""
    weighted = _WEIGHTED.fullmatch(name)
    if weighted and not (given.directory / name).exists():
        return weighted["what"], float(weighted["weight"])
    return name, 1.0


def _checked_weight(weight: float, given: Given) -> float:
    if weight <= 0:
        raise UsageError(f"{given.origin}: weight {weight:g} is not above zero", hint="leave the payload out")
    return weight


def check_size(size: int, name: str) -> None:
    """Check that a synchronous call takes a payload of `size` bytes; `name` is how an error names it.

    Raises:
        UsageError: with the number and the limit.
    """
    if size > MAX_PAYLOAD_BYTES:
        raise UsageError(
            f"{name} has {size} bytes: a synchronous call takes {MAX_PAYLOAD_BYTES} at the most (6 MB)",
            hint="put the data where the function can read it, in S3 for example, and send its place",
        )


def check_body(body: bytes, name: str, *, tokens: bool) -> None:
    """Check that Lambda would take `body` as an event: JSON in UTF-8, whose bytes are sent as they are.

    Raises:
        UsageError: with the reason; `name` is how it names the payload.
    """
    why = _why_no_json(body, tokens=tokens)
    if why is not None:
        _refuse(name, body, why)


def _refuse(name: str, body: bytes, why: str) -> NoReturn:
    hint = "quote it as in --payload '{\"id\": 1}', or use @FILE"
    if body.startswith(_BOM):
        hint = "save the file as UTF-8 without a byte order mark"
    elif why.startswith("it is not UTF-8"):
        hint = "Lambda takes JSON only: put binary data into a JSON text, for example as base64"
    raise UsageError(f"{name} is not JSON: {why}", hint=hint)


def _why_no_json(body: bytes, *, tokens: bool) -> str | None:
    """Return why Lambda would not take `body`, None when it would."""
    if body.startswith(_BOM):
        return "it begins with a UTF-8 byte order mark, which JSON does not allow and Lambda refuses"
    try:
        text = (_TOKEN.sub(b"0", body) if tokens else body).decode("utf-8")
        json.loads(text, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        return f"it is not UTF-8 text (byte {error.start} is 0x{body[min(error.start, len(body) - 1)]:02x})"
    except ValueError as error:
        return str(error)
    return None


def _no_constant(name: str) -> NoReturn:
    """Refuse what Python reads and JSON does not have: NaN and infinities."""
    raise ValueError(f"{name} is no JSON number")
