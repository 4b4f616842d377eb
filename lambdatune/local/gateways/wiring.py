"""How the gateways are put together, and what the port asks of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.local.events import query
from lambdatune.local.gateways.calling import Caller
from lambdatune.local.gateways.http_apis import HttpApis
from lambdatune.local.gateways.http_door import HttpDoor
from lambdatune.local.gateways.load_balancers import NAMESPACE, LoadBalancers
from lambdatune.local.gateways.load_balancing import LoadBalancerDoor
from lambdatune.local.gateways.rest_apis import RestApis
from lambdatune.local.gateways.rest_door import RestDoor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from lambdatune.local.errors import ApiError
    from lambdatune.local.events.invoker import Invoker
    from lambdatune.local.events.permissions import Permissions
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming
    from lambdatune.local.options import Options
    from lambdatune.local.reply import Reply
    from lambdatune.local.signatures import SignatureVerifier


class Gateways:
    """The gateways of one endpoint.

    Args:
        invoker: runs the calls.
        permissions: says whether a gateway may call a function.
        naming: makes ARNs.
        signatures: verifies who sent a request.
        options: of the endpoint.
        endpoint_url: returns the URL of the endpoint.

    Attributes:
        doors: take the requests that are for functions.
        controls: serve the actions, by the service in the scope of a signature.
        refusals: write errors of services that do not speak JSON.
    """

    def __init__(
        self,
        invoker: Invoker,
        permissions: Permissions,
        naming: Naming,
        signatures: SignatureVerifier,
        options: Options,
        endpoint_url: Callable[[], str],
    ) -> None:
        http, rest = HttpApis(naming, endpoint_url), RestApis(naming)
        api_caller = Caller(invoker, permissions, "apigateway.amazonaws.com")
        balancer_caller = Caller(invoker, permissions, "elasticloadbalancing.amazonaws.com")
        balancers = LoadBalancers(naming, balancer_caller, options.settle_ms / 1_000)
        self.doors = (
            RestDoor(rest, api_caller, naming, signatures),
            HttpDoor(http, api_caller, naming, signatures),
            LoadBalancerDoor(balancers, balancer_caller, naming),
        )

        async def apigateway(request: Request, request_id: str) -> Reply:
            is_version_2 = request.path.startswith("/v2/")
            return await (http if is_version_2 else rest).control(request, request_id)

        self.controls: Mapping[str, Callable[[Request, str], Awaitable[Reply]]] = {
            "apigateway": apigateway,
            "elasticloadbalancing": balancers.serve,
        }
        self.refusals: Mapping[str, Callable[[ApiError, str], bytes]] = {
            "elasticloadbalancing": lambda error, request_id: query.refusal(error, NAMESPACE, request_id),
        }
