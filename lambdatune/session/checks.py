"""One line of the doctor's list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Section = Literal["credentials", "function", "permissions", "account", "host"]
State = Literal["ok", "missing", "not checked", "warning"]


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, and what was found.

    Attributes:
        section: what it belongs to.
        name: what was looked at: ``lambda:CreateFunction``, ``open files``.
        state: ``missing`` is what a run would fail for; ``warning`` is what a reader should know.
        detail: what was found; never a secret.
        hint: what to do about it.
    """

    section: Section
    name: str
    state: State
    detail: str
    hint: str | None = None
