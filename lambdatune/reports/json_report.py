"""run.json itself (schema lambdatune.run/1)."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from lambdatune.model.result import RunResult

SCHEMA_FILE = "run.schema.json"


def render_json(result: RunResult) -> str:
    """Return the result as one JSON object, indented."""
    return msgspec.json.format(msgspec.json.encode(result), indent=1).decode() + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of run.json that ships with the package."""
    text = files("lambdatune.reports").joinpath(SCHEMA_FILE).read_bytes()
    document: dict[str, Any] = msgspec.json.decode(text)
    return document
