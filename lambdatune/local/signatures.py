"""Signature Version 4, verified as AWS does: who signed a request, and that nothing of it was changed since.

Sources: AWS docs, "Create a signed AWS API request" (the canonical form), and the sentences with which Lambda
refuses. The secret of an access key that no one announced is the access key id itself, so that any made-up pair of
equal halves works with every SDK and a wrong signature is still found.
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from lambdatune.local.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdatune.local.httpd import Request

_ALGORITHM = "AWS4-HMAC-SHA256"
_PARAMETERS = ("Credential", "SignedHeaders", "Signature")
_UNRESERVED = "-._~"
_SKEW_S = 300
"""AWS accepts a date within five minutes of its own clock."""
_UNSIGNED_BODIES = (
    "UNSIGNED-PAYLOAD",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
)
"""What S3 takes for the digest of a body that the signature leaves out."""
_REMEMBERED = 4_096
_REMEMBERED_S = 5.0
"""A load generator signs once a second and sends the same bytes thousands of times in it."""

_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_RULE = " (The embedded lambdatune endpoint takes any access key whose secret is the access key id itself{further}.)"


@dataclass(frozen=True, slots=True)
class _Claim:
    """What an Authorization header says."""

    key_id: str
    date: str
    region: str
    service: str
    names: tuple[str, ...]
    signature: str


class SignatureVerifier:
    """Verifies requests.

    Args:
        secrets: secret by access key id, for keys whose secret is not their id.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = dict(secrets)
        self._claims: dict[str, _Claim] = {}
        self._keys: dict[tuple[str, str, str, str], bytes] = {}
        self._verified: set[tuple[object, ...]] = set()
        self._forget_at_s = 0.0

    def verify(self, request: Request, service: str) -> None:
        """Check that `request` was signed for `service` with a key's secret, within the last five minutes.

        Raises:
            ApiError: MissingAuthenticationTokenException, IncompleteSignatureException or
                InvalidSignatureException, with AWS's sentence.
        """
        headers = request.headers
        authorization = headers.get("authorization")
        # Also what keeps web pages out: a browser sends no such header without asking first, and gets no yes.
        if not authorization:
            raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        self._forget()
        claim = self._claims.get(authorization)
        if claim is None:
            claim = self._claims[authorization] = _read_claim(authorization)
        body = hashlib.sha256(request.body).digest()
        stated = headers.get("x-amz-content-sha256", "")
        values = tuple([headers.get(name) for name in claim.names])
        seen = (authorization, service, request.method, request.target, body, values)
        if seen in self._verified:
            return
        digest = body.hex()
        if service == "s3":
            if stated not in {digest, *_UNSIGNED_BODIES}:
                raise ApiError("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' does not match.")
            digest = stated
        self._check(request, claim, service, digest)
        self._verified.add(seen)

    def _forget(self) -> None:
        """Let go of what was verified some seconds ago: dates age, and every payload may be its own."""
        now_s = time.monotonic()
        if now_s >= self._forget_at_s or len(self._verified) >= _REMEMBERED or len(self._claims) >= _REMEMBERED:
            self._verified.clear()
            self._claims.clear()
            self._forget_at_s = now_s + _REMEMBERED_S

    def _check(self, request: Request, claim: _Claim, service: str, body_sha256: str) -> None:
        headers = request.headers
        if claim.service != service:
            raise _invalid(f"Credential should be scoped to correct service: '{service}'. ")
        stamp = headers.get("x-amz-date", "")
        _check_date(stamp, claim.date)
        if "host" not in claim.names:
            raise _invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
        unsigned = [name for name in headers if name.startswith("x-amz-") and name not in claim.names]
        absent = [name for name in claim.names if name not in headers]
        if absent or unsigned or not self._matches(request, claim, stamp, body_sha256):
            raise _invalid(_MISMATCH + _RULE.format(further=", or those given by --credentials" * bool(self._secrets)))

    def _matches(self, request: Request, claim: _Claim, stamp: str, body_sha256: str) -> bool:
        lines = "".join([f"{name}:{' '.join(request.headers[name].split())}\n" for name in claim.names])
        # S3 takes the path as it was sent (AWS docs, "Create a signed AWS API request").
        path = request.path if claim.service == "s3" else _canonical_path(request.path)
        canonical = (
            f"{request.method}\n{path}\n{_canonical_query(request.raw_query)}\n"
            f"{lines}\n{';'.join(claim.names)}\n{body_sha256}"
        )
        # Headers were decoded as Latin-1, so that this gives back the very bytes that were sent.
        digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
        scope = f"{claim.date}/{claim.region}/{claim.service}/aws4_request"
        to_sign = f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}"
        expected = hmac.new(self._signing_key(claim), to_sign.encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), claim.signature.encode())

    def _signing_key(self, claim: _Claim) -> bytes:
        """Return the key of a day, region and service, which costs four rounds of HMAC once."""
        scope = (claim.key_id, claim.date, claim.region, claim.service)
        key = self._keys.get(scope)
        if key is None:
            key = f"AWS4{self._secrets.get(claim.key_id, claim.key_id)}".encode()
            for part in (*scope[1:], "aws4_request"):
                key = hmac.new(key, part.encode(), hashlib.sha256).digest()
            if len(self._keys) >= _REMEMBERED:
                self._keys.clear()
            self._keys[scope] = key
        return key


def claimed_key(request: Request) -> str:
    """Return the id of the access key in the scope of a request's signature, an empty text when there is none."""
    return request.headers.get("authorization", "").partition("Credential=")[2].partition("/")[0]


def claimed_service(request: Request) -> str:
    """Return the service in the scope of a request's signature, an empty text when there is none."""
    scope = request.headers.get("authorization", "").partition("/aws4_request")[0]
    return scope.rpartition("/")[2]


def _read_claim(authorization: str) -> _Claim:
    """Take an Authorization header apart.

    Raises:
        ApiError: IncompleteSignatureException (400).
    """
    algorithm, _, rest = authorization.partition(" ")
    given = dict(_named(part) for part in rest.split(","))
    complaints = [] if algorithm == _ALGORITHM else [f"Unsupported AWS 'algorithm': '{algorithm}'."]
    complaints += [f"Authorization header requires '{name}' parameter." for name in _PARAMETERS if not given.get(name)]
    if complaints:
        raise _incomplete(f"{' '.join(complaints)} Authorization={algorithm}")
    scope = given["Credential"].rsplit("/", 4)
    if len(scope) != 5 or scope[-1] != "aws4_request":
        raise _incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term,"
            f" got '{given['Credential']}'"
        )
    key_id, date, region, service, _ = scope
    names = tuple(given["SignedHeaders"].lower().split(";"))
    return _Claim(key_id, date, region, service, names, given["Signature"])


def _named(part: str) -> tuple[str, str]:
    name, _, value = part.strip().partition("=")
    return name, value


def _check_date(stamp: str, scope_date: str) -> None:
    """Check X-Amz-Date against the scope's day and this host's clock.

    Raises:
        ApiError: IncompleteSignatureException (400), InvalidSignatureException (403).
    """
    if not stamp:
        raise _incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    at_s = _seconds(stamp)
    if at_s is None:
        raise _incomplete(
            f"Date must be in ISO-8601 'basic format'. Got '{stamp}'. See http://en.wikipedia.org/wiki/ISO_8601"
        )
    if not stamp.startswith(scope_date):
        raise _invalid(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{scope_date}' != '{stamp[:8]}', from '{stamp}'."
        )
    now_s = int(time.time())
    if at_s < now_s - _SKEW_S:
        bound, now = _stamp(now_s - _SKEW_S), _stamp(now_s)
        raise _invalid(f"Signature expired: {stamp} is now earlier than {bound} ({now} - 5 min.)")
    if at_s > now_s + _SKEW_S:
        bound, now = _stamp(now_s + _SKEW_S), _stamp(now_s)
        raise _invalid(f"Signature not yet current: {stamp} is still later than {bound} ({now} + 5 min.)")


def _seconds(stamp: str) -> int | None:
    """Return the Unix time of ``YYYYMMDDTHHMMSSZ``, None when it is not one."""
    try:
        return calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        return None


def _stamp(at_s: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at_s))


def _canonical_path(path: str) -> str:
    """Encode the path as it was sent once more, after taking out ``.``, ``..`` and empty segments."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            segments[-1:] = []
        elif segment not in {"", "."}:
            segments.append(segment)
    tail = "/" if segments and path.endswith("/") else ""
    return quote("/" + "/".join(segments) + tail, safe="/" + _UNRESERVED, encoding="latin-1")


def _canonical_query(query: str) -> str:
    """Sort the parameters by name and value, each percent-encoded in one way."""
    if not query:
        return ""
    pairs = [part.partition("=") for part in query.split("&") if part]
    encoded = sorted((_encoded(name), _encoded(value)) for name, _, value in pairs)
    return "&".join([f"{name}={value}" for name, value in encoded])


def _encoded(text: str) -> str:
    return quote(unquote(text, encoding="latin-1"), safe=_UNRESERVED, encoding="latin-1")


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidSignatureException", message, 403)


def _incomplete(message: str) -> ApiError:
    return ApiError("IncompleteSignatureException", message, 400)
