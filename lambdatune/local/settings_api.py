"""Aliases, reserved concurrency, tags and account settings over HTTP (AWS API reference, Lambda)."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import conflict, invalid, not_found, validation
from lambdatune.local.functions import check_revision
from lambdatune.local.names import LATEST, parse_reference
from lambdatune.local.package import MAX_UNZIPPED_BYTES, MAX_ZIPPED_BYTES
from lambdatune.local.provisioned_api import MIN_UNRESERVED
from lambdatune.local.records import Alias
from lambdatune.local.reply import Reply, json_body, page
from lambdatune.local.validate import check_tags

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.local.events.mappings.records import Mapping
    from lambdatune.local.functions import Functions
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming
    from lambdatune.local.records import Function

_ALIAS = re.compile(r"(?!^[0-9]+$)[a-zA-Z0-9-_]{1,128}")


class SettingsApi:
    """Serves what can be set on functions besides their configuration.

    Args:
        functions: the registry.
        naming: makes ARNs.
        account_concurrency: executions at once over all functions.
        mapping: returns the event source mapping of an ARN, None for the ARN of something else.
    """

    def __init__(
        self,
        functions: Functions,
        naming: Naming,
        account_concurrency: int,
        mapping: Callable[[str], Mapping | None],
    ) -> None:
        self._functions = functions
        self._mapping = mapping
        self._naming = naming
        self._account_concurrency = account_concurrency

    async def create_alias(self, reference: str, request: Request) -> Reply:
        """CreateAlias."""
        function = self._functions.get(parse_reference(reference)[0])
        body = json_body(request)
        name = str(body.get("Name") or "")
        if _ALIAS.fullmatch(name) is None:
            raise validation("name", name, f"Member must satisfy regular expression pattern: {_ALIAS.pattern}")
        if name in function.aliases:
            arn = self._naming.function_arn(function.name, name)
            raise conflict(f"Alias already exists: {arn}")
        _refuse_routing(body)
        version = self._existing_version(function, body.get("FunctionVersion"))
        alias = Alias(name, version, str(body.get("Description") or ""), str(uuid.uuid4()))
        function.aliases[name] = alias
        return Reply(201, alias.to_api(self._naming, function.name))

    async def list_aliases(self, reference: str, request: Request) -> Reply:
        """ListAliases, of all versions or of FunctionVersion."""
        function = self._functions.get(parse_reference(reference)[0])
        query = request.query
        wanted = query.get("FunctionVersion")
        aliases = [a for _, a in sorted(function.aliases.items()) if wanted in {None, a.version}]
        chosen, marker = page(
            aliases, lambda alias: alias.name, query.get("Marker"), query.get("MaxItems"), default=50, most=50
        )
        document: dict[str, Any] = {"Aliases": [alias.to_api(self._naming, function.name) for alias in chosen]}
        if marker is not None:
            document["NextMarker"] = marker
        return Reply(200, document)

    async def get_alias(self, reference: str, _request: Request, name: str) -> Reply:
        """GetAlias."""
        function = self._functions.get(parse_reference(reference)[0])
        return Reply(200, self._alias(function, name).to_api(self._naming, function.name))

    async def update_alias(self, reference: str, request: Request, name: str) -> Reply:
        """UpdateAlias."""
        function = self._functions.get(parse_reference(reference)[0])
        alias = self._alias(function, name)
        body = json_body(request)
        check_revision(body.get("RevisionId"), alias.revision_id)
        _refuse_routing(body)
        if body.get("FunctionVersion") is not None:
            self._functions.move_alias(function, alias, self._existing_version(function, body["FunctionVersion"]))
        if body.get("Description") is not None:
            alias.description = str(body["Description"])
        alias.revision_id = str(uuid.uuid4())
        return Reply(200, alias.to_api(self._naming, function.name))

    async def delete_alias(self, reference: str, _request: Request, name: str) -> Reply:
        """DeleteAlias; deleting what is not there succeeds, as on AWS."""
        self._functions.delete_alias(self._functions.get(parse_reference(reference)[0]), name)
        return Reply(204)

    async def put_concurrency(self, reference: str, request: Request) -> Reply:
        """PutFunctionConcurrency."""
        function = self._functions.get(parse_reference(reference)[0])
        wanted = json_body(request).get("ReservedConcurrentExecutions")
        if not isinstance(wanted, int) or wanted < 0:
            least = "Member must have value greater than or equal to 0"
            raise validation("reservedConcurrentExecutions", wanted, least)
        if wanted < self._functions.provisioned_total(function):
            raise invalid(
                "ReservedConcurrentExecutions for function should not be lower than the Provisioned Concurrency "
                "that is requested for it."
            )
        left = self._account_concurrency - self._functions.held_total(without=function.name) - wanted
        if left < MIN_UNRESERVED and wanted:
            raise invalid(
                "Specified ReservedConcurrentExecutions for function decreases account's "
                f"UnreservedConcurrentExecution below its minimum value of [{MIN_UNRESERVED}]."
            )
        function.reserved = wanted
        return Reply(200, {"ReservedConcurrentExecutions": wanted})

    async def get_concurrency(self, reference: str, _request: Request) -> Reply:
        """GetFunctionConcurrency."""
        function = self._functions.get(parse_reference(reference)[0])
        if function.reserved is None:
            return Reply(200, {})
        return Reply(200, {"ReservedConcurrentExecutions": function.reserved})

    async def delete_concurrency(self, reference: str, _request: Request) -> Reply:
        """DeleteFunctionConcurrency."""
        self._functions.get(parse_reference(reference)[0]).reserved = None
        return Reply(204)

    async def account_settings(self, _name: str, _request: Request) -> Reply:
        """GetAccountSettings."""
        functions = list(self._functions)
        packages = {
            version.package.key: version.package.size
            for function in functions
            for version in (function.latest, *function.versions.values())
        }
        return Reply(
            200,
            {
                "AccountLimit": {
                    "TotalCodeSize": 80_530_636_800,
                    "CodeSizeUnzipped": MAX_UNZIPPED_BYTES,
                    "CodeSizeZipped": MAX_ZIPPED_BYTES,
                    "ConcurrentExecutions": self._account_concurrency,
                    "UnreservedConcurrentExecutions": self._account_concurrency - self._functions.held_total(),
                },
                "AccountUsage": {"TotalCodeSize": sum(packages.values()), "FunctionCount": len(functions)},
            },
        )

    async def list_tags(self, arn: str, _request: Request) -> Reply:
        """ListTags."""
        return Reply(200, {"Tags": dict(self._tagged(arn).tags)})

    async def tag(self, arn: str, request: Request) -> Reply:
        """TagResource."""
        owner = self._tagged(arn)
        owner.tags = check_tags({**owner.tags, **check_tags(json_body(request).get("Tags"))})
        return Reply(204)

    async def untag(self, arn: str, request: Request) -> Reply:
        """UntagResource."""
        owner = self._tagged(arn)
        for name, value in request.query_pairs:
            if name == "tagKeys":
                owner.tags.pop(value, None)
        return Reply(204)

    def _tagged(self, arn: str) -> Function | Mapping:
        mapping = self._mapping(arn)
        if mapping is not None:
            return mapping
        name, qualifier = parse_reference(arn)
        if qualifier is not None:
            raise invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
        return self._functions.get(name)

    def _alias(self, function: Function, name: str) -> Alias:
        alias = function.aliases.get(name)
        if alias is None:
            raise not_found(f"Cannot find alias arn: {self._naming.function_arn(function.name, name)}")
        return alias

    def _existing_version(self, function: Function, version: object) -> str:
        if version != LATEST and version not in function.versions:
            arn = self._naming.function_arn(function.name, str(version))
            raise not_found(f"Function not found: {arn}")
        return str(version)


def _refuse_routing(body: dict[str, Any]) -> None:
    if (body.get("RoutingConfig") or {}).get("AdditionalVersionWeights"):
        raise invalid("The embedded lambdatune endpoint does not implement RoutingConfig of aliases.")
