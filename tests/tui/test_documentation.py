"""docs/tui.md and its pictures are those of the screens."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from lambdatune.tui.app import actions

ROOT = Path(__file__).parents[2]


def test_every_name_that_a_keymap_may_use_is_in_the_documentation_with_its_key() -> None:
    text = (ROOT / "docs" / "tui.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", text, re.MULTILINE))
    assert table == {name: binding.key for name, binding in actions().items()}


@pytest.mark.slow
def test_the_pictures_are_those_of_the_screens(tmp_path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    monkeypatch.chdir(ROOT)
    import generate  # noqa: PLC0415

    asyncio.run(generate.make_pictures(tmp_path))
    sys.modules.pop("generate")
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.svg")}
    kept = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "pictures").glob("*.svg")}
    stale = [name for name in made.keys() | kept.keys() if made.get(name) != kept.get(name)]
    assert not stale, "run `python docs/generate.py --pictures`"
