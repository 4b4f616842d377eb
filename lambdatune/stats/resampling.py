"""Ratios of percentiles and of means of two samples whose values come in clusters.

**Percentiles.** Clusters (the calls of one execution environment, or of one order) are drawn again with replacement
on each side, and the logarithm of the ratio of the percentiles is taken of each draw (cluster bootstrap: Davison &
Hinkley, "Bootstrap Methods and their Application", 3.8). Its quantiles are the interval, stretched about the measured
ratio by ``sqrt(S / (S - 1)) t / z`` for the smaller number S of clusters, because a few clusters vary less among
themselves than those they stand for. A percentile that so many calls do not bound from above (the largest of n is
above the quantile q with a probability of only ``1 - q^n``) leaves the ratio unbounded on that side.

Of two samples of one distribution (log-normal, 8 to 50 clusters of 4 to 25 calls, spread between clusters up to 0.15)
at most 2 % of the intervals at 97.5 % lie beyond a margin of 3 % on one side; of 25 % more, 20 x 10 calls find 95 to
100 % (statistics.md 6, and the tests).

**Means.** The error of each mean allows for clusters (`lambdatune.stats.means`); that of the logarithm of their ratio
is the root of the sum of squares of the relative errors, with Welch and Satterthwaite's degrees of freedom.

**What the data cannot show.** All calls of one environment have its host in common. With few environments a spread
between them is supposed (`Sample.unseen`) and added to the interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.stats.comparison import Ratio
from lambdatune.stats.means import combined_error, student_quantile
from lambdatune.stats.summary import nearest_rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_DRAWS = 2_000
_FEWEST_DRAWS = 400
_MOST_WEIGHTS = 20_000_000
"""Values that are weighed over all draws at the most, before there are fewer draws: about 0.2 s."""
_CHUNK = 2_000_000
_FEWEST_BEYOND = 10
"""Draws beyond the end of an interval at the least; one that lies further out is reached as a normal one would be."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Values of one side.

    Attributes:
        values: above zero, shape ``(n,)``.
        clusters: which values may be alike, shape ``(n,)``; None: they are independent.
        unseen: supposed standard deviation of the logarithm of what all values have in common.
    """

    values: NDArray[np.float64]
    clusters: NDArray[np.int64] | None = None
    unseen: float = 0.0

    @property
    def independent(self) -> int:
        """How many clusters there are."""
        return len(self.values) if self.clusters is None else len(np.unique(self.clusters))


@dataclass(frozen=True, slots=True)
class Mean:
    """A figure that is a sum of independent means.

    Attributes:
        point: the figure, above zero.
        parts: standard error of each term, and how many independent values it rests on.
        unseen: as of `Sample`.
    """

    point: float
    parts: Sequence[tuple[float, int]]
    unseen: float = 0.0


def calls_that_bound(quantile: float, confidence: float) -> int:
    """Return how many independent calls bound a quantile from above, two-sided at `confidence`."""
    return math.ceil(math.log((1 - confidence) / 2) / math.log(quantile))


def quantile_ratios(
    figure: Sample, base: Sample, quantiles: Sequence[float], confidences: Sequence[float], rng: np.random.Generator
) -> list[Ratio | None]:
    """Return the ratio of each quantile of `figure` to that of `base`; None where one of them is not above zero.

    Args:
        figure: what is compared.
        base: what it is compared with, measured independently.
        quantiles: each between 0 and 1, both excluded.
        confidences: of the interval of each, two-sided.
        rng: draws the clusters.
    """
    if not len(figure.values) or not len(base.values):
        return [None] * len(quantiles)
    drawn = [_drawn(sample, quantiles, rng) for sample in (figure, base)]
    draws = min(len(drawn[0]), len(drawn[1]))
    fewest = min(figure.independent, base.independent)
    return [
        _ratio_of(figure, base, quantile, confidence, (drawn[0][:draws, at], drawn[1][:draws, at]), fewest)
        for at, (quantile, confidence) in enumerate(zip(quantiles, confidences, strict=True))
    ]


def mean_ratio(figure: Mean, base: Mean, confidence: float) -> Ratio | None:
    """Return the ratio of two means that were measured independently; None when one is not above zero."""
    if figure.point <= 0 or base.point <= 0:
        return None
    point = math.log(figure.point / base.point)
    if not figure.parts or not base.parts:
        return Ratio(math.exp(point), None, None)
    relative = [(error / side.point, count) for side in (figure, base) for error, count in side.parts]
    error, degrees = combined_error(relative)
    reach = math.hypot(student_quantile(confidence, degrees) * error, _unseen(figure, base, confidence))
    return Ratio(math.exp(point), math.exp(point - reach), math.exp(point + reach))


def spread_between(values: NDArray[np.float64], clusters: NDArray[np.int64]) -> float:
    """Return by how much the means of clusters differ as a share of the mean, beyond what their values make them.

    Standard deviation of a one-way random effects model (Searle, Casella & McCulloch, "Variance Components", 3.6);
    0 where there are fewer than two clusters of two values.

    Args:
        values: shape ``(n,)``.
        clusters: of each value, shape ``(n,)``.
    """
    _, index = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(index)
    chosen = sizes[index] >= 2
    values, index, sizes = values[chosen], np.unique(index[chosen], return_inverse=True)[1], sizes[sizes >= 2]
    groups, count = len(sizes), len(values)
    if groups < 2 or values.mean() <= 0:
        return 0.0
    means = np.bincount(index, weights=values) / sizes
    within = float(np.sum((values - means[index]) ** 2)) / (count - groups)
    between = float(np.sum(sizes * (means - values.mean()) ** 2)) / (groups - 1)
    each = (count - float(np.sum(sizes**2)) / count) / (groups - 1)
    return math.sqrt(max(between - within, 0.0) / each) / float(values.mean())


def _drawn(sample: Sample, quantiles: Sequence[float], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the quantiles of samples whose clusters are drawn again, shape ``(draws, len(quantiles))``."""
    order = np.argsort(sample.values, kind="stable")
    ordered = sample.values[order]
    count = len(ordered)
    if sample.clusters is None:
        cluster, clusters = order, count
    else:
        names, index = np.unique(sample.clusters, return_inverse=True)
        cluster, clusters = index[order], len(names)
    draws = int(np.clip(_MOST_WEIGHTS // count, _FEWEST_DRAWS, _DRAWS))
    found = np.empty((draws, len(quantiles)))
    step = max(_CHUNK // count, 1)
    for first in range(0, draws, step):
        wanted = min(step, draws - first)
        times = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=wanted).astype(np.int32)
        below = np.cumsum(times[:, cluster], axis=1, dtype=np.int32)
        for at, quantile in enumerate(quantiles):
            ranks = np.ceil(np.round(quantile * below[:, -1], 9)).astype(np.int32)
            found[first : first + wanted, at] = ordered[np.sum(below < ranks[:, None], axis=1)]
    return found


def _ratio_of(
    figure: Sample,
    base: Sample,
    quantile: float,
    confidence: float,
    drawn: tuple[NDArray[np.float64], NDArray[np.float64]],
    fewest: int,
) -> Ratio | None:
    ends = nearest_rank(figure.values, quantile), nearest_rank(base.values, quantile)
    if min(*ends, drawn[0].min(), drawn[1].min()) <= 0:
        return None
    point = math.log(ends[0] / ends[1])
    if fewest < 2:
        return Ratio(math.exp(point), None, None)
    half = max((1 - confidence) / 2, _FEWEST_BEYOND / len(drawn[0]))
    low, high = np.quantile(np.log(drawn[0] / drawn[1]), [half, 1 - half])
    few = math.sqrt(fewest / (fewest - 1)) * student_quantile(confidence, fewest - 1) / _normal(1 - 2 * half)
    unseen = _unseen(figure, base, confidence)
    down = math.hypot(max(point - float(low), 0.0) * few, unseen)
    up = math.hypot(max(float(high) - point, 0.0) * few, unseen)
    enough = calls_that_bound(quantile, confidence)
    return Ratio(
        math.exp(point),
        math.exp(point - down) if len(base.values) >= enough else None,
        math.exp(point + up) if len(figure.values) >= enough else None,
    )


def _normal(confidence: float) -> float:
    return student_quantile(confidence, 1e9)


def _unseen(figure: Sample | Mean, base: Sample | Mean, confidence: float) -> float:
    return _normal(confidence) * math.hypot(figure.unseen, base.unseen)
