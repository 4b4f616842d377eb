"""Attribute values: what they may be, how large they are, and what makes two of them one key.

Source: AWS docs, "Supported data types and naming rules in Amazon DynamoDB", and "Item sizes and formats".
"""

from __future__ import annotations

import base64
import binascii
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from lambdatune.local.errors import ApiError

Item = dict[str, Any]

MAX_ITEM_BYTES = 400 * 1024
_MAX_DEPTH = 32
_SETS = {"SS": "S", "NS": "N", "BS": "B"}
_MAX_DIGITS = 38
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def invalid(sentence: str) -> ApiError:
    """Return ValidationException (400) with a sentence."""
    return ApiError("ValidationException", sentence)


def check_item(item: object, what: str) -> Item:
    """Return an item whose values were checked.

    Args:
        item: attribute name to value, as a request has it.
        what: the member of the request, for the error.

    Raises:
        ApiError: ValidationException.
    """
    if item is None:
        raise invalid(
            f"1 validation error detected: Value null at '{what}' failed to satisfy constraint: Member must not be null"
        )
    if not isinstance(item, dict):
        raise ApiError("SerializationException", "Start of structure or map found where not expected.")
    for name, value in item.items():
        if not name:
            raise invalid("One or more parameter values were invalid: An attribute name is empty")
        _check(value, 1)
    return item


def size_of(item: Item) -> int:
    """Return the size of an item in bytes: names and values."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def identity(value: Item) -> tuple[str, Any]:
    """Return what makes two key values one: numbers count by value, binary by content."""
    ((kind, content),) = value.items()
    if kind == "N":
        return kind, Decimal(content)
    return kind, base64.b64decode(content) if kind == "B" else content


def same(one: Item | None, other: Item | None) -> bool:
    """Whether two items have the same values; of a set the order does not count."""
    if one is None or other is None:
        return one is other
    return one.keys() == other.keys() and all(_normal(one[name]) == _normal(other[name]) for name in one)


def _normal(value: Any) -> Any:
    ((kind, content),) = value.items()
    if kind in _SETS:
        return kind, frozenset(identity({_SETS[kind]: each}) for each in content)
    if kind == "L":
        return kind, [_normal(each) for each in content]
    if kind == "M":
        return kind, {name: _normal(each) for name, each in content.items()}
    return identity(value)


def _check(value: object, depth: int) -> None:
    if not isinstance(value, dict) or len(value) != 1:
        raise invalid(
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
            if not value
            else "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported "
            "datatypes"
        )
    if depth > _MAX_DEPTH:
        raise invalid("Nesting Levels have exceeded supported limits")
    ((kind, content),) = value.items()
    if kind in _SETS:
        _check_set(kind, content)
    elif kind == "L" and isinstance(content, list):
        for each in content:
            _check(each, depth + 1)
    elif kind == "M" and isinstance(content, dict):
        for each in content.values():
            _check(each, depth + 1)
    elif kind == "N" and isinstance(content, str):
        _check_number(content)
    elif kind == "B" and isinstance(content, str):
        _bytes(content)
    elif not (
        (kind == "S" and isinstance(content, str))
        or (kind == "BOOL" and isinstance(content, bool))
        or (kind == "NULL" and content is True)
    ):
        raise ApiError("SerializationException", f"Unexpected value for the type {kind}")


def _check_set(kind: str, content: object) -> None:
    if not isinstance(content, list) or not all(isinstance(each, str) for each in content):
        raise ApiError("SerializationException", f"Unexpected value for the type {kind}")
    if not content:
        raise invalid("One or more parameter values were invalid: An set may not be empty")
    for each in content:
        _check({_SETS[kind]: each}, 1)
    if len({identity({_SETS[kind]: each}) for each in content}) != len(content):
        raise invalid(f"One or more parameter values were invalid: Input collection {content} contains duplicates.")


def _check_number(text: str) -> None:
    sentence = f"The parameter cannot be converted to a numeric value: {text}"
    if _NUMBER.fullmatch(text) is None:
        raise invalid(sentence)
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise invalid(sentence) from error
    if _digits(number) > _MAX_DIGITS:
        raise invalid("Attempting to store more than 38 significant digits in a Number")
    if number and number.adjusted() > 125:
        raise invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
    if number and number.adjusted() < -130:
        raise invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")


def _digits(number: Decimal) -> int:
    """Return how many significant digits a number has."""
    return len("".join(map(str, number.as_tuple().digits)).strip("0"))


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ApiError("SerializationException", "Invalid base64 in a value of type B") from error


def _size(value: Item) -> int:
    kind: str
    ((kind, content),) = value.items()
    if kind in _SETS:
        return sum(_size({_SETS[kind]: each}) for each in content)
    if kind == "L":
        return 3 + sum(1 + _size(each) for each in content)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + _size(each) for name, each in content.items())
    if kind == "N":
        return (_digits(Decimal(content)) + 1) // 2 + (2 if content.startswith("-") else 1)
    if kind == "B":
        return len(_bytes(content))
    return len(str(content).encode()) if kind == "S" else 1
