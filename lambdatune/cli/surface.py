"""Starting the screens, which are a surface of their own beside this one.

Neither of the two imports the other. They meet at an entry point of the package, as an extension would: the screens
register themselves in the group ``lambdatune.surfaces``, and this looks them up by name. That keeps Textual out of
every command that does not show a screen, and lets another surface take the name.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from lambdatune.session.live.messages import PlanSettings

_GROUP = "lambdatune.surfaces"


def show_screens(
    *, run: str | None = None, output: Path | None = None, settings: PlanSettings | None = None, starts: bool = False
) -> int:
    """Show the screens until the user leaves; return the exit code.

    Args:
        run: a recorded run to open.
        output: where runs are looked for and made; None for the user's data directory.
        settings: the plan to show where no run is opened; None for the last one.
        starts: whether that plan is run at once.

    Raises:
        UsageError: when the installation does not know the screens, there is no terminal, or no such run.
    """
    found = entry_points(group=_GROUP, name="tui")
    if not found:
        raise UsageError(
            f"this installation has no entry point `tui` in {_GROUP}: it is older than the screens",
            hint="install lambdatune again, for example with `pip install --editable .`",
        )
    (entry,) = tuple(found)[:1]
    code: int = entry.load()(run=run, output=output, settings=settings, starts=starts)
    return code
