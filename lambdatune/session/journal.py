"""The journal: what a run is about to change, written and synced before it is changed.

One JSON object a line. ``begun`` says which process makes the run; ``intent`` is written before a change,
``undone`` after it was put back; an intent without an ``undone`` is what `restore` has to look at.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from lambdatune.model.change import Change  # noqa: TC001  read at runtime: it is what a line is decoded to
from lambdatune.model.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


class Journal:
    """Append-only record of changes in a file.

    Args:
        path: the file; created with the first entry.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, owner: str) -> None:
        """Write which process makes the run (`lambdatune.session.liveness`), so that no other undoes it meanwhile."""
        self._append({"event": "begun", "owner": owner})

    def intend(self, change: Change) -> None:
        """Write that `change` is about to be made; on return it is on the disk."""
        self._append({"event": "intent", "change": change})

    def undone(self, change: Change) -> None:
        """Write that `change` has been put back."""
        self._append({"event": "undone", "change": change})

    def pending(self) -> tuple[Change, ...]:
        """Return the changes not put back yet, last first: the order in which to undo them.

        A last line that was cut by a crash is left out: its change was not made yet.

        Raises:
            UsageError: when another line cannot be read.
        """
        open_changes: dict[Change, None] = {}
        for entry in self._entries():
            if entry.change is None:
                continue
            if entry.event == "intent":
                open_changes[entry.change] = None
            else:
                open_changes.pop(entry.change, None)
        return tuple(reversed(open_changes))

    def intents(self) -> tuple[Change, ...]:
        """Return every change that was ever about to be made, put back or not.

        Raises:
            UsageError: as `pending`.
        """
        return tuple(entry.change for entry in self._entries() if entry.change and entry.event == "intent")

    def owner(self) -> str | None:
        """Return which process makes the run, or made it last; None when nothing was written yet.

        Raises:
            UsageError: as `pending`.
        """
        return next((entry.owner for entry in reversed(self._entries()) if entry.owner), None)

    def _entries(self) -> list[_Entry]:
        if not self.path.exists():
            return []
        entries = []
        lines = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, start=1):
            if not line:
                continue
            try:
                entries.append(msgspec.json.decode(line, type=_Entry))
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                if number == len(lines):
                    break
                raise UsageError(
                    f"journal `{self.path}` line {number} cannot be read: {error}",
                    hint="look for functions named lambdatune-* and delete those of this run by hand",
                ) from error
        return entries

    def _append(self, entry: dict[str, Any]) -> None:
        data = msgspec.json.encode(entry) + b"\n"
        is_new = not self.path.exists()
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            _drop_cut_line(handle)
            os.write(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        if is_new:
            _sync_directory(self.path.parent)


class _Entry(msgspec.Struct):
    event: Literal["begun", "intent", "undone"]
    change: Change | None = None
    owner: str | None = None


def _drop_cut_line(handle: int) -> None:
    """Remove a last line without an end: what is written next would become part of it and be lost."""
    size = os.fstat(handle).st_size
    if size and os.pread(handle, 1, size - 1) != b"\n":
        os.ftruncate(handle, os.pread(handle, size, 0).rfind(b"\n") + 1)


def _sync_directory(path: Path) -> None:
    """Make sure that a new file is found after a power failure, too."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
