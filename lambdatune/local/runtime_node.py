"""Node.js runtimes: by the host's Node.js of the version, else by any other that it has."""

from __future__ import annotations

import importlib.resources
import json
import re
import subprocess
from typing import TYPE_CHECKING

from lambdatune.local.errors import invalid
from lambdatune.local.program import Program, on_path

if TYPE_CHECKING:
    from pathlib import Path

RUNTIMES = tuple(f"nodejs{major}.x" for major in range(18, 25, 2))
OLDEST = 18
"""Oldest major version that the bootstrap runs on."""

_SOURCES = ("node.cjs", "node_stream.cjs")
_PROBE = "console.log(JSON.stringify([process.execPath, process.versions.node]))"
_PROBE_TIMEOUT_S = 20
_HEAP = (("--max-semi-space-size={}", 0.05), ("--max-old-space-size={}", 0.9))
"""As AWS's own bootstrap divides the memory size: a tenth for two semi-spaces, the rest for the old space."""


def find(runtime: str, directory: Path) -> Program:
    """Return the program of a Node.js runtime.

    Args:
        runtime: one of `RUNTIMES`.
        directory: where the bootstrap is put.

    Raises:
        ApiError: InvalidParameterValueException when the host has no Node.js.
    """
    wanted = int(re.sub(r"\D", "", runtime))
    found = dict.fromkeys(filter(None, map(_probe, dict.fromkeys(on_path(f"node{wanted}", "node", "nodejs")))))
    usable = [(path, version) for path, version in found if _major(version) >= OLDEST]
    if not usable:
        old = ", ".join(f"{path} is {version}" for path, version in found)
        raise invalid(
            f"The embedded lambdatune endpoint cannot serve {runtime}: there is no Node.js {OLDEST} or later on the "
            f"PATH of this host{f' ({old})' if old else ''}. Install Node.js {wanted} (https://nodejs.org, or your "
            "package manager's nodejs)."
        )
    path, version = min(usable, key=lambda each: _major(each[1]) != wanted)
    sources = importlib.resources.files("lambdatune.local.bootstraps")
    for name in _SOURCES:
        (directory / name).write_bytes((sources / name).read_bytes())
    other = "" if _major(version) == wanted else f", not {wanted}: this host has none"
    return Program(
        (path, "--max-http-header-size=81920", str(directory / _SOURCES[0])),
        f"nodejs:{version}",
        f"{path} (Node.js {version}{other})",
        f"AWS_Lambda_{runtime}",
        shares=_HEAP,
    )


def _probe(path: str) -> tuple[str, str] | None:
    """Return the real path and the version of a Node.js; None when it does not run."""
    try:
        answer = subprocess.run([path, "-e", _PROBE], capture_output=True, check=True, timeout=_PROBE_TIMEOUT_S)
        executable, version = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return str(executable), str(version)


def _major(version: str) -> int:
    return int(version.partition(".")[0])
