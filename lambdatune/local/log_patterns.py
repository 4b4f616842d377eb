"""Filter patterns of FilterLogEvents: terms, phrases, and equalities in JSON (AWS docs, "Filter pattern syntax")."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

_TERM = re.compile(r'(?P<sign>[?-]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>[\w:/.,$\[\]@#-]+))\s*')
_TOKEN = re.compile(
    r"\s*(?:(?P<sign>[()]|&&|\|\|)|\$\.(?P<path>[\w.-]+)\s*(?P<operator>!?=)\s*"
    r'(?:"(?P<text>(?:[^"\\]|\\.)*)"|(?P<bare>[\w.*-]+)))\s*'
)


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a test for messages.

    Understood: nothing (everything matches), words and "phrases" (all must occur), ``?term`` (one of these must),
    ``-term`` (must not), and ``{ $.path = "value" }`` or ``!=`` on JSON lines, with ``&&``, ``||`` and parentheses.
    Matching is case-sensitive, as on AWS.

    Raises:
        ApiError: InvalidParameterException for any other pattern, saying that it is not implemented here.
    """
    pattern = pattern.strip()
    if not pattern:
        return lambda _message: True
    if pattern.startswith("{"):
        return _expression(pattern)
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


def _expression(pattern: str) -> Callable[[str], bool]:
    holds = _Expression(pattern).compile()

    def matches(message: str) -> bool:
        if not message.startswith("{"):
            return False
        try:
            return holds(json.loads(message))
        except ValueError:
            return False

    return matches


class _Expression:
    """Compiles what stands in braces; ``&&`` binds more tightly than ``||``."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._tokens: list[re.Match[str]] = []
        if not pattern.endswith("}"):
            raise _refusal(pattern)
        position, end = 1, len(pattern) - 1
        while position < end:
            token = _TOKEN.match(pattern, position, end)
            if token is None:
                raise _refusal(pattern)
            self._tokens.append(token)
            position = token.end()

    def compile(self) -> Callable[[Any], bool]:
        holds = self._alternatives()
        if self._tokens:
            raise _refusal(self._pattern)
        return holds

    def _alternatives(self) -> Callable[[Any], bool]:
        parts = [self._conjunction()]
        while self._accept("||"):
            parts.append(self._conjunction())
        return lambda document: any(part(document) for part in parts)

    def _conjunction(self) -> Callable[[Any], bool]:
        parts = [self._operand()]
        while self._accept("&&"):
            parts.append(self._operand())
        return lambda document: all(part(document) for part in parts)

    def _operand(self) -> Callable[[Any], bool]:
        if self._accept("("):
            holds = self._alternatives()
            if not self._accept(")"):
                raise _refusal(self._pattern)
            return holds
        if not self._tokens or self._tokens[0]["sign"]:
            raise _refusal(self._pattern)
        return _equality(self._tokens.pop(0))

    def _accept(self, sign: str) -> bool:
        is_next = bool(self._tokens) and self._tokens[0]["sign"] == sign
        if is_next:
            self._tokens.pop(0)
        return is_next


def _equality(token: re.Match[str]) -> Callable[[Any], bool]:
    path, negated = token["path"].split("."), token["operator"] == "!="
    wanted = token["bare"] if token["text"] is None else token["text"]
    expression = re.compile(".*".join(re.escape(part) for part in wanted.split("*")), re.DOTALL)

    def holds(document: Any) -> bool:
        value = document
        for key in path:
            if not isinstance(value, dict) or key not in value:
                return False
            value = value[key]
        text = value if isinstance(value, str) else json.dumps(value)
        return (expression.fullmatch(text) is not None) != negated

    return holds


def _refusal(pattern: str) -> ApiError:
    message = f"Invalid filter pattern, or one that the embedded lambdatune endpoint does not implement: {pattern}"
    return ApiError("InvalidParameterException", message)
