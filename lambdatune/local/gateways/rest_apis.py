"""The control plane of REST APIs (AWS API reference, Amazon API Gateway)."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from lambdatune.local.errors import ApiError, not_implemented
from lambdatune.local.gateways import routes
from lambdatune.local.gateways.calling import function_of
from lambdatune.local.gateways.http_apis import new_id
from lambdatune.local.gateways.rest_records import (
    LIMIT_MS,
    Method,
    RestApi,
    RestDeployment,
    RestResource,
    RestStage,
    api_view,
    deployment_view,
    integration_view,
    method_view,
    resource_view,
    stage_view,
)
from lambdatune.local.reply import Reply, json_body, structure

if TYPE_CHECKING:
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming

_T = TypeVar("_T")
_STAGE = re.compile(r"[A-Za-z0-9_-]{1,128}")
_PART = re.compile(r"[A-Za-z0-9._:$~,-]+|\{[A-Za-z0-9._:-]+\+?\}")


class RestApis:
    """Keeps REST APIs.

    Args:
        naming: makes ARNs.
    """

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self.apis: dict[str, RestApi] = {}

    async def control(self, request: Request, _request_id: str) -> Reply:
        """Serve one action.

        Raises:
            ApiError: BadRequestException, NotFoundException, ConflictException.
        """
        parts = [unquote(part) for part in request.path.strip("/").split("/")]
        match request.method, parts:
            case "POST", ["restapis"]:
                return self._create(json_body(request))
            case "GET", ["restapis"]:
                return Reply(200, {"item": [api_view(api) for api in self.apis.values()]})
            case _, ["tags", *arn] if arn:
                return self._tags("/".join(arn), request)
            case method, ["restapis", identity, *rest]:
                reply = self._below(method, self._existing(identity), rest, request)
                if reply is not None:
                    return reply
        raise not_implemented(f"{request.method} {request.path} of API Gateway")

    def _below(self, method: str, api: RestApi, rest: list[str], request: Request) -> Reply | None:
        match method, rest:
            case "GET", []:
                return Reply(200, api_view(api))
            case "DELETE", []:
                del self.apis[api.id]
                return Reply(202)
            case _, ["resources", *further]:
                return _resources(method, api, further, request)
            case _, ["deployments", *further]:
                return _deployments(method, api, further, request)
            case _, ["stages", *further]:
                return _stages(method, api, further, request)
        return None

    def _existing(self, identity: str) -> RestApi:
        return _found(self.apis, identity, "API")

    def _create(self, body: dict[str, Any]) -> Reply:
        known = {"name", "description", "endpointConfiguration", "tags", "apiKeySource", "version"}
        _check_members(body, known, "CreateRestApi")
        if not body.get("name"):
            raise _bad("API Name cannot be blank")
        kinds = structure(body.get("endpointConfiguration")).get("types") or ["EDGE"]
        if kinds not in (["EDGE"], ["REGIONAL"]):
            raise _bad("the embedded lambdatune endpoint implements the endpoint types EDGE and REGIONAL only")
        root = RestResource(new_id(10), None, "", "/")
        description = None if body.get("description") is None else str(body["description"])
        api = RestApi(new_id(10), str(body["name"]), description, kinds, _tags(body), root.id, {root.id: root})
        self.apis[api.id] = api
        return Reply(201, api_view(api))

    def _tags(self, arn: str, request: Request) -> Reply:
        prefix = f"arn:aws:apigateway:{self._naming.region}::/restapis/"
        if not arn.startswith(prefix):
            raise ApiError("NotFoundException", f"Invalid resource ARN {arn}", 404)
        api = self._existing(arn.removeprefix(prefix))
        if request.method == "GET":
            return Reply(200, {"tags": api.tags})
        if request.method == "PUT":
            api.tags |= _tags(json_body(request))
            return Reply(204)
        if request.method == "DELETE":
            for name, value in request.query_pairs:
                if name == "tagKeys":
                    api.tags.pop(value, None)
            return Reply(204)
        raise not_implemented(f"{request.method} of tags of API Gateway")


def _resources(method: str, api: RestApi, rest: list[str], request: Request) -> Reply | None:
    match method, rest:
        case "GET", []:
            embed = ("embed", "methods") in request.query_pairs
            items = [resource_view(each, embed=embed) for each in api.resources.values()]
            return Reply(200, {"item": items})
        case "POST", [parent]:
            return _create_resource(api, _found(api.resources, parent, "Resource"), json_body(request))
        case "GET", [identity]:
            return Reply(200, resource_view(_found(api.resources, identity, "Resource"), embed=True))
        case "DELETE", [identity]:
            return _delete_resource(api, _found(api.resources, identity, "Resource"))
        case _, [identity, "methods", name]:
            return _method(method, _found(api.resources, identity, "Resource"), name, request)
        case _, [identity, "methods", name, "integration"]:
            resource = _found(api.resources, identity, "Resource")
            return _integration(method, _found(resource.methods, name, "Method"), request)
    return None


def _deployments(method: str, api: RestApi, rest: list[str], request: Request) -> Reply | None:
    match method, rest:
        case "POST", []:
            return _deploy(api, json_body(request))
        case "GET", []:
            return Reply(200, {"item": [deployment_view(each) for each in api.deployments.values()]})
        case "GET", [identity]:
            return Reply(200, deployment_view(_found(api.deployments, identity, "Deployment")))
        case "DELETE", [identity]:
            return _delete_deployment(api, identity)
    return None


def _stages(method: str, api: RestApi, rest: list[str], request: Request) -> Reply | None:
    match method, rest:
        case "POST", []:
            return _create_stage(api, json_body(request))
        case "GET", []:
            return Reply(200, {"item": [stage_view(each) for each in api.stages.values()]})
        case "GET", [name]:
            return Reply(200, stage_view(_found(api.stages, name, "stage")))
        case "DELETE", [name]:
            _found(api.stages, name, "stage")
            del api.stages[name]
            return Reply(202)
    return None


def _create_resource(api: RestApi, parent: RestResource, body: dict[str, Any]) -> Reply:
    part = str(body.get("pathPart") or "")
    if _PART.fullmatch(part) is None:
        raise _bad("Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces")
    if parent.part.endswith("+}"):
        raise _bad(f"Cannot create a child of a resource with a greedy path variable: {parent.path}")
    path = f"{parent.path.rstrip('/')}/{part}"
    if any(resource.path == path for resource in api.resources.values()):
        sentence = f"Another resource with the same parent already has this name: {part}"
        raise ApiError("ConflictException", sentence, 409)
    made = RestResource(new_id(6), parent.id, part, path)
    api.resources[made.id] = made
    return Reply(201, resource_view(made))


def _delete_resource(api: RestApi, resource: RestResource) -> Reply:
    if resource.parent_id is None:
        raise _bad("Root resource cannot be deleted")
    inside = f"{resource.path}/"
    for each in list(api.resources.values()):
        if each is resource or each.path.startswith(inside):
            del api.resources[each.id]
    return Reply(202)


def _method(method: str, resource: RestResource, name: str, request: Request) -> Reply | None:
    if method == "PUT":
        body = json_body(request)
        _check_members(body, {"authorizationType", "apiKeyRequired", "operationName", "requestParameters"}, "PutMethod")
        if body.get("apiKeyRequired") or body.get("requestParameters"):
            raise _bad("the embedded lambdatune endpoint implements neither API keys nor checks of parameters")
        if name not in {*routes.METHODS, routes.ANY}:
            raise _bad("Invalid HttpMethod specified")
        if name in resource.methods:
            raise ApiError("ConflictException", "Method already exists for this resource", 409)
        if body.get("authorizationType") not in ("NONE", "AWS_IAM"):
            raise _bad("the embedded lambdatune endpoint implements authorizationType NONE and AWS_IAM only")
        resource.methods[name] = Method(name, str(body["authorizationType"]))
        return Reply(201, method_view(resource.methods[name]))
    found = _found(resource.methods, name, "Method")
    if method == "GET":
        return Reply(200, method_view(found))
    if method == "DELETE":
        del resource.methods[name]
        return Reply(204)
    return None


def _integration(verb: str, method: Method, request: Request) -> Reply | None:
    if verb == "PUT":
        _put_integration(method, json_body(request))
        return Reply(201, integration_view(method))
    if method.uri is None:
        raise ApiError("NotFoundException", "No integration defined for method", 404)
    if verb == "GET":
        return Reply(200, integration_view(method))
    if verb == "DELETE":
        method.uri = None
        return Reply(204)
    return None


def _put_integration(method: Method, body: dict[str, Any]) -> None:
    known = {"type", "httpMethod", "uri", "timeoutInMillis", "passthroughBehavior", "contentHandling", "connectionType"}
    _check_members(body, known, "PutIntegration")
    if body.get("type") != "AWS_PROXY":
        raise _bad("the embedded lambdatune endpoint implements integrations of type AWS_PROXY only")
    if body.get("httpMethod") != "POST":
        raise _bad("Enumeration value for HttpMethod must be POST for an integration with Lambda")
    if body.get("contentHandling") or body.get("connectionType") not in (None, "INTERNET"):
        raise _bad("the embedded lambdatune endpoint implements neither contentHandling nor VPC links")
    uri, limit_ms = str(body.get("uri") or ""), body.get("timeoutInMillis", LIMIT_MS[1])
    arn = function_of(uri)
    if arn is None or arn == uri:
        raise _bad("Invalid ARN specified in the request: expected arn:aws:apigateway:REGION:lambda:path/...")
    if not isinstance(limit_ms, int) or isinstance(limit_ms, bool) or not LIMIT_MS[0] <= limit_ms <= LIMIT_MS[1]:
        raise _bad(f"Timeout should be between {LIMIT_MS[0]} ms and {LIMIT_MS[1]} ms")
    method.uri, method.arn, method.limit_ms = uri, arn, limit_ms


def _deploy(api: RestApi, body: dict[str, Any]) -> Reply:
    _check_members(body, {"stageName", "description", "stageDescription", "variables"}, "CreateDeployment")
    methods = {
        (name, resource.path): (
            resource.id,
            Method(name, method.authorization, method.uri, method.arn, method.limit_ms),
        )
        for resource in api.resources.values()
        for name, method in resource.methods.items()
    }
    if not methods:
        raise _bad("The REST API doesn't contain any methods")
    if any(method.uri is None for _, method in methods.values()):
        raise _bad("No integration defined for method")
    name, variables = str(body.get("stageName") or ""), _variables(body)
    if name and _STAGE.fullmatch(name) is None:
        raise _bad("Stage name only allows a-zA-Z0-9_-")
    made = RestDeployment(new_id(6), str(body.get("description") or ""), methods)
    api.deployments[made.id] = made
    if name in api.stages:
        stage = api.stages[name]
        stage.deployment_id, stage.updated_s = made.id, time.time()
        stage.variables |= variables
    elif name:
        api.stages[name] = RestStage(name, made.id, variables)
    return Reply(201, deployment_view(made))


def _delete_deployment(api: RestApi, identity: str) -> Reply:
    _found(api.deployments, identity, "Deployment")
    if any(stage.deployment_id == identity for stage in api.stages.values()):
        raise _bad("Active stages pointing to this deployment must be moved or deleted")
    del api.deployments[identity]
    return Reply(202)


def _create_stage(api: RestApi, body: dict[str, Any]) -> Reply:
    _check_members(body, {"stageName", "deploymentId", "description", "variables"}, "CreateStage")
    name, deployment = str(body.get("stageName") or ""), str(body.get("deploymentId") or "")
    if _STAGE.fullmatch(name) is None:
        raise _bad("Stage name only allows a-zA-Z0-9_-")
    if name in api.stages:
        raise ApiError("ConflictException", "Stage already exists", 409)
    _found(api.deployments, deployment, "Deployment")
    stage = api.stages[name] = RestStage(name, deployment, _variables(body))
    return Reply(201, stage_view(stage))


def _found(kept: dict[str, _T], identity: str, what: str) -> _T:
    if identity not in kept:
        raise ApiError("NotFoundException", f"Invalid {what} identifier specified", 404)
    return kept[identity]


def _check_members(body: dict[str, Any], known: set[str], action: str) -> None:
    further = sorted(name for name, value in body.items() if name not in known and value not in (None, False, {}, []))
    if further:
        raise _bad(f"the embedded lambdatune endpoint does not implement {further[0]} of {action}")


def _tags(body: dict[str, Any]) -> dict[str, str]:
    return _texts(body, "tags")


def _variables(body: dict[str, Any]) -> dict[str, str]:
    return _texts(body, "variables")


def _texts(body: dict[str, Any], member: str) -> dict[str, str]:
    given = body.get(member) or {}
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise _bad(f"{member}: expected texts by name")
    return dict(given)


def _bad(message: str) -> ApiError:
    return ApiError("BadRequestException", message)
