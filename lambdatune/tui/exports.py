"""Writing a result to a file in one of the report formats, chosen by the ending of its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError, did_you_mean
from lambdatune.reports.formats import render_recorded

if TYPE_CHECKING:
    from lambdatune.model.result import RunResult
    from lambdatune.session.replay import RecordedRun

ENDINGS = {
    "txt": "text",
    "json": "json",
    "csv": "csv",
    "md": "markdown",
    "xml": "junit",
    "html": "html",
    "prom": "openmetrics",
    "power-tuning.json": "power-tuning",
    "hgrm": "hgrm",
    "hlog": "hlog",
}
"""Ending of a file's name to its format. ``.prom`` is what the textfile collector of Prometheus reads."""

_TOLD = {"xml": "JUnit", "prom": "OpenMetrics"}
"""Formats whose ending does not tell them."""


def endings_line() -> str:
    """Return the endings, for whoever has to choose one."""
    return ", ".join(f".{ending}" + (f" ({_TOLD[ending]})" if ending in _TOLD else "") for ending in ENDINGS)


def export(run: RecordedRun, result: RunResult, text: str) -> Path:
    """Write `result` to the file that `text` names; return its path.

    Args:
        run: recorded.
        result: of it, as recorded or decided anew.
        text: the path; its ending says which format.

    Raises:
        UsageError: when the format is not known, the file exists, it cannot be written, or there is nothing to write.
    """
    path = Path(text.strip()).expanduser()
    format_name = _format_of(path.name)
    if format_name is None:
        raise UsageError(
            f"`{path.name}` does not end in a known format",
            hint=did_you_mean(path.suffix.removeprefix("."), ENDINGS),
        )
    if path.exists():
        raise UsageError(f"`{path}` exists already", hint="type another name")
    report = render_recorded(result, format_name, lambda: run)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(report)
    except FileExistsError as error:
        raise UsageError(f"`{path}` exists already", hint="type another name") from error
    except OSError as error:
        raise UsageError(f"`{path}` cannot be written: {error.strerror}", hint="type another path") from error
    return path.absolute()


def _format_of(name: str) -> str | None:
    """Return the format of the longest ending that a name has."""
    endings = [ending for ending in ENDINGS if name.lower().endswith(f".{ending}")]
    return ENDINGS[max(endings, key=len)] if endings else None
