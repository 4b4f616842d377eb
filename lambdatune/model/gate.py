"""A run held against a baseline: what was checked, and whether it is a regression. Part of run.json and the reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GateOutcome = Literal["no regression shown", "regression", "inconclusive"]
Inconclusive = Literal["pass", "fail"]


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One figure of one size, held against the baseline's.

    Attributes:
        memory_mb: the size.
        measure: a percentile (``warm.duration.p95``) in ms, ``cost`` in dollars per million calls, or ``errors`` as a
            share of the calls.
        base: of the baseline; None when it is not known.
        figure: of the run.
        ratio: `figure` over `base`; None where that says nothing, as of errors.
        low: lower confidence bound of the ratio, which is held against the margin; None when the calls do not bound it.
        high: upper confidence bound.
        margin: a ratio up to ``1 + margin`` is no regression in practice.
        outcome: what is shown.
        sentence: the same in words, with what is missing where it is inconclusive.
    """

    memory_mb: int
    measure: str
    base: float | None
    figure: float | None
    ratio: float | None
    low: float | None
    high: float | None
    margin: float
    outcome: GateOutcome
    sentence: str


@dataclass(frozen=True, slots=True)
class Drift:
    """Whether a figure crept over the last runs, in steps that no gate would see.

    Attributes:
        memory_mb: the size.
        measure: ``warm.duration.p50``.
        runs: ids, oldest first.
        figures: of each run in ms.
        change: of the whole span by the median slope between runs (Theil and Sen), as a share of the first; None for
            fewer than two runs.
        p_value: of so clear an order in runs that do not creep (Mann and Kendall); None for too few runs to tell.
        outcome: ``slower`` or ``faster`` when a change is shown that matters, else ``steady``; ``too few runs``.
        sentence: the same in words.
    """

    memory_mb: int
    measure: str
    runs: tuple[str, ...]
    figures: tuple[float, ...]
    change: float | None
    p_value: float | None
    outcome: Literal["slower", "faster", "steady", "too few runs"]
    sentence: str


@dataclass(frozen=True, slots=True)
class GateReport:
    """What a gate says of a run.

    Attributes:
        baseline: id of the run that it was held against.
        baseline_started: when that was measured.
        margin: see `GateCheck`.
        confidence: that a run which is no slower, dearer or more faulty gets no regression at all.
        inconclusive: whether what is inconclusive passes.
        outcome: regression when one check is one; inconclusive when nothing was to be checked, or a check is.
        sentence: the same in words.
        checks: all, size by size.
        not_gated: why other sizes were not held against the baseline, in sentences.
        looks: how often the calls were looked at: a second time after a red was measured again.
        measured_again: what was found at the first look, in sentences.
        cautions: what a reader should know.
        drift: over the last runs; no part of the outcome.
    """

    baseline: str
    baseline_started: str
    margin: float
    confidence: float
    inconclusive: Inconclusive
    outcome: GateOutcome
    sentence: str
    checks: tuple[GateCheck, ...]
    not_gated: tuple[str, ...] = ()
    looks: int = 1
    measured_again: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    drift: tuple[Drift, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether a build goes on."""
        return self.outcome == "no regression shown" or (self.outcome == "inconclusive" and self.inconclusive == "pass")
