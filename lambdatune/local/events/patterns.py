"""Event patterns of EventBridge and of event filters (AWS docs, "Comparison operators for use in event patterns")."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_COMPARISONS = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_ABSENT = object()


class PatternError(ValueError):
    """A pattern that is none, with a sentence that says why."""


def parse(text: str) -> dict[str, Any]:
    """Return a pattern that was checked.

    Raises:
        PatternError: when it is not a JSON object of arrays, or has an operator that is not known.
    """
    try:
        pattern = json.loads(text)
    except ValueError as error:
        raise PatternError(f"Filter is not valid JSON: {error}") from error
    if not isinstance(pattern, dict):
        raise PatternError("Filter is not an object")
    if not pattern:
        raise PatternError("Empty patterns are not allowed")
    _check(pattern)
    return pattern


def matches(pattern: dict[str, Any], event: Any) -> bool:
    """Whether an event has what a pattern asks for: every field, one of each field's choices."""
    for name, wanted in pattern.items():
        if name == "$or" and isinstance(wanted, list):
            if not any(matches(each, event) for each in wanted):
                return False
            continue
        value = event.get(name, _ABSENT) if isinstance(event, dict) else _ABSENT
        if isinstance(wanted, dict):
            if not matches(wanted, {} if value is _ABSENT else value):
                return False
        elif not any(_meets(choice, value) for choice in wanted):
            return False
    return True


def _check(pattern: dict[str, Any]) -> None:
    for name, wanted in pattern.items():
        if name == "$or" and isinstance(wanted, list) and all(isinstance(each, dict) for each in wanted):
            for each in wanted:
                _check(each)
        elif isinstance(wanted, dict):
            _check(wanted)
        elif not isinstance(wanted, list) or not wanted:
            raise PatternError(f'"{name}" must be an object or an array')
        else:
            for choice in wanted:
                if isinstance(choice, dict):
                    _check_operator(choice)
                elif isinstance(choice, list):
                    raise PatternError(f'"{name}" holds an array inside an array')


def _check_operator(choice: dict[str, Any]) -> None:
    if len(choice) != 1:
        raise PatternError("Only one key allowed in match expression")
    ((kind, value),) = choice.items()
    if kind == "exists":
        valid = isinstance(value, bool)
    elif kind == "numeric":
        valid = _is_numeric(value)
    elif kind == "anything-but":
        valid = isinstance(value, str | int | float | list) or (
            isinstance(value, dict) and set(value) <= set(_TEXT_TESTS) and len(value) == 1
        )
    elif kind in _TEXT_TESTS:
        valid = isinstance(value, str)
    else:
        raise PatternError(f"Unrecognized match type {kind}")
    if not valid:
        raise PatternError(f"{kind} match pattern is not valid: {json.dumps(value)}")


def _is_numeric(value: object) -> bool:
    if not isinstance(value, list) or not value or len(value) % 2:
        return False
    pairs = zip(value[::2], value[1::2], strict=True)
    return all(
        isinstance(operator, str)
        and operator in _COMPARISONS
        and isinstance(bound, int | float)
        and not isinstance(bound, bool)
        for operator, bound in pairs
    )


def _meets(choice: Any, value: Any) -> bool:
    """Whether a value, or one of several, meets one choice."""
    if isinstance(choice, dict):
        ((kind, wanted),) = choice.items()
        if kind == "exists":
            return (value is not _ABSENT) is wanted
        if kind == "anything-but" and isinstance(value, list):
            return all(_operates(kind, wanted, each) for each in value)
        if value is _ABSENT:
            return False
        return any(_operates(kind, wanted, each) for each in (value if isinstance(value, list) else [value]))
    if value is _ABSENT:
        return False
    return any(_same(choice, each) for each in (value if isinstance(value, list) else [value]))


def _same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; true is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _operates(kind: str, wanted: Any, value: Any) -> bool:
    if kind == "numeric":
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        return all(_COMPARISONS[o](value, bound) for o, bound in zip(wanted[::2], wanted[1::2], strict=True))
    if kind == "anything-but":
        if isinstance(wanted, dict):
            ((inner, text),) = wanted.items()
            return value is not _ABSENT and not _operates(inner, text, value)
        unwanted = wanted if isinstance(wanted, list) else [wanted]
        return value is not _ABSENT and not any(_same(each, value) for each in unwanted)
    return isinstance(value, str) and _TEXT_TESTS[kind](value, str(wanted))


def _is_wildcard(value: str, wanted: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in wanted.split("*")), value, re.DOTALL) is not None


_TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "prefix": str.startswith,
    "suffix": str.endswith,
    "equals-ignore-case": lambda value, wanted: value.lower() == wanted.lower(),
    "wildcard": _is_wildcard,
}
