"""Functions of PackageType Image: the entry point is a program of the image's directory, or one of this host."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import TYPE_CHECKING

from lambdatune.local.errors import invalid
from lambdatune.local.program import Program, inside, on_path

if TYPE_CHECKING:
    from pathlib import Path

    from lambdatune.local.image import ImageConfig

_DEFAULT = "/lambda-entrypoint.sh"
"""The entry point of AWS's own base images."""


def find(image: ImageConfig, root: Path) -> Program:
    """Return what to execute for a function whose image is at `root`.

    Absolute paths are those of the image: `root` is its ``/``, and its working directory unless there is another.
    A program without a slash is looked up on this host's PATH.

    Raises:
        ApiError: InvalidParameterValueException when there is no entry point, or nothing executable where it points.
    """
    directory = inside(root, root, image.working_directory or "/", "WorkingDirectory")
    if not directory.is_dir():
        raise invalid(f"WorkingDirectory '{image.working_directory}' is no directory of the image.")
    name, *arguments = image.entry_point or (_DEFAULT,)
    if not image.entry_point and not (root / _DEFAULT.lstrip("/")).exists():
        raise invalid(
            "ImageConfig needs an EntryPoint: a directory that stands in for an image has none of its own, unless it "
            f"holds {_DEFAULT.lstrip('/')}."
        )
    path = _program(name, root, directory)
    return Program(
        (path, *arguments, *image.command),
        "image",
        f"entry point {path if '/' not in name else name}",
        None,
        directory=directory,
    )


def _program(name: str, root: Path, directory: Path) -> str:
    if "/" not in name:
        found = on_path(name)
        if not found:
            raise invalid(
                f"There is no program '{name}', the EntryPoint, on the PATH of this host. {_hint(name, directory)}"
            )
        return found[0]
    path = inside(root, directory, name, "EntryPoint")
    if not path.is_file():
        raise invalid(
            f"EntryPoint '{name}' is no file of the image. A program of this host is given by its name alone, and "
            "looked up on the PATH."
        )
    if not os.access(path, os.X_OK):
        raise invalid(f"EntryPoint '{name}' may not be executed: `chmod +x` it.")
    return str(path)


def _hint(name: str, directory: Path) -> str:
    if (directory / name).is_file():
        return f"Its file of that name is ./{name}."
    near = get_close_matches(name, _names_on_path(), n=1)
    return f"Did you mean {near[0]}?" if near else "A program of the image is given by its path, such as ./start."


def _names_on_path() -> set[str]:
    names: set[str] = set()
    for directory in os.environ.get("PATH", os.defpath).split(os.pathsep):
        try:
            names |= {
                entry.name for entry in os.scandir(directory) if entry.is_file() and os.access(entry.path, os.X_OK)
            }
        except OSError:
            continue
    return names
