"""`http` with an HTTP API of API Gateway of the run's own (AWS docs, "Working with HTTP APIs")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdatune.aws.modes.base import GATEWAY_IN_FORCE_S, Base
from lambdatune.aws.modes.function_url import ANYONE
from lambdatune.aws.modes.http_payload import http_request
from lambdatune.aws.modes.waiting import let_settle
from lambdatune.aws.refusals import refused
from lambdatune.model.change import Change

if TYPE_CHECKING:
    from lambdatune.aws.isolation import Ledger, Version, Watcher
    from lambdatune.aws.modes.site import Site
    from lambdatune.model.request_form import RequestForm

_PRINCIPAL = "apigateway.amazonaws.com"
_EVERYTHING = "$default"
_SIGNED_FOR = "execute-api"


class HttpApi(Base):
    """An HTTP API whose only route takes every method and path.

    Args:
        site: the run.
    """

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._url = ""

    @property
    def changes(self) -> tuple[str, ...]:
        """What is made, and that it is deleted."""
        return (*super().changes, f"create HTTP API {self._site.clone}; deleted at the end")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is public meanwhile."""
        return (ANYONE,) if self._site.options.auth == "none" else ()

    async def prepare(self, ledger: Ledger, watcher: Watcher) -> None:
        """Make alias and API.

        Raises:
            AwsRefused: when AWS refuses.
        """
        await super().prepare(ledger, watcher)
        name = self._site.clone
        ledger.intend(Change("create-http-api", name, self._site.place))
        client: Any = await self._site.access.service("apigatewayv2")
        with refused(f"creating HTTP API `{name}`"):
            api = await client.create_api(Name=name, ProtocolType="HTTP", Tags=self._site.tags)
            identity = api["ApiId"]
            integration = await client.create_integration(
                ApiId=identity, IntegrationType="AWS_PROXY", IntegrationUri=self._site.function_arn(),
                PayloadFormatVersion="2.0",
            )  # fmt: skip
            await client.create_route(
                ApiId=identity, RouteKey=_EVERYTHING, Target=f"integrations/{integration['IntegrationId']}",
                AuthorizationType="AWS_IAM" if self._site.options.auth == "iam" else "NONE",
            )  # fmt: skip
            await client.create_stage(ApiId=identity, StageName=_EVERYTHING, AutoDeploy=True)
        await self._alias.allow(_PRINCIPAL, self._site.arn("execute-api", f"{identity}/*"))
        self._url = self._site.reached(api["ApiEndpoint"], "the HTTP API")
        if self._site.is_aws:
            await let_settle(GATEWAY_IN_FORCE_S, "waiting for the HTTP API to be in force", watcher)

    def request(self, version: Version, payload: bytes, *, tokens: bool) -> RequestForm:  # noqa: ARG002  by the alias
        """Return the request that a payload stands for.

        Raises:
            UsageError: when it stands for none.
        """
        service = _SIGNED_FOR if self._site.options.auth == "iam" else None
        return http_request(
            "http", payload, url=self._url, base_url=self._site.base_url(self._url), service=service, tokens=tokens,
            id_header="apigw-requestid",
        )  # fmt: skip
