"""A run.json beside its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdatune.reports.json_report import schema

if TYPE_CHECKING:
    from collections.abc import Iterator


def undescribed(document: dict[str, Any]) -> set[str]:
    """Return the members of a run.json that the schema does not know, as far down as it names types."""
    return set(_undescribed(document, schema(), schema()["$defs"]))


def _undescribed(value: Any, kind: dict[str, Any], kinds: dict[str, Any]) -> Iterator[str]:
    choices = [kind, *kind.get("anyOf", ())]
    if isinstance(value, list):
        for items in [choice["items"] for choice in choices if choice.get("items")][:1]:
            for item in value:
                yield from _undescribed(item, items, kinds)
    for name in [choice["$ref"].rpartition("/")[2] for choice in choices if "$ref" in choice][:1]:
        for member, inner in value.items() if isinstance(value, dict) else ():
            if member in kinds[name]["properties"]:
                yield from _undescribed(inner, kinds[name]["properties"][member], kinds)
            else:
                yield f"{name}.{member}"
