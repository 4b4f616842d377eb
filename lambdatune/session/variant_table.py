"""What a ``[[variant]]`` table of a profile says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdatune.model.errors import UsageError
from lambdatune.session.setting_table import Given, check_kind, check_name

if TYPE_CHECKING:
    from pathlib import Path

VARIANT = "variant"
"""Key of the list of variants in a profile."""


@dataclass(frozen=True, slots=True)
class VariantTable:
    """One variant as a profile has it.

    Attributes:
        origin: how an error names it.
        name: that it is called by; without one what it sets names it.
        is_optional: whether the others are compared without it where it cannot be set up.
        given: its settings.
    """

    origin: str
    name: str | None
    is_optional: bool
    given: dict[str, Given]


def read_tables(value: Any, origin: str, directory: Path) -> list[VariantTable]:
    """Return the variants of a profile.

    Args:
        value: of its key `variant`.
        origin: how an error names the profile.
        directory: what relative paths are relative to.

    Raises:
        UsageError: naming the variant, the key and what was expected.
    """
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise UsageError(f"{origin}, key `{VARIANT}`: expected tables", hint="each variant begins with [[variant]]")
    return [_read(table, f"{origin}, variant {number}", directory) for number, table in enumerate(value, start=1)]


def _read(table: dict[str, Any], origin: str, directory: Path) -> VariantTable:
    name, is_optional = table.pop("name", None), table.pop("optional", False)
    if name is not None and not isinstance(name, str):
        raise UsageError(f"{origin}, key `name`: expected a text", hint='name = "arm64"')
    if not isinstance(is_optional, bool):
        raise UsageError(f"{origin}, key `optional`: expected true or false", hint="optional = true")
    given = {}
    for key, value in table.items():
        check_name(key, origin)
        given[key] = Given(check_kind(key, value, f"{origin}, key `{key}`"), f"{origin}, key `{key}`", directory)
    return VariantTable(origin, name, is_optional, given)
