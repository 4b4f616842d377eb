"""Ruby runtimes: by the host's Ruby of the version, else by any other that it has."""

from __future__ import annotations

import importlib.resources
import json
import subprocess
from typing import TYPE_CHECKING

from lambdatune.local.errors import invalid
from lambdatune.local.program import Program, on_path

if TYPE_CHECKING:
    from pathlib import Path

RUNTIMES = tuple(f"ruby3.{minor}" for minor in range(2, 5))
OLDEST = (3, 0)
"""Oldest version that the bootstrap runs on."""

_SOURCE = "ruby.rb"
_PROBE = 'require "json"; puts JSON.generate([RbConfig.ruby, RUBY_VERSION])'
_PROBE_TIMEOUT_S = 20
_NO_HINTS = {
    (3, 0): ("--disable=did_you_mean",),
    (3, 1): ("--disable=did_you_mean", "--disable=error_highlight"),
}
"""These write into the messages of errors, which from Ruby 3.2 on, and so on AWS, they leave alone."""


def find(runtime: str, directory: Path) -> Program:
    """Return the program of a Ruby runtime.

    Args:
        runtime: one of `RUNTIMES`.
        directory: where the bootstrap is put.

    Raises:
        ApiError: InvalidParameterValueException when the host has no Ruby.
    """
    wanted = runtime.removeprefix("ruby")
    found = dict.fromkeys(filter(None, map(_probe, dict.fromkeys(on_path(runtime, "ruby")))))
    usable = [(path, version) for path, version in found if _numbers(version) >= OLDEST]
    if not usable:
        least = ".".join(map(str, OLDEST))
        old = ", ".join(f"{path} is {version}" for path, version in found)
        raise invalid(
            f"The embedded lambdatune endpoint cannot serve {runtime}: there is no Ruby {least} or later on the PATH "
            f"of this host{f' ({old})' if old else ''}. Install Ruby {wanted} (https://www.ruby-lang.org, or your "
            "package manager's ruby)."
        )
    path, version = min(usable, key=lambda each: not each[1].startswith(f"{wanted}."))
    bootstrap = directory / _SOURCE
    bootstrap.write_bytes((importlib.resources.files("lambdatune.local.bootstraps") / _SOURCE).read_bytes())
    other = "" if version.startswith(f"{wanted}.") else f", not {wanted}: this host has none"
    hints = _NO_HINTS.get(_numbers(version), ())
    return Program(
        # The locale of AWS, which this host may not have.
        (path, *hints, "-EUTF-8", str(bootstrap)),
        f"ruby:{version}",
        f"{path} (Ruby {version}{other})",
        f"AWS_Lambda_{runtime}",
    )


def _probe(path: str) -> tuple[str, str] | None:
    """Return the real path and the version of a Ruby; None when it does not run."""
    try:
        answer = subprocess.run([path, "-e", _PROBE], capture_output=True, check=True, timeout=_PROBE_TIMEOUT_S)
        executable, version = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return str(executable), str(version)


def _numbers(version: str) -> tuple[int, int]:
    major, minor, *_ = version.split(".")
    return int(major), int(minor)
