"""Provisioned concurrency over HTTP (AWS API reference, Lambda)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError, invalid, validation
from lambdatune.local.names import LATEST, parse_reference
from lambdatune.local.reply import Reply, json_body, page

if TYPE_CHECKING:
    from lambdatune.local.functions import Functions
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming
    from lambdatune.local.provisioned import Allocation, Provisioned
    from lambdatune.local.records import Function, Version

MIN_UNRESERVED = 100
"""Concurrency that AWS keeps for functions without a reservation (AWS docs, "reserved concurrency")."""


class ProvisionedApi:
    """Serves Put, Get, Delete and ListProvisionedConcurrencyConfig(s).

    Args:
        functions: the registry.
        provisioned: the environments.
        naming: makes ARNs.
        account_concurrency: executions at once over all functions.
    """

    def __init__(
        self, functions: Functions, provisioned: Provisioned, naming: Naming, account_concurrency: int
    ) -> None:
        self._functions = functions
        self._provisioned = provisioned
        self._naming = naming
        self._account_concurrency = account_concurrency

    async def put(self, reference: str, request: Request) -> Reply:
        """PutProvisionedConcurrencyConfig."""
        function, version, qualifier = self._published(reference, request)
        wanted = json_body(request).get("ProvisionedConcurrentExecutions")
        if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
            least = "Member must have value greater than or equal to 1"
            raise validation("provisionedConcurrentExecutions", wanted, least)
        if version.configuration.snap_start != "None":
            raise invalid("Provisioned Concurrency is not supported for SnapStart enabled functions.")
        self._check_room(function, qualifier, wanted)
        self._check_alone(function, version, qualifier)
        return Reply(202, self._provisioned.put(function.name, qualifier, version, wanted).to_api())

    async def get(self, reference: str, request: Request) -> Reply:
        """GetProvisionedConcurrencyConfig, or with List=ALL ListProvisionedConcurrencyConfigs."""
        if request.query.get("List") == "ALL":
            return self._list(reference, request)
        function, _, qualifier = self._published(reference, request)
        allocation = self._provisioned.find(function.name, qualifier)
        if allocation is None:
            sentence = "No Provisioned Concurrency Config found for this function"
            raise ApiError("ProvisionedConcurrencyConfigNotFoundException", sentence, 404)
        return Reply(200, allocation.to_api())

    async def delete(self, reference: str, request: Request) -> Reply:
        """DeleteProvisionedConcurrencyConfig; deleting what is not there succeeds, as on AWS."""
        function, _, qualifier = self._published(reference, request)
        self._provisioned.release(function.name, qualifier)
        return Reply(204)

    def _list(self, reference: str, request: Request) -> Reply:
        function = self._functions.get(parse_reference(reference)[0])
        query = request.query
        chosen, marker = page(
            self._provisioned.of_function(function.name),
            lambda allocation: allocation.qualifier,
            query.get("Marker"),
            query.get("MaxItems"),
            default=50,
            most=50,
        )
        document: dict[str, Any] = {"ProvisionedConcurrencyConfigs": [self._entry(found) for found in chosen]}
        if marker is not None:
            document["NextMarker"] = marker
        return Reply(200, document)

    def _entry(self, allocation: Allocation) -> dict[str, Any]:
        arn = self._naming.function_arn(allocation.function_name, allocation.qualifier)
        return {"FunctionArn": arn, **allocation.to_api()}

    def _published(self, reference: str, request: Request) -> tuple[Function, Version, str]:
        """Return what a request is about: a published version, or an alias of one."""
        name, qualifier = parse_reference(reference, request.query.get("Qualifier"))
        if qualifier is None:
            raise validation("qualifier", "null", "Member must not be null")
        function, version = self._functions.version(name, qualifier)
        if version.version == LATEST:
            raise invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
        return function, version, qualifier

    def _check_room(self, function: Function, qualifier: str, wanted: int) -> None:
        current = self._provisioned.find(function.name, qualifier)
        if function.reserved is not None:
            others = self._provisioned.requested_total(function.name, without=current)
            if others + wanted > function.reserved:
                raise invalid(
                    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution "
                    "for function"
                )
            return
        held = self._functions.held_total() - (current.requested if current is not None else 0)
        if self._account_concurrency - held - wanted < MIN_UNRESERVED:
            raise invalid(
                "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
                f"its minimum value of [{MIN_UNRESERVED}]."
            )

    def _check_alone(self, function: Function, version: Version, qualifier: str) -> None:
        """Refuse a second allocation of one version under another name."""
        for found in self._provisioned.of_function(function.name):
            if found.version is version and found.qualifier != qualifier:
                raise invalid(
                    "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
                )
