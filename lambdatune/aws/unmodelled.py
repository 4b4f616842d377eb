"""What AWS says of a function and the SDK in use does not know: it would be dropped, and a copy would not be one."""

from __future__ import annotations

import json
from typing import Any

_MEMBER = "Unmodelled"
_WITHOUT_EFFECT = frozenset({"ConfigSha256"})
"""Members that describe and change nothing."""


def keep_unmodelled(client: Any) -> None:
    """Let GetFunction of `client` keep the members of the configuration that the SDK does not know."""
    client.meta.events.register("before-parse.lambda.GetFunction", _keep)


def unmodelled_of(answer: Any) -> dict[str, Any]:
    """Return what GetFunction's `answer` has of them, by AWS's member name."""
    found: dict[str, Any] = answer.get(_MEMBER, {})
    return found


def _keep(*, operation_model: Any, response_dict: Any, customized_response_dict: dict[str, Any], **_: object) -> None:
    if response_dict.get("status_code") != 200:
        return
    try:
        configuration = json.loads(response_dict["body"]).get("Configuration") or {}
    except ValueError:
        return  # the SDK's own parser, which comes next, says what is wrong with it
    modelled = operation_model.output_shape.members["Configuration"].members
    customized_response_dict[_MEMBER] = {
        name: value
        for name, value in configuration.items()
        if name not in modelled and name not in _WITHOUT_EFFECT and value
    }
