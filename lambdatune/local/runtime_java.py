"""Java runtimes: by the host's Java of the version, else by its next later one, else by the latest that it has."""

from __future__ import annotations

import importlib.resources
import os
import re
import subprocess
from pathlib import Path

from lambdatune.local.errors import invalid
from lambdatune.local.program import Program, on_path

RUNTIMES = ("java11", "java17", "java21", "java25")
OLDEST = 11
"""Oldest major version that the bootstrap runs on."""

_HOMES = Path("/usr/lib/jvm")
_SOURCES = ("Bootstrap.java", "Context.java", "Handler.java", "Json.java")
_COMPILER = "jdk.compiler/com.sun.tools.javac.Main"
_COMPILE_TIMEOUT_S = 60
_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:+TieredCompilation",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Xshare:auto",
    "-Djava.net.preferIPv4Stack=true",
    "-Dfile.encoding=UTF-8",
)
"""AWS's own where a function sees them (AWS docs, "Customize Java runtime startup behavior": C1 only)."""
_HEAP = (("-XX:MaxHeapSize={}k", 0.85 * 1024),)
"""AWS gives 445,645 KB of 512 MB to the heap."""


def find(runtime: str, directory: Path) -> Program:
    """Return the program of a Java runtime; compiles the bootstrap, which takes a second or two.

    Args:
        runtime: one of `RUNTIMES`.
        directory: where the compiled bootstrap is put.

    Raises:
        ApiError: InvalidParameterValueException when the host has no Java that can compile and run it.
    """
    wanted = int(runtime.removeprefix("java"))
    found = _installed()
    for major, path, version in sorted(found, key=lambda java: _preference(java[0], wanted)):
        classes = directory / f"java-{version}"
        if major < OLDEST or not _compile(path, classes):
            continue
        other = "" if major == wanted else f", not {wanted}: this host has none"
        return Program(
            (path, *_OPTIONS, "-cp", str(classes), "lambdatune.Bootstrap"),
            f"java:{version}",
            f"{path} (Java {version}{other})",
            f"AWS_Lambda_{runtime}",
            shares=_HEAP,
        )
    unusable = ", ".join(f"{path} is {version}" for _, path, version in found)
    raise invalid(
        f"The embedded lambdatune endpoint cannot serve {runtime}: there is no Java {OLDEST} or later with its "
        f"compiler on this host{f' ({unusable})' if unusable else ''}. Install a JDK {wanted} (https://adoptium.net, "
        "or your package manager's openjdk), on the PATH, in JAVA_HOME or below /usr/lib/jvm."
    )


def _preference(major: int, wanted: int) -> tuple[bool, int]:
    """Order versions: classes of an older Java run on a newer one, not the other way round."""
    return (major < wanted, abs(major - wanted))


def _installed() -> list[tuple[int, str, str]]:
    """Return major version, path and version of every Java of the host, by the `release` file beside it."""
    paths = [*on_path("java"), *sorted(map(str, _HOMES.glob("*/bin/java")))]
    if os.environ.get("JAVA_HOME"):
        paths.insert(0, str(Path(os.environ["JAVA_HOME"], "bin", "java")))
    found = []
    for path in dict.fromkeys(Path(path).resolve() for path in paths):
        try:
            release = (path.parents[1] / "release").read_text(encoding="utf-8")
        except OSError:
            continue
        version = re.search(r'^JAVA_VERSION="((\d+)[\d._]*)', release, re.MULTILINE)
        if version is not None and os.access(path, os.X_OK):
            found.append((int(version[2]), str(path), version[1]))
    return found


def _compile(path: str, classes: Path) -> bool:
    """Compile the bootstrap for the Java at `path`; False when it has no compiler."""
    if classes.exists():
        return True
    made = classes.with_suffix(".new")
    with importlib.resources.as_file(importlib.resources.files("lambdatune.local.bootstraps") / "java") as sources:
        try:
            subprocess.run(
                [path, "-XX:TieredStopAtLevel=1", "-m", _COMPILER, "-encoding", "UTF-8", "-d", str(made)]
                + [str(sources / name) for name in _SOURCES],
                capture_output=True,
                check=True,
                timeout=_COMPILE_TIMEOUT_S,
            )
        except (OSError, subprocess.SubprocessError):
            return False
    made.rename(classes)
    return True
