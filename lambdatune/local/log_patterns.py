"""Filter patterns of FilterLogEvents: terms, phrases, and equality in JSON (AWS docs, "Filter pattern syntax")."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

_TERM = re.compile(r'(?P<sign>[?-]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>[\w:/.,$\[\]@#-]+))\s*')
_EQUALITY = re.compile(
    r"\{\s*\$\.(?P<path>[\w.-]+)\s*(?P<operator>!?=)\s*"
    r'(?:"(?P<text>(?:[^"\\]|\\.)*)"|(?P<bare>[\w.*-]+))\s*\}'
)


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a test for messages.

    Understood: nothing (everything matches), words and "phrases" (all must occur), ``?term`` (one of these must),
    ``-term`` (must not), and ``{ $.path = "value" }`` or ``!=`` on JSON lines. Matching is case-sensitive, as on AWS.

    Raises:
        ApiError: InvalidParameterException for any other pattern, saying that it is not implemented here.
    """
    pattern = pattern.strip()
    if not pattern:
        return lambda _message: True
    if pattern.startswith("{"):
        return _equality(pattern)
    return _terms(pattern)


def _terms(pattern: str) -> Callable[[str], bool]:
    wanted: dict[str, list[str]] = {"": [], "?": [], "-": []}
    position = 0
    while position < len(pattern):
        match = _TERM.match(pattern, position)
        if match is None:
            raise _refusal(pattern)
        text = match["word"] if match["phrase"] is None else re.sub(r"\\(.)", r"\1", match["phrase"])
        wanted[match["sign"]].append(text)
        position = match.end()
    every, some, none = wanted[""], wanted["?"], wanted["-"]

    def matches(message: str) -> bool:
        return (
            all(text in message for text in every)
            and (not some or any(text in message for text in some))
            and not any(text in message for text in none)
        )

    return matches


def _equality(pattern: str) -> Callable[[str], bool]:
    match = _EQUALITY.fullmatch(pattern)
    if match is None:
        raise _refusal(pattern)
    path, wanted, negated = match["path"].split("."), match["text"] or match["bare"], match["operator"] == "!="
    expression = re.compile(".*".join(re.escape(part) for part in wanted.split("*")), re.DOTALL)

    def matches(message: str) -> bool:
        if not message.startswith("{"):
            return False
        try:
            value: Any = json.loads(message)
        except ValueError:
            return False
        for key in path:
            if not isinstance(value, dict) or key not in value:
                return False
            value = value[key]
        text = value if isinstance(value, str) else json.dumps(value)
        return (expression.fullmatch(text) is not None) != negated

    return matches


def _refusal(pattern: str) -> ApiError:
    message = f"Invalid filter pattern, or one that the embedded lambdatune endpoint does not implement: {pattern}"
    return ApiError("InvalidParameterException", message)
