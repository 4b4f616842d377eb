"""The replay bench: thousands of seeded searches on functions whose truth is known.

    python tests/bench/replay.py            a few minutes
    python tests/bench/replay.py --quick    half a minute
    python tests/bench/replay.py --seed 7   another set of functions (parameters were set on seeds 1 to 3)

It prints what the search does with its calls beside the usual practice (a fixed grid, as many calls for every size,
the trimmed mean for the cost, the empirical percentile against the target): regret in true cost, recommendations
that violate the target in truth, calls, and how often there is no answer.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtri

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).parents[1]))
from bench.replay_functions import (
    POWERS_OF_TWO,
    TARIFF,
    TEN_SIZES,
    Caller,
    Function,
    measured_functions,
    reference_function,
    staircase_function,
    varied_function,
    with_target,
)
from lambdatune.model.cell import Cell
from lambdatune.model.memory import MemoryChoice, parse_memory
from lambdatune.model.plan import FunctionSource, Plan
from lambdatune.model.result import Recommendation
from lambdatune.model.target import Target
from lambdatune.recommend.cell_evidence import CellEvidence
from lambdatune.recommend.decide import recommend
from lambdatune.recommend.evidence import Evidence
from lambdatune.recommend.outstanding import played
from lambdatune.recommend.search import TuningSearch
from lambdatune.recommend.sizes import spread_sizes
from lambdatune.stats.certificate import SequentialTest
from lambdatune.stats.intervals import percentile_interval
from lambdatune.stats.stopping import PATHS


@dataclass
class Outcome:
    """A search that has ended."""

    advice: Recommendation
    evidence: Evidence
    calls: int
    caller: Caller
    search: TuningSearch


def plan_of(memory: MemoryChoice, targets: tuple[Target, ...], seed: int, **rest: object) -> Plan:
    settings: dict[str, object] = {"cold_starts": 0, "cold_rate": 0.0, "seed": seed, **rest}
    return Plan(FunctionSource("f"), memory, targets, **settings)  # type: ignore[arg-type]


def search(function: Function, plan: Plan, seed: int, most_calls: int = 100_000) -> Outcome:
    """Let the search measure `function`, exactly as a session would, and return its advice."""
    cells = [Cell("f", size, "x86_64", "python3.12") for size in spread_sizes(plan.memory)]
    evidence = Evidence(cells, plan, TARIFF)
    tuning = TuningSearch(plan, cold_batch=10)
    caller = Caller(function, seed)
    calls = 0
    while calls < most_calls and (block := tuning.next_block(evidence)):
        for ask in block:
            cell = evidence[evidence.index_of(ask.memory_mb)]
            cell.add(caller.call(ask.memory_mb, ask.calls, cold=ask.cold), cold=ask.cold)
            calls += ask.calls
    return Outcome(recommend(evidence, plan, current_memory_mb=1024), evidence, calls, caller, tuning)


def usual_practice(
    function: Function, sizes: tuple[int, ...], target: Target | None, calls: int, seed: int
) -> int | None:
    """Return the size that a fixed grid with trimmed means and empirical percentiles picks; None for none."""
    caller = Caller(function, seed)
    best: tuple[float, int] | None = None
    for size in sizes:
        times_ms = np.sort(caller.durations(size, calls))
        if target is not None:
            rank = int(np.ceil(target.quantile * calls)) - 1
            if times_ms[rank] > target.threshold_ms:
                continue
        cut = calls // 5
        trimmed = times_ms[cut : calls - cut].mean()
        cost = TARIFF.per_million(float(np.ceil(trimmed)), size)
        if best is None or cost < best[0]:
            best = cost, size
    return None if best is None else best[1]


def best_cost(function: Function, sizes: tuple[int, ...], target: Target | None) -> float | None:
    """Return the true cost of the true best size; None when no size meets the target."""
    costs = [
        function.cost(size)
        for size in sizes
        if target is None or function.slow_share(size, target.threshold_ms) <= target.exceedance
    ]
    return min(costs, default=None)


@dataclass
class Score:
    """What became of many searches of one method."""

    name: str
    regrets: list[float]
    calls: list[int]
    runs: int = 0
    violations: int = 0
    unanswered: int = 0

    def line(self) -> str:
        regrets = 100 * np.array(self.regrets or [np.nan])
        return (
            f"{self.name:26s} {self.runs:5d}  {100 * self.violations / self.runs:9.2f} %"
            f"  {100 * self.unanswered / self.runs:8.1f} %  {np.median(self.calls):7.0f} {np.mean(self.calls):7.0f}"
            f" {np.quantile(self.calls, 0.9):7.0f}  {regrets.mean():7.2f} % {np.quantile(regrets, 0.95):7.2f} %"
        )


HEADER = (
    f"{'method':26s} {'runs':>5s}  {'violations':>11s}  {'no answer':>10s}  {'median':>7s} {'mean':>7s} {'p90':>7s}"
    f"  {'regret':>9s} {'p95':>9s}"
)


def targets_over_ten_sizes(runs: int, seed: int, percentile: float, make=reference_function) -> dict[str, Score]:
    """Search with a target over ten sizes; compare with 10, 20 and 100 calls a size."""
    scores = {"lambdatune": Score("lambdatune", [], [])}
    scores |= {f"grid, {calls} a size": Score(f"grid, {calls} a size", [], []) for calls in (10, 20, 100)}
    for run in range(runs):
        rng = np.random.default_rng([seed, run, int(percentile)])
        function = make(rng)
        target = Target("warm", "duration", percentile, with_target(rng, function, TEN_SIZES, percentile))
        plan = plan_of(MemoryChoice(TEN_SIZES, TEN_SIZES[0], TEN_SIZES[-1]), (target,), run)
        truth = best_cost(function, TEN_SIZES, target)
        outcome = search(function, plan, run)
        _note(scores["lambdatune"], function, target, outcome.advice.memory_mb, outcome.calls, truth)
        if outcome.advice.status == "unproven":
            assert outcome.advice.to_be_sure is not None
        for calls in (10, 20, 100):
            size = usual_practice(function, TEN_SIZES, target, calls, run)
            _note(scores[f"grid, {calls} a size"], function, target, size, calls * len(TEN_SIZES), truth)
    return scores


def _note(
    score: Score, function: Function, target: Target | None, size: int | None, calls: int, truth: float | None
) -> None:
    score.runs += 1
    score.calls.append(calls)
    if size is None:
        score.unanswered += truth is not None
    elif target is not None and function.slow_share(size, target.threshold_ms) > target.exceedance:
        score.violations += 1
    elif truth is not None:
        score.regrets.append(function.cost(size) / truth - 1)


def staircases(runs: int, seed: int) -> dict[str, Score]:
    """Search 128-3008 without a target; compare with powers of two at 100 calls a size."""
    scores = {name: Score(name, [], []) for name in ("lambdatune", "powers of two, 100 a size")}
    memory = parse_memory("128-3008")
    every = np.arange(128, 3009)
    worse: list[float] = []
    for run in range(runs):
        function = staircase_function(np.random.default_rng([seed, run]))
        truth = _least_cost(function, every)
        outcome = search(function, plan_of(memory, (), run), run)
        _note(scores["lambdatune"], function, None, outcome.advice.memory_mb, outcome.calls, truth)
        size = usual_practice(function, POWERS_OF_TWO, None, 100, run)
        _note(scores["powers of two, 100 a size"], function, None, size, 100 * len(POWERS_OF_TWO), truth)
        worse.append(scores["lambdatune"].regrets[-1] - scores["powers of two, 100 a size"].regrets[-1])
    ours, theirs = (np.sort(score.regrets) for score in scores.values())
    mean, late, often = np.mean(worse), np.quantile(worse, 0.95), np.mean(np.array(worse) > 0.01)
    print(
        f"\nstaircases: regret beyond that of the powers of two: mean {100 * mean:.2f} %, p95 {100 * late:.2f} %, "
        f"largest {100 * max(worse):.2f} %, above 1 % in {100 * often:.1f} % of runs;\n"
        f"at the same rank of regret it is {100 * max(ours - theirs):+.2f} % at the most"
    )
    return scores


def _least_cost(function: Function, sizes: np.ndarray) -> float:
    """Return the least true cost over many sizes: the best of a rough look, looked at closely."""
    uniform, normal = np.random.default_rng(0).random(300), np.random.default_rng(1).standard_normal(300)
    rough = [
        TARIFF.per_million(float(np.ceil(function.times_ms(size, uniform, normal)).mean()), int(size)) for size in sizes
    ]
    closest = sizes[np.argsort(rough)[:24:2]]
    return min(function.cost(int(size)) for size in closest)


def measured(runs: int, seed: int) -> dict[str, Score]:
    """Search the measured tables over their own sizes, with p95 targets."""
    scores = {"lambdatune": Score("lambdatune", [], [])}
    scores |= {f"grid, {calls} a size": Score(f"grid, {calls} a size", [], []) for calls in (10, 20, 100)}
    functions = measured_functions()
    for run in range(runs):
        function = functions[run % len(functions)]
        rng = np.random.default_rng([seed, run, 3])
        sizes = tuple(size for size, _ in function.table)
        target = Target("warm", "duration", 95.0, with_target(rng, function, sizes, 95.0))
        truth = best_cost(function, sizes, target)
        outcome = search(function, plan_of(MemoryChoice(sizes, sizes[0], sizes[-1]), (target,), run), run)
        _note(scores["lambdatune"], function, target, outcome.advice.memory_mb, outcome.calls, truth)
        for calls in (10, 20, 100):
            size = usual_practice(function, sizes, target, calls, run)
            _note(scores[f"grid, {calls} a size"], function, target, size, calls * len(sizes), truth)
    return scores


def missing_calls(runs: int, seed: int, percentile: float) -> None:
    """Stop searches at random moments; compare what `to_be_sure` says is missing with what then is needed.

    Beside it the best that any forecast could do: one that is told the true share of slow calls, and the state of
    the proof, and only does not know which calls will be slow.
    """
    ours, best, held = [], [], []
    for run in range(runs):
        rng = np.random.default_rng([seed, run, 5])
        function = reference_function(rng)
        target = Target("warm", "duration", percentile, with_target(rng, function, TEN_SIZES, percentile))
        plan = plan_of(MemoryChoice(TEN_SIZES, TEN_SIZES[0], TEN_SIZES[-1]), (target,), run)
        whole = search(function, plan, run).calls
        outcome = search(function, plan, run, most_calls=int(rng.uniform(90, max(whole, 91))))
        more = outcome.advice.to_be_sure
        if outcome.advice.status != "unproven" or more is None:
            continue
        cell = outcome.evidence[outcome.evidence.index_of(more.memory_mb)]
        rate = function.slow_share(more.memory_mb, target.threshold_ms)
        told = np.median(_told_the_truth(cell, rate))
        needed = 0
        while cell.verdict == "unproven" and needed < 20_000:
            cell.add(outcome.caller.call(more.memory_mb, 5))
            needed += 5
        ours.append(more.invocations / needed)
        best.append(told / needed)
        low, high = more.invocations_range
        held.append(low <= needed + 5 and (high is None or needed <= high))
    for name, ratios in (("to_be_sure", ours), ("told the true share", best)):
        within = np.mean([0.5 <= ratio <= 2 for ratio in ratios])
        print(
            f"  p{percentile:g}, {len(ratios):3d} stopped searches  {name:20s} median {np.median(ratios):5.2f} x"
            f"   within a factor of two {100 * within:3.0f} %"
            + (f"   range holds {100 * np.mean(held):3.0f} %" if ratios is ours else ""),
            flush=True,
        )


def _told_the_truth(cell: CellEvidence, rate: float) -> np.ndarray:
    """Return the calls that random futures at the true share of slow calls take."""
    (proof,) = cell.proofs
    return np.minimum(*played(cell, proof, np.full(PATHS, rate), seed=0))


def boundary(runs: int, seed: int, exceedance: float, confidence: float = 0.95, most: int = 20_000) -> float:
    """Return the share of runs at the exact boundary that certify, looking after every one of `most` calls."""
    test = SequentialTest(exceedance, confidence, sides=("meets",))
    enough = _calls_that_prove(test, most)
    rng = np.random.default_rng([seed, 4])
    # Call numbers of the 1st, 2nd, ... exceedance; before the (s+1)th, s have exceeded.
    gaps = rng.geometric(exceedance, size=(runs, len(enough)))
    next_exceedance = np.cumsum(gaps, axis=1)
    certified = (enough[None, :] < next_exceedance) & (enough[None, :] <= most)
    return float(certified.any(axis=1).mean())


def exact_boundary(exceedance: float, confidence: float = 0.95, most: int = 20_000) -> float:
    """Return the exact probability that `boundary` estimates, by recursion over the number of exceedances."""
    enough = _calls_that_prove(SequentialTest(exceedance, confidence, sides=("meets",)), most)
    alive = np.zeros(len(enough) + 1)  # the last entry: too many exceedances ever to be proven
    alive[0], certified = 1.0, 0.0
    for calls in range(1, most + 1):
        alive[1:] = alive[1:] * (1 - exceedance) + alive[:-1] * exceedance
        alive[0] *= 1 - exceedance
        proven = enough <= calls
        certified += float(alive[:-1][proven].sum())
        alive[:-1][proven] = 0.0
    return certified


def _calls_that_prove(test: SequentialTest, most: int) -> np.ndarray:
    """Return the least number of calls at which s exceedances still prove the target, for s = 0, 1, ..."""
    calls = np.arange(1, most + 1, dtype=np.float64)
    found = []
    for exceedances in range(int(most * test.exceedance) + 1):
        proven = test._meets.log_e(calls, np.full(most, float(exceedances))) >= test._log_threshold
        if not proven[-1]:
            break
        found.append(int(calls[np.argmax(proven & (calls >= exceedances))]))
    return np.array(found)


def coverage(runs: int, seed: int, environments: int, calls: int, correlation: float) -> dict[float, float]:
    """Return the share of 95 % intervals that hold the true quantile when calls of an environment are alike."""
    rng = np.random.default_rng([seed, environments, int(100 * correlation)])
    covered = dict.fromkeys((0.5, 0.95, 0.99), 0)
    index = np.repeat(np.arange(environments), calls)
    for _ in range(runs):
        between = np.repeat(rng.normal(0, np.sqrt(correlation), environments), calls)
        values = np.exp(0.3 * (between + rng.normal(0, np.sqrt(1 - correlation), environments * calls)))
        for quantile in covered:
            low, high = percentile_interval(values, quantile, 0.95, index)
            truth = np.exp(0.3 * ndtri(quantile))
            covered[quantile] += low <= truth and (high is None or truth <= high)
    return {quantile: count / runs for quantile, count in covered.items()}


def show(title: str, scores: dict[str, Score]) -> None:
    print(f"\n{title}\n{HEADER}")
    for score in scores.values():
        print(score.line(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the runs")
    parser.add_argument("--seed", type=int, default=101)
    parser.add_argument("--only", help="first letters of the part to run")
    parser.add_argument("--runs", type=int)
    options = parser.parse_args()
    scale = 0.05 if options.quick else 1.0

    def count(full: int) -> int:
        return options.runs or max(int(full * scale), 20)

    def part(name: str) -> bool:
        return options.only is None or name.startswith(options.only)

    began = time.perf_counter()
    for percentile in (95.0, 99.0):
        if part(f"p{percentile:g}"):
            show(f"p{percentile:g} target, 10 sizes", targets_over_ten_sizes(count(1000), options.seed, percentile))
    if part("varied"):
        show(
            "p95 target, 10 sizes, every kind", targets_over_ten_sizes(count(500), options.seed, 95.0, varied_function)
        )
    if part("measured"):
        show("p95 target, measured tables", measured(count(300), options.seed))
    if part("staircase"):
        show("staircases, 128-3008 MB, no target", staircases(count(400), options.seed))
    if part("missing"):
        print("\ncalls that are missing, as told, over those that were needed")
        for percentile in (95.0, 99.0):
            missing_calls(count(300), options.seed, percentile)
    if part("boundary"):
        print("\nfalse certificates at the exact boundary, looking after every call (at most 5 %), 10,000 replays")
        for exceedance in (0.01, 0.05, 0.1):
            looks = 5_000 if options.quick else 20_000
            replayed = boundary(10_000, options.seed, exceedance, most=looks)
            shares = f"{100 * replayed:.2f} % +- 0.22; exactly {100 * exact_boundary(exceedance, most=looks):.3f} %"
            print(f"  p{100 - 100 * exceedance:g}: {shares}")
    if part("coverage"):
        print("\ncoverage of 95 % intervals (at least 94 %)           p50      p95      p99")
        for environments, calls in ((10, 100), (20, 50), (50, 20), (100, 10)):
            for correlation in (0.0, 0.1, 0.3, 0.5):
                found = coverage(count(2000), options.seed, environments, calls, correlation)
                shown = "  ".join(f"{100 * share:5.1f} %" for share in found.values())
                print(f"  {environments:3d} environments of {calls:3d} calls, correlation {correlation:.1f}   {shown}")
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
