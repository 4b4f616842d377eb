"""The house stays as it is drawn: layers are kept, and a violation does not pass."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

VIOLATIONS = {
    "a room imports from above": ("model/plan.py", "from lambdatune.stats import rows\n"),
    "a room imports from beside": ("load/order.py", "from lambdatune.aws import clone\n"),
    "local knows more than model": ("local/names.py", "from lambdatune.pricing import cost\n"),
    "the session speaks to AWS by itself": ("session/events.py", "import botocore\n"),
    "another module reads histograms by hdrh": ("stats/summary.py", "import hdrh\n"),
    "a surface imports the other": ("cli/surface.py", "from lambdatune.tui import app\n"),
    "another room draws screens": ("reports/text.py", "import textual\n"),
    "a chart knows runs": ("tui/charts/ridge.py", "from lambdatune.session import replay\n"),
    "model is not of the standard library only": ("model/cell.py", "import numpy\n"),
}


def lint(checkout: Path) -> subprocess.CompletedProcess[str]:
    program = (
        "import sys; sys.path.insert(0, '.');from importlinter.cli import lint_imports_command; lint_imports_command()"
    )
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=checkout, capture_output=True, text=True, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ignore = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(ROOT / "lambdatune", tmp_path / "lambdatune", ignore=ignore)).parent


def test_the_layers_are_kept(checkout) -> None:
    done = lint(checkout)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("violation", VIOLATIONS)
def test_a_planted_violation_is_caught(checkout, violation) -> None:
    path, line = VIOLATIONS[violation]
    module = checkout / "lambdatune" / path
    module.write_text(f"{module.read_text()}\n{line}")
    done = lint(checkout)
    assert done.returncode == 1, done.stdout
    assert "BROKEN" in done.stdout


def test_every_room_and_every_place_that_the_map_names_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.name for path in (ROOT / "lambdatune").iterdir() if path.is_dir()} - {"__pycache__", "bundled"}
    assert all(room in text for room in rooms)
    table = text[text.index("## Where is") :]
    for room in rooms:
        for name in table.split("`"):
            if name.startswith(f"{room}/") and "<" not in name:
                assert (ROOT / "lambdatune" / name).exists(), name
