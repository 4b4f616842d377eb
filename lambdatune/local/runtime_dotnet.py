"""Executable .NET assemblies: by the host's .NET of the version, else by its next later one; native ones by themselves.

They are found as AWS's bootstrap.sh finds them (aws-lambda-dotnet, Amazon.Lambda.RuntimeSupport). Class libraries are
not served: AWS's runtime loads those into a program of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lambdatune.local.errors import invalid
from lambdatune.local.program import Program, inside, on_path

if TYPE_CHECKING:
    from collections.abc import Callable

RUNTIMES = ("dotnet8", "dotnet10")

_HOMES = ("/usr/share/dotnet", "/usr/lib/dotnet", "/usr/lib64/dotnet")
_PROBE_TIMEOUT_S = 20


def find(runtime: str, _directory: Path) -> Program:
    """Return the program of a .NET runtime, which an assembly is to be appended to.

    Args:
        runtime: one of `RUNTIMES`.
        _directory: nothing is put there: an executable assembly brings its own Runtime API client.

    Raises:
        ApiError: InvalidParameterValueException when the host has no .NET that can run it.
    """
    wanted = int(runtime.removeprefix("dotnet"))
    found = [(path, version) for path in _installed() for version in _versions(path)]
    usable = [(path, version) for path, version in found if _major(version) >= wanted]
    if not usable:
        old = ", ".join(f"{path} has {version}" for path, version in found)
        raise invalid(
            f"The embedded lambdatune endpoint cannot serve {runtime}: there is no .NET {wanted} or later on this host"
            f"{f' ({old})' if old else ''}. Install the .NET {wanted} runtime (https://dot.net, or your package "
            "manager's dotnet-runtime), on the PATH or in DOTNET_ROOT."
        )
    major = min(_major(version) for _, version in usable)
    path = next(path for path, version in usable if _major(version) == major)
    version = [each for where, each in usable if where == path and _major(each) == major][-1]  # the newest comes last
    is_other = major != wanted
    other = f", not {wanted}: this host has none" if is_other else ""
    options = ("--roll-forward", "Major") if is_other else ()
    return Program(
        (path, "exec", *options), f"dotnet:{version}", f"{path} (.NET {version}{other})", f"AWS_Lambda_{runtime}"
    )


def with_assembly(host: Callable[[], Program], runtime: str, handler: str, root: Path) -> Program:
    """Return what to execute for a handler.

    Args:
        host: returns the host's program for the runtime.
        runtime: one of `RUNTIMES`.
        handler: name of the executable assembly, with or without ``.dll``, or of a native executable.
        root: of the package.

    Raises:
        ApiError: InvalidParameterValueException when the package has no such assembly, or the host no .NET for it.
    """
    if ":" in handler:
        raise invalid(
            f"Handler '{handler}' is a method of a class library, which the embedded lambdatune endpoint does not "
            "implement for .NET. Give the name of an executable assembly: top-level statements that run "
            "LambdaBootstrapBuilder of Amazon.Lambda.RuntimeSupport."
        )
    name = handler.removesuffix(".dll")
    assembly, native = (inside(root, root, each, "Handler") for each in (f"{name}.dll", handler))
    if assembly.is_file():
        found = host()
        return replace(found, command=(*found.command, str(assembly)))
    if native.is_file():
        if not os.access(native, os.X_OK):
            raise invalid(f"Handler '{handler}' may not be executed: `chmod +x` it.")
        note = "the function's own native executable"
        return Program((str(native),), runtime.replace("dotnet", "dotnet:"), note, f"AWS_Lambda_{runtime}")
    raise invalid(
        f"Handler '{handler}' names no executable assembly: the package has neither {name}.dll nor {handler}."
    )


def _installed() -> list[str]:
    """Return the paths of every `dotnet` of the host."""
    homes = [home for home in (os.environ.get("DOTNET_ROOT"), *_HOMES) if home]
    paths = [Path(path) for path in on_path("dotnet")] + [Path(home, "dotnet") for home in homes]
    return [str(path) for path in dict.fromkeys(path.resolve() for path in paths) if os.access(path, os.X_OK)]


def _versions(path: str) -> list[str]:
    """Return the versions of Microsoft.NETCore.App that a `dotnet` can run."""
    try:
        answer = subprocess.run(
            [path, "--list-runtimes"], capture_output=True, check=True, timeout=_PROBE_TIMEOUT_S, text=True
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return []
    return re.findall(r"^Microsoft\.NETCore\.App (\d+\.\S+)", answer.stdout, re.MULTILINE)


def _major(version: str) -> int:
    return int(version.partition(".")[0])
