"""A minimal AWS Signature Version 4 signer for one POST path; byte-identical to botocore's.

Source of the algorithm: AWS docs, "Create a signed AWS API request". The payload is hashed and the headers
are signed as botocore does for Lambda: Host, X-Amz-Date, X-Amz-Log-Type and X-Amz-Security-Token.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from lambdatune.load.endpoint import Credentials

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-._~"


def invoke_path(function: str, qualifier: str | None) -> tuple[str, str]:
    """Return the path and the query string (without ``?``) of Invoke, percent-encoded as on the wire."""
    path = f"/2015-03-31/functions/{quote(function, safe=_UNRESERVED)}/invocations"
    query = f"Qualifier={quote(qualifier, safe=_UNRESERVED)}" if qualifier is not None else ""
    return path, query


class Signer:
    """Signs POST requests of one path with different bodies.

    Args:
        credentials: whose requests they are.
        region: AWS region.
        path: percent-encoded as on the wire.
        query: query string as on the wire; at most one parameter, so that there is no order to keep.
        headers: lower-case name and value of the headers to sign, except X-Amz-Date and the session token.
    """

    def __init__(self, credentials: Credentials, region: str, path: str, query: str, headers: dict[str, str]) -> None:
        self._credentials = credentials
        self._region = region
        # Every service but S3 encodes the encoded path once more: %3A becomes %253A.
        self._prefix = f"POST\n{quote(path, safe='/' + _UNRESERVED)}\n{query}\n"
        self._headers = dict(headers)
        if credentials.session_token is not None:
            self._headers["x-amz-security-token"] = credentials.session_token
        names = sorted([*self._headers, "x-amz-date"])
        self._signed_headers = ";".join(names)
        self._names = names
        token = credentials.session_token
        self._token_line = "\r\n" if token is None else f"\r\nX-Amz-Security-Token: {token}\r\n"
        self._key_date = ""
        self._key = b""
        self._second = -1
        self._canonical = self._to_sign = self._lines = ""

    def header_lines(self, payload_sha256: str, at_s: int) -> str:
        """Return the header lines, each with its CRLF, that make a request valid at Unix time `at_s`.

        Args:
            payload_sha256: hex digest of the body.
            at_s: whole seconds; AWS accepts some minutes of skew.
        """
        if at_s != self._second:
            self._use_second(at_s)
        digest = hashlib.sha256(f"{self._canonical}{payload_sha256}".encode()).hexdigest()
        signature = hmac.digest(self._key, f"{self._to_sign}{digest}".encode(), "sha256").hex()
        return f"{self._lines}{signature}{self._token_line}"

    def _use_second(self, at_s: int) -> None:
        """Prepare all that requests signed in the same second have in common."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at_s))
        date = stamp[:8]
        if date != self._key_date:
            self._key, self._key_date = self._signing_key(date), date
        values = {**self._headers, "x-amz-date": stamp}
        canonical_headers = "".join(f"{name}:{values[name].strip()}\n" for name in self._names)
        scope = f"{date}/{self._region}/lambda/aws4_request"
        self._canonical = f"{self._prefix}{canonical_headers}\n{self._signed_headers}\n"
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
        for part in (date, self._region, "lambda", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key
