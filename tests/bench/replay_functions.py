"""Functions to search: made up ones of every kind, and those of the measured tables."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.model.invocation import Start
from lambdatune.pricing.cost import Tariff
from lambdatune.stats.rows import empty_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambdatune.stats.rows import Rows

    Floats = NDArray[np.float64]

TABLE = Path(__file__).parent / "data" / "functions-by-memory.csv"
TARIFF = Tariff.of("us-east-1", "x86_64")
FULL_VCPU_MB = 1769
PERIOD_MS = 20.0
TEN_SIZES = (128, 192, 256, 384, 512, 768, 1024, 1536, 1769, 3008)
POWERS_OF_TWO = (128, 256, 512, 1024, 2048)


@dataclass(frozen=True)
class Function:
    """A function whose times are drawn; all its truth is known.

    Attributes:
        kind: for the tables of the bench.
        cpu_ms: CPU time of a usual call.
        wait_ms: time that no memory shortens.
        parallel: share of the CPU time that runs on all vCPUs.
        sigma: of the logarithm of the CPU time; of the whole time with `noisy_whole`.
        tail_share: share of calls that take `tail_factor` times as long.
        staircase: work begins with a fresh quota period; otherwise anywhere in one.
        fresh_share: with `staircase`, share of calls for which that is so.
        environment_sigma: between environments, of the logarithm; an environment serves 25 calls.
        drift: change of the logarithm over 1,000 calls.
        table: measured mean ms by size, instead of the CPU model.
    """

    kind: str
    cpu_ms: float = 0.0
    wait_ms: float = 0.0
    parallel: float = 0.0
    sigma: float = 0.1
    tail_share: float = 0.0
    tail_factor: float = 1.0
    staircase: bool = False
    fresh_share: float = 1.0
    environment_sigma: float = 0.0
    drift: float = 0.0
    noisy_whole: bool = False
    table: tuple[tuple[int, float], ...] = ()

    def times_ms(self, memory_mb: float, uniform: Floats, normal: Floats) -> Floats:
        """Return durations from a uniform and a normal variate per call, all of one shape."""
        factor = np.exp(self.sigma * normal) * np.where(uniform < self.tail_share, self.tail_factor, 1.0)
        if self.table:
            return dict(self.table)[int(memory_mb)] * factor
        vcpus = max(memory_mb / FULL_VCPU_MB, 1.0)
        cpu = self.cpu_ms * ((1 - self.parallel) + self.parallel / vcpus)
        if not self.noisy_whole:
            cpu = cpu * factor
        quota = min(PERIOD_MS * memory_mb / FULL_VCPU_MB, PERIOD_MS)
        smooth = cpu * (PERIOD_MS / quota)
        busy = smooth
        if self.staircase:
            stairs = cpu + np.floor(cpu / quota) * (PERIOD_MS - quota)
            busy = np.where((uniform * 7919) % 1 < self.fresh_share, stairs, smooth)
        total = self.wait_ms + busy
        return np.asarray(total * factor if self.noisy_whole else total, dtype=np.float64)

    def truth(self, memory_mb: float) -> Floats:
        """Return a large ordered sample of durations, without clustering and drift."""
        return np.sort(self.times_ms(memory_mb, _UNIFORM, _NORMAL))

    def cost(self, memory_mb: int) -> float:
        """Return the true mean dollars per million calls."""
        times_ms = self.times_ms(memory_mb, _UNIFORM, _NORMAL)
        return TARIFF.per_million(float(np.ceil(times_ms).mean()), memory_mb)

    def slow_share(self, memory_mb: int, threshold_ms: float) -> float:
        """Return the true share of calls over a threshold."""
        return float(np.mean(self.times_ms(memory_mb, _UNIFORM, _NORMAL) > threshold_ms))

    def percentile(self, memory_mb: int, quantile: float) -> float:
        """Return the true quantile in ms."""
        ordered = self.truth(memory_mb)
        return float(ordered[math.ceil(quantile * len(ordered)) - 1])


_RNG = np.random.default_rng(20_261_123)
_N = 40_000
_UNIFORM = _RNG.permutation((np.arange(_N) + 0.5) / _N)
_NORMAL = _RNG.standard_normal(_N)


class Caller:
    """Makes calls of a function, as invocation rows."""

    def __init__(self, function: Function, seed: int) -> None:
        self.function = function
        self.rng = np.random.default_rng(seed)
        self.calls = 0
        self._served: dict[int, int] = {}
        self._environment: dict[int, float] = {}

    def call(self, memory_mb: int, calls: int, *, cold: bool = False) -> Rows:
        """Return the rows of so many warm calls (or cold ones, with 150 ms of init)."""
        times_ms = self.durations(memory_mb, calls)
        rows = empty_rows(calls)
        rows["start"] = Start.COLD if cold else Start.WARM
        if cold:
            rows["init_ms"] = 150.0
        rows["duration_ms"] = times_ms
        rows["billed_ms"] = np.ceil(times_ms + (150.0 if cold else 0.0))
        rows["intended_ns"] = 1
        rows["sent_ns"] = 1
        rows["done_ns"] = 1 + (times_ms * 1e6).astype(np.int64)
        return rows

    def durations(self, memory_mb: int, calls: int) -> Floats:
        """Return durations in ms, in the order of the calls."""
        function = self.function
        times_ms = function.times_ms(memory_mb, self.rng.random(calls), self.rng.standard_normal(calls))
        if function.environment_sigma:
            times_ms = times_ms * np.array([self._host(memory_mb) for _ in range(calls)])
        if function.drift:
            times_ms = times_ms * np.exp(function.drift * (self.calls + np.arange(calls)) / 1000)
        self.calls += calls
        return times_ms

    def _host(self, memory_mb: int) -> float:
        if self._served.get(memory_mb, 0) % 25 == 0:
            self._environment[memory_mb] = float(np.exp(self.function.environment_sigma * self.rng.standard_normal()))
        self._served[memory_mb] = self._served.get(memory_mb, 0) + 1
        return self._environment[memory_mb]


def reference_function(rng: np.random.Generator) -> Function:
    """Return one of the functions of statistics.md 5.3: CPU, I/O or mixed, sigma .05-.25, tails 0-1.2 % x 1.5-4."""
    kind = ("cpu", "io", "mixed")[int(rng.integers(3))]
    cpu_ms = {"cpu": 1.0, "io": 0.05, "mixed": 0.5}[kind] * math.exp(rng.uniform(math.log(20), math.log(400)))
    wait_ms = {"cpu": 0.0, "io": 1.0, "mixed": 0.5}[kind] * math.exp(rng.uniform(math.log(20), math.log(400)))
    return Function(
        kind, cpu_ms, wait_ms, sigma=rng.uniform(0.05, 0.25), tail_share=rng.uniform(0, 0.012),
        tail_factor=rng.uniform(1.5, 4), noisy_whole=True,
    )  # fmt: skip


def varied_function(rng: np.random.Generator) -> Function:
    """Return a function of any kind: those of the reference, and staircases, several cores, heavy tails, clusters."""
    base = reference_function(rng)
    change = int(rng.integers(8))
    if change == 0:
        return replace(base, kind="staircase", cpu_ms=rng.uniform(3, 80), staircase=True, noisy_whole=False)
    if change == 1:
        return replace(base, kind="multi-core", parallel=rng.uniform(0.5, 1))
    if change == 2:
        return replace(base, kind="heavy tail", tail_share=rng.uniform(0.01, 0.04), tail_factor=rng.uniform(2, 10))
    if change == 3:
        return replace(base, kind="clustered", environment_sigma=base.sigma)
    if change == 4:
        return replace(base, kind="drift", drift=rng.uniform(-0.1, 0.1))
    return base


def staircase_function(rng: np.random.Generator) -> Function:
    """Return a short function whose duration is a staircase in memory."""
    return Function(
        "staircase", cpu_ms=math.exp(rng.uniform(math.log(2), math.log(120))),
        wait_ms=float(rng.choice([0.0, 0.0, rng.uniform(0, 10)])), sigma=rng.uniform(0.01, 0.12), staircase=True,
        parallel=float(rng.choice([0.0, 0.0, 0.8])), fresh_share=float(rng.choice([1.0, 1.0, rng.uniform(0.7, 1.0)])),
    )  # fmt: skip


def with_target(rng: np.random.Generator, function: Function, sizes: tuple[int, ...], percentile: float) -> float:
    """Return a threshold 5 to 40 % above the true percentile at one of the sizes."""
    size = sizes[int(rng.integers(len(sizes)))]
    return function.percentile(size, percentile / 100) * rng.uniform(1.05, 1.4)


def measured_functions() -> list[Function]:
    """Return the warm functions of the measured tables; noise and tail are made so that p99 / mean is as measured."""
    groups: dict[tuple[str, ...], dict[int, tuple[float, float]]] = {}
    with TABLE.open() as file:
        for row in csv.DictReader(file):
            if row["start"] == "warm" and row["p99_ms"] and float(row["mean_ms"]) > 0:
                key = (row["workload"], row["runtime"], row["arch"])
                groups.setdefault(key, {})[int(row["memory_mb"])] = float(row["mean_ms"]), float(row["p99_ms"])
    functions = []
    for key, sizes in sorted(groups.items()):
        if len(sizes) < 4:
            continue
        ratios = [math.log(max(p99 / mean, 1.02)) for mean, p99 in sizes.values()]
        sigma = min(float(np.median(ratios)) / 2.326, 0.4)
        functions.append(
            Function(" ".join(key), sigma=sigma, table=tuple(sorted((mb, mean) for mb, (mean, _) in sizes.items())))
        )
    return functions
