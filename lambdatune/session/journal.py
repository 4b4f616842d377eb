"""The journal: what a run is about to change, written and synced before it is changed.

One JSON object a line. ``intent`` is written before a change, ``undone`` after it was put back; an intent
without an ``undone`` is what `restore` has to look at.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from lambdatune.model.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["create-function", "create-log-group"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a change is made: enough to reach it again, without any credential.

    Attributes:
        embedded_pid: pid of the run's own embedded endpoint, which takes all it holds along when it ends.
    """

    region: str
    endpoint_url: str | None = None
    aws_profile: str | None = None
    embedded_pid: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that exists, or differs, because of a run."""

    kind: Kind
    name: str
    place: Place

    def __str__(self) -> str:
        """Return the change as a person names it."""
        return f"{self.kind.removeprefix('create-').replace('-', ' ')} `{self.name}` in {self.place.region}"

    def command(self) -> str:
        """Return the AWS CLI command that undoes the change by hand."""
        service = (
            f"lambda delete-function --function-name {self.name}"
            if self.kind == "create-function"
            else f"logs delete-log-group --log-group-name {self.name}"
        )
        endpoint = f" --endpoint-url {self.place.endpoint_url}" if self.place.endpoint_url else ""
        return f"aws {service} --region {self.place.region}{endpoint}"


class Journal:
    """Append-only record of changes in a file.

    Args:
        path: the file; created with the first entry.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

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
        if not self.path.exists():
            return ()
        open_changes: dict[Change, None] = {}
        lines = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, start=1):
            if not line:
                continue
            try:
                entry = msgspec.json.decode(line, type=_Entry)
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                if number == len(lines):
                    break
                raise UsageError(
                    f"journal `{self.path}` line {number} cannot be read: {error}",
                    hint="look for functions named lambdatune-* and delete those of this run by hand",
                ) from error
            if entry.event == "intent":
                open_changes[entry.change] = None
            else:
                open_changes.pop(entry.change, None)
        return tuple(reversed(open_changes))

    def _append(self, entry: dict[str, Any]) -> None:
        data = msgspec.json.encode(entry) + b"\n"
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)


class _Entry(msgspec.Struct):
    event: Literal["intent", "undone"]
    change: Change
