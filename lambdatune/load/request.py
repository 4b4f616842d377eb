"""Prepared requests: bytes that are ready to send, signed anew once a second, or in every call with tokens."""

from __future__ import annotations

import base64
import hashlib
import itertools
import random
import re
import uuid
from typing import TYPE_CHECKING

import lambdatune
from lambdatune.load.forms import endpoint_of, form_of
from lambdatune.load.sigv4 import Signer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdatune.load.endpoint import Credentials, Endpoint
    from lambdatune.load.order import Order
    from lambdatune.model.request_form import BodyPart, RequestForm

_NS_PER_S = 1_000_000_000
_DRAWS = 1024
_TOKEN = re.compile(rb"\{\{(uuid|sequence|timestamp)\}\}")
_WITHOUT_BODY = frozenset({"DELETE", "GET", "OPTIONS"})
"""Methods whose requests have no Content-Length when they have no body (RFC 9110, 8.6)."""

_Template = tuple[bytes, ...]
"""The text between tokens and their names in turn."""


class PreparedRequests:
    """The requests of one order, one per payload.

    Args:
        endpoint: where the load goes, unless the order's forms name another host.
        credentials: that are signed with.
        order: whose payloads are sent.

    Attributes:
        only: the request that every call before `only_until_ns` sends, of an order with one payload.
        only_until_ns: Unix ns; 0 when `next` must be asked.
    """

    def __init__(self, endpoint: Endpoint, credentials: Credentials, order: Order) -> None:
        there = endpoint_of(order, endpoint)
        self._messages = [_Message(form_of(order, payload), there) for payload in order.payloads]
        self._sequence, self._sequence_step = order.first_sequence, order.sequence_step
        self._weights = list(itertools.accumulate(payload.weight for payload in order.payloads))
        self._random = random.Random(order.seed)  # noqa: S311  load, not secrets
        self._draws: list[int] = []
        self._ready: list[tuple[int, bytes]] = []
        self.use(credentials)

    def use(self, credentials: Credentials) -> None:
        """Sign with `credentials` from now on."""
        for message in self._messages:
            message.use(credentials)
        self._ready = [(-1, b"") for _ in self._messages]
        self.only, self.only_until_ns = b"", 0

    def next(self, now_ns: int) -> bytes:
        """Return the bytes of the next call, signed in the second of Unix time `now_ns`."""
        number = 0 if len(self._messages) == 1 else self._draw()
        second = now_ns // _NS_PER_S
        message = self._messages[number]
        if message.has_tokens:
            return message.filled(self._values(now_ns), second)
        signed_s, request = self._ready[number]
        return request if signed_s == second else self._sign(number, second)

    def _sign(self, number: int, second: int) -> bytes:
        request = self._messages[number].signed(second)
        self._ready[number] = (second, request)
        if len(self._messages) == 1:
            self.only, self.only_until_ns = request, (second + 1) * _NS_PER_S
        return request

    def _values(self, now_ns: int) -> dict[bytes, bytes]:
        """Return what the tokens of one message are."""
        sequence = self._sequence
        self._sequence += self._sequence_step
        return {
            b"uuid": str(uuid.uuid4()).encode(),
            b"sequence": b"%d" % sequence,
            b"timestamp": b"%d" % (now_ns // 1_000_000),
        }

    def _draw(self) -> int:
        """Draw a payload by weight; in blocks, because one draw at a time costs ten times as much."""
        if not self._draws:
            self._draws = self._random.choices(range(len(self._messages)), cum_weights=self._weights, k=_DRAWS)
        return self._draws.pop()


class _Message:
    """The request of one payload, except for what differs from call to call.

    Attributes:
        has_tokens: whether every call is made and signed for itself.
    """

    def __init__(self, form: RequestForm, endpoint: Endpoint) -> None:
        self._form = form
        self._region = endpoint.region
        self._target = _template(form.target.encode())
        self._signed = {"host": endpoint.host_header, **{name.lower(): value for name, value in form.headers}}
        headers = [("Host", endpoint.host_header), *form.headers]
        if "user-agent" not in self._signed:
            headers.append(("User-Agent", f"lambdatune/{lambdatune.__version__}"))
        self._rest = " HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers)
        self._head = f"{form.method} {form.target}{self._rest}"
        self._may_lack_length = form.method in _WITHOUT_BODY
        self._parts = [(_encoded(part), part.encoding == "base64") for part in form.body]
        # The usual body is one text with tokens, the whole of which is filled at once.
        self._only: _Template | None = None
        if len(self._parts) == 1 and isinstance(self._parts[0][0], tuple) and not self._parts[0][1]:
            self._only = self._parts[0][0]
        self.has_tokens = self._target is not None or any(isinstance(part, tuple) for part, _ in self._parts)
        self._body = b"" if self.has_tokens else self._joined({})
        self._digest = hashlib.sha256(self._body).hexdigest()
        self._signer: Signer | None = None

    def use(self, credentials: Credentials) -> None:
        form = self._form
        if form.service is not None:
            self._signer = Signer(
                credentials, self._region,
                service=form.service, method=form.method, target=form.target, headers=self._signed,
            )  # fmt: skip

    def signed(self, second: int) -> bytes:
        """Return the request of a message without tokens."""
        lines = "" if self._signer is None else self._signer.header_lines(self._digest, second)
        return self._assembled(self._head, lines, self._body)

    def filled(self, values: Mapping[bytes, bytes], second: int) -> bytes:
        """Return the request of a message with tokens."""
        head, target = self._head, None
        if self._target is not None:
            target = _filled(self._target, values).decode()
            head = f"{self._form.method} {target}{self._rest}"
        body = _filled(self._only, values) if self._only is not None else self._joined(values)
        lines = ""
        if self._signer is not None:
            lines = self._signer.header_lines(hashlib.sha256(body).hexdigest(), second, target)
        return self._assembled(head, lines, body)

    def _assembled(self, head: str, lines: str, body: bytes) -> bytes:
        if not body and self._may_lack_length:
            return f"{head}{lines}\r\n".encode()
        return f"{head}{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def _joined(self, values: Mapping[bytes, bytes]) -> bytes:
        pieces = []
        for part, in_base64 in self._parts:
            if isinstance(part, bytes):
                pieces.append(part)
            else:
                piece = _filled(part, values)
                pieces.append(base64.b64encode(piece) if in_base64 else piece)
        return b"".join(pieces)


def _encoded(part: BodyPart) -> bytes | _Template:
    """Return a part as it stands in the body, or its template when it differs from call to call."""
    template = _template(part.data) if part.tokens else None
    if template is not None:
        return template
    return base64.b64encode(part.data) if part.encoding == "base64" else part.data


def _template(text: bytes) -> _Template | None:
    """Return the template of a text; None when it has no token."""
    parts = _TOKEN.split(text)
    return tuple(parts) if len(parts) > 1 else None


def _filled(template: _Template, values: Mapping[bytes, bytes]) -> bytes:
    """Return a text with values for the tokens, which are every second part of `template`."""
    parts = list(template)
    parts[1::2] = [values[name] for name in template[1::2]]
    return b"".join(parts)
