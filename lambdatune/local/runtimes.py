"""Which program serves a runtime: an interpreter of this host with our bootstrap, or the function's own bootstrap."""

from __future__ import annotations

import importlib.resources
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdatune.local.errors import ApiError, invalid

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

PYTHON_RUNTIMES = tuple(f"python3.{minor}" for minor in range(8, 15))
SNAP_START_RUNTIMES = tuple(f"python3.{minor}" for minor in range(12, 15))
PROVIDED_RUNTIMES = ("provided.al2", "provided.al2023")
SUPPORTED = (*PYTHON_RUNTIMES, *PROVIDED_RUNTIMES)

_PROBE_TIMEOUT_S = 20
_PROBE = """
import json, py_compile, sys, sysconfig
for source, compiled in zip(sys.argv[1::2], sys.argv[2::2]):
    py_compile.compile(source, cfile=compiled, dfile="bootstrap.py", doraise=True)
paths = sysconfig.get_paths()
print(json.dumps([sys.executable, sys.version.split()[0], sorted({paths["purelib"], paths["platlib"]})]))
"""


@dataclass(frozen=True, slots=True)
class Program:
    """What is executed for a runtime.

    Attributes:
        command: program and arguments.
        version: as INIT_START shows it, for example ``python:3.11.7``.
        note: what serves the runtime, in words.
        execution_env: AWS_EXECUTION_ENV, or None for provided runtimes (AWS does not set it there).
        snapshot_code: the part of the bootstrap that is for SnapStart; None where the runtime has none.
    """

    command: tuple[str, ...]
    version: str
    note: str
    execution_env: str | None
    snapshot_code: str | None = None


class Runtimes:
    """Finds, once per runtime, the program that serves it.

    Args:
        directory: where compiled bootstraps are put.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._found: dict[str, Program] = {}
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def in_use(self) -> dict[str, str]:
        """Runtime to what serves it, for those that were asked for."""
        return {runtime: program.note for runtime, program in self._found.items()}

    def check(self, runtime: object) -> str:
        """Return `runtime` when it can be served.

        Raises:
            ApiError: InvalidParameterValueException that names the runtimes that can.
        """
        if runtime not in SUPPORTED:
            raise invalid(
                f"The runtime parameter of {runtime} is not supported by the embedded lambdatune endpoint. "
                f"Supported runtimes: {', '.join(SUPPORTED)}."
            )
        return str(runtime)

    def program(self, runtime: str, root: Path) -> Program:
        """Return what to execute for a function of `runtime` unpacked at `root`."""
        if runtime in PROVIDED_RUNTIMES:
            return Program(
                (str(root / "bootstrap"),), runtime.replace(".", ":", 1), "the function's own bootstrap", None
            )
        if runtime not in self._found:
            self._found[runtime] = self._find_python(runtime)
            _log.info("%s is served by %s", runtime, self._found[runtime].note)
        return self._found[runtime]

    def _find_python(self, runtime: str) -> Program:
        for path in _interpreters(runtime):
            found = self._probe(path, runtime)
            if found is not None:
                return found
        own = self._probe(sys.executable, runtime)
        if own is None:
            raise ApiError("ServiceException", f"No Python interpreter of this host can serve {runtime}.", 500)
        return own

    def _probe(self, path: str, runtime: str) -> Program | None:
        """Ask an interpreter for its real path and compile the bootstrap for it; None when it does not run."""
        name = f"{runtime}-{abs(hash(path)):x}"
        compiled, snapshot = self._directory / f"{name}.pyc", self._directory / f"{name}-snapshot.pyc"
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
    directories = os.environ.get("PATH", os.defpath).split(os.pathsep)
    found = [shutil.which(runtime, path=directory) for directory in dict.fromkeys(directories)]
    paths = [path for path in found if path is not None]
    match = re.fullmatch(r"python3\.(\d+)", runtime)
    if match is not None and sys.version_info[:2] == (3, int(match[1])):
        paths.append(sys.executable)
    return paths
