"""What is known of REST APIs, and how the API tells it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

LIMIT_MS = (50, 29_000)
"""Of an integration of a REST API (AWS docs, "Quotas for REST APIs"): the default, and the most without a request."""


@dataclass(slots=True)
class Method:
    """What a resource does for one HTTP method: who may call, and the integration, when it has one."""

    name: str
    authorization: str
    uri: str | None = None
    arn: str = ""
    limit_ms: int = LIMIT_MS[1]


@dataclass(slots=True)
class RestResource:
    """A path of an API."""

    id: str
    parent_id: str | None
    part: str
    path: str
    methods: dict[str, Method] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RestDeployment:
    """The methods of one moment, by HTTP method and path: (id of the resource, method)."""

    id: str
    description: str
    methods: dict[tuple[str, str], tuple[str, Method]]
    created_s: float = field(default_factory=time.time)


@dataclass(slots=True)
class RestStage:
    """A deployment under a name."""

    name: str
    deployment_id: str
    variables: dict[str, str]
    created_s: float = field(default_factory=time.time)
    updated_s: float = field(default_factory=time.time)


@dataclass(slots=True)
class RestApi:
    """A REST API, whose first resource is ``/``."""

    id: str
    name: str
    description: str | None
    endpoint: list[str]
    tags: dict[str, str]
    root: str
    resources: dict[str, RestResource]
    created_s: float = field(default_factory=time.time)
    deployments: dict[str, RestDeployment] = field(default_factory=dict)
    stages: dict[str, RestStage] = field(default_factory=dict)


def api_view(api: RestApi) -> dict[str, Any]:
    """Return an API as the API tells it."""
    return {
        "id": api.id,
        "name": api.name,
        "createdDate": api.created_s,
        "apiKeySource": "HEADER",
        "endpointConfiguration": {"types": api.endpoint},
        "disableExecuteApiEndpoint": False,
        "rootResourceId": api.root,
        "tags": api.tags,
        **({"description": api.description} if api.description is not None else {}),
    }


def resource_view(resource: RestResource, *, embed: bool = False) -> dict[str, Any]:
    """Return a resource, with its methods where they are asked for as the API tells it."""
    view: dict[str, Any] = {"id": resource.id, "path": resource.path}
    if resource.parent_id is not None:
        view |= {"parentId": resource.parent_id, "pathPart": resource.part}
    if resource.methods:
        view["resourceMethods"] = {n: method_view(m) if embed else {} for n, m in resource.methods.items()}
    return view


def method_view(method: Method) -> dict[str, Any]:
    """Return a method as the API tells it."""
    view: dict[str, Any] = {
        "httpMethod": method.name,
        "authorizationType": method.authorization,
        "apiKeyRequired": False,
    }
    if method.uri is not None:
        view["methodIntegration"] = integration_view(method)
    return view


def integration_view(method: Method) -> dict[str, Any]:
    """Return the integration of a method as the API tells it."""
    return {
        "type": "AWS_PROXY",
        "httpMethod": "POST",
        "uri": method.uri,
        "passthroughBehavior": "WHEN_NO_MATCH",
        "timeoutInMillis": method.limit_ms,
        "cacheKeyParameters": [],
    }


def deployment_view(deployment: RestDeployment) -> dict[str, Any]:
    """Return a deployment as the API tells it."""
    return {"id": deployment.id, "description": deployment.description, "createdDate": deployment.created_s}


def stage_view(stage: RestStage) -> dict[str, Any]:
    """Return a stage as the API tells it."""
    return {
        "stageName": stage.name,
        "deploymentId": stage.deployment_id,
        "variables": stage.variables,
        "cacheClusterEnabled": False,
        "methodSettings": {},
        "tracingEnabled": False,
        "createdDate": stage.created_s,
        "lastUpdatedDate": stage.updated_s,
    }
