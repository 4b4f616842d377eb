"""The options that describe a plan, made from the table of settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambdatune.session.profile import read_profile
from lambdatune.session.setting_table import SETTINGS, Given, check_kind
from lambdatune.session.settings import build_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.model.plan import Plan

_TYPES = {"text": click.STRING, "texts": click.STRING, "integer": click.INT, "number": click.FLOAT}


def plan_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every setting to a click command; they arrive as keyword arguments."""
    for setting in reversed(SETTINGS):
        function = click.option(
            f"--{setting.name}",
            setting.name.replace("-", "_"),
            type=_TYPES.get(setting.kind),
            is_flag=setting.kind == "flag",
            multiple=setting.kind == "texts",
            default=None,
            metavar=setting.metavar or None,
            help=setting.help,
        )(function)
    return function


def plan_from(profile: str | None, options: dict[str, Any]) -> Plan:
    """Return the plan of a profile and of options, which win over it.

    Raises:
        UsageError: naming the option, or the profile and its key.
    """
    return build_plan(given_from(profile, options))


def given_from(profile: str | None, options: dict[str, Any]) -> dict[str, Given]:
    """Return what a profile and the options say, by setting; options win.

    Raises:
        UsageError: naming the option, or the profile and its key.
    """
    given = read_profile(profile) if profile else {}
    here = Path.cwd()
    for setting in SETTINGS:
        value = options.get(setting.name.replace("-", "_"))
        if value is None or value == ():
            continue
        origin = f"--{setting.name}"
        given[setting.name] = Given(
            check_kind(setting.name, list(value) if setting.kind == "texts" else value, origin), origin, here
        )
    return given
