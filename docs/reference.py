"""The tables of docs/reference.md, each from its one source: options, run.json, exit codes, the action."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from lambdatune.cli.main import COMMANDS, cli
from lambdatune.model.compared import Comparison
from lambdatune.model.errors import EXIT_MEANINGS
from lambdatune.reports.json_report import schema
from lambdatune.reports.schema import described_kinds, meanings_of
from lambdatune.session.setting_table import KEYS, SETTINGS, Setting
from lambdatune.session.variant_table import VariantTable
from lambdatune.session.variants.settings import OF_A_VARIANT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TOML = {
    "text": "text",
    "texts": "text, or list of texts",
    "integer": "whole number",
    "number": "number",
    "flag": "true or false",
}
_LISTS = {
    "function": "text, or list of texts",
    "mode": "text, or list of texts",
    "memory": "text, or list of numbers",
    "ramp": "text, or list of texts",
}
_NUMBERS = ("cold-rate", "rate", "burst", "concurrency-share")
"""Texts that may be a number in a profile, too."""


def table(name: str) -> str:
    """Return the tables of a name, one of those below."""
    tables = {
        "variant": _variant,
        "comparison": _comparison,
        "plan": _plan, "commands": _commands, "run.json": _run_json, "exit-codes": _exit_codes, "action": _action,
    }  # fmt: skip
    return tables[name]()


def _plan() -> str:
    rows = [(_code(_option(setting)), _toml(setting), setting.help) for setting in KEYS.values()]
    return _table(("option", "in a profile", "meaning"), rows)


def _variant() -> str:
    _, meanings = meanings_of(VariantTable.__doc__ or "")
    rows = [("`name`", "text", meanings["name"]), ("`optional`", "true or false", meanings["is_optional"])]
    return _table(
        ("key", "in a profile", "meaning"), [*rows, (_joined(OF_A_VARIANT), "as above", "as above, of this variant")]
    )


def _joined(names: Iterable[str]) -> str:
    return ", ".join(map(_code, names))


def _option(setting: Setting) -> str:
    return f"--{setting.name} {setting.metavar}".rstrip()


def _toml(setting: Setting) -> str:
    kind = _LISTS.get(setting.name, _TOML[setting.kind])
    if setting.name in _NUMBERS:
        kind += ", or number"
    if setting.low is None:
        return kind
    return f"{kind}, {setting.low:g} to {setting.high:g}" if setting.high else f"{kind}, at least {setting.low:g}"


def _commands() -> str:
    context = click.Context(cli, info_name="lambdatune", **cli.context_settings)
    parts = [_command(cli, context, "lambdatune")]
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        parts.append(_command(command, click.Context(command, parent=context, info_name=name), name))
    return "\n\n".join(parts)


def _command(command: click.Command, context: click.Context, name: str) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"### {name}", _code(usage), *_paragraphs(command.help or "")]
    shared = {f"--{name}" for name in KEYS}
    options = [option for option in command.get_params(context) if isinstance(option, click.Option)]
    takes_plan = {f"--{setting.name}" for setting in SETTINGS} <= {option.opts[0] for option in options}
    if takes_plan:
        but = "" if any(option.opts[0] == "--markdown" for option in options) else ", but none of a report or gate"
        parts.append(f"Takes the options of [a plan](#options-of-a-plan-and-keys-of-a-profile){but}, and:")
    own = [option for option in options if not (takes_plan and option.opts[0] in shared and _is_shared(option))]
    parts.append(_table(("option", "meaning"), [_described(option, context) for option in own]))
    return "\n\n".join(parts)


def _is_shared(option: click.Option) -> bool:
    """Whether an option is that of the plan, and not another of the same name."""
    return option.help in {setting.help for setting in KEYS.values()}


def _described(option: click.Option, context: click.Context) -> tuple[str, str]:
    record = option.get_help_record(context)
    assert record is not None
    names, meaning = record
    return _code(names), re.sub(r"\s+", " ", meaning)


def _paragraphs(text: str) -> Iterator[str]:
    """Return the paragraphs of a command's help; those that click would not join are kept as they are."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            yield f"```text\n{paragraph.removeprefix(chr(8)).strip()}\n```"
        else:
            yield paragraph


def _run_json() -> str:
    kinds: dict[str, dict[str, Any]] = schema()["$defs"]
    return _kinds(kinds, _reached(kinds, "RunResult", []))


def _comparison() -> str:
    _, kinds = described_kinds(Comparison)
    return _kinds(kinds, [name for name in _reached(kinds, "Comparison", []) if name not in schema()["$defs"]])


def _kinds(kinds: dict[str, dict[str, Any]], names: list[str]) -> str:
    """Return a table for each of these types."""
    parts = []
    for name in names:
        kind = kinds[name]
        rows = [
            (_code(member), _type_of(description), description.get("description", ""))
            for member, description in kind["properties"].items()
        ]
        parts += [f"### {name}", kind.get("description", ""), _table(("member", "type", "meaning"), rows)]
    return "\n\n".join(parts)


def _reached(kinds: dict[str, dict[str, Any]], name: str, found: list[str]) -> list[str]:
    """Return a type and those that its members have, in the order in which they come first."""
    if name not in found:
        found.append(name)
        for member in kinds[name]["properties"].values():
            for other in re.findall(r"#/\$defs/(\w+)", str(member)):
                _reached(kinds, other, found)
    return found


def _type_of(member: dict[str, Any]) -> str:
    """Return the type of a member for people: ``number or null``, ``list of [Certificate](#certificate)``."""
    if "$ref" in member:
        name = member["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in member:
        return " or ".join(_type_of(choice) for choice in member["anyOf"])
    if "enum" in member:
        return ", ".join(_code(value) for value in member["enum"])
    if member.get("type") == "array":
        if "prefixItems" in member:
            return f"[{', '.join(_type_of(item) for item in member['prefixItems'])}]"
        return f"list of {_type_of(member['items'])}" if member.get("items") else "list"
    if member.get("type") == "object":
        values = member.get("additionalProperties")
        return f"object of {_type_of(values)}" if isinstance(values, dict) and values else "object"
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}.get(
        member.get("type", ""), member.get("type", "any")
    )


def _exit_codes() -> str:
    rows = [(str(code.value), _code(code.name), meaning) for code, meaning in EXIT_MEANINGS.items()]
    return _table(("code", "name", "meaning"), rows)


def _action() -> str:
    text = (Path(__file__).parent.parent / "action.yml").read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    inputs = [
        (_code(name), entry["description"], _code(str(entry["default"])) if entry["default"] else "")
        for name, entry in document["inputs"].items()
    ]
    outputs = [(_code(name), entry["description"]) for name, entry in document["outputs"].items()]
    return "\n\n".join((_table(("input", "meaning", "default"), inputs), _table(("output", "meaning"), outputs)))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(_cell(cell) for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    """Return a text that is one cell: in tables of GitHub's Markdown a bar is escaped even in code."""
    return text.replace("|", "\\|").replace("\n", " ")


def _code(text: str) -> str:
    return f"`{text}`"
