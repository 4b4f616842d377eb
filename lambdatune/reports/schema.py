"""The JSON Schema of run.json, made from the types of the result, with the meaning of every member.

Types and meanings have one source, the classes and their docstrings. Two members have no type of their own: `plan` is a
`Plan` in text forms, `environment` is described here.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, fields, make_dataclass
from typing import Any, get_type_hints

import msgspec

from lambdatune.model.plan import Plan
from lambdatune.model.result import RunResult
from lambdatune.pricing.table import Prices  # noqa: TC001  msgspec reads the annotations


@dataclass(frozen=True, slots=True)
class PayloadRecord:
    """An event of the plan, as run.json tells of it.

    Attributes:
        bytes: its length.
        weight: its weight among the events of the plan.
        tokens: whether ``{{uuid}}``, ``{{sequence}}`` and ``{{timestamp}}`` in it are replaced anew for every call.
        sha256: first sixteen hexadecimal digits of its SHA-256, by which runs with the same payloads are known.
        default: true of the event that is sent when none is given; else left out.
        body: its text; only with ``--record-payloads``.
    """

    bytes: int
    weight: float
    tokens: bool = False
    sha256: str | None = None
    default: bool = False
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """What the figures depend on besides the plan.

    Attributes:
        lambdatune: version of lambdatune.
        python: version of its Python.
        platform: operating system of the host that sent the load.
        region: AWS region.
        endpoint_url: endpoint that was called; null for AWS itself.
        ephemeral_storage_mb: size of the function's ``/tmp``, which is billed above 512 MB.
        embedded: what the embedded endpoint told of its host: limiters in force, cores, waits, interpreters. null
            elsewhere.
        prices: what costs were reckoned with.
        code_sha256: AWS's CodeSha256 of the code that was measured.
        configuration: of the function's configuration what tells in its times; of environment variables the names.
        overridden: the function's own values of what its clone was given otherwise; only where it was.
        standing_usd: dollars that the run cost beside its calls, for provisioned environments and snapshots of
            SnapStart; only where there were any.
        generator: host that sent the load: processor, cores and operating system.
        linking: how messages were linked to executions, and how sure that is; only in modes that need it.
        steering: what was changed while the run measured, in order; only where something was.
        continued: when the run was continued, after how many calls, and how it had ended; only where it was.
    """

    lambdatune: str
    python: str
    platform: str
    region: str
    endpoint_url: str | None
    ephemeral_storage_mb: int
    embedded: dict[str, Any] | None
    prices: Prices
    code_sha256: str | None
    configuration: dict[str, Any]
    overridden: dict[str, Any]
    standing_usd: float
    generator: dict[str, Any]
    linking: dict[str, Any]
    steering: list[dict[str, Any]]
    continued: list[dict[str, Any]]


_IN_TEXT = {"MemoryChoice": str, "Target": str, "Ramp": str, "BurstLoad": str, "Payload": PayloadRecord}
"""What run.json has in place of types of the plan."""


def make_schema() -> str:
    """Return the text of the JSON Schema of run.json as the types of the result give it (JSON Schema 2020-12)."""
    plan = make_dataclass("Plan", _plan_members().items(), namespace={"__doc__": Plan.__doc__})
    whole, kinds = described_kinds(RunResult, plan, Environment)
    kinds["RunResult"]["properties"]["plan"]["$ref"] = "#/$defs/Plan"
    kinds["RunResult"]["properties"]["environment"]["$ref"] = "#/$defs/Environment"
    for name in ("Plan", "Environment"):
        # Runs of earlier versions lack what was not known then.
        del kinds[name]["required"]
    for name in ("plan", "environment"):
        del kinds["RunResult"]["properties"][name]["type"]
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lambdatune run",
        **whole,
        "$defs": kinds,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1).decode() + "\n"


def described_kinds(*types: type) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the JSON Schema of the first type, and those of all types in `types` and below by name, with meanings."""
    (whole, *_), kinds = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    for kind in kinds.values():
        _describe(kind)
    return whole, kinds


def _plan_members() -> dict[str, Any]:
    """Return the members of a plan and their types, as run.json has them."""
    hints = get_type_hints(Plan, localns=_IN_TEXT)
    return {field.name: hints[field.name] for field in fields(Plan)}


def _describe(kind: dict[str, Any]) -> None:
    """Give a type of the schema its summary, and each of its members its meaning."""
    summary, meanings = meanings_of(kind["description"])
    kind["description"] = summary
    for name, member in kind["properties"].items():
        if name in meanings:
            member["description"] = meanings[name]


def meanings_of(docstring: str) -> tuple[str, dict[str, str]]:
    """Return a docstring's first paragraph, and what its section ``Attributes`` says of each attribute."""
    text = inspect.cleandoc(docstring)
    summary = text.partition("\n\n")[0]
    _, _, section = text.partition("\nAttributes:\n")
    entries = re.split(r"^    (?=\w+: )", section, flags=re.MULTILINE)[1:]
    pairs = (entry.split(": ", 1) for entry in entries)
    return _joined(summary), {name: _joined(meaning) for name, meaning in pairs}


def _joined(text: str) -> str:
    """Return a passage of a docstring on one line, in the words of Markdown and JSON."""
    return re.sub(r"\bNone\b", "null", re.sub(r"\s+", " ", text)).replace("``", "`").strip()
