"""A call that a gateway makes for a request: with permission, within the gateway's time, under an id of its own."""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import TYPE_CHECKING

from lambdatune.local.names import parse_reference

if TYPE_CHECKING:
    from lambdatune.local.events.invoker import Invoker
    from lambdatune.local.events.permissions import Permissions
    from lambdatune.local.outcomes import Outcome
    from lambdatune.local.records import Version

_FUNCTION = r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9-_]+(?::[A-Za-z0-9$_-]+)?"
_ARN = re.compile(_FUNCTION)
_INVOCATIONS = re.compile(
    rf"arn:aws[a-z-]*:apigateway:[a-z0-9-]+:lambda:path/2015-03-31/functions/({_FUNCTION})/invocations"
)


def function_of(uri: str) -> str | None:
    """Return the ARN of the function that an integration's URI names, None when it names none.

    Args:
        uri: the ARN of a function, version or alias, or API Gateway's form of its invocation path.
    """
    if _ARN.fullmatch(uri) is not None:
        return uri
    found = _INVOCATIONS.fullmatch(uri)
    return None if found is None else found[1]


class Caller:
    """Calls functions for gateways.

    Args:
        invoker: runs the calls.
        permissions: says whether a gateway may call a function.
        principal: the gateway's, for example apigateway.amazonaws.com.
    """

    def __init__(self, invoker: Invoker, permissions: Permissions, principal: str) -> None:
        self._invoker = invoker
        self._permissions = permissions
        self._principal = principal
        self._calls: set[asyncio.Task[tuple[Outcome, Version]]] = set()

    def check(self, arn: str, source_arn: str) -> None:
        """Refuse what the function's resource policy does not allow.

        Raises:
            ApiError: ResourceNotFoundException, AccessDenied.
        """
        self._permissions.check(arn, self._principal, source_arn)

    async def call(
        self, arn: str, source_arn: str, event: bytes, trace_id: str | None, limit_s: float | None = None
    ) -> Outcome:
        """Run one call; what is not done within the limit goes on, as on AWS, and nobody gets its answer.

        Args:
            arn: the function, with its version or alias.
            source_arn: the resource of the gateway that calls.
            event: JSON.
            trace_id: X-Amzn-Trace-Id.
            limit_s: how long the gateway waits.

        Raises:
            ApiError: what Lambda refuses: a permission, a throttle, a state.
            TimeoutError: the limit is over.
        """
        self.check(arn, source_arn)
        name, qualifier = parse_reference(arn)
        work = self._invoker.run(name, qualifier, str(uuid.uuid4()), event, trace_id)
        task = asyncio.get_running_loop().create_task(work)
        self._calls.add(task)
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait({task}, timeout=limit_s)
        if not done:
            raise TimeoutError
        return task.result()[0]

    def _ended(self, task: asyncio.Task[tuple[Outcome, Version]]) -> None:
        self._calls.discard(task)
        if not task.cancelled():
            task.exception()  # taken note of, also where nobody waits any more
