"""Fill the output blocks of the documentation with what the commands really print.

A block is ``<!-- $ COMMAND -->``, a fenced text and ``<!-- end -->``. Without arguments only ``--help`` blocks are
made anew (they answer at once and are checked by the tests); with ``--all`` the runs are made too.

A block ``<!-- report FORMAT -->`` or ``<!-- report FORMAT 1-9 -->`` (some lines of it) is a report of a recorded run of
seeded numbers (one of the tests'), and made anew every time; ``change-sam`` and the like are the change for its advice.

With ``--pictures`` the pictures of the screens are made anew, from the real screens over recorded runs of seeded
numbers (those of the tests). They hold no time and no path of this machine.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(r"<!-- \$ (?P<command>[^\n]+?) -->\n```text\n.*?```\n<!-- end -->", re.DOTALL)
_REPORT = re.compile(
    r"<!-- report (?P<format>[\w-]+)(?: (?P<first>\d+)-(?P<last>\d+))? -->\n```(?P<language>\w+)\n.*?```\n<!-- end -->",
    re.DOTALL,
)
_BIN = Path(sys.executable).parent


def filled(text: str, *, everything: bool) -> str:
    """Return `text` with its blocks made anew."""

    def block(match: re.Match[str]) -> str:
        command = match["command"]
        if not (everything or command.endswith("--help")):
            return match[0]
        return f"<!-- $ {command} -->\n```text\n{_output(command)}```\n<!-- end -->"

    def report(match: re.Match[str]) -> str:
        head, _, _ = match[0].partition("\n")
        lines = _report(match["format"]).splitlines()
        if match["first"]:
            lines = lines[int(match["first"]) - 1 : int(match["last"])]
        return "\n".join([head, f"```{match['language']}", *lines, "```", "<!-- end -->"])

    return _REPORT.sub(report, _BLOCK.sub(block, text))


def _report(name: str) -> str:
    """Return a report of a recorded run."""
    from lambdatune.reports.change_report import render_change  # noqa: PLC0415
    from lambdatune.reports.formats import render  # noqa: PLC0415

    if name.startswith("change-"):
        return render_change(_recorded(), name.removeprefix("change-"))
    return render(_recorded(), name)


@functools.cache
def _recorded() -> Any:
    """Return the result of a recorded run of seeded numbers."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.recorded_runs import SLOWER, make_run  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as scratch:
        return make_run(Path(scratch), SLOWER).read()


def _output(command: str) -> str:
    program, *arguments = shlex.split(command)
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "80", "TERM": "dumb"}
    done = subprocess.run(
        [str(_BIN / program), *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    return done.stdout.rstrip() + "\n"


PICTURES = {
    "result": ("met", (120, 36), ()),
    "what-if": ("met", (120, 36), ("left", "left", "left", "left", "l", "l", "down")),
    "result-80x24": ("met", (80, 24), ()),
    "history": (None, (120, 24), ("down",)),
    "compare": (None, (120, 36), ("end", "d", "up", "d", "equals_sign")),
}
"""Name of a picture to the run that is opened (None: the list), the size of the terminal and the keys pressed."""

LIVE_PICTURES = {"run": (120, 36), "run-80x24": (80, 24)}
"""Name of a picture of a run under way to the size of the terminal."""


async def make_pictures(directory: Path) -> None:
    """Write a picture of each of `PICTURES` and `LIVE_PICTURES` into `directory`, which is an absolute path."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.live_screens import watched  # noqa: PLC0415
    from support.recorded_runs import ALL, MET, make_runs  # noqa: PLC0415
    from support.screens import opened, press  # noqa: PLC0415
    from support.setup_app import PLAN, SHOP, ScriptedEngine, setup  # noqa: PLC0415
    from support.snapshots import RUNNING, SAID  # noqa: PLC0415

    def keep(name: str, picture: str) -> None:
        # The identifier of a picture is a random one each time.
        picture = re.sub(r"terminal-\d+", f"terminal-{name}", picture)
        (directory / f"{name}.svg").write_text(picture, encoding="utf-8")

    with tempfile.TemporaryDirectory() as scratch:
        # Below a relative directory, so that no picture shows where it was made.
        os.chdir(scratch)
        runs = {run.id: run for run in make_runs(Path("runs"), ALL)}
        for name, (start, size, keys) in PICTURES.items():
            async with opened(Path("runs"), runs[MET.id] if start else None, size=size) as pilot:
                await press(pilot, *keys)
                keep(name, pilot.app.export_screenshot(title="lambdatune"))
        for name, size in LIVE_PICTURES.items():
            async with watched(size) as watch:
                await watch.open(RUNNING, SAID)
                keep(name, watch.app.export_screenshot(title="lambdatune"))
        async with setup(PLAN, ScriptedEngine(lambda _: SHOP)) as pilot:
            keep("setup", pilot.app.export_screenshot(title="lambdatune"))
        os.chdir(ROOT)


def main() -> None:
    """Make the pages, or the pictures, anew in place."""
    if "--pictures" in sys.argv[1:]:
        directory = ROOT / "docs" / "pictures"
        directory.mkdir(exist_ok=True)
        asyncio.run(make_pictures(directory))
        return
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        new = filled(text, everything="--all" in sys.argv[1:])
        if new != text:
            page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
