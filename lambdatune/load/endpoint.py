"""Where the calls go, and with which credentials: values that cross into the load processes."""

from urllib.parse import urlsplit

import msgspec

from lambdatune.model.errors import UsageError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_DNS_SUFFIXES = {
    "cn-": "amazonaws.com.cn",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
}
"""DNS suffixes of the partitions outside amazonaws.com (botocore's partitions.json)."""


class Endpoint(msgspec.Struct, frozen=True):
    """An endpoint that speaks Lambda's Invoke API.

    Attributes:
        scheme: ``http`` or ``https``.
        host: name or address, an IPv6 address without brackets.
        port: TCP port.
        region: AWS region that requests are signed for.
        ca_file: PEM file of the certificate authorities to trust; None for the system's.
        verify_tls: whether the certificate and the host name are checked.
    """

    scheme: str
    host: str
    port: int
    region: str
    ca_file: str | None = None
    verify_tls: bool = True

    @property
    def host_header(self) -> str:
        """The Host header, as botocore signs it: the port only when it is not the scheme's own."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _DEFAULT_PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def url(self) -> str:
        """The endpoint as a URL."""
        return f"{self.scheme}://{self.host_header}"


def endpoint_from_url(url: str, region: str, *, ca_file: str | None = None, verify_tls: bool = True) -> Endpoint:
    """Return the endpoint of a URL such as ``http://127.0.0.1:4566``.

    Raises:
        UsageError: when `url` is not an http or https URL of a host alone.
    """
    hint = "for example http://127.0.0.1:4566 or https://lambda.eu-central-1.amazonaws.com"
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise UsageError(f"endpoint URL `{url}` is not an http or https URL with a host", hint=hint)
    if parts.path not in {"", "/"} or parts.query or parts.username is not None:
        raise UsageError(f"endpoint URL `{url}` has more than a scheme, a host and a port", hint=hint)
    try:
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except ValueError:
        raise UsageError(f"endpoint URL `{url}` has no valid port: expected 1 to 65535", hint=hint) from None
    return Endpoint(parts.scheme, parts.hostname, port, region, ca_file, verify_tls)


def endpoint_from_region(region: str, *, ca_file: str | None = None) -> Endpoint:
    """Return AWS's public endpoint of Lambda in `region`: ``lambda.REGION.amazonaws.com``."""
    suffix = "amazonaws.com"
    for prefix, partition_suffix in _DNS_SUFFIXES.items():
        if region.startswith(prefix):
            suffix = partition_suffix
    return Endpoint("https", f"lambda.{region}.{suffix}", 443, region, ca_file)


class Credentials(msgspec.Struct, frozen=True):
    """AWS credentials; neither `repr` nor rich shows a secret.

    Attributes:
        access_key_id: of a user or of a session.
        secret_access_key: its secret.
        session_token: of temporary credentials; None for a user's own.
    """

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(access_key_id={self.access_key_id!r}, secret_access_key=***)"

    def __rich_repr__(self) -> list[tuple[str, str]]:
        """Return what rich may print."""
        return [("access_key_id", self.access_key_id), ("secret_access_key", "***")]
