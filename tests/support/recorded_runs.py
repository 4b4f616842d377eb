"""Recorded runs made of seeded numbers, with the files that a real run writes: for the screens' tests and pictures."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lambdatune.model.cell import Cell
from lambdatune.model.invocation import Start, Status
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import FunctionSource, Payload, Plan
from lambdatune.model.result import FunctionInfo
from lambdatune.model.target import parse_target
from lambdatune.pricing.cost import Tariff
from lambdatune.recommend.evidence import gather
from lambdatune.session.generator import GeneratorRecord
from lambdatune.session.outcome import Outcome
from lambdatune.session.recorder import Recorder
from lambdatune.session.results import Facts, compose
from lambdatune.session.run_directory import RunDirectory
from lambdatune.stats.environments import Environments
from lambdatune.stats.rows import empty_rows

if TYPE_CHECKING:
    from pathlib import Path

SIZES = (128, 256, 512, 768, 1024, 1769, 3008)
_NS_PER_MS = 1_000_000
_EPOCH_NS = 1_790_000_000_000_000_000
_NETWORK_MS = 3.0
_PROOF = 5


@dataclass(frozen=True)
class Recipe:
    """How a run is made up.

    Attributes:
        slowness: factor on every duration.
        warm_calls: of each size.
        chosen: sizes that are measured first, with as many calls as a proof takes.
        spikes: calls of each size that take ten times as long.
        throttled: calls of each size that AWS throttled.
        failing: sizes at which every call runs out of memory.
        finished: whether the run lived to write its last run.json.
    """

    id: str = "20261123-151200-a1b2"
    function: str = "orders-api"
    runtime: str = "python3.13"
    architecture: str = "arm64"
    region: str = "eu-central-1"
    targets: tuple[str, ...] = ("p95<=60ms",)
    sizes: tuple[int, ...] = SIZES
    warm_calls: int = 120
    chosen: tuple[int, ...] = (512, 768)
    cold_starts: int = 12
    slowness: float = 1.0
    spikes: int = 1
    throttled: int = 0
    failing: tuple[int, ...] = ()
    finished: bool = True
    embedded: bool = False
    payload_bytes: int = 120
    seed: int = 1


MET = Recipe()
FASTER = Recipe(id="20261124-091500-c3d4", slowness=0.7, seed=2)
MISSED = Recipe(id="20261124-101500-d4e5", targets=("p95<=1ms",), seed=3)
UNPROVEN = Recipe(id="20261124-111500-e5f6", targets=("p99<=60ms",), warm_calls=60, chosen=(), seed=4)
INVALID = Recipe(id="20261124-121500-f6a7", throttled=40, seed=5)
KILLED = Recipe(id="20261124-131500-a7b8", finished=False, seed=6)
FAILING = Recipe(id="20261124-141500-b8c9", failing=(128,), seed=7)
SLOWER = Recipe(id="20261124-151500-c9d0", slowness=1.1, chosen=(768,), seed=8)
TWO_TARGETS = replace(MET, targets=("p95<=60ms", "cold.duration.p90<=900ms"))
ALL = (MET, FASTER, MISSED, UNPROVEN, INVALID, KILLED, FAILING)


def make_run(output: Path, recipe: Recipe = MET) -> RunDirectory:
    """Write the run directory of a recipe below `output`; return it."""
    plan = Plan(
        FunctionSource(recipe.function),
        parse_memory(",".join(map(str, recipe.sizes))),
        tuple(map(parse_target, recipe.targets)),
        cold_starts=recipe.cold_starts,
        payloads=(Payload(b"x" * recipe.payload_bytes),),
    )
    evidence = gather(
        [Cell(recipe.function, size, recipe.architecture, recipe.runtime) for size in recipe.sizes],
        plan,
        Tariff.of(recipe.region, recipe.architecture),
    )
    began = dt.datetime.strptime(recipe.id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=dt.UTC)
    facts = _facts(recipe, began)
    run = RunDirectory.create(output, recipe.id)
    run.write(compose(plan, evidence, facts, "interrupted", Outcome()))
    with Recorder(run, evidence) as recorder:
        streams = _record(recorder, recipe)
    if recipe.finished:
        lines = [f"{request_id},{number}\n" for request_id, number in streams.items()]
        run.environments_path.write_text("request_id,environment\n" + "".join(lines), encoding="ascii")
        evidence.know_environments(Environments({key: str(number) for key, number in streams.items()}))
        facts = replace(facts, finished=(began + dt.timedelta(minutes=3)).strftime("%Y-%m-%dT%H:%M:%SZ"))
        outcome = Outcome(generator=GeneratorRecord(loop_lag_ms_p99=0.4, send_slip_ms_p99=0.2))
        run.write(compose(plan, evidence, facts, "complete", outcome))
    return run


def make_runs(output: Path, recipes: tuple[Recipe, ...] = ALL) -> list[RunDirectory]:
    """Write the run directories of several recipes."""
    return [make_run(output, recipe) for recipe in recipes]


def _facts(recipe: Recipe, began: dt.datetime) -> Facts:
    arn = f"arn:aws:lambda:{recipe.region}:111122223333:function:{recipe.function}"
    return Facts(
        recipe.id,
        began.strftime("%Y-%m-%dT%H:%M:%SZ"),
        None,
        FunctionInfo(recipe.function, arn, recipe.runtime, recipe.architecture, 512),
        {
            "lambdatune": "0.1.0", "region": recipe.region, "endpoint_url": None, "ephemeral_storage_mb": 512,
            "embedded": {"cpu_limiter": "cgroup-v2"} if recipe.embedded else None,
        },
    )  # fmt: skip


def _record(recorder: Recorder, recipe: Recipe) -> dict[str, int]:
    """Record cold starts, then warm calls, size by size; return the environment of each request."""
    rng = np.random.default_rng(recipe.seed)
    streams: dict[str, int] = {}
    at_ns, order = _EPOCH_NS, 0
    for size in [*recipe.chosen, *(size for size in recipe.sizes if size not in recipe.chosen)]:
        cell = recipe.sizes.index(size)
        for cold in (True, False):
            order += 1
            rows = _calls(rng, recipe, size, cold=cold)
            rows["cell"], rows["order"] = cell, order
            at_ns = _in_turn(rows, at_ns)
            ids = [f"{order:08d}-0000-4000-8000-{number:012d}" for number in range(len(rows))]
            rows["request_id"] = [request_id.encode() for request_id in ids]
            served = np.arange(len(rows)) if cold else np.arange(len(rows)) % recipe.cold_starts
            streams.update(zip(ids, (served + 1_000 * cell).tolist(), strict=True))
            recorder.record(rows, cold=cold)
    return streams


def _calls(rng: np.random.Generator, recipe: Recipe, size: int, *, cold: bool) -> Any:
    warm_calls = recipe.warm_calls * (_PROOF if size in recipe.chosen else 1)
    count = recipe.cold_starts if cold else warm_calls + recipe.throttled
    rows = empty_rows(count)
    # Work in proportion to the CPU that a size has, up to one vCPU, and a part that waits for others.
    typical_ms = recipe.slowness * (6.0 + 20_000 / min(size, 1_769))
    rows["duration_ms"] = typical_ms * np.exp(0.14 * rng.standard_normal(count))
    rows["start"], rows["status"], rows["http_status"] = Start.COLD if cold else Start.WARM, Status.OK, 200
    rows["max_memory_used_mb"] = 78
    if cold:
        rows["init_ms"] = recipe.slowness * (240 + 30_000 / size) * np.exp(0.1 * rng.standard_normal(count))
    elif recipe.spikes:
        rows["duration_ms"][rng.integers(0, warm_calls, recipe.spikes)] *= 10
    rows["billed_ms"] = np.ceil(rows["duration_ms"] + np.nan_to_num(rows["init_ms"]))
    if size in recipe.failing:
        rows["status"], rows["error"] = Status.OUT_OF_MEMORY, b"Runtime.OutOfMemory"
        rows["max_memory_used_mb"] = size
    if not cold and recipe.throttled:
        late = rows[-recipe.throttled :]
        late["status"], late["http_status"], late["start"] = Status.THROTTLED, 429, Start.UNKNOWN
        late["error"] = b"ConcurrentInvocationLimitExceeded"
        late["duration_ms"] = late["billed_ms"] = np.nan
    return rows


def _in_turn(rows: Any, at_ns: int) -> int:
    """Give the rows their times on the client's clock, one call after the other; return when the last is done."""
    took_ms = np.nan_to_num(rows["duration_ms"]) + np.nan_to_num(rows["init_ms"]) + _NETWORK_MS
    took_ns = (took_ms * _NS_PER_MS).astype(np.int64)
    begins = at_ns + np.concatenate([[0], np.cumsum(took_ns[:-1])])
    rows["intended_ns"], rows["sent_ns"] = begins, begins + 20_000
    rows["first_byte_ns"] = begins + took_ns - 10_000
    rows["done_ns"] = begins + took_ns
    return int(rows["done_ns"][-1])
