"""Fill the output blocks of the documentation with what the commands really print.

A block is ``<!-- $ COMMAND -->``, a fenced text and ``<!-- end -->``. Such blocks are made anew with ``--all``, of
every page or of those that are named after it. The commands of a page share a directory and the runs that they record;
what stands in a fence below ``<!-- file NAME -->`` is a file there. A page that speaks to http://127.0.0.1:9001 finds
an embedded endpoint with the function `my-function` there. In ``<!-- aws $ COMMAND -->`` it stands for AWS itself: only
for commands that call no function, since calls would go to AWS all the same.

A block ``<!-- report FORMAT -->`` or ``<!-- report FORMAT 1-9 -->`` (some lines of it) is a report of a recorded run of
seeded numbers (one of the tests'), and made anew every time; ``change-sam`` and the like are the change for its advice,
``cold-starts`` what its cold starts cost at a traffic.

A block ``<!-- reference NAME -->`` is a table of the reference, made by ``docs/reference.py`` from the program.

With ``--pictures`` the pictures of the screens are made anew, from the real screens over recorded runs of seeded
numbers (those of the tests). They hold no time and no path of this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(r"<!-- (?P<aws>aws )?\$ (?P<command>[^\n]+?) -->\n```text\n.*?```\n<!-- end -->", re.DOTALL)
_FILE = re.compile(r"<!-- file (?P<name>[^\n]+?) -->\n```\w+\n(?P<text>.*?)```\n", re.DOTALL)
_REPORT = re.compile(
    r"<!-- report (?P<format>[\w-]+)(?: (?P<first>\d+)-(?P<last>\d+))? -->\n```(?P<language>\w+)\n.*?```\n<!-- end -->",
    re.DOTALL,
)
_TABLE = re.compile(r"<!-- reference (?P<name>[\w.-]+) -->\n.*?<!-- end -->", re.DOTALL)
_BIN = Path(sys.executable).parent


_ENDPOINT = "http://127.0.0.1:9001"


def filled(text: str, *, everything: bool) -> str:
    """Return `text` with its tables and reports made anew; with `everything` also what commands print."""
    with contextlib.ExitStack() as stack:
        return _filled(text, _Shell.of(text, stack) if everything else None)


def _filled(text: str, shell: _Shell | None) -> str:
    def block(match: re.Match[str]) -> str:
        if shell is None:
            return match[0]
        head, _, _ = match[0].partition("\n")
        return f"{head}\n```text\n{shell.output(match['command'], is_aws=bool(match['aws']))}```\n<!-- end -->"

    def report(match: re.Match[str]) -> str:
        head, _, _ = match[0].partition("\n")
        lines = _report(match["format"]).splitlines()
        if match["first"]:
            lines = lines[int(match["first"]) - 1 : int(match["last"])]
        return "\n".join([head, f"```{match['language']}", *lines, "```", "<!-- end -->"])

    def reference(match: re.Match[str]) -> str:
        head, _, _ = match[0].partition("\n")
        return f"{head}\n{_reference(match['name'])}\n<!-- end -->"

    return _TABLE.sub(reference, _REPORT.sub(report, _BLOCK.sub(block, text)))


def _reference(name: str) -> str:
    """Return a table of the reference."""
    sys.path.insert(0, str(ROOT / "docs"))
    from reference import table  # noqa: PLC0415

    return table(name)


def _report(name: str) -> str:
    """Return a report of a recorded run."""
    from lambdatune.reports.change_report import render_change  # noqa: PLC0415
    from lambdatune.reports.cold_start_table import cold_start_lines  # noqa: PLC0415
    from lambdatune.reports.formats import render  # noqa: PLC0415

    if name == "cold-starts":
        return "\n".join(cold_start_lines(_at_a_traffic())).lstrip() + "\n"
    if name in {"compare", "gate"}:
        return _side_by_side(is_gate=name == "gate")
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


@functools.cache
def _at_a_traffic() -> Any:
    """Return the result of a recorded run of seeded numbers, with what its cold starts cost at 100/s."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.recorded_runs import MET, make_run  # noqa: PLC0415

    from lambdatune.session.replay import WhatIf, open_run  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as scratch:
        return open_run(make_run(Path(scratch), MET), WhatIf(traffic_per_s=100.0))


def _side_by_side(*, is_gate: bool) -> str:
    """Return two recorded runs of seeded numbers side by side, or the gate of the second against the first."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.recorded_runs import Recipe, make_run  # noqa: PLC0415

    from lambdatune.reports.comparison_report import render_comparison  # noqa: PLC0415
    from lambdatune.reports.gate_table import gate_lines  # noqa: PLC0415
    from lambdatune.session.comparing import compare, open_reference  # noqa: PLC0415
    from lambdatune.session.gating import Gate, gate_recorded  # noqa: PLC0415

    old = Recipe(id="20261123-151200-a1b2", sizes=(512, 1024), chosen=(512,), warm_calls=60, seed=21)
    new = Recipe(id="20261124-091500-c3d4", sizes=(512, 1024), chosen=(512,), warm_calls=60, slowness=1.2, seed=22)
    with tempfile.TemporaryDirectory() as scratch:
        for recipe in (old, new):
            make_run(Path(scratch), recipe)
        both = [open_reference(recipe.id, Path(scratch)) for recipe in (old, new)]
        if is_gate:
            return "\n".join(gate_lines(gate_recorded(Gate(both[0]), both[1]))).lstrip("\n") + "\n"
        return render_comparison(compare(both), "text")


class _Shell:
    """Runs the commands of a page, in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @classmethod
    def of(cls, text: str, stack: contextlib.ExitStack) -> _Shell:
        """Return the shell of a page, with the page's files, and an endpoint if the page needs one."""
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_files(text, directory)
        if _ENDPOINT in text:
            sys.path.insert(0, str(ROOT / "tests"))
            from support.program import make_function, running_endpoint  # noqa: PLC0415

            stack.enter_context(running_endpoint("--port", "9001"))
            sample = ROOT / "lambdatune" / "bundled" / "functions" / "checkout" / "app.py"
            make_function(_ENDPOINT, "my-function", sample.read_text(encoding="utf-8"), memory_mb=1024)
        return cls(directory)

    def output(self, command: str, *, is_aws: bool) -> str:
        """Return what a command prints, with a line's end."""
        here = str(self._directory)
        environment = {
            **os.environ, "NO_COLOR": "1", "COLUMNS": "80", "TERM": "dumb", "PATH": f"{_BIN}:{os.environ['PATH']}",
            "LAMBDATUNE_DATA": f"{here}/data", "LAMBDATUNE_CACHE": f"{here}/cache",
        }  # fmt: skip
        if is_aws:
            environment |= {
                "AWS_ENDPOINT_URL": _ENDPOINT, "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
            }  # fmt: skip
        done = subprocess.run(
            ["bash", "-c", command], cwd=here, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip
        return done.stdout.rstrip() + "\n"


def write_files(text: str, directory: Path) -> None:
    """Write the files that a page shows into a directory."""
    for match in _FILE.finditer(text):
        file = directory / match["name"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(match["text"], encoding="utf-8")


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
    everything = "--all" in sys.argv[1:]
    named = {Path(name).resolve() for name in sys.argv[1:] if not name.startswith("--")}
    for page in PAGES:
        if named and page.resolve() not in named:
            continue
        text = page.read_text(encoding="utf-8")
        new = filled(text, everything=everything)
        if new != text:
            page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
