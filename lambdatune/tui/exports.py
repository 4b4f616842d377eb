"""Writing a result to a file in one of the report formats, chosen by the name of the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError, did_you_mean
from lambdatune.reports.csv_report import render_csv
from lambdatune.reports.hgrm_report import render_hgrm
from lambdatune.reports.json_report import render_json
from lambdatune.reports.text import render_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.model.result import RunResult

FORMATS: dict[str, Callable[[RunResult], str]] = {
    "txt": render_text,
    "json": render_json,
    "csv": render_csv,
    "hgrm": render_hgrm,
}
"""Ending of a file's name to what writes it."""


def export(result: RunResult, text: str) -> Path:
    """Write `result` to the file that `text` names; return its path.

    Raises:
        UsageError: when the format is not known, the file exists, or it cannot be written.
    """
    path = Path(text.strip()).expanduser()
    ending = path.suffix.removeprefix(".")
    if ending not in FORMATS:
        raise UsageError(
            f"`{path.name}` does not end in a known format: expected {', '.join(f'.{name}' for name in FORMATS)}",
            hint=did_you_mean(ending, FORMATS),
        )
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(FORMATS[ending](result))
    except FileExistsError as error:
        raise UsageError(f"`{path}` exists already", hint="type another name") from error
    except OSError as error:
        raise UsageError(f"`{path}` cannot be written: {error.strerror}", hint="type another path") from error
    return path.absolute()
