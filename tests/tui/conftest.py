"""Recorded runs below a relative directory, so that no screen shows where the tests run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lambdatune.session.run_directory import RunDirectory

if TYPE_CHECKING:
    from support.recorded_runs import Recipe


@pytest.fixture
def runs(run_of, tmp_path, monkeypatch) -> Callable[..., list[RunDirectory]]:
    """Return a function that puts recorded runs below ``runs`` in the current directory."""
    monkeypatch.chdir(tmp_path)

    def put(*recipes: Recipe) -> list[RunDirectory]:
        return [RunDirectory(Path(shutil.copytree(run_of(one).path, Path("runs") / one.id))) for one in recipes]

    return put
