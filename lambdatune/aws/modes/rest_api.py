"""`http` with a REST API of API Gateway of the run's own (AWS docs, "Lambda proxy integrations in API Gateway")."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import aiohttp

from lambdatune.aws.modes.base import GATEWAY_IN_FORCE_S, Base
from lambdatune.aws.modes.function_url import ANYONE
from lambdatune.aws.modes.http_payload import http_request
from lambdatune.aws.modes.waiting import let_settle
from lambdatune.aws.refusals import refused
from lambdatune.model.change import Change
from lambdatune.model.errors import AwsRefused

if TYPE_CHECKING:
    from lambdatune.aws.isolation import Ledger, Version, Watcher
    from lambdatune.aws.modes.site import Site
    from lambdatune.model.request_form import RequestForm

_PRINCIPAL = "apigateway.amazonaws.com"
_SIGNED_FOR = "execute-api"
_STAGE = "lambdatune"
_BELOW = "{proxy+}"
_PATH_HERE = "/_lambdatune/rest"
"""Where an embedded endpoint serves REST APIs: their id and stage follow."""

_FACTS = "/_lambdatune/host"
"""What only an embedded endpoint answers."""


class RestApi(Base):
    """A regional REST API that passes every method and path on.

    Args:
        site: the run.
    """

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._url = ""

    @property
    def changes(self) -> tuple[str, ...]:
        """What is made, and that it is deleted."""
        return (*super().changes, f"create REST API {self._site.clone}; deleted at the end")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is public meanwhile, and AWS's rate of deletions."""
        slow = "AWS deletes one REST API in 30 seconds: another run's may have to wait for it"
        return (ANYONE, slow) if self._site.options.auth == "none" else (slow,)

    async def prepare(self, ledger: Ledger, watcher: Watcher) -> None:
        """Make alias and API.

        Raises:
            AwsRefused: when AWS refuses.
        """
        await self._check_endpoint()
        await super().prepare(ledger, watcher)
        name = self._site.clone
        ledger.intend(Change("create-rest-api", name, self._site.place))
        client: Any = await self._site.access.service("apigateway")
        with refused(f"creating REST API `{name}`"):
            api = await client.create_rest_api(
                name=name, endpointConfiguration={"types": ["REGIONAL"]}, tags=self._site.tags
            )
            identity = api["id"]
            root = api.get("rootResourceId") or (await client.get_resources(restApiId=identity))["items"][0]["id"]
            below = await client.create_resource(restApiId=identity, parentId=root, pathPart=_BELOW)
            for resource in (root, below["id"]):
                await self._pass_on(client, identity, resource)
            await client.create_deployment(restApiId=identity, stageName=_STAGE)
        await self._alias.allow(_PRINCIPAL, self._site.arn("execute-api", f"{identity}/*"))
        self._url = self._url_of(identity)
        if self._site.is_aws:
            await let_settle(GATEWAY_IN_FORCE_S, "waiting for the REST API to be in force", watcher)

    async def _check_endpoint(self) -> None:
        """Refuse an endpoint whose REST APIs cannot be found: AWS's answers name no URL of one."""
        endpoint_url = self._site.access.endpoint_url
        if endpoint_url is None:
            return
        try:
            async with aiohttp.ClientSession() as http, http.get(endpoint_url.rstrip("/") + _FACTS) as answer:
                is_ours = answer.status == HTTPStatus.OK
        except (aiohttp.ClientError, TimeoutError):
            is_ours = False
        if not is_ours:
            raise AwsRefused(
                f"where REST APIs of the endpoint at {endpoint_url} are reached is not known: its answers do not say",
                hint="use --http-kind http, or `lambdatune local` as the endpoint",
            )

    async def _pass_on(self, client: Any, identity: str, resource: str) -> None:
        """Let every method of a resource be passed on to the alias."""
        named = {"restApiId": identity, "resourceId": resource, "httpMethod": "ANY"}
        auth = "AWS_IAM" if self._site.options.auth == "iam" else "NONE"
        await client.put_method(**named, authorizationType=auth)
        partition, region = self._site.source.arn.split(":")[1], self._site.region
        await client.put_integration(
            **named, type="AWS_PROXY", integrationHttpMethod="POST",
            uri=f"arn:{partition}:apigateway:{region}:lambda:path/2015-03-31/functions/"
            f"{self._site.function_arn()}/invocations",
        )  # fmt: skip

    def _url_of(self, identity: str) -> str:
        endpoint_url = self._site.access.endpoint_url
        if endpoint_url is not None:
            return f"{endpoint_url.rstrip('/')}{_PATH_HERE}/{identity}/{_STAGE}"
        suffix = "amazonaws.com.cn" if self._site.region.startswith("cn-") else "amazonaws.com"
        return f"https://{identity}.execute-api.{self._site.region}.{suffix}/{_STAGE}"

    def request(self, version: Version, payload: bytes, *, tokens: bool) -> RequestForm:  # noqa: ARG002  by the alias
        """Return the request that a payload stands for.

        Raises:
            UsageError: when it stands for none.
        """
        service = _SIGNED_FOR if self._site.options.auth == "iam" else None
        return http_request(
            "http", payload, url=self._url, base_url=self._site.base_url(self._url), service=service, tokens=tokens
        )  # fmt: skip
