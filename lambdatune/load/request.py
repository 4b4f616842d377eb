"""Prepared Invoke requests: bytes that are ready to send, signed anew once a second, or in every call with tokens."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
import uuid
from typing import TYPE_CHECKING

import lambdatune
from lambdatune.load.sigv4 import Signer, invoke_path

if TYPE_CHECKING:
    from lambdatune.load.endpoint import Credentials, Endpoint
    from lambdatune.load.order import Order, WeightedPayload

_NS_PER_S = 1_000_000_000
_DRAWS = 1024
_TOKEN = re.compile(rb"\{\{(uuid|sequence|timestamp)\}\}")


class PreparedRequests:
    """The requests of one order, one per payload.

    Attributes:
        only: the request that every call before `only_until_ns` sends, of an order with one payload.
        only_until_ns: Unix ns; 0 when `next` must be asked.
    """

    def __init__(self, endpoint: Endpoint, credentials: Credentials, order: Order) -> None:
        path, query = invoke_path(order.function, order.qualifier)
        target = f"{path}?{query}" if query else path
        self._endpoint = endpoint
        self._path, self._query = path, query
        self._signed = {"host": endpoint.host_header}
        head = f"POST {target} HTTP/1.1\r\nHost: {endpoint.host_header}\r\n"
        if order.log_tail:
            self._signed["x-amz-log-type"] = "Tail"
            head += "X-Amz-Log-Type: Tail\r\n"
        self._head = f"{head}User-Agent: lambdatune/{lambdatune.__version__}\r\n"
        self._bodies = [payload.body for payload in order.payloads]
        self._templates = [_template(payload) for payload in order.payloads]
        self._sequence, self._sequence_step = order.first_sequence, order.sequence_step
        self._digests = [hashlib.sha256(body).hexdigest() for body in self._bodies]
        self._weights = list(itertools.accumulate(payload.weight for payload in order.payloads))
        self._random = random.Random(order.seed)  # noqa: S311  load, not secrets
        self._draws: list[int] = []
        self._ready: list[tuple[int, bytes]] = []
        self.use(credentials)

    def use(self, credentials: Credentials) -> None:
        """Sign with `credentials` from now on."""
        self._signer = Signer(credentials, self._endpoint.region, self._path, self._query, self._signed)
        self._ready = [(-1, b"") for _ in self._bodies]
        self.only, self.only_until_ns = b"", 0

    def next(self, now_ns: int) -> bytes:
        """Return the bytes of the next call, signed in the second of Unix time `now_ns`."""
        number = 0 if len(self._bodies) == 1 else self._draw()
        second = now_ns // _NS_PER_S
        template = self._templates[number]
        if template is not None:
            return self._fill(template, now_ns, second)
        signed_s, request = self._ready[number]
        return request if signed_s == second else self._sign(number, second)

    def _sign(self, number: int, second: int) -> bytes:
        request = self._assemble(self._bodies[number], self._digests[number], second)
        self._ready[number] = (second, request)
        if len(self._bodies) == 1:
            self.only, self.only_until_ns = request, (second + 1) * _NS_PER_S
        return request

    def _assemble(self, body: bytes, digest: str, second: int) -> bytes:
        lines = self._signer.header_lines(digest, second)
        return f"{self._head}{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def _fill(self, template: tuple[bytes, ...], now_ns: int, second: int) -> bytes:
        """Return a request with values of its own for the tokens, which are every second part of `template`."""
        values = {
            b"uuid": str(uuid.uuid4()).encode(),
            b"sequence": b"%d" % self._sequence,
            b"timestamp": b"%d" % (now_ns // 1_000_000),
        }
        self._sequence += self._sequence_step
        parts = list(template)
        parts[1::2] = [values[name] for name in template[1::2]]
        body = b"".join(parts)
        return self._assemble(body, hashlib.sha256(body).hexdigest(), second)

    def _draw(self) -> int:
        """Draw a payload by weight; in blocks, because one draw at a time costs ten times as much."""
        if not self._draws:
            self._draws = self._random.choices(range(len(self._bodies)), cum_weights=self._weights, k=_DRAWS)
        return self._draws.pop()


def _template(payload: WeightedPayload) -> tuple[bytes, ...] | None:
    """Return the text between tokens and their names in turn; None when every call sends the same bytes."""
    parts = _TOKEN.split(payload.body) if payload.tokens else []
    return tuple(parts) if len(parts) > 1 else None
