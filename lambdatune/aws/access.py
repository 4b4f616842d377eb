"""Access to an account, or to an endpoint that speaks like AWS: clients, credentials, identity."""

from __future__ import annotations

import ipaddress
import os
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import aioboto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, NoCredentialsError

from lambdatune.aws.pace import keep_pace
from lambdatune.aws.refusals import no_credentials, translated
from lambdatune.aws.unmodelled import keep_unmodelled
from lambdatune.model.errors import UsageError

if TYPE_CHECKING:
    from types import TracebackType

    from types_aiobotocore_lambda import LambdaClient
    from types_aiobotocore_logs import CloudWatchLogsClient
    from types_aiobotocore_sts import STSClient

LOOPBACK_KEY = "lambdatune-loopback"
"""Stands in for a credential towards a loopback endpoint, so that real ones never leave for it by accident."""

_ATTEMPTS = 5
_READ_TIMEOUT_S = 30
"""CreateFunction with 50 MB of code answers within seconds; a network that is lost shows sooner like this."""

_READ_TIMEOUT_ON_LOOPBACK_S = 10

_ATTEMPTS_ON_LOOPBACK = 2
"""What is not there on this machine will not be there in a minute: no use to wait for it."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials at one moment, for a signer outside this room; their text form shows no secret."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """What may be told of credentials.

    Attributes:
        source: where the chain found them, in words: ``environment variables``, a file, SSO, a role.
        key_id: the access key id, shortened: ``AKIA...WXYZ``; empty for the stand-in.
        temporary: whether they come with a session token, and so expire.
    """

    source: str
    key_id: str
    temporary: bool


_SOURCES = {
    "env": "environment variables",
    "shared-credentials-file": "the shared credentials file",
    "config-file": "the AWS configuration file",
    "custom-process": "a credential process",
    "assume-role": "a role of the AWS configuration",
    "assume-role-with-web-identity": "a role by web identity",
    "sso": "SSO (IAM Identity Center)",
    "login": "`aws login`",
    "iam-role": "the role of this EC2 instance",
    "container-role": "the role of this container",
    "explicit": "a stand-in for a loopback endpoint: no credential of yours is sent there",
}
"""botocore's name of the provider that found the credentials (botocore/credentials.py, METHOD) to words."""


_OF_AWS = re.compile(r"\.(amazonaws\.com(\.cn)?|api\.aws|amazonwebservices\.com\.cn)$")
"""Hosts of AWS's partitions, VPC endpoints among them."""


def is_loopback(endpoint_url: str | None) -> bool:
    """Return whether `endpoint_url` is on this machine's loopback interface."""
    host = urlsplit(endpoint_url).hostname if endpoint_url else None
    if host is None:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class AwsAccess:
    """Open clients of one account and region; use as an async context manager.

    Args:
        region: AWS region; None takes it from the environment (AWS_REGION, which botocore itself does not read, or
            AWS_DEFAULT_REGION) or the configuration file.
        aws_profile: a profile of the AWS configuration; None uses the standard chain.
        endpoint_url: an endpoint that speaks like AWS; None is AWS itself. Towards a loopback endpoint a
            stand-in credential is used unless a profile is named.
    """

    def __init__(
        self, *, region: str | None = None, aws_profile: str | None = None, endpoint_url: str | None = None
    ) -> None:
        self.endpoint_url = endpoint_url
        stand_in = is_loopback(endpoint_url) and aws_profile is None
        keys: dict[str, Any] = (
            {"aws_access_key_id": LOOPBACK_KEY, "aws_secret_access_key": LOOPBACK_KEY} if stand_in else {}
        )
        try:
            named = region or os.environ.get("AWS_REGION")
            self._session = aioboto3.Session(region_name=named, profile_name=aws_profile, **keys)
        except BotoCoreError as error:
            raise UsageError(
                f"AWS configuration: {error}",
                hint="`aws configure list-profiles` lists profiles",
                setting="aws-profile" if aws_profile else None,
            ) from error
        self.region = self._session.region_name or ("us-east-1" if stand_in else "")
        if not self.region:
            raise UsageError(
                "no AWS region is set: expected --region, AWS_REGION or one in the AWS configuration",
                hint="for example --region us-east-1",
                setting="region",
            )
        attempts = _ATTEMPTS_ON_LOOPBACK if is_loopback(endpoint_url) else _ATTEMPTS
        self._config = Config(
            retries={"mode": "standard", "max_attempts": attempts},
            connect_timeout=5,
            read_timeout=_READ_TIMEOUT_ON_LOOPBACK_S if is_loopback(endpoint_url) else _READ_TIMEOUT_S,
            user_agent_extra="lambdatune",
        )
        self._stack = AsyncExitStack()
        self._clients: dict[tuple[str, str], Any] = {}

    async def __aenter__(self) -> Self:
        """Open nothing yet: a client is opened when it is first asked for."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the clients that were opened."""
        await self._stack.aclose()

    async def functions(self) -> LambdaClient:
        """Return the Lambda client."""
        client: LambdaClient = await self._client("lambda")
        return client

    async def refuse_configured_endpoint(self) -> None:
        """Refuse an endpoint that only the AWS configuration names: the load is not sent by way of the SDK.

        Raises:
            UsageError: when Lambda's calls would go to another place than the load, which goes to AWS itself.
        """
        if self.endpoint_url is not None:
            return
        url: str = (await self.functions()).meta.endpoint_url
        if _OF_AWS.search(urlsplit(url).hostname or "") is None:
            raise UsageError(
                f"the AWS configuration has Lambda at {url} (AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_LAMBDA or a profile's "
                "endpoint_url), and the load would go to AWS itself",
                hint=f"--endpoint-url {url}, or leave that out of the configuration",
                setting="endpoint-url",
            )

    async def logs(self) -> CloudWatchLogsClient:
        """Return the CloudWatch Logs client."""
        client: CloudWatchLogsClient = await self._client("logs")
        return client

    async def service(self, name: str, *, region: str | None = None) -> Any:
        """Return the client of a service that is only asked now and then: ``sts``, ``iam``, ``ec2``, ``s3``.

        It is the one in `region`, or else in this access's.
        A service's own ``AWS_ENDPOINT_URL_<SERVICE>`` wins over the endpoint that Lambda is reached at.
        """
        return await self._client(name, region)

    async def identity(self) -> STSClient:
        """Return the client that says whose credentials these are."""
        client: STSClient = await self._client("sts")
        return client

    async def keys(self) -> Keys:
        """Return the credentials as they are now.

        Raises:
            AwsRefused: when the chain finds none, or they cannot be refreshed.
        """
        _, frozen = await self._credentials()
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)

    async def credential_facts(self) -> CredentialFacts:
        """Return where the credentials come from and which they are, without their secret.

        Raises:
            AwsRefused: when the chain finds none, or they cannot be refreshed.
        """
        method, frozen = await self._credentials()
        key_id: str = frozen.access_key
        if key_id == LOOPBACK_KEY:
            return CredentialFacts(_SOURCES["explicit"], "", temporary=False)
        shortened = f"{key_id[:4]}...{key_id[-4:]}" if len(key_id) >= 16 else f"{key_id[:2]}..."
        return CredentialFacts(_SOURCES.get(method, method), shortened, temporary=frozen.token is not None)

    async def _credentials(self) -> tuple[str, Any]:
        """Return the chain's name of their source, and the credentials as they are now."""
        try:
            # aioboto3 returns a coroutine here; its stubs say otherwise.
            pending: Any = self._session.get_credentials()
            credentials = await pending
            if credentials is None:
                raise no_credentials()
            frozen = await credentials.get_frozen_credentials()
        except (NoCredentialsError, BotoCoreError) as error:
            raise translated(error, "reading the AWS credentials") from error
        return credentials.method, frozen

    async def _client(self, service: str, region: str | None = None) -> Any:
        key = (service, region or self.region)
        if key not in self._clients:
            client = await self._stack.enter_async_context(
                self._session.client(
                    service,  # type: ignore[call-overload]
                    region_name=key[1],
                    endpoint_url=self._endpoint_of(service),
                    config=self._config,
                )
            )
            keep_pace(client)
            if service == "lambda":
                keep_unmodelled(client)
            self._clients[key] = client
        return self._clients[key]

    def _endpoint_of(self, service: str) -> str | None:
        """Return where `service` is: an endpoint of its own in the environment is nearer to the point than ours."""
        if service in {"lambda", "logs"}:
            return self.endpoint_url
        return os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or self.endpoint_url
