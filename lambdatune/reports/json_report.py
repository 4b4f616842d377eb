"""run.json itself (schema lambdatune.run/1)."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import msgspec

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


def make_schema() -> str:
    """Return the text of the JSON Schema as the types of the result give it (JSON Schema 2020-12)."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lambdatune run",
        **msgspec.json.schema(RunResult),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1).decode() + "\n"
