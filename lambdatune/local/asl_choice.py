"""Choice rules of the Amazon States Language (states-language.net/spec.html, "Choice State")."""

from __future__ import annotations

import operator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ABSENT = object()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}
_TYPES: dict[str, Callable[[Any], bool]] = {
    "IsNull": lambda value: value is None,
    "IsPresent": lambda value: value is not ABSENT,
    "IsString": lambda value: isinstance(value, str),
    "IsNumeric": _is_number,
    "IsBoolean": lambda value: isinstance(value, bool),
}
_LISTS = ("And", "Or")
_OPERATORS = frozenset(
    {*(f"String{name}" for name in _ORDERS), *(f"Numeric{name}" for name in _ORDERS), "BooleanEquals", "StringMatches"}
    | set(_TYPES)
)


def complaint(rule: Any, *, inner: bool = False) -> str | None:
    """Return what is wrong with a rule, None when it can be followed.

    Args:
        rule: of a Choice state.
        inner: whether it stands in And, Or or Not, where no Next is.
    """
    if not isinstance(rule, dict):
        return "expected an object"
    parts = rule.keys() - {"Next", "Comment", "Variable"} if not inner else rule.keys() - {"Variable"}
    if len(parts) != 1:
        return f"expected one comparison, got {sorted(parts)}"
    (name,) = parts
    if name in _LISTS:
        below = rule[name]
        if not isinstance(below, list) or not below:
            return f"{name}: expected a list of rules"
        return next((found for found in (complaint(each, inner=True) for each in below) if found), None)
    if name == "Not":
        return complaint(rule[name], inner=True)
    if name not in _OPERATORS:
        return f"{name} is not implemented by the embedded lambdatune endpoint"
    if not isinstance(rule.get("Variable"), str):
        return f"{name} needs a Variable"
    fits = {"S": isinstance(rule[name], str), "N": _is_number(rule[name])}.get(name[0], isinstance(rule[name], bool))
    return None if fits else f"{name}: {rule[name]!r} is of another type"


def paths(rule: dict[str, Any]) -> list[str]:
    """Return the Variables of a rule without complaint."""
    below = [*rule.get("And", []), *rule.get("Or", []), *([rule["Not"]] if "Not" in rule else [])]
    return ([rule["Variable"]] if "Variable" in rule else []) + [path for each in below for path in paths(each)]


def holds(rule: dict[str, Any], look_up: Callable[[str], Any]) -> bool:
    """Whether a rule without complaint holds.

    Args:
        rule: of a Choice state.
        look_up: returns what stands at a path, ABSENT when nothing does; raises where that is an error.
    """
    if "And" in rule:
        return all(holds(each, look_up) for each in rule["And"])
    if "Or" in rule:
        return any(holds(each, look_up) for each in rule["Or"])
    if "Not" in rule:
        return not holds(rule["Not"], look_up)
    (name,) = rule.keys() & _OPERATORS
    value, wanted = look_up(rule["Variable"]), rule[name]
    if name in _TYPES:
        return bool(_TYPES[name](value) == wanted)
    if name == "StringMatches":
        return isinstance(value, str) and fnmatchcase(value, wanted.replace("[", "[[]").replace("?", "[?]"))
    is_kind = {"S": isinstance(value, str), "N": _is_number(value), "B": isinstance(value, bool)}[name[0]]
    order = next(name.removeprefix(kind) for kind in ("String", "Numeric", "Boolean") if name.startswith(kind))
    return is_kind and bool(_ORDERS[order](value, wanted))
