"""The options that describe a plan, made from the table of settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambdatune.session.profile import read_gate, read_profile, read_reports
from lambdatune.session.setting_table import GATE_SETTINGS, REPORT_SETTINGS, SETTINGS, Given, check_kind
from lambdatune.session.settings import build_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambdatune.model.plan import Plan
    from lambdatune.session.setting_table import Setting

_TYPES = {"text": click.STRING, "texts": click.STRING, "integer": click.INT, "number": click.FLOAT}


def plan_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every setting to a click command; they arrive as keyword arguments."""
    return _add_options(function, SETTINGS)


def report_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every report to a click command; they arrive as keyword arguments."""
    return _add_options(function, REPORT_SETTINGS)


def gate_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the gate to a click command; they arrive as keyword arguments."""
    return _add_options(function, GATE_SETTINGS)


def _add_options(function: Callable[..., Any], settings: Sequence[Setting]) -> Callable[..., Any]:
    for setting in reversed(settings):
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
    return _given(read_profile(profile) if profile else {}, SETTINGS, options)


def reports_from(profile: str | None, options: dict[str, Any]) -> dict[str, Given]:
    """Return which reports a profile and the options ask for, by format; options win.

    Raises:
        UsageError: as `given_from`.
    """
    return _given(read_reports(profile) if profile else {}, REPORT_SETTINGS, options)


def gate_from(profile: str | None, options: dict[str, Any]) -> dict[str, Given]:
    """Return what a profile and the options say of a baseline, by setting; options win.

    Raises:
        UsageError: as `given_from`.
    """
    return _given(read_gate(profile) if profile else {}, GATE_SETTINGS, options)


def _given(given: dict[str, Given], settings: Sequence[Setting], options: dict[str, Any]) -> dict[str, Given]:
    """Return what was given with what the options say in its place."""
    here = Path.cwd()
    for setting in settings:
        value = options.get(setting.name.replace("-", "_"))
        if value is None or value == ():
            continue
        origin = f"--{setting.name}"
        given[setting.name] = Given(
            check_kind(setting.name, list(value) if setting.kind == "texts" else value, origin), origin, here
        )
    return given
