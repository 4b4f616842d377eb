"""The directory of a comparison: a run's directory for each variant, and which run is whose.

``<output>/<comparison id>/variants.json`` is written as the runs begin, so that a comparison that is killed can be
shown as far as it came; ``comparison.json`` holds what came of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from lambdatune.model.errors import UsageError
from lambdatune.session.run_directory import VARIANTS_FILE, RunDirectory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdatune.model.compared import Comparison

COMPARISON_FILE = "comparison.json"
_SCHEMA: Literal["lambdatune.variants/1"] = "lambdatune.variants/1"


@dataclass(frozen=True, slots=True)
class RecordedVariant:
    """A variant and its run, whose directory lies beside the file."""

    name: str
    run: str


@dataclass(frozen=True, slots=True)
class _Record:
    started: str
    variants: tuple[RecordedVariant, ...]
    schema: Literal["lambdatune.variants/1"] = _SCHEMA


class ComparisonDirectory:
    """The files of one comparison.

    Args:
        path: ``<output>/<comparison id>``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        """The comparison's id."""
        return self.path.name

    def note(self, started: str, runs: Mapping[str, RunDirectory]) -> None:
        """Write down which run is whose, by the variants' names."""
        record = _Record(started, tuple(RecordedVariant(name, run.id) for name, run in runs.items()))
        self._write(VARIANTS_FILE, record)

    def write(self, comparison: Comparison) -> None:
        """Write down what came of it."""
        self._write(COMPARISON_FILE, comparison)

    def runs(self) -> dict[str, RunDirectory]:
        """Return the run of each variant by its name, in the order of the comparison.

        Raises:
            UsageError: when the file cannot be read.
        """
        path = self.path / VARIANTS_FILE
        try:
            record = msgspec.json.decode(path.read_bytes(), type=_Record)
        except (OSError, msgspec.DecodeError) as error:
            raise UsageError(f"`{path}` cannot be read: {error}", hint=f"expected schema {_SCHEMA}") from error
        return {each.name: RunDirectory(self.path / each.run) for each in record.variants}

    def _write(self, name: str, value: object) -> None:
        scratch = self.path / f".{name}.{os.getpid()}"
        scratch.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
        scratch.replace(self.path / name)


def find_comparison(text: str, output: Path) -> ComparisonDirectory | None:
    """Return the comparison that `text` names, as a path or by its id below `output`; None when it names none."""
    for path in (Path(text), output / text):
        if (path / VARIANTS_FILE).is_file():
            return ComparisonDirectory(path.absolute())
    return None
