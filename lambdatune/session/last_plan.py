"""The plan that was begun last on the screens, kept so that the next time begins with it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from lambdatune.session.live.messages import PlanSettings
from lambdatune.session.run_directory import data_directory

_FILE = "last-plan.json"
_FIRST = {"function": "sample:checkout", "memory": "128-3008", "target": ["p95<=200ms"]}
"""Until there is one: the bundled function, which needs no account."""


class KeptPlan(msgspec.Struct, frozen=True):
    """A plan as it is kept.

    Attributes:
        settings: the plan.
        without_payload: whether it had payloads that were not kept.
    """

    settings: PlanSettings
    without_payload: bool = False


def last_plan() -> KeptPlan:
    """Return the plan that was begun last; the bundled sample before, or when the file cannot be read."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode((data_directory() / _FILE).read_bytes(), type=KeptPlan)
    return KeptPlan(PlanSettings(dict(_FIRST), str(Path.cwd())))


def remember_plan(settings: PlanSettings) -> None:
    """Keep a plan for the next time; one that cannot be kept is let go.

    Events may hold what is private: payloads that are not files are left out.
    """
    values = dict(settings.values)
    given = values.pop("payload", [])
    kept = [text for text in given if text.startswith(("@", "s3://"))]
    if kept:
        values["payload"] = kept
    with contextlib.suppress(OSError):
        path = data_directory() / _FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        plan = KeptPlan(PlanSettings(values, settings.directory), without_payload=kept != given)
        part.write_bytes(msgspec.json.encode(plan))
        part.replace(path)
