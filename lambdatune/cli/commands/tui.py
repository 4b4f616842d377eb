"""``lambdatune tui``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lambdatune.cli.plan_options import given_from, plan_options
from lambdatune.model.errors import UsageError
from lambdatune.session.samples import bundled_profiles


@click.command("tui")
@click.argument("what", metavar="[PROFILE|RUN]", required=False)
@plan_options
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Where runs are made and looked for. [default: the user's data directory]")  # fmt: skip
def command(what: str | None, output: Path | None, **options: Any) -> int:
    """Tune on screens: set up, run and steer, look at results, ask what-if, compare.

    PROFILE is a TOML run profile, or the name of a bundled one; with it or the options of a plan Setup shows that plan,
    without either the last one. RUN is a recorded run (its directory, its id or the start of it, or `latest`): its
    result is opened. Nothing is called or changed before the plan is started. The keys are told by `?`; they can be
    changed in keymap.toml (docs/tui.md).

    \b
    Exit codes: those of `run` when a run was made and ended, 0 left with q, 2 usage or no terminal,
    130 left with ctrl+c twice or in the middle of a run, 143 ended by a signal.
    """  # noqa: D301  \b keeps click from joining the lines
    from lambdatune.cli.surface import show_screens  # noqa: PLC0415  only when the screens are shown
    from lambdatune.session.live.plans import settings_of  # noqa: PLC0415  not needed for --help

    profile = what if what is not None and _is_profile(what) else None
    given = given_from(profile, options)
    if what is not None and profile is None:
        if given:
            raise UsageError(
                f"`{what}` is a recorded run, which has its plan: {next(iter(given.values())).origin} says another",
                hint="leave the options out to open it, or leave the run out to make a new one",
            )
        return show_screens(run=what, output=output)
    return show_screens(output=output, settings=settings_of(given) if given else None)


def _is_profile(text: str) -> bool:
    """Return whether a word means a run profile: a TOML file, or a bundled one."""
    return text.endswith(".toml") or text in bundled_profiles()
