"""FunctionEventInvokeConfig: how often and how long an asynchronous invocation is tried, and where it ends up."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import invalid, not_found, not_implemented, validation
from lambdatune.local.events.deliveries import service_of
from lambdatune.local.names import LATEST, parse_reference
from lambdatune.local.reply import Reply, json_body, page, structure
from lambdatune.local.validate import bounded_number

if TYPE_CHECKING:
    from lambdatune.local.functions import Functions
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming
    from lambdatune.local.records import Function

MAX_AGE_S = 21_600
"""Six hours, and the two retries below: what AWS does unless told otherwise (AWS docs, "Asynchronous invocation")."""
MAX_RETRIES = 2
_MIN_AGE_S = 60
_DESTINATION = re.compile(r"arn:aws[a-zA-Z-]*:(sqs|sns|lambda|events|s3):[a-z0-9-]*:\d{0,12}:.+")


@dataclass(frozen=True, slots=True)
class EventInvokeConfig:
    """The settings of one qualifier of a function.

    Attributes:
        retries: MaximumRetryAttempts; None is AWS's default.
        max_age_s: MaximumEventAgeInSeconds; None is AWS's default.
        on_success: ARN of the destination of what succeeded, or an empty text.
        on_failure: the same of what failed.
        changed_s: when it was set, in seconds of Unix time.
    """

    retries: int | None = None
    max_age_s: int | None = None
    on_success: str = ""
    on_failure: str = ""
    changed_s: float = 0.0

    def to_api(self, arn: str) -> dict[str, Any]:
        """Return the API's FunctionEventInvokeConfig."""
        answer: dict[str, Any] = {
            "LastModified": self.changed_s,
            "FunctionArn": arn,
            "DestinationConfig": {
                "OnSuccess": _destination(self.on_success),
                "OnFailure": _destination(self.on_failure),
            },
        }
        if self.retries is not None:
            answer["MaximumRetryAttempts"] = self.retries
        if self.max_age_s is not None:
            answer["MaximumEventAgeInSeconds"] = self.max_age_s
        return answer


def settings_of(function: Function, qualifier: str | None) -> EventInvokeConfig:
    """Return what holds for calls with a qualifier; AWS's defaults when nothing was set."""
    return function.event_invoke.get(qualifier or LATEST) or EventInvokeConfig()


class EventInvokeApi:
    """Serves the routes of FunctionEventInvokeConfig.

    Args:
        functions: the registry, whose functions keep the settings.
        naming: makes ARNs.
    """

    def __init__(self, functions: Functions, naming: Naming) -> None:
        self._functions = functions
        self._naming = naming

    async def put(self, reference: str, request: Request) -> Reply:
        """PutFunctionEventInvokeConfig: replaces everything."""
        return self._set(reference, request, EventInvokeConfig())

    async def update(self, reference: str, request: Request) -> Reply:
        """UpdateFunctionEventInvokeConfig: replaces what is given."""
        function, qualifier = self._named(reference, request)
        return self._set(reference, request, self._existing(function, qualifier))

    async def get(self, reference: str, request: Request) -> Reply:
        """GetFunctionEventInvokeConfig."""
        function, qualifier = self._named(reference, request)
        return Reply(200, self._existing(function, qualifier).to_api(self._arn(function, qualifier)))

    async def delete(self, reference: str, request: Request) -> Reply:
        """DeleteFunctionEventInvokeConfig."""
        function, qualifier = self._named(reference, request)
        self._existing(function, qualifier)
        del function.event_invoke[qualifier]
        return Reply(204)

    async def list(self, reference: str, request: Request, _word: str) -> Reply:
        """ListFunctionEventInvokeConfigs."""
        function = self._functions.get(parse_reference(reference)[0])
        query = request.query
        chosen, marker = page(
            sorted(function.event_invoke),
            lambda qualifier: qualifier,
            query.get("Marker"),
            query.get("MaxItems"),
            default=50,
            most=50,
        )
        configs = [function.event_invoke[q].to_api(self._arn(function, q)) for q in chosen]
        document: dict[str, Any] = {"FunctionEventInvokeConfigs": configs}
        if marker is not None:
            document["NextMarker"] = marker
        return Reply(200, document)

    def _set(self, reference: str, request: Request, start: EventInvokeConfig) -> Reply:
        function, qualifier = self._named(reference, request)
        body = json_body(request)
        changes: dict[str, Any] = {}
        if body.get("MaximumRetryAttempts") is not None:
            changes["retries"] = bounded_number("maximumRetryAttempts", body["MaximumRetryAttempts"], 0, MAX_RETRIES)
        if body.get("MaximumEventAgeInSeconds") is not None:
            age = body["MaximumEventAgeInSeconds"]
            changes["max_age_s"] = bounded_number("maximumEventAgeInSeconds", age, _MIN_AGE_S, MAX_AGE_S)
        for member, name in (("OnSuccess", "on_success"), ("OnFailure", "on_failure")):
            given = structure(body.get("DestinationConfig")).get(member)
            if given is not None:
                changes[name] = self._checked_destination(structure(given).get("Destination") or "")
        if not changes and start == EventInvokeConfig():
            raise invalid("You must specify at least one of error handling or destination setting.")
        config = replace(start, changed_s=round(time.time(), 3), **changes)
        function.event_invoke[qualifier] = config
        return Reply(200, config.to_api(self._arn(function, qualifier)))

    def _checked_destination(self, arn: object) -> str:
        if not arn:
            return ""
        if not isinstance(arn, str) or _DESTINATION.fullmatch(arn) is None:
            raise validation("destinationConfig.destination", arn, f"must match {_DESTINATION.pattern}")
        if service_of(arn) == "s3":
            raise not_implemented("S3 buckets as destinations")
        if arn.endswith(".fifo"):
            raise invalid(f"The destination ARN {arn} is invalid: FIFO queues and topics are not supported.")
        return arn

    def _named(self, reference: str, request: Request) -> tuple[Function, str]:
        name, qualifier = parse_reference(reference, request.query.get("Qualifier"))
        function, _ = self._functions.version(name, qualifier)
        return function, qualifier or LATEST

    def _existing(self, function: Function, qualifier: str) -> EventInvokeConfig:
        config = function.event_invoke.get(qualifier)
        if config is None:
            arn = self._arn(function, qualifier)
            raise not_found(f"The function {arn} doesn't have an EventInvokeConfig")
        return config

    def _arn(self, function: Function, qualifier: str) -> str:
        return self._naming.function_arn(function.name, qualifier)


def _destination(arn: str) -> dict[str, str]:
    return {"Destination": arn} if arn else {}
