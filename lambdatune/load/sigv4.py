"""A minimal AWS Signature Version 4 signer; byte-identical to botocore's.

Source of the algorithm: AWS docs, "Create a signed AWS API request". The payload is hashed, and headers are signed as
botocore does: all that are given but those on its list of the unsigned, X-Amz-Date and X-Amz-Security-Token. S3 takes
the path as it was sent and wants X-Amz-Content-SHA256; every other service encodes the encoded path once more.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdatune.load.endpoint import Credentials

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-._~"
_UNSIGNED = frozenset({"expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"})
"""Headers that proxies change (botocore.auth.SIGNED_HEADERS_BLACKLIST)."""
_DIGEST = "x-amz-content-sha256"
_STATED = "\0"
"""Stands where the digest of the body does, among the headers of a request to S3."""


def invoke_path(function: str, qualifier: str | None) -> tuple[str, str]:
    """Return the path and the query string (without ``?``) of Invoke, percent-encoded as on the wire."""
    path = f"/2015-03-31/functions/{quote(function, safe=_UNRESERVED)}/invocations"
    query = f"Qualifier={quote(qualifier, safe=_UNRESERVED)}" if qualifier is not None else ""
    return path, query


class Signer:
    """Signs requests that differ in their bodies, and in their targets where these are given.

    Args:
        credentials: whose requests they are.
        region: AWS region.
        service: name of the service in the scope of the signature.
        method: HTTP method.
        target: path and query string as on the wire.
        headers: lower-case name and value of the headers, except X-Amz-Date, the session token and the body's digest.
    """

    def __init__(
        self,
        credentials: Credentials,
        region: str,
        *,
        service: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
    ) -> None:
        self._credentials = credentials
        self._scope = f"{region}/{service}/aws4_request"
        self._method = method
        self._is_s3 = service == "s3"
        self._request_lines = self._lines_of(target)
        self._headers = {name: " ".join(value.split()) for name, value in headers.items() if name not in _UNSIGNED}
        token = credentials.session_token
        if token is not None:
            self._headers["x-amz-security-token"] = token
        self._names = sorted([*self._headers, "x-amz-date", *([_DIGEST] if self._is_s3 else [])])
        self._signed_headers = ";".join(self._names)
        self._token_line = "\r\n" if token is None else f"\r\nX-Amz-Security-Token: {token}\r\n"
        self._key_date = ""
        self._key = b""
        self._second = -1
        self._canonical = self._canonical_headers = self._to_sign = self._lines = ""

    def header_lines(self, payload_sha256: str, at_s: int, target: str | None = None) -> str:
        """Return the header lines, each with its CRLF, that make a request valid at Unix time `at_s`.

        Args:
            payload_sha256: hex digest of the body.
            at_s: whole seconds; AWS accepts some minutes of skew.
            target: path and query string of this request; None for those of the signer.
        """
        if at_s != self._second:
            self._use_second(at_s)
        canonical = self._canonical if target is None else f"{self._lines_of(target)}{self._canonical_headers}"
        if self._is_s3:
            canonical = canonical.replace(_STATED, payload_sha256)
        digest = hashlib.sha256(f"{canonical}{payload_sha256}".encode()).hexdigest()
        signature = hmac.digest(self._key, f"{self._to_sign}{digest}".encode(), "sha256").hex()
        if self._is_s3:
            return f"X-Amz-Content-SHA256: {payload_sha256}\r\n{self._lines}{signature}{self._token_line}"
        return f"{self._lines}{signature}{self._token_line}"

    def _lines_of(self, target: str) -> str:
        """Return the first three lines of the canonical request."""
        path, _, query = target.partition("?")
        return f"{self._method}\n{path if self._is_s3 else _encoded_again(path)}\n{_sorted_query(query)}\n"

    def _use_second(self, at_s: int) -> None:
        """Prepare all that requests signed in the same second have in common."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at_s))
        date = stamp[:8]
        if date != self._key_date:
            self._key, self._key_date = self._signing_key(date), date
        values = {**self._headers, "x-amz-date": stamp, _DIGEST: _STATED}
        lines = "".join(f"{name}:{values[name]}\n" for name in self._names)
        scope = f"{date}/{self._scope}"
        self._canonical_headers = f"{lines}\n{self._signed_headers}\n"
        self._canonical = f"{self._request_lines}{self._canonical_headers}"
        self._to_sign = f"{_ALGORITHM}\n{stamp}\n{scope}\n"
        self._lines = (
            f"X-Amz-Date: {stamp}\r\n"
            f"Authorization: {_ALGORITHM} Credential={self._credentials.access_key_id}/{scope}, "
            f"SignedHeaders={self._signed_headers}, Signature="
        )
        self._second = at_s

    def _signing_key(self, date: str) -> bytes:
        """Return the key of a day, which is derived once a day."""
        key = f"AWS4{self._credentials.secret_access_key}".encode()
        for part in (date, *self._scope.split("/")):
            key = hmac.digest(key, part.encode(), "sha256")
        return key


def _encoded_again(path: str) -> str:
    """Return a path without ``.``, ``..`` and empty segments, encoded once more: %3A becomes %253A."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            segments[-1:] = []
        elif segment not in {"", "."}:
            segments.append(segment)
    tail = "/" if segments and path.endswith("/") else ""
    return quote(f"/{'/'.join(segments)}{tail}", safe="/" + _UNRESERVED)


def _sorted_query(query: str) -> str:
    """Return the parameters in the order of names and values, each with its ``=``."""
    if "&" not in query and "=" in query:
        return query
    pairs = sorted((name, value) for name, _, value in (part.partition("=") for part in query.split("&") if query))
    return "&".join(f"{name}={value}" for name, value in pairs)
