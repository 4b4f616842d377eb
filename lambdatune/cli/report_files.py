"""The reports that a run writes besides its directory: into files, to stdout, and into the summary of a GitHub job."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lambdatune.model.compared import Comparison
from lambdatune.model.errors import UsageError
from lambdatune.reports.formats import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdatune.model.result import RunResult
    from lambdatune.session.setting_table import Given

STDOUT = "-"
_GITHUB_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The file to which a step appends what its job's page shows (GitHub docs, "Workflow commands": Markdown)."""
_HINT = "give a file in a directory that exists and may be written to"


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """Where reports go.

    Attributes:
        files: path of each format that goes to a file.
        stdout: format that goes to stdout in place of the text.
        summary: file to which a summary in Markdown is appended; None outside of a GitHub job.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    stdout: str = "text"
    summary: Path | None = None

    @classmethod
    def of(cls, given: Mapping[str, Given]) -> ReportFiles:
        """Return where reports go, having found out that they can be written there.

        Args:
            given: a file for each format that is wanted.

        Raises:
            UsageError: naming the option or key whose file cannot be written, or that collides with another.
        """
        stdout: str | None = None
        files: dict[str, Path] = {}
        for name, setting in given.items():
            if setting.value == STDOUT:
                if stdout is not None:
                    other = given[stdout].origin
                    raise UsageError(
                        f"{setting.origin}: stdout is taken by {other} already", hint="give one of them a file"
                    )
                stdout = name
                continue
            path = setting.directory / setting.value
            _check_writable(path, setting)
            same = next((other for other, known in files.items() if _is_same(known, path)), None)
            if same is not None:
                raise UsageError(
                    f"{setting.origin}: `{path}` is the file of {given[same].origin} already",
                    hint="give each report a file of its own",
                )
            files[name] = path
        return cls(files, stdout or "text", _summary())

    def with_stdout(self, format_name: str) -> ReportFiles:
        """Return the same with another format than text on stdout, unless a report was sent there."""
        return replace(self, stdout=format_name) if self.stdout == "text" else self

    def write(self, result: RunResult | Comparison) -> list[str]:
        """Write every report; return a sentence for each that could not be, the summary's excepted, and go on."""
        failures = []
        for name, path in self.files.items():
            is_summary = self.summary is not None and _is_same(path, self.summary)
            try:
                if not is_summary:
                    path.write_text(render(result, name), encoding="utf-8")
                elif name != "markdown":
                    _append(path, render(result, name))
            except OSError as error:
                failures.append(
                    f"--{name}: `{path}` could not be written: {error.strerror}; "
                    f"{_again(result, name)} makes the report again"
                )
        return failures

    def write_summary(self, result: RunResult | Comparison) -> str | None:
        """Append the summary of a GitHub job; return why that could not be done."""
        if self.summary is None:
            return None
        try:
            _append(self.summary, render(result, "markdown"))
        except OSError as error:
            return f"{_GITHUB_SUMMARY}: `{self.summary}` could not be written: {error.strerror}"
        return None

    def show(self, result: RunResult | Comparison) -> None:
        """Print the report that goes to stdout."""
        click.echo(render(result, self.stdout), nl=False)


def _again(result: RunResult | Comparison, format_name: str) -> str:
    if isinstance(result, Comparison):
        return "the same command"
    return f"`lambdatune show {result.id} --format {format_name}`"


def _summary() -> Path | None:
    text = os.environ.get(_GITHUB_SUMMARY)
    return Path(text) if text else None


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.resolve() == other.resolve()
    except (OSError, RuntimeError):  # a loop of links
        return False


def _check_writable(path: Path, setting: Given) -> None:
    """Find out before the first call that a report cannot be written, not after the last; leave the path as it is."""
    try:
        is_new = not path.exists()
        if not (is_new or path.is_file()):
            why = "is a directory" if path.is_dir() else None if os.access(path, os.W_OK) else "cannot be written"
        else:
            path.open("ab").close()
            if is_new:
                path.unlink()
            why = None
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        strerror = error.strerror if isinstance(error, OSError) else error
        why = f"cannot be written: {strerror}"
    if why is not None:
        raise UsageError(f"{setting.origin}: `{path}` {why}", hint=_HINT)
