"""What is executed for a runtime, and where programs are looked for on this host."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdatune.local.errors import invalid

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Program:
    """What is executed for a runtime.

    Attributes:
        command: program and arguments.
        version: as INIT_START shows it, for example ``python:3.11.7``.
        note: what serves the runtime, in words.
        execution_env: AWS_EXECUTION_ENV, or None for provided runtimes (AWS does not set it there).
        snapshot_code: the part of the bootstrap that is for SnapStart; None where the runtime has none.
        shares: options that are given right after the program, each with the share of the memory size, in MB, that is
            put in the place of its ``{}``.
        directory: where it starts; None for the root of the package.
    """

    command: tuple[str, ...]
    version: str
    note: str
    execution_env: str | None
    snapshot_code: str | None = None
    shares: tuple[tuple[str, float], ...] = ()
    directory: Path | None = None

    def command_at(self, memory_mb: int) -> tuple[str, ...]:
        """Return program and arguments for a memory size in MB."""
        options = (option.format(max(int(memory_mb * share), 1)) for option, share in self.shares)
        return (self.command[0], *options, *self.command[1:])


def on_path(*names: str) -> list[str]:
    """Return the paths of all programs on the PATH that have one of `names`; the first name's come first."""
    directories = os.environ.get("PATH", os.defpath).split(os.pathsep)
    found = [shutil.which(name, path=directory) for name in names for directory in dict.fromkeys(directories)]
    return [path for path in found if path is not None]


def inside(root: Path, directory: Path, name: str, member: str) -> Path:
    """Return the path that `name` stands for in a package or image at `root`, seen from `directory`.

    Args:
        root: what absolute names are below.
        directory: what other names are below.
        name: a path.
        member: how the sentence names what it was given as.

    Raises:
        ApiError: InvalidParameterValueException when it leads out of `root`.
    """
    path = (root / name.lstrip("/") if name.startswith("/") else directory / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise invalid(f"{member} '{name}' leads out of the function.")
    return path
