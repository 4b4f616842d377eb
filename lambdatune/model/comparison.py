"""Two cells compared: how far their figures are apart, and the word for it. Part of run.json and of the reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lambdatune.model.target import ClockName  # noqa: TC001  msgspec reads the annotations

Word = Literal["faster", "slower", "cheaper", "dearer", "no difference shown", "not known"]


@dataclass(frozen=True, slots=True)
class Effect:
    """One figure of two cells.

    Attributes:
        measure: a percentile (``p50``, ``p95``, ``p99_9``) of the pair's population and clock in ms, or ``cost`` in
            dollars per million calls at the plan's cold rate.
        base: of the one that is compared with; None when it is not known.
        figure: of the other.
        ratio: `figure` over `base`; None when one of them is not known.
        low: lower end of the ratio's interval; None when the calls do not bound it.
        high: upper end.
        word: what the interval shows beyond the margin.
    """

    measure: str
    base: float | None
    figure: float | None
    ratio: float | None
    low: float | None
    high: float | None
    word: Word


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """What is shown of one cell against another: whether it is faster or slower, and whether cheaper or dearer.

    Attributes:
        base: name of the variant or run that is compared with.
        other: name of the one that is told about.
        base_memory_mb: size of the base.
        other_memory_mb: size of the other.
        population: which calls the times are of.
        clock: which clock they are on.
        margin: a ratio nearer to 1 than this is no difference in practice; 0.03 is 3 %.
        confidence: that both questions together, time and cost, are answered without a false difference. They share
            the error: each interval is at ``1 - (1 - confidence) / 2``.
        time: at the percentile that the targets name, the highest that the calls of both sides bound.
        cost: per million calls.
        effects: all that were looked at, with intervals as of the two; no verdict rests on them.
        sentence: the verdict in words.
        cautions: what a reader should know, in sentences.
    """

    base: str
    other: str
    base_memory_mb: int
    other_memory_mb: int
    population: Literal["warm", "cold"]
    clock: ClockName
    margin: float
    confidence: float
    time: Effect
    cost: Effect
    effects: tuple[Effect, ...]
    sentence: str
    cautions: tuple[str, ...] = ()

    @property
    def shows_difference(self) -> bool:
        """Whether one of the two questions is answered with a difference."""
        return not {self.time.word, self.cost.word} <= {"no difference shown", "not known"}
