"""Step Functions Express, started synchronously (AWS API reference, Step Functions)."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
import uuid
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from lambdatune.local import asl
from lambdatune.local.errors import ApiError, not_implemented
from lambdatune.local.names import parse_reference
from lambdatune.local.reply import Reply, json_body, structures, texts

if TYPE_CHECKING:
    from lambdatune.local.events.invoker import Invoker
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_LONGEST_S = 300
"""Of an Express execution (AWS docs, "Step Functions quotas")."""
_MEMORY_MB = 64
"""The least that AWS bills."""


@dataclass(slots=True)
class _Machine:
    name: str
    arn: str
    definition: str
    parsed: dict[str, Any]
    role: str
    tags: dict[str, str] = field(default_factory=dict)
    created_s: float = field(default_factory=time.time)


class StepFunctionsApi:
    """Keeps state machines and runs their executions.

    Args:
        invoker: runs the calls.
        naming: makes ARNs.
    """

    def __init__(self, invoker: Invoker, naming: Naming) -> None:
        self._invoker = invoker
        self._base = f"arn:aws:states:{naming.region}:{naming.account_id}"
        self._machines: dict[str, _Machine] = {}
        self._executions: set[asyncio.Task[Any]] = set()

    async def serve(self, action: str, request: Request) -> Reply:
        """Serve one action.

        Raises:
            ApiError: with the codes of Step Functions.
        """
        body = json_body(request)
        match action:
            case "CreateStateMachine":
                return self._create(body)
            case "DescribeStateMachine":
                machine = self._existing(body)
                further = {"definition": machine.definition, "roleArn": machine.role, "status": "ACTIVE"}
                return Reply(200, {**_summary(machine), **further})
            case "ListStateMachines":
                return Reply(200, {"stateMachines": [_summary(machine) for machine in self._machines.values()]})
            case "DeleteStateMachine":
                self._machines.pop(str(body.get("stateMachineArn")), None)
                return Reply(200, {})
            case "TagResource" | "UntagResource" | "ListTagsForResource":
                return self._tags(action, body)
            case "StartSyncExecution":
                return await self._start(body)
        raise not_implemented(f"the action {action} of Step Functions")

    def _create(self, body: dict[str, Any]) -> Reply:
        name = str(body.get("name") or "")
        if _NAME.fullmatch(name) is None:
            raise ApiError("InvalidName", f"Invalid Name: '{name}'")
        if body.get("type") != "EXPRESS":
            sentence = "The embedded lambdatune endpoint runs state machines of type EXPRESS."
            raise ApiError("StateMachineTypeNotSupported", sentence)
        text = str(body.get("definition") or "")
        try:
            parsed = json.loads(text)
            asl.check(parsed)
        except (ValueError, asl.DefinitionError) as error:
            raise ApiError("InvalidDefinition", f"Invalid State Machine Definition: {error}") from error
        arn = f"{self._base}:stateMachine:{name}"
        known = self._machines.get(arn)
        if known is not None and known.definition != text:
            raise ApiError("StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'")
        made = _Machine(name, arn, text, parsed, str(body.get("roleArn") or ""), _tag_map(body))
        machine = self._machines.setdefault(arn, made)
        return Reply(200, {"stateMachineArn": arn, "creationDate": machine.created_s})

    def _tags(self, action: str, body: dict[str, Any]) -> Reply:
        arn = str(body.get("resourceArn") or "")
        machine = self._machines.get(arn)
        if machine is None:
            raise ApiError("ResourceNotFound", f"Resource not found: '{arn}'")
        if action == "ListTagsForResource":
            return Reply(200, {"tags": [{"key": key, "value": value} for key, value in machine.tags.items()]})
        machine.tags |= _tag_map(body)
        for key in texts(body.get("tagKeys")):
            machine.tags.pop(key, None)
        return Reply(200, {})

    def _existing(self, body: dict[str, Any]) -> _Machine:
        arn = str(body.get("stateMachineArn") or "")
        machine = self._machines.get(arn)
        if machine is None:
            raise ApiError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
        return machine

    async def _start(self, body: dict[str, Any]) -> Reply:
        machine = self._existing(body)
        text = str(body.get("input") or "{}")
        try:
            data = json.loads(text)
        except ValueError as error:
            raise ApiError("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'") from error
        name = str(body.get("name") or uuid.uuid4())
        began_s = time.time()
        ending = await self._run(machine, data)
        ended_s = time.time()
        billed_ms = math.ceil((ended_s - began_s) * 10) * 100
        return Reply(
            200,
            {
                "executionArn": f"{self._base}:express:{machine.name}:{name}:{uuid.uuid4()}",
                "stateMachineArn": machine.arn,
                "name": name,
                "startDate": began_s,
                "stopDate": ended_s,
                "input": text,
                "inputDetails": {"included": True},
                "billingDetails": {"billedMemoryUsedInMB": _MEMORY_MB, "billedDurationInMilliseconds": billed_ms},
                **ending,
            },
        )

    async def _run(self, machine: _Machine, data: Any) -> dict[str, Any]:
        """Run one execution; what it waits for when its time is over goes on, as on AWS."""
        limit_s = min(machine.parsed.get("TimeoutSeconds", _LONGEST_S), _LONGEST_S)
        task = asyncio.get_running_loop().create_task(_ended(machine.parsed, data, self._task))
        self._executions.add(task)
        task.add_done_callback(self._executions.discard)
        done, _ = await asyncio.wait({task}, timeout=limit_s)
        return task.result() if done else {"status": "TIMED_OUT", "error": "States.Timeout"}

    async def _task(self, resource: str, given: Any) -> Any:
        is_service = resource == asl.INVOKE
        target, event = (given["FunctionName"], given.get("Payload", {})) if is_service else (resource, given)
        request_id = str(uuid.uuid4())
        try:
            name, qualifier = parse_reference(str(target))
            outcome, version = await self._invoker.run(name, qualifier, request_id, json.dumps(event).encode())
        except ApiError as error:
            raise asl.StateError(f"Lambda.{error.code}", error.message) from error
        payload = outcome.payload.decode("utf-8", "replace")
        try:
            result = json.loads(payload)
        except ValueError as error:
            raise asl.StateError("States.Runtime", f"The function's answer is not JSON: {error}") from error
        if outcome.function_error is not None:
            kind = result.get("errorType") if isinstance(result, dict) else None
            raise asl.StateError(str(kind or "Lambda.Unknown"), payload)
        if not is_service:
            return result
        return {
            "ExecutedVersion": version.version,
            "Payload": result,
            "SdkHttpMetadata": _http_metadata(version.version, request_id, len(outcome.payload)),
            "SdkResponseMetadata": {"RequestId": request_id},
            "StatusCode": 200,
        }


def _http_metadata(version: str, request_id: str, size: int) -> dict[str, Any]:
    """Return what the SDK inside Step Functions tells of the HTTP answer of Lambda."""
    headers = {
        "Connection": "keep-alive",
        "Content-Length": str(size),
        "Content-Type": "application/json",
        "Date": formatdate(usegmt=True),
        "X-Amz-Executed-Version": version,
        "x-amzn-Remapped-Content-Length": "0",
        "x-amzn-RequestId": request_id,
    }
    every = {name: [value] for name, value in headers.items()}
    return {"AllHttpHeaders": every, "HttpHeaders": headers, "HttpStatusCode": 200}


async def _ended(definition: dict[str, Any], data: Any, task: Any) -> dict[str, Any]:
    try:
        output = await asl.run(definition, data, task)
    except asl.StateError as error:
        return {"status": "FAILED", "error": error.error, "cause": error.cause}
    return {"status": "SUCCEEDED", "output": json.dumps(output), "outputDetails": {"included": True}}


def _tag_map(body: dict[str, Any]) -> dict[str, str]:
    return {str(tag.get("key")): str(tag.get("value") or "") for tag in structures(body.get("tags"))}


def _summary(machine: _Machine) -> dict[str, Any]:
    return {
        "stateMachineArn": machine.arn,
        "name": machine.name,
        "type": "EXPRESS",
        "creationDate": machine.created_s,
    }
