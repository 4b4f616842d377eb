"""Python runtimes: by the host's interpreter of the version, else by the one that runs this endpoint."""

from __future__ import annotations

import importlib.resources
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from lambdatune.local.errors import ApiError
from lambdatune.local.program import Program, on_path

if TYPE_CHECKING:
    from pathlib import Path

RUNTIMES = tuple(f"python3.{minor}" for minor in range(8, 15))

_PROBE_TIMEOUT_S = 20
_PROBE = """
import json, py_compile, sys, sysconfig
for source, compiled in zip(sys.argv[1::2], sys.argv[2::2]):
    py_compile.compile(source, cfile=compiled, dfile="bootstrap.py", doraise=True)
paths = sysconfig.get_paths()
print(json.dumps([sys.executable, sys.version.split()[0], sorted({paths["purelib"], paths["platlib"]})]))
"""


def find(runtime: str, directory: Path) -> Program:
    """Return the program of a Python runtime.

    Args:
        runtime: one of `RUNTIMES`.
        directory: where the compiled bootstrap is put.

    Raises:
        ApiError: ServiceException when no interpreter runs.
    """
    for path in _interpreters(runtime):
        found = _probe(path, runtime, directory)
        if found is not None:
            return found
    own = _probe(sys.executable, runtime, directory)
    if own is None:
        raise ApiError("ServiceException", f"No Python interpreter of this host can serve {runtime}.", 500)
    return own


def _probe(path: str, runtime: str, directory: Path) -> Program | None:
    """Ask an interpreter for its real path and compile the bootstrap for it; None when it does not run."""
    name = f"{runtime}-{abs(hash(path)):x}"
    compiled, snapshot = directory / f"{name}.pyc", directory / f"{name}-snapshot.pyc"
    with importlib.resources.as_file(importlib.resources.files("lambdatune.local.bootstraps")) as sources:
        pairs = (sources / "python.py", compiled, sources / "snapshot.py", snapshot)
        try:
            answer = subprocess.run(
                [path, "-c", _PROBE, *map(str, pairs)],
                capture_output=True,
                check=True,
                timeout=_PROBE_TIMEOUT_S,
            )
        except (OSError, subprocess.SubprocessError):
            return None
    executable, version, packages = json.loads(answer.stdout)
    return Program(
        # -S: no .pth files of this host in the init time; -B: /var/task is read-only on AWS.
        (executable, "-S", "-B", str(compiled), *packages),
        f"python:{version}",
        f"{executable} (Python {version})",
        f"AWS_Lambda_{runtime}",
        str(snapshot),
    )


def _interpreters(runtime: str) -> list[str]:
    """Return the interpreters of the right version: on the PATH, then our own."""
    paths = on_path(runtime)
    match = re.fullmatch(r"python3\.(\d+)", runtime)
    if match is not None and sys.version_info[:2] == (3, int(match[1])):
        paths.append(sys.executable)
    return paths
