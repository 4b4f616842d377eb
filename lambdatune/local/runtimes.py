"""Which program serves a runtime: an interpreter of this host with our bootstrap, or the function's own bootstrap."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from lambdatune.local import runtime_dotnet, runtime_image, runtime_java, runtime_node, runtime_python, runtime_ruby
from lambdatune.local.errors import ApiError, invalid
from lambdatune.local.program import Program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lambdatune.local.records import Configuration

_log = logging.getLogger(__name__)

SNAP_START_RUNTIMES = tuple(f"python3.{minor}" for minor in range(12, 15))
PROVIDED_RUNTIMES = ("provided.al2", "provided.al2023")

_FINDERS: dict[str, Callable[[str, Path], Program]] = {
    **dict.fromkeys(runtime_python.RUNTIMES, runtime_python.find),
    **dict.fromkeys(runtime_node.RUNTIMES, runtime_node.find),
    **dict.fromkeys(runtime_java.RUNTIMES, runtime_java.find),
    **dict.fromkeys(runtime_ruby.RUNTIMES, runtime_ruby.find),
    **dict.fromkeys(runtime_dotnet.RUNTIMES, runtime_dotnet.find),
}
SUPPORTED = (*_FINDERS, *PROVIDED_RUNTIMES)


class Runtimes:
    """Finds, once per runtime, the program that serves it.

    Args:
        directory: where bootstraps are put.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._found: dict[str, Program] = {}
        self._image_note = ""
        self._finding = threading.Lock()
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def in_use(self) -> dict[str, str]:
        """Runtime to what serves it, for those that were asked for; ``image`` to the last entry point."""
        notes = {runtime: program.note for runtime, program in self._found.items()}
        return notes | ({"image": self._image_note} if self._image_note else {})

    def check(self, runtime: object) -> str:
        """Return `runtime` when the endpoint knows it.

        Raises:
            ApiError: InvalidParameterValueException that names the runtimes that it knows.
        """
        if runtime not in SUPPORTED:
            raise invalid(
                f"The runtime parameter of {runtime} is not supported by the embedded lambdatune endpoint. "
                f"Supported runtimes: {', '.join(SUPPORTED)}."
            )
        return str(runtime)

    def program_of(self, configuration: Configuration, root: Path) -> Program:
        """Return what to execute for a function whose package, or image, is at `root`.

        Raises:
            ApiError: InvalidParameterValueException when the host, or the package, has no program for it.
        """
        if configuration.image is not None:
            program = runtime_image.find(configuration.image, root)
            self._image_note = program.note
            return program
        runtime = configuration.runtime
        if runtime in PROVIDED_RUNTIMES:
            return Program(
                (str(root / "bootstrap"),), runtime.replace(".", ":", 1), "the function's own bootstrap", None
            )
        if runtime in runtime_dotnet.RUNTIMES:
            return runtime_dotnet.with_assembly(lambda: self.program(runtime), runtime, configuration.handler, root)
        return self.program(runtime)

    def at_start(self, configuration: Configuration, root: Path) -> Program:
        """Return the same for an environment that starts now.

        Where updates left nothing to execute it is a program without a command, whose note says why.
        """
        try:
            return self.program_of(configuration, root)
        except ApiError as error:
            return Program((), "none", error.message, None)

    def check_host(self, configuration: Configuration) -> None:
        """Refuse an update to a runtime that this host cannot serve, whatever the package holds: that may come later.

        Raises:
            ApiError: InvalidParameterValueException when the host has no interpreter for it.
        """
        if configuration.runtime in _FINDERS and configuration.runtime not in runtime_dotnet.RUNTIMES:
            self.program(configuration.runtime)

    def program(self, runtime: str) -> Program:
        """Return the host's program for a runtime that needs an interpreter.

        Raises:
            ApiError: InvalidParameterValueException when the host has none.
        """
        if runtime in self._found:  # the event loop asks too, and must not wait for another runtime's search
            return self._found[runtime]
        with self._finding:
            if runtime not in self._found:
                self._found[runtime] = _FINDERS[runtime](runtime, self._directory)
                _log.info("%s is served by %s", runtime, self._found[runtime].note)
            return self._found[runtime]
