"""Duration against memory: what a few calls at a few sizes say about every other size.

A function of m MB has the share m / 1769 of a vCPU, given as a quota of ``20 m / 1769`` ms of CPU time in every
period of 20 ms (reference: peers-tuners.md, "What real measurements show"; the kernel's CFS bandwidth control). A
call that needs c ms of CPU time, and waits w ms for other things, takes

    w + 20 floor(c / Q) + c mod Q,    Q = 20 m / 1769

when its work begins with a fresh period: a staircase in m with an edge wherever Q passes c / 1, c / 2, ...
For c much longer than a period that is w + c 1769 / m, which is also what a call shows whose work begins
anywhere in a period. Above 1769 MB a share p of the CPU time may run on several vCPUs, so that c becomes
``c ((1 - p) + p 1769 / m)``.

The waiting time w, the parallel share p and which of the two forms (staircase, smooth) are chosen by least
squares on the logarithms of the means. The CPU time and its spread need no fit: every call, whatever its size, is
turned back into the CPU time it must have had, and those are pooled. Where no choice of w and p comes near to
what was measured, the function is one that the model does not know; what the model misses is then interpolated
between the measured sizes, so that the prediction goes through what was measured.

The model only chooses what to measure next. Nothing is recommended because of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.quantities import FULL_VCPU_MB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PERIOD_MS = 20.0
"""Length of a period of CPU quota."""

_WAIT_SHARES = np.concatenate([np.linspace(0, 0.9, 19), [0.94, 0.97, 0.99, 0.999]])
"""Waiting times that are tried, as shares of the shortest median."""

_PARALLEL_SHARES = np.array([0.0, 0.5, 0.8, 0.95, 1.0])
_QUANTILES = 32
_MISFIT = 0.04
"""A root mean square error of the logarithms above this, and above what noise explains, is a misfit."""

_SMALL_MS = 1e-3


def duration_ms(cpu_ms: Floats, quota_ms: Floats, *, staircase: bool) -> Floats:
    """Return how long CPU work takes, in ms, the arguments broadcast together.

    Args:
        cpu_ms: CPU time.
        quota_ms: CPU time in a period of 20 ms; a whole period or more never throttles.
        staircase: whether the work begins with a fresh period; otherwise anywhere in one.
    """
    quota = np.minimum(quota_ms, PERIOD_MS)
    if not staircase:
        return np.asarray(cpu_ms * (PERIOD_MS / quota))
    periods = np.floor(cpu_ms / quota)
    return np.asarray(cpu_ms + periods * (PERIOD_MS - quota))


def cpu_ms_of(busy_ms: Floats, quota_ms: Floats, *, staircase: bool) -> Floats:
    """Return the CPU time of work that took `busy_ms`: the inverse of `duration_ms`."""
    quota = np.minimum(quota_ms, PERIOD_MS)
    if not staircase:
        return np.asarray(busy_ms * (quota / PERIOD_MS))
    periods = np.floor(busy_ms / PERIOD_MS)
    return np.asarray(periods * quota + np.minimum(busy_ms - periods * PERIOD_MS, quota))


@dataclass(frozen=True, slots=True)
class Shape:
    """A fitted curve of duration against memory.

    Attributes:
        wait_ms: waiting time w.
        parallel: share p of the CPU time that runs on several vCPUs.
        staircase: which form.
        cpu_ms: quantiles of the pooled CPU times, ascending, shape ``(k,)``.
        pool_ms: the pooled CPU times themselves, ascending, shape ``(n,)``.
        sizes_mb: measured sizes, ascending, shape ``(s,)``.
        missed: natural logarithm of measured over predicted mean at those sizes; zeros where the model fits.
    """

    wait_ms: float
    parallel: float
    staircase: bool
    cpu_ms: Floats
    pool_ms: Floats
    sizes_mb: Floats
    missed: Floats

    @property
    def fits(self) -> bool:
        """Whether the model explains what was measured."""
        return not self.missed.any()

    def durations_ms(self, memory_mb: Floats) -> Floats:
        """Return quantiles of the duration in ms at each size, shape ``(sizes, k)``."""
        sizes = np.asarray(memory_mb, dtype=np.float64)[:, None]
        work = self.cpu_ms * _parallel_factor(sizes, self.parallel)
        busy = duration_ms(work, PERIOD_MS * sizes / FULL_VCPU_MB, staircase=self.staircase)
        return np.asarray((self.wait_ms + busy) * self._correction(sizes))

    def slow_calls(self, memory_mb: Floats, threshold_ms: float) -> Floats:
        """Return how many of the pooled calls would take longer than a threshold at each size."""
        sizes = np.asarray(memory_mb, dtype=np.float64)
        busy_ms = np.maximum(threshold_ms / self._correction(sizes) - self.wait_ms, 0.0)
        most_ms = cpu_ms_of(busy_ms, PERIOD_MS * sizes / FULL_VCPU_MB, staircase=self.staircase)
        most_ms /= _parallel_factor(sizes, self.parallel)
        return np.asarray(len(self.pool_ms) - np.searchsorted(self.pool_ms, most_ms, side="right"), dtype=np.float64)

    def _correction(self, sizes: Floats) -> Floats:
        return np.asarray(np.exp(np.interp(np.log(sizes), np.log(self.sizes_mb), self.missed)))


def fit_shape(times_ms: Mapping[int, Floats]) -> Shape:
    """Return the curve that fits best.

    Args:
        times_ms: memory size in MB to the durations measured there, all finite and above zero, one at least; one
            size at least.
    """
    sizes = np.array(sorted(times_ms), dtype=np.float64)
    samples = [np.maximum(times_ms[int(size)], _SMALL_MS) for size in sizes]
    means, errors = _means_and_errors(samples)
    pooled, at = _pool(sizes, samples)
    waits = _WAIT_SHARES * min(float(np.median(sample)) for sample in samples)
    parallels = _PARALLEL_SHARES if sizes[-1] > FULL_VCPU_MB and len(sizes) > 1 else _PARALLEL_SHARES[:1]
    grid_wait, grid_parallel = (axis.reshape(-1, 1) for axis in np.meshgrid(waits, parallels, indexing="ij"))

    best: tuple[float, int, bool, Floats, Floats] | None = None
    for staircase in (True, False):
        cpu = _pooled_cpu(pooled, at, grid_wait, grid_parallel, staircase=staircase)
        predicted = _means(cpu, sizes, grid_wait, grid_parallel, staircase=staircase)
        missed = np.log(means) - np.log(predicted)
        loss = np.sum((missed / errors) ** 2, axis=1)
        index = int(np.argmin(loss))
        if best is None or loss[index] < best[0]:
            best = float(loss[index]), index, staircase, cpu[index], missed[index]
    assert best is not None
    loss, index, staircase, cpu, missed = best
    misfit = loss > _NOISE_LOSS * len(sizes) and float(np.sqrt(np.mean(missed**2))) > _MISFIT
    # What noise alone would miss is not believed (James and Stein's shrinkage, size by size).
    believed = missed * np.maximum(1 - (errors / np.maximum(np.abs(missed), 1e-9)) ** 2, 0.0)
    wait_ms, parallel = float(grid_wait[index, 0]), float(grid_parallel[index, 0])
    busy = np.maximum(pooled - wait_ms, _SMALL_MS)
    pool = cpu_ms_of(busy, PERIOD_MS * at / FULL_VCPU_MB, staircase=staircase) / _parallel_factor(at, parallel)
    return Shape(
        wait_ms=wait_ms,
        parallel=parallel,
        staircase=staircase,
        cpu_ms=np.sort(cpu),
        pool_ms=np.sort(pool),
        sizes_mb=sizes,
        missed=believed if misfit else np.zeros_like(missed),
    )


_MOST_POOLED = 400
"""Calls that are turned back into CPU times; more cost time and change little."""

_NOISE_LOSS = 4.0
"""Squared errors per size, in units of the noise's variance, that are still called noise."""


def _means_and_errors(samples: list[Floats]) -> tuple[Floats, Floats]:
    """Return the mean of each sample and the standard error of its logarithm, which few calls do not make small."""
    means = np.array([sample.mean() for sample in samples])
    spread = np.array([sample.std(ddof=1) / sample.mean() if len(sample) > 1 else 0.3 for sample in samples])
    counts = np.array([len(sample) for sample in samples])
    return means, np.sqrt(np.maximum(spread, np.median(spread)) ** 2 / counts + 0.005**2)


def _pool(sizes: Floats, samples: list[Floats]) -> tuple[Floats, Floats]:
    """Return calls of all sizes, spread evenly over them, and the size of each."""
    pooled = np.concatenate(samples)
    at = np.repeat(sizes, [len(sample) for sample in samples])
    if len(pooled) > _MOST_POOLED:
        kept = np.linspace(0, len(pooled) - 1, _MOST_POOLED).astype(int)
        pooled, at = pooled[kept], at[kept]
    return pooled, at


def _parallel_factor(sizes: Floats, parallel: Floats | float) -> Floats:
    vcpus = np.maximum(sizes / FULL_VCPU_MB, 1.0)
    return np.asarray(1 - parallel + parallel / vcpus)


def _pooled_cpu(pooled: Floats, at: Floats, wait: Floats, parallel: Floats, *, staircase: bool) -> Floats:
    """Return quantiles of the pooled CPU times for each choice of w and p, shape ``(choices, k)``."""
    busy = np.maximum(pooled - wait, _SMALL_MS)
    cpu = cpu_ms_of(busy, PERIOD_MS * at / FULL_VCPU_MB, staircase=staircase) / _parallel_factor(at, parallel)
    ordered = np.sort(cpu, axis=1)
    count = ordered.shape[1]
    if count <= _QUANTILES:
        return np.asarray(ordered)
    # The mean of each of k slices of the ordered times: their mean is that of all, tails included.
    edges = np.linspace(0, count, _QUANTILES + 1).astype(int)
    return np.asarray(np.add.reduceat(ordered, edges[:-1], axis=1) / np.diff(edges))


def _means(cpu: Floats, sizes: Floats, wait: Floats, parallel: Floats, *, staircase: bool) -> Floats:
    """Return the mean duration at each size for each choice of w and p, shape ``(choices, sizes)``."""
    work = cpu[:, :, None] * _parallel_factor(sizes, parallel)[:, None, :]
    busy = duration_ms(work, PERIOD_MS * sizes / FULL_VCPU_MB, staircase=staircase)
    return np.asarray(wait + busy.mean(axis=1))
