"""docs/reference.md names every option, profile key, member of run.json and exit code, each with a meaning."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
from support.recorded_runs import MET
from support.run_json import undescribed

from lambdatune.cli.main import COMMANDS, cli
from lambdatune.model.compared import Comparison
from lambdatune.model.errors import ExitCode
from lambdatune.reports.json_report import schema
from lambdatune.reports.schema import described_kinds
from lambdatune.session.setting_table import KEYS
from lambdatune.session.variants.settings import OF_A_VARIANT

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"


def rows(section: str, level: str = "##") -> dict[str, list[str]]:
    """Return the rows of the first table below a heading of the reference, by their first cell."""
    text = PAGE.read_text(encoding="utf-8")
    body = re.split(rf"^{level} {re.escape(section)}\n", text, flags=re.MULTILINE)[1]
    body = re.split(r"^#{2,3} ", body, flags=re.MULTILINE)[0]
    lines = [line for line in body.splitlines() if line.startswith("| ")][2:]
    cells = [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {row[0].strip("`"): row[1:] for row in cells}


PLAN = rows("Options of a plan, and keys of a profile")


def of_option(table: dict[str, list[str]], option: str) -> list[str]:
    (row,) = [cells for first, cells in table.items() if option in re.split(r"[ ,]+", first)]
    return row


@pytest.mark.parametrize("command", ["lambdatune", *COMMANDS])
def test_every_option_of_every_command_is_in_the_reference_with_a_meaning(command) -> None:
    context = click.Context(cli, info_name="lambdatune", **cli.context_settings)
    found = cli if command == "lambdatune" else cli.get_command(context, command)
    own = rows(command, "###")
    for parameter in found.get_params(context):
        if not isinstance(parameter, click.Option):
            continue
        for option in (*parameter.opts, *parameter.secondary_opts):
            is_own = any(option in re.split(r"[ ,]+", first) for first in own)
            row = of_option(own if is_own else PLAN, option)
            assert row[-1], option
            if parameter.help:
                assert parameter.help.split(". ")[0].rstrip(".") in row[-1], option


def test_every_key_of_a_profile_is_in_the_reference_with_its_kind_and_a_meaning() -> None:
    for setting in KEYS.values():
        kind, meaning = of_option(PLAN, f"--{setting.name}")
        assert kind
        assert meaning == setting.help
    assert len(PLAN) == len(KEYS)


def test_every_key_of_a_variant_is_in_the_reference() -> None:
    table = rows("Variants", "###")
    named = {name for cell in table for name in re.findall(r"[\w-]+", cell)}
    assert named == {"name", "optional", *OF_A_VARIANT}
    assert all(meaning for _, meaning in table.values())


def test_every_member_of_run_json_and_of_a_comparison_is_in_the_reference_with_its_type_and_a_meaning() -> None:
    for name, kind in (schema()["$defs"] | described_kinds(Comparison)[1]).items():
        table = rows(name, "###")
        assert table.keys() == kind["properties"].keys()
        for member, (type_, meaning) in table.items():
            assert type_, (name, member)
            assert meaning, f"{name}.{member} has no meaning: write it into the docstring of its class"


def test_what_a_run_writes_is_in_the_reference(run_of) -> None:
    document = json.loads((run_of(MET).path / "run.json").read_text())
    assert undescribed(document) == set()
    document["plan"]["planted"] = document["cells"][1]["warm"]["planted"] = document["environment"]["planted"] = 1
    assert undescribed(document) == {"Plan.planted", "WarmStats.planted", "Environment.planted"}


def test_every_exit_code_is_in_the_reference_with_a_meaning() -> None:
    table = rows("Exit codes")
    assert {int(code): name.strip("`") for code, (name, _) in table.items()} == {
        code.value: code.name for code in ExitCode
    }
    assert all(meaning for _, meaning in table.values())
