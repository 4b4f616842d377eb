"""How a measurement ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lambdatune.session.generator import GeneratorRecord

EndedBy = Literal["evidence", "limit", "interrupt"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a measurement ended, and what was seen of the generator.

    Attributes:
        ended_by: the search was satisfied, a limit was reached, or it was stopped.
        ended_because: the limit, in words.
        generator: what was seen of it.
    """

    ended_by: EndedBy = "evidence"
    ended_because: str | None = None
    generator: GeneratorRecord = field(default_factory=GeneratorRecord)
