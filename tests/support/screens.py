"""The screens without a terminal: opened, settled, and as plain text."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lambdatune.tui.app import LambdatuneApp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from textual.pilot import Pilot

    from lambdatune.session.run_directory import RunDirectory

UPDATE = "UPDATE_GOLDEN"
"""Set to write the golden screens anew instead of comparing with them."""


@asynccontextmanager
async def opened(
    output: Path,
    run: RunDirectory | None = None,
    *,
    size: tuple[int, int] = (120, 36),
    keys: Mapping[str, str] | None = None,
    kind: type[LambdatuneApp] = LambdatuneApp,
) -> AsyncIterator[Pilot[None]]:
    """Open the screens over the runs below `output`, and wait until they stand still."""
    app = kind(output, run, keys)
    app.animation_level = "none"
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await settled(pilot)
        yield pilot


async def settled(pilot: Pilot[None]) -> None:
    """Wait until no work is under way and nothing is left to draw."""
    for _ in range(2):
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys one by one, each when the one before has had its effect."""
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


def text_of(pilot: Pilot[None]) -> str:
    """Return what is on the screen as plain text."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips) + "\n"


def assert_golden(text: str, path: Path) -> None:
    """Compare a screen with its golden file; write the file when the environment variable says so."""
    if os.environ.get(UPDATE):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    assert path.exists(), f"no golden screen {path.name}: {UPDATE}=1 pytest tests/tui writes it"
    assert text == path.read_text(encoding="utf-8"), f"{path.name} differs; {UPDATE}=1 pytest tests/tui writes it anew"
