"""What can go wrong, as sentences with a hint, and the exit code each kind ends the program with.

LambdatuneError
├── UsageError            2    an option, a profile or a value that cannot be right
├── InvalidMeasurement    6    the numbers would not describe the function
├── AwsRefused            7    credentials, permission, no such function
└── NotUndone             8    something is left behind
"""

from __future__ import annotations

import difflib
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class ExitCode(IntEnum):
    """How a command ended; part of the public contract (docs/reference.md)."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    TARGET_MISSED = 3
    REGRESSION = 4
    UNPROVEN = 5
    INVALID = 6
    AWS_REFUSED = 7
    NOT_UNDONE = 8
    INTERRUPTED = 130
    TERMINATED = 143


EXIT_MEANINGS = {
    ExitCode.OK: "every target is met (or none was set and the run completed)",
    ExitCode.INTERNAL: "internal error; or a report could not be written at the end of a run that went well",
    ExitCode.USAGE: "usage or profile error; nothing was called",
    ExitCode.TARGET_MISSED: "target missed: no size meets it",
    ExitCode.REGRESSION: "regression against the baseline",
    ExitCode.UNPROVEN: "unproven: the evidence was not in when the run ended",
    ExitCode.INVALID: "invalid measurement: throttled, or the load generator was late",
    ExitCode.AWS_REFUSED: "AWS refused: credentials, permission, no such function",
    ExitCode.NOT_UNDONE: "something could not be undone; what is left is named, with a command for each thing",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C, after writing what was measured and undoing what was changed",
    ExitCode.TERMINATED: "the same by SIGTERM or a closed terminal",
}
"""What each exit code tells the one who started the command."""


class LambdatuneError(Exception):
    """An error a user can act on: one sentence that names the thing, and what to do about it.

    Args:
        message: names the thing, what was expected and the nearest valid choice. No full stop at the end.
        hint: the next step, printed on a line of its own after ``hint:``.
        setting: name of the setting that is wrong, where it is one: a screen says it beside its field.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL

    def __init__(self, message: str, *, hint: str | None = None, setting: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.setting = setting


class UsageError(LambdatuneError):
    """An option, a profile key or a value that cannot be right."""

    exit_code = ExitCode.USAGE


class InvalidMeasurement(LambdatuneError):  # noqa: N818  the name says what is invalid
    """The numbers would describe the generator, the host or a throttle instead of the function."""

    exit_code = ExitCode.INVALID


class AwsRefused(LambdatuneError):  # noqa: N818  the name says who refused
    """AWS (or an endpoint that speaks like it) refused: credentials, permission, no such function."""

    exit_code = ExitCode.AWS_REFUSED

    def __init__(
        self, message: str, *, hint: str | None = None, code: str | None = None, setting: str | None = None
    ) -> None:
        super().__init__(message, hint=hint, setting=setting)
        self.code = code
        """AWS's error code, ``InvalidParameterValueException``, where there is one."""


class NotUndone(LambdatuneError):  # noqa: N818  the name says what is the matter
    """Something that a run created or changed could not be put back."""

    exit_code = ExitCode.NOT_UNDONE


def nearest(value: str, choices: Iterable[str]) -> str | None:
    """Return the choice that looks most like `value`, or None when none does."""
    matches = difflib.get_close_matches(value.casefold(), list(choices), n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(value: str, choices: Iterable[str]) -> str:
    """Return a hint that names the nearest choice, or all of them when none is near."""
    known = sorted(choices)
    match = nearest(value, known)
    return f"did you mean {match}?" if match else f"choose one of {', '.join(known)}"
