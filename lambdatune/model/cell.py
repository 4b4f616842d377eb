"""A cell: one combination that is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdatune.model.modes import Mode


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One function x architecture x memory size x invocation mode.

    Attributes:
        function: name of the function that is tuned, as the user gave it.
        memory_mb: memory size in MB.
        architecture: ``x86_64`` or ``arm64``.
        runtime: AWS's identifier, ``python3.12``; ``""`` for a container image.
        mode: invocation mode, ``invoke``.
    """

    function: str
    memory_mb: int
    architecture: str
    runtime: str
    mode: Mode = "invoke"

    @property
    def tag(self) -> str:
        """The name of the cell in histogram tags and tables: ``mem-512``."""
        return f"mem-{self.memory_mb}"
