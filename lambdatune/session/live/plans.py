"""From settings as a person gives them on a screen to a plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lambdatune.session.live.messages import PlanSettings
from lambdatune.session.profile import placed_values
from lambdatune.session.setting_table import Given, check_kind, check_name
from lambdatune.session.settings import build_plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdatune.model.plan import Plan


def given_of(settings: PlanSettings) -> dict[str, Given]:
    """Return settings as `build_plan` takes them.

    Raises:
        UsageError: naming the setting that is not one, or whose value is of the wrong kind.
    """
    directory = Path(settings.directory)
    given = {}
    for name, value in settings.values.items():
        check_name(name, "settings")
        given[name] = Given(check_kind(name, value, name), name, directory)
    return given


def settings_of(given: Mapping[str, Given]) -> PlanSettings:
    """Return settings as the screens and the engine tell them, with paths that do not depend on a directory."""
    return PlanSettings(placed_values(given), str(Path.cwd()))


def plan_of_settings(settings: PlanSettings) -> Plan:
    """Return the plan that settings describe.

    Raises:
        UsageError: naming the setting that is wrong.
    """
    return build_plan(given_of(settings))
