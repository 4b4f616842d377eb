"""The control plane of HTTP APIs (AWS API reference, Amazon API Gateway version 2)."""

from __future__ import annotations

import re
import secrets
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lambdatune.local.errors import ApiError, not_implemented
from lambdatune.local.gateways import routes
from lambdatune.local.gateways.calling import function_of
from lambdatune.local.reply import Reply, json_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming

PATH = "/_lambdatune/http/"
DEFAULT = "$default"
_STAGE = re.compile(r"\$default|[A-Za-z0-9_-]{1,128}")
_LIMIT_MS = (50, 30_000)
"""Of an integration of an HTTP API (AWS docs, "Quotas for HTTP APIs")."""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_id(length: int) -> str:
    """Return a new id as API Gateway makes them."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(length))


@dataclass(frozen=True, slots=True)
class Integration:
    """How a function is called: its ARN, the payload format, and how long the API waits."""

    id: str
    uri: str
    arn: str
    payload_format: str
    limit_ms: int
    description: str | None


@dataclass(frozen=True, slots=True)
class Route:
    """``METHOD /path`` or ``$default``, who may send there, and which integration takes it."""

    id: str
    key: str
    authorization: str
    integration_id: str | None


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a stage serves: the routes and integrations of one moment."""

    id: str
    routes: dict[str, Route]
    integrations: dict[str, Integration]
    created: str = field(default_factory=_now)


@dataclass(slots=True)
class Stage:
    """A stage; one that deploys by itself serves the API as it is now."""

    name: str
    auto_deploy: bool
    variables: dict[str, str]
    deployment_id: str | None = None
    created: str = field(default_factory=_now)
    updated: str = field(default_factory=_now)


@dataclass(slots=True)
class Api:
    """An HTTP API."""

    id: str
    name: str
    description: str | None
    tags: dict[str, str]
    created: str = field(default_factory=_now)
    integrations: dict[str, Integration] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)

    def served(self, stage: Stage) -> Deployment | None:
        """Return what a stage serves, None when nothing was deployed."""
        if stage.auto_deploy:
            return Deployment("auto", self.routes, self.integrations)
        return self.deployments.get(stage.deployment_id or "")


class HttpApis:
    """Keeps HTTP APIs.

    Args:
        naming: makes ARNs.
        endpoint_url: returns the URL of the endpoint.
    """

    def __init__(self, naming: Naming, endpoint_url: Callable[[], str]) -> None:
        self._naming = naming
        self._endpoint_url = endpoint_url
        self.apis: dict[str, Api] = {}
        self._makers: dict[str, Callable[[Api, dict[str, Any]], dict[str, Any]]] = {
            "integrations": self._make_integration,
            "routes": self._make_route,
            "stages": self._make_stage,
            "deployments": self._make_deployment,
        }
        self._views: dict[str, Callable[[Any], dict[str, Any]]] = {
            "integrations": _integration_view,
            "routes": _route_view,
            "stages": _stage_view,
            "deployments": _deployment_view,
        }

    async def control(self, request: Request, _request_id: str) -> Reply:
        """Serve one action.

        Raises:
            ApiError: BadRequestException, NotFoundException, ConflictException.
        """
        parts = [unquote(part) for part in request.path.removeprefix("/v2/").split("/")]
        if parts[0] == "tags" and len(parts) > 1:
            return self._tags("/".join(parts[1:]), request)
        if parts[0] != "apis" or len(parts) > 4 or "" in parts:
            raise not_implemented(f"{request.method} {request.path} of API Gateway")
        if len(parts) == 1:
            return self._all(request)
        api = self._existing(parts[1])
        if len(parts) == 2:
            return self._one(api, request)
        if parts[2] not in self._makers:
            raise not_implemented(f"{request.method} {request.path} of API Gateway")
        return self._part(api, parts[2], parts[3] if len(parts) == 4 else None, request)

    def _all(self, request: Request) -> Reply:
        if request.method == "POST":
            return self._create(json_body(request))
        if request.method == "GET":
            return Reply(200, {"items": [self._view(api) for api in self.apis.values()]})
        raise not_implemented(f"{request.method} {request.path} of API Gateway")

    def _one(self, api: Api, request: Request) -> Reply:
        if request.method == "GET":
            return Reply(200, self._view(api))
        if request.method == "DELETE":
            del self.apis[api.id]
            return Reply(204)
        raise not_implemented(f"{request.method} {request.path} of API Gateway")

    def _part(self, api: Api, kind: str, identity: str | None, request: Request) -> Reply:
        """Serve an action on integrations, routes, stages or deployments of an API."""
        kept: dict[str, Any] = getattr(api, kind)
        view = self._views[kind]
        if identity is None and request.method == "POST":
            return Reply(201, self._makers[kind](api, json_body(request)))
        if identity is None and request.method == "GET":
            return Reply(200, {"items": [view(each) for each in kept.values()]})
        if identity is None or request.method not in {"GET", "DELETE"}:
            raise not_implemented(f"{request.method} {request.path} of API Gateway")
        if identity not in kept:
            raise ApiError(
                "NotFoundException", f"Invalid {kind[:-1].capitalize()} identifier specified {identity}", 404
            )
        if request.method == "GET":
            return Reply(200, view(kept[identity]))
        if kind == "integrations" and any(route.integration_id == identity for route in api.routes.values()):
            sentence = f"Cannot delete Integration '{identity}'. Integration is referenced by existing routes."
            raise ApiError("ConflictException", sentence, 409)
        if kind == "deployments" and any(stage.deployment_id == identity for stage in api.stages.values()):
            raise _bad("Active stages pointing to this deployment must be moved or deleted")
        del kept[identity]
        return Reply(204)

    def _existing(self, identity: str) -> Api:
        api = self.apis.get(identity)
        if api is None:
            raise ApiError("NotFoundException", f"Invalid API identifier specified {identity}", 404)
        return api

    def _create(self, body: dict[str, Any]) -> Reply:
        known = {"name", "protocolType", "target", "routeKey", "description", "tags"}
        _check_members(body, known, "CreateApi")
        if body.get("protocolType") != "HTTP":
            raise _bad("the embedded lambdatune endpoint implements protocolType HTTP only")
        if not body.get("name"):
            raise _bad("name is required")
        api = Api(new_id(10), str(body["name"]), _text(body, "description"), _tags(body))
        if body.get("target"):
            made = self._make_integration(
                api, {"integrationType": "AWS_PROXY", "integrationUri": body["target"], "payloadFormatVersion": "2.0"}
            )
            target = f"integrations/{made['integrationId']}"
            self._make_route(api, {"routeKey": body.get("routeKey") or DEFAULT, "target": target})
            api.stages[DEFAULT] = Stage(DEFAULT, auto_deploy=True, variables={})
        elif body.get("routeKey"):
            raise _bad("Route key can only be specified with a target")
        self.apis[api.id] = api
        return Reply(201, self._view(api))

    def _make_integration(self, api: Api, body: dict[str, Any]) -> dict[str, Any]:
        known = {
            "connectionType",
            "description",
            "integrationMethod",
            "integrationType",
            "integrationUri",
            "payloadFormatVersion",
            "timeoutInMillis",
        }
        _check_members(body, known, "CreateIntegration")
        if body.get("integrationType") != "AWS_PROXY":
            raise _bad("the embedded lambdatune endpoint implements integrationType AWS_PROXY only")
        if body.get("connectionType") not in (None, "INTERNET"):
            raise _bad("the embedded lambdatune endpoint implements connectionType INTERNET only")
        if body.get("integrationMethod") not in (None, "POST"):
            raise _bad("HttpMethod must be POST for AWS_PROXY IntegrationType")
        uri, version = str(body.get("integrationUri") or ""), body.get("payloadFormatVersion")
        arn = function_of(uri)
        if arn is None:
            raise _bad(f"Invalid function ARN or invalid uri: {uri}")
        if version not in ("1.0", "2.0"):
            raise _bad("PayloadFormatVersion is a required parameter for integration of type AWS_PROXY: 1.0 or 2.0")
        limit_ms = body.get("timeoutInMillis", _LIMIT_MS[1])
        if not isinstance(limit_ms, int) or isinstance(limit_ms, bool) or not _LIMIT_MS[0] <= limit_ms <= _LIMIT_MS[1]:
            raise _bad(f"Timeout should be between {_LIMIT_MS[0]} ms and {_LIMIT_MS[1]} ms")
        made = Integration(new_id(7), uri, arn, str(version), limit_ms, _text(body, "description"))
        api.integrations[made.id] = made
        return _integration_view(made)

    def _make_route(self, api: Api, body: dict[str, Any]) -> dict[str, Any]:
        _check_members(body, {"routeKey", "target", "authorizationType", "apiKeyRequired"}, "CreateRoute")
        if body.get("apiKeyRequired"):
            raise _bad("the embedded lambdatune endpoint implements apiKeyRequired false only")
        key, target = str(body.get("routeKey") or ""), body.get("target")
        method, _, path = key.partition(" ")
        if key != DEFAULT and (method not in {*routes.METHODS, routes.ANY} or not routes.is_template(path)):
            raise _bad(f"The provided route key is not formatted properly for HTTP protocol: {key}")
        if any(route.key == key for route in api.routes.values()):
            raise ApiError("ConflictException", f"Route with key {key} already exists for this API", 409)
        authorization = body.get("authorizationType", "NONE")
        if authorization not in ("NONE", "AWS_IAM"):
            raise _bad("the embedded lambdatune endpoint implements authorizationType NONE and AWS_IAM only")
        identity = None if target is None else str(target).removeprefix("integrations/")
        if identity is not None and (not str(target).startswith("integrations/") or identity not in api.integrations):
            raise _bad(f"Invalid target {target}: expected integrations/ and the id of an integration of this API")
        made = Route(new_id(7), key, str(authorization), identity)
        api.routes[made.id] = made
        return _route_view(made)

    def _make_stage(self, api: Api, body: dict[str, Any]) -> dict[str, Any]:
        known = {"stageName", "autoDeploy", "deploymentId", "stageVariables"}
        _check_members(body, known, "CreateStage")
        name, deployment = str(body.get("stageName") or ""), _text(body, "deploymentId")
        if _STAGE.fullmatch(name) is None:
            raise _bad(f"Invalid stage name {name}: expected $default, or letters, digits, hyphens and underscores")
        if name in api.stages:
            raise ApiError("ConflictException", f"Stage already exists: {name}", 409)
        automatic = body.get("autoDeploy", False)
        if not isinstance(automatic, bool):
            raise _bad("autoDeploy: expected true or false")
        if automatic and deployment is not None:
            raise _bad("A deploymentId cannot be specified together with autoDeploy")
        if deployment is not None and deployment not in api.deployments:
            raise ApiError("NotFoundException", f"Invalid Deployment identifier specified {deployment}", 404)
        variables = body.get("stageVariables") or {}
        if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
            raise _bad("stageVariables: expected texts by name")
        made = api.stages[name] = Stage(name, automatic, variables, deployment)
        return _stage_view(made)

    def _make_deployment(self, api: Api, body: dict[str, Any]) -> dict[str, Any]:
        _check_members(body, {"stageName"}, "CreateDeployment")
        stage = None
        if body.get("stageName"):
            stage = api.stages.get(str(body["stageName"]))
            if stage is None:
                raise ApiError("NotFoundException", "Invalid stage identifier specified", 404)
            if stage.auto_deploy:
                raise _bad("Deployments cannot be made to a stage with autoDeploy")
        if not api.routes:
            raise _bad("At least one route is required before deploying the Api.")
        made = Deployment(new_id(6), dict(api.routes), dict(api.integrations))
        api.deployments[made.id] = made
        if stage is not None:
            stage.deployment_id, stage.updated = made.id, _now()
        return _deployment_view(made)

    def _tags(self, arn: str, request: Request) -> Reply:
        prefix = f"arn:aws:apigateway:{self._naming.region}::/apis/"
        api = self._existing(arn.removeprefix(prefix)) if arn.startswith(prefix) else None
        if api is None:
            raise ApiError("NotFoundException", f"Invalid resource ARN {arn}", 404)
        if request.method == "GET":
            return Reply(200, {"tags": api.tags})
        if request.method == "POST":
            api.tags |= _tags(json_body(request))
            return Reply(201, {})
        if request.method == "DELETE":
            for name, value in request.query_pairs:
                if name == "tagKeys":
                    api.tags.pop(value, None)
            return Reply(204)
        raise not_implemented(f"{request.method} of tags of API Gateway")

    def _view(self, api: Api) -> dict[str, Any]:
        return {
            "apiId": api.id,
            "apiEndpoint": f"{self._endpoint_url()}{PATH}{api.id}",
            "name": api.name,
            "protocolType": "HTTP",
            "createdDate": api.created,
            "routeSelectionExpression": "$request.method $request.path",
            "apiKeySelectionExpression": "$request.header.x-api-key",
            "disableExecuteApiEndpoint": False,
            "tags": api.tags,
            **({"description": api.description} if api.description is not None else {}),
        }


def _integration_view(made: Integration) -> dict[str, Any]:
    return {
        "integrationId": made.id,
        "integrationType": "AWS_PROXY",
        "integrationMethod": "POST",
        "integrationUri": made.uri,
        "connectionType": "INTERNET",
        "payloadFormatVersion": made.payload_format,
        "timeoutInMillis": made.limit_ms,
        **({"description": made.description} if made.description is not None else {}),
    }


def _route_view(made: Route) -> dict[str, Any]:
    return {
        "routeId": made.id,
        "routeKey": made.key,
        "authorizationType": made.authorization,
        "apiKeyRequired": False,
        **({"target": f"integrations/{made.integration_id}"} if made.integration_id is not None else {}),
    }


def _stage_view(made: Stage) -> dict[str, Any]:
    return {
        "stageName": made.name,
        "autoDeploy": made.auto_deploy,
        "stageVariables": made.variables,
        "defaultRouteSettings": {"detailedMetricsEnabled": False},
        "routeSettings": {},
        "createdDate": made.created,
        "lastUpdatedDate": made.updated,
        "tags": {},
        **({"deploymentId": made.deployment_id} if made.deployment_id is not None else {}),
    }


def _deployment_view(made: Deployment) -> dict[str, Any]:
    return {
        "deploymentId": made.id,
        "deploymentStatus": "DEPLOYED",
        "autoDeployed": False,
        "createdDate": made.created,
    }


def _check_members(body: dict[str, Any], known: set[str], action: str) -> None:
    further = sorted(name for name, value in body.items() if name not in known and value is not None)
    if further:
        raise _bad(f"the embedded lambdatune endpoint does not implement {further[0]} of {action}")


def _text(body: dict[str, Any], name: str) -> str | None:
    return None if body.get(name) is None else str(body[name])


def _tags(body: dict[str, Any]) -> dict[str, str]:
    tags = body.get("tags") or {}
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise _bad("tags: expected texts by name")
    return dict(tags)


def _bad(message: str) -> ApiError:
    return ApiError("BadRequestException", message)
