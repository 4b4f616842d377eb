"""Recorded runs of other modes than invoke, made of seeded numbers: of messages that are delivered, of streams."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lambdatune.model.cell import Cell
from lambdatune.model.invocation import Status
from lambdatune.model.memory import parse_memory
from lambdatune.model.modes import MODES, Mode
from lambdatune.model.plan import FunctionSource, Plan
from lambdatune.model.target import parse_target
from lambdatune.pricing.cost import Tariff
from lambdatune.recommend.evidence import gather
from lambdatune.session.generator import GeneratorRecord
from lambdatune.session.outcome import Outcome
from lambdatune.session.recorder import Recorder
from lambdatune.session.results import compose
from lambdatune.session.run_directory import RunDirectory
from support import recorded_runs as plain

if TYPE_CHECKING:
    from pathlib import Path

_NS_PER_MS = 1_000_000
_BATCH = 5


@dataclass(frozen=True)
class ModeRecipe:
    """How a run of a mode is made up: the times of a plain one, and what the mode adds."""

    mode: Mode
    targets: tuple[str, ...]
    sizes: tuple[int, ...] = (128, 512, 1024)
    id: str = "20261125-091500-d1e2"
    plain: plain.Recipe = plain.MET


SQS = ModeRecipe("sqs", ("e2e.p95<=400ms",))
STREAM = ModeRecipe("stream", ("p95<=60ms",), id="20261125-101500-e2f3")


def make_mode_run(output: Path, recipe: ModeRecipe) -> RunDirectory:
    """Write the run directory of a recipe below `output`; return it."""
    source = replace(recipe.plain, id=recipe.id, sizes=recipe.sizes, chosen=(512,), targets=recipe.targets)
    delivered = MODES[recipe.mode].is_delivered
    plan = Plan(
        FunctionSource(source.function), parse_memory(",".join(map(str, recipe.sizes))),
        tuple(map(parse_target, recipe.targets)), cold_starts=source.cold_starts, mode=recipe.mode,
        rate_per_s=20.0 if delivered else None,
    )  # fmt: skip
    cells = [Cell(source.function, size, source.architecture, source.runtime, recipe.mode) for size in recipe.sizes]
    evidence = gather(cells, plan, Tariff.of(source.region, source.architecture))
    began = dt.datetime.strptime(recipe.id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=dt.UTC)
    finished = (began + dt.timedelta(minutes=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    run = RunDirectory.create(output, recipe.id)
    with Recorder(run, evidence) as recorder:
        _record(recorder, source, delivered=delivered)
    outcome = Outcome(generator=GeneratorRecord(loop_lag_ms_p99=0.4, send_slip_ms_p99=0.2))
    run.write(compose(plan, evidence, replace(plain._facts(source, began), finished=finished), "complete", outcome))
    return run


def _record(recorder: Recorder, recipe: plain.Recipe, *, delivered: bool) -> None:
    rng = np.random.default_rng(recipe.seed)
    at_ns, order = plain._EPOCH_NS, 0
    for cell, size in enumerate(recipe.sizes):
        for cold in (True, False):
            order += 1
            rows = plain._calls(rng, recipe, size, cold=cold)
            rows["cell"], rows["order"] = cell, order
            at_ns = plain._in_turn(rows, at_ns)
            rows["request_id"] = [f"{order:08d}-0000-4000-8000-{number:012d}".encode() for number in range(len(rows))]
            if delivered:
                _deliver(rng, rows, batch=1 if cold else _BATCH)
            else:
                rows["first_byte_ns"] = rows["sent_ns"] + (0.3 * rows["duration_ms"] * _NS_PER_MS).astype(np.int64)
            recorder.record(rows, cold=cold)


def _deliver(rng: np.random.Generator, rows: Any, *, batch: int) -> None:
    """Let messages be accepted at once and wait; of the warm ones two are retried, one runs twice and one never."""
    count = len(rows)
    took_ns = np.nan_to_num(rows["duration_ms"] + np.nan_to_num(rows["init_ms"])) * _NS_PER_MS
    rows["done_ns"] = rows["first_byte_ns"] = rows["sent_ns"] + 4 * _NS_PER_MS
    rows["started_ns"] = rows["done_ns"] + (60 * np.exp(0.5 * rng.standard_normal(count)) * _NS_PER_MS).astype(np.int64)
    rows["finished_ns"] = rows["started_ns"] + took_ns.astype(np.int64)
    rows["attempts"], rows["batch_size"], rows["invocations"] = 1, batch, 1 / batch
    if batch > 1:
        rows["status"][[5, 6, 7, 8]] = Status.RETRIED, Status.RETRIED, Status.DUPLICATED, Status.DEAD_LETTERED
        rows["attempts"][[5, 6, 7, 8]] = 2, 2, 2, 3
        rows["invocations"][[5, 6, 7, 8]] = np.array([2, 2, 2, 3]) / batch
