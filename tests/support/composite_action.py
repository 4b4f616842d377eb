"""A composite action as GitHub runs it: its steps in turn, each script by bash, what it writes taken in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ACTION = Path(__file__).parents[2] / "action.yml"
_EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")

PYTHON = """#!/bin/sh
# Stands for the Python of setup-python, and for the package index: an environment is the tests' own, and what would be
# installed is written down.
if [ "$1 $2" = "-m venv" ]; then
    mkdir -p "$3/bin" && ln -s {bin}/lambdatune "$3/bin/lambdatune" && ln -s "$0" "$3/bin/python"
elif [ "$1 $2" = "-m pip" ]; then
    printf '%s\\n' "$@" > {log}
else
    exec {bin}/python "$@"
fi
"""


def action() -> dict[str, Any]:
    """Return the action's file, read."""
    document: dict[str, Any] = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    return document


def scripts() -> dict[str, str]:
    """Return the script of each step that has one, by the step's name."""
    return {step["name"]: step["run"] for step in action()["runs"]["steps"] if "run" in step}


@dataclass
class Ended:
    """What the action has done.

    Attributes:
        code: exit code of the last script; those after one that failed are not run.
        outputs: of the action.
        summary: what was appended to the summary of the job.
        installed: arguments of pip.
        said: stdout and stderr of the scripts.
    """

    code: int = 0
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    installed: list[str] = field(default_factory=list)
    said: str = ""


def run_action(scratch: Path, **inputs: str) -> Ended:
    """Run the action in `scratch`; an input's name has an underscore where it has a dash."""
    document, ended = action(), Ended()
    given = {name: str(entry["default"]) for name, entry in document["inputs"].items()}
    given |= {name.replace("_", "-"): value for name, value in inputs.items()}
    home, work, log = scratch / "runner", scratch / "work", scratch / "pip.txt"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    work.mkdir(exist_ok=True)
    python = home / "python3"
    python.write_text(PYTHON.format(bin=Path(sys.executable).parent, log=log))
    python.chmod(0o755)
    known = {f"inputs.{name}": value for name, value in given.items()}
    known["steps.python.outputs.python-path"] = str(python)
    path = os.environ["PATH"]
    for step in document["runs"]["steps"]:
        if "run" not in step or "cancelled()" in step.get("if", ""):
            continue
        files = {name: home / name for name in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")}
        for name in ("GITHUB_OUTPUT", "GITHUB_PATH"):
            files[name].write_text("")
        files["GITHUB_STEP_SUMMARY"].touch()
        environment = {
            **os.environ, **{name: str(file) for name, file in files.items()},
            **{name: _evaluated(value, known) for name, value in step.get("env", {}).items()},
            "PATH": path, "RUNNER_TEMP": str(home), "GITHUB_ACTION_PATH": str(ACTION.parent),
        }  # fmt: skip
        script = home / "step.sh"
        script.write_text(step["run"])
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            env=environment, cwd=work / _evaluated(step.get("working-directory", "."), known),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        ended.said += done.stdout
        ended.code = done.returncode
        path = ":".join([*files["GITHUB_PATH"].read_text().split("\n")[:-1], path])
        for line in files["GITHUB_OUTPUT"].read_text().splitlines():
            name, _, value = line.partition("=")
            known[f"steps.{step.get('id')}.outputs.{name}"] = value
        if ended.code:
            break
    ended.outputs = {name: _evaluated(entry["value"], known) for name, entry in document["outputs"].items()}
    ended.summary = files["GITHUB_STEP_SUMMARY"].read_text()
    ended.installed = log.read_text().splitlines() if log.exists() else []
    return ended


def _evaluated(text: str, known: dict[str, str]) -> str:
    """Return a text with its expressions evaluated: names alone, and one that nothing has is empty."""
    return _EXPRESSION.sub(lambda match: known.get(match[1], ""), text)
