"""``lambdatune run --continue``: the run that goes on, and the few options that it takes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lambdatune.cli.plan_options import given_from
from lambdatune.model.errors import UsageError
from lambdatune.session.continuing import Continuation
from lambdatune.session.payloads import read_payloads
from lambdatune.session.replay import plan_of
from lambdatune.session.run_directory import default_output, find_run

if TYPE_CHECKING:
    from pathlib import Path

_LIMITS = {"max-invocations": "max_invocations", "max-usd": "max_usd", "max-minutes": "max_minutes"}
_TAKEN = (*_LIMITS, "payload")


def continuation_from(run: str, output: Path | None, profile: str | None, options: dict[str, Any]) -> Continuation:
    """Return how the run that `run` names goes on.

    Args:
        run: a directory, an id, the start of one, or ``latest``.
        output: where runs are looked for; None for the user's data directory.
        profile: must be None: the plan is the run's own.
        options: of the plan; only limits and payloads may be given.

    Raises:
        UsageError: when the run cannot go on, or other options are given.
    """
    if profile is not None:
        raise UsageError(
            f"--continue goes on under the run's own plan, and a profile is given as well: `{profile}`",
            hint="leave the profile out",
        )
    given = given_from(None, options)
    refused = sorted(given.keys() - set(_TAKEN))
    if refused:
        raise UsageError(
            f"--continue goes on under the run's own plan: --{refused[0]} cannot be another one",
            hint="it takes " + ", ".join(f"--{name}" for name in _TAKEN),
        )
    directory = find_run(run, output or default_output())
    named = {_LIMITS[name]: setting.value for name, setting in given.items() if name in _LIMITS}
    limits = replace(plan_of(directory.read().plan).limits, **named) if named else None
    payloads = read_payloads(given["payload"], tokens=True) if "payload" in given else ()
    return Continuation.of(directory, limits=limits, payloads=payloads)
