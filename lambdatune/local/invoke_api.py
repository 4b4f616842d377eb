"""Invoke (AWS API reference, "Invoke"): the route that load goes through, so it does little."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from lambdatune.local.call import Call
from lambdatune.local.errors import ApiError, conflict, invalid, not_found, validation
from lambdatune.local.names import parse_reference
from lambdatune.local.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.local.fleet import Fleet
    from lambdatune.local.functions import Functions
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming
    from lambdatune.local.outcomes import Outcome
    from lambdatune.local.records import Function, State, Version
    from lambdatune.local.response_stream import ResponseStream

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
"""Largest payload of a synchronous call (AWS docs, "Lambda quotas")."""

_decode = msgspec.json.Decoder(msgspec.Raw).decode


@dataclass(frozen=True, slots=True)
class Accepted:
    """A call that is to be run: of which function, version and qualifier, and whether the log's tail is wanted."""

    function: Function
    version: Version
    qualifier: str | None
    call: Call
    wants_tail: bool


class InvokeApi:
    """Serves Invoke.

    Args:
        functions: the registry.
        fleet: runs the calls.
        naming: makes ARNs.
        account_concurrency: executions at once over all functions.
        enqueue: takes an asynchronous invocation: function, qualifier, request and its id.
    """

    def __init__(
        self,
        functions: Functions,
        fleet: Fleet,
        naming: Naming,
        account_concurrency: int,
        enqueue: Callable[[str, str | None, Request, str], Reply],
    ) -> None:
        self._enqueue = enqueue
        self._functions = functions
        self._fleet = fleet
        self._naming = naming
        self._account_concurrency = account_concurrency

    async def invoke(self, name: str, request: Request, request_id: str) -> Reply:
        """Serve one Invoke of the function in the path.

        Raises:
            ApiError: everything that AWS refuses before the handler runs.
        """
        accepted = self.accept(name, request, request_id)
        if isinstance(accepted, Reply):
            return accepted
        outcome, queued_ns = await self.run(accepted)
        headers = [("X-Amz-Executed-Version", accepted.version.version)]
        if outcome.function_error is not None:
            headers.append(("X-Amz-Function-Error", outcome.function_error))
        if accepted.wants_tail:
            headers.append(("X-Amz-Log-Result", base64.b64encode(outcome.tail).decode()))
        return Reply(200, body=outcome.payload, headers=headers).queued(queued_ns)

    def accept(
        self, name: str, request: Request, request_id: str, stream: ResponseStream | None = None
    ) -> Accepted | Reply:
        """Return the call that an Invoke asks for, or the answer when it asks for none that is waited for.

        Raises:
            ApiError: what is wrong with the request, the function or its state.
        """
        name, qualifier = parse_reference(name, request.query.get("Qualifier"))
        function = self._functions.get(name, qualifier)
        version = function.find_serving(qualifier)
        if version is None:
            raise not_found(f"Function not found: {self._naming.function_arn(name, qualifier)}")
        kind = request.headers.get("x-amz-invocation-type", "RequestResponse")
        tail = request.headers.get("x-amz-log-type", "None")
        _check(request, kind, tail)
        check_state(function.state_of(version), is_snapshot=version.configuration.snap_start != "None")
        if kind == "DryRun":
            return Reply(204)
        if kind == "Event":
            return self._enqueue(name, qualifier, request, request_id)
        call = Call(
            request_id,
            request.body or b"{}",
            self._naming.function_arn(name, qualifier),
            request.headers.get("x-amzn-trace-id"),
            _client_context(request.headers.get("x-amz-client-context")),
            stream,
        )
        return Accepted(function, version, qualifier, call, tail == "Tail")

    async def run(self, accepted: Accepted) -> tuple[Outcome, int]:
        """Run an accepted call; return its outcome and how long it queued for the host, in nanoseconds.

        Raises:
            ApiError: TooManyRequestsException.
        """
        unreserved = self._account_concurrency - self._functions.held_total()
        return await self._fleet.invoke(
            accepted.function, accepted.version, accepted.call, unreserved, accepted.qualifier
        )


def check_state(state: State, *, is_snapshot: bool) -> None:
    """Refuse a call while the function is not Active.

    Raises:
        ApiError: ResourceConflictException, SnapStartNotReadyException.
    """
    if state.name == "Active":
        return
    if is_snapshot and state.name == "Pending":
        sentence = "Lambda is initializing your function. It will be ready to invoke once your function becomes Active."
        raise ApiError("SnapStartNotReadyException", sentence, 409)
    raise conflict(
        "The operation cannot be performed at this time. "
        f"The function is currently in the following state: {state.name}"
    )


def _check(request: Request, kind: str, tail: str) -> None:
    if kind not in {"Event", "RequestResponse", "DryRun"}:
        choices = "Member must satisfy enum value set: [Event, RequestResponse, DryRun]"
        raise validation("invocationType", kind, choices)
    if tail not in {"None", "Tail"}:
        raise validation("logType", tail, "Member must satisfy enum value set: [None, Tail]")
    if request.too_large or len(request.body) > MAX_PAYLOAD_BYTES:
        message = f"Request must be smaller than {MAX_PAYLOAD_BYTES} bytes for the InvokeFunction operation"
        raise ApiError("RequestTooLargeException", message, 413)
    if request.body:
        try:
            _decode(request.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            message = f"Could not parse request body into json: {error}"
            raise ApiError("InvalidRequestContentException", message) from error


def _client_context(header: str | None) -> str | None:
    if header is None:
        return None
    try:
        return base64.b64decode(header, validate=True).decode("ascii")
    except ValueError as error:
        raise invalid("Client context must be valid base64-encoded JSON.") from error
