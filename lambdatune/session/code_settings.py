"""What a function needs that is given as code on this machine: a runtime and a handler, or an entry point."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lambdatune.session.setting_table import Given


def check_runtime(given: Mapping[str, Given]) -> None:
    """Check that runtime and handler are there.

    Raises:
        UsageError: naming what is missing.
    """
    function = given["function"]
    missing = [name for name in ("runtime", "handler") if name not in given]
    if missing:
        needs = " and ".join(f"--{name}" for name in missing)
        raise UsageError(
            f"{function.origin}: `{function.value}` is code on this machine, which also needs {needs}",
            hint="for example --runtime python3.12 --handler app.handler, or --entry-point 'python app.py'",
            setting=missing[0],
        )


def check_entry_point(given: Mapping[str, Given], path: Path) -> None:
    """Check the entry point of a directory that stands in for a container image.

    Args:
        given: the settings.
        path: what `function` leads to.

    Raises:
        UsageError: when it is no command line, `path` no directory, or a runtime or handler is given as well.
    """
    entry_point = given["entry-point"]
    for name in ("runtime", "handler"):
        if name in given:
            raise UsageError(
                f"{given[name].origin}: {entry_point.origin} makes the function a container image, which has no {name}",
                hint=f"leave out either --entry-point or --{name}",
                setting=name,
            )
    if not path.is_dir():
        raise UsageError(
            f"{entry_point.origin}: only a directory can stand in for a container image, and `{path}` is none",
            hint="unpack it, and give the directory",
            setting="function",
        )
    try:
        words = shlex.split(entry_point.value)
    except ValueError as error:
        raise UsageError(
            f"{entry_point.origin}: `{entry_point.value}` is no command line: {str(error).lower()}",
            hint="for example 'python app.py'",
            setting="entry-point",
        ) from error
    if not words or not words[0] or "\0" in entry_point.value:
        raise UsageError(
            f"{entry_point.origin}: expected a program and its arguments, not `{entry_point.value!r}`",
            hint="for example 'python app.py'",
            setting="entry-point",
        )
