"""Where runs are kept: names, files, the list of runs, and the runs that still owe an undo."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import platformdirs

from lambdatune.model.errors import UsageError, nearest
from lambdatune.model.result import SCHEMA, RunResult
from lambdatune.session.journal import Journal

if TYPE_CHECKING:
    import datetime as dt

RUN_FILE = "run.json"
ROWS_FILE = "invocations.csv"
HISTOGRAM_FILE = "latency.hlog"
JOURNAL_FILE = "journal.jsonl"
ENVIRONMENTS_FILE = "environments.csv"
VARIANTS_FILE = "variants.json"
"""In the directory of a comparison: the runs of its variants lie beside it."""


def data_directory() -> Path:
    """Return lambdatune's directory below the user's data directory (``LAMBDATUNE_DATA`` overrides it)."""
    override = os.environ.get("LAMBDATUNE_DATA")
    return Path(override) if override else Path(platformdirs.user_data_dir("lambdatune", appauthor=False))


def default_output() -> Path:
    """Return the directory in which runs are kept when `--output` is not given."""
    return data_directory() / "runs"


def new_run_id(now: dt.datetime) -> str:
    """Return an id that sorts by time and is short enough for a function's name: ``20261123-151200-a1b2``."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


class RunDirectory:
    """The files of one run.

    Args:
        path: ``<output>/<run id>``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = Journal(path / JOURNAL_FILE)

    @classmethod
    def create(cls, output: Path, run_id: str) -> RunDirectory:
        """Make the directory of a new run.

        Raises:
            UsageError: when it cannot be made or written to.
        """
        path = (output / run_id).absolute()
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise UsageError(
                f"run directory `{path}` cannot be made: {error.strerror}",
                hint="choose another place with --output",
            ) from error
        return cls(path)

    @property
    def id(self) -> str:
        """The run's id."""
        return self.path.name

    @property
    def rows_path(self) -> Path:
        """The file of invocation rows."""
        return self.path / ROWS_FILE

    @property
    def environments_path(self) -> Path:
        """The file of execution environments."""
        return self.path / ENVIRONMENTS_FILE

    @property
    def histogram_path(self) -> Path:
        """The HdrHistogram log."""
        return self.path / HISTOGRAM_FILE

    def write(self, result: RunResult) -> None:
        """Replace run.json atomically: a reader sees the old one or the new one, never a part."""
        data = msgspec.json.format(msgspec.json.encode(result), indent=1)
        scratch = self.path / f".{RUN_FILE}.{os.getpid()}"
        scratch.write_bytes(data + b"\n")
        scratch.replace(self.path / RUN_FILE)

    def read(self) -> RunResult:
        """Return the run's result as it was last written.

        Raises:
            UsageError: when there is none, or it is not of this schema.
        """
        path = self.path / RUN_FILE
        try:
            result = msgspec.json.decode(path.read_bytes(), type=RunResult)
        except FileNotFoundError as error:
            raise UsageError(
                f"`{self.path}` is not a run: it has no {RUN_FILE}", hint="`lambdatune runs` lists runs"
            ) from error
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise UsageError(f"`{path}` cannot be read: {error}", hint=f"expected schema {SCHEMA}") from error
        return result


def list_runs(output: Path) -> list[RunDirectory]:
    """Return the runs below `output`, those of comparisons among them, oldest first."""
    if not output.is_dir():
        return []
    found: list[Path] = []
    for path in output.iterdir():
        if (path / RUN_FILE).is_file():
            found.append(path)
        elif (path / VARIANTS_FILE).is_file():
            found += [each for each in path.iterdir() if (each / RUN_FILE).is_file()]
    return [RunDirectory(path) for path in sorted(found, key=lambda path: path.name)]


def find_run(text: str, output: Path) -> RunDirectory:
    """Return the run that `text` names: a path, an id below `output`, the start of one, or ``latest``.

    Raises:
        UsageError: when no run, or more than one, is meant.
    """
    path = Path(text)
    if (path / RUN_FILE).is_file() or (path / JOURNAL_FILE).is_file():
        return RunDirectory(path.absolute())
    if path.name == RUN_FILE and path.is_file():
        return RunDirectory(path.absolute().parent)
    runs = {run.id: run for run in list_runs(output)}
    if text == "latest" and runs:
        return runs[max(runs)]
    matches = [run for run_id, run in runs.items() if run_id.startswith(text)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(
            f"`{text}` is the start of {len(matches)} runs",
            hint="give more of the id; `lambdatune runs` lists them",
        )
    match = nearest(text, runs)
    hint = f"did you mean {match}?" if match else f"`lambdatune runs` lists the runs below {output}"
    raise UsageError(f"run `{text}` was not found", hint=hint)


class OwedUndo:
    """Runs that may have left something behind, wherever their directories are.

    A file per run below the data directory, made before the run's first change and removed after the last
    was put back, so that `restore --all` also finds runs written elsewhere with `--output`.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or data_directory() / "owed"

    def note(self, run: RunDirectory) -> None:
        """Remember that `run` is about to change something."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / run.id).write_text(f"{run.path}\n", encoding="utf-8")

    def settle(self, run: RunDirectory) -> None:
        """Forget `run`: everything it changed has been put back."""
        (self.directory / run.id).unlink(missing_ok=True)

    def runs(self) -> list[RunDirectory]:
        """Return the runs that owe an undo, oldest first."""
        if not self.directory.is_dir():
            return []
        noted = sorted(self.directory.iterdir())
        return [RunDirectory(Path(note.read_text(encoding="utf-8").strip())) for note in noted]
