"""A recorded run, made ready to be shown: from run.json, or from its rows when it was killed."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from lambdatune.load.order import connections_of
from lambdatune.model.cell import Cell
from lambdatune.model.errors import UsageError
from lambdatune.model.load_shape import parse_burst, parse_ramp
from lambdatune.model.memory import parse_memory
from lambdatune.model.modes import ModeOptions
from lambdatune.model.plan import FunctionSource, Limits, Payload, Plan
from lambdatune.model.target import parse_target
from lambdatune.pricing.cost import Tariff
from lambdatune.recommend.evidence import gather
from lambdatune.session.environments import read_recorded
from lambdatune.session.generator import GeneratorRecord
from lambdatune.session.outcome import Outcome
from lambdatune.session.pacing import warm_pacing
from lambdatune.session.prices import recorded_prices
from lambdatune.session.results import Facts, compose
from lambdatune.session.row_file import read_rows, recorded_sizes
from lambdatune.session.standing_meter import STANDING
from lambdatune.session.steered import set_aside_until, steered_of

if TYPE_CHECKING:
    from lambdatune.model.plan import Strategy
    from lambdatune.model.result import RunResult, RunStatus, Validity
    from lambdatune.model.target import Target
    from lambdatune.recommend.evidence import Evidence
    from lambdatune.session.run_directory import RunDirectory
    from lambdatune.stats.rows import Rows


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a recorded run is decided anew for; None keeps what the run was made for."""

    targets: tuple[Target, ...] | None = None
    strategy: Strategy | None = None
    confidence: float | None = None
    cold_rate: float | None = None
    traffic_per_s: float | None = None
    traffic_cold_rate: float | None = None

    def applied_to(self, plan: Plan) -> Plan:
        """Return the plan as it would be."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(plan, **{name: value for name, value in given.items() if value is not None})


class RecordedRun:
    """A recorded run in memory: its rows are read once, and it is decided from them as often as asked.

    Deciding changes nothing in it, so that it may be done in another thread.

    Args:
        run: its directory.

    Attributes:
        directory: where it is.
        record: run.json as it was last written.
        plan: what the run was made for.

    Raises:
        UsageError: when the directory holds no run, or its files cannot be read.
    """

    def __init__(self, run: RunDirectory) -> None:
        self.directory = run
        self.record = run.read()
        self.plan = plan_of(self.record.plan)
        cells = cells_of(self.record)
        known = {cell.memory_mb for cell in cells}
        # A run that was killed has rows at sizes that were added after its run.json was written.
        cells += [replace(cells[0], memory_mb=size) for size in recorded_sizes(run.rows_path) if size not in known]
        self._cells = cells
        self._rows = read_rows(run.rows_path, cells)
        self._environments = read_recorded(run.environments_path)

    def evidence(self, plan: Plan) -> Evidence:
        """Return what was measured as evidence for `plan`, its rows taken in as they were measured."""
        environment = self.record.environment
        prices = recorded_prices(environment, self._cells[0].architecture)
        tariff = Tariff(prices, environment["ephemeral_storage_mb"], plan.provisioned_concurrency > 0)
        evidence = gather(self._cells, plan, tariff)
        standing_usd = environment.get(STANDING, 0.0)
        evidence.standing_usd = lambda: standing_usd
        steered = steered_of(environment)
        evidence.take_in(self._rows, set_aside_until=set_aside_until(steered))
        evidence.know_environments(self._environments)
        return evidence

    @property
    def rows(self) -> Rows:
        """All rows, in the order in which they came; their cell column points into `cells` and `evidence`."""
        return self._rows

    @property
    def cells(self) -> list[Cell]:
        """What the rows' cell column points into."""
        return self._cells

    def rows_of(self, memory_mb: int) -> Rows:
        """Return the rows of one memory size, in the order in which they came."""
        index = [number for number, cell in enumerate(self._cells) if cell.memory_mb == memory_mb]
        return self._rows[np.isin(self._rows["cell"], index)]

    def result(self) -> RunResult:
        """Return the result as it ended; of a run that was killed, as its rows give it."""
        return self.record if self.record.finished is not None else self.decide(WhatIf())

    def decide(self, what_if: WhatIf) -> RunResult:
        """Return the result as it would be for `what_if`, with no call."""
        record, plan = self.record, what_if.applied_to(self.plan)
        evidence = self.evidence(plan)
        facts = Facts(record.id, record.started, record.finished, record.function, record.environment)
        status: RunStatus = "interrupted" if record.finished is None else record.status
        made = compose(plan, evidence, facts, status, Outcome(generator=_generator(plan, evidence)))
        if record.finished is None:
            return made
        return replace(made, validity=_as_recorded(made.validity, record.validity), gate=record.gate)


def open_run(run: RunDirectory, what_if: WhatIf | None = None) -> RunResult:
    """Return the result of a recorded run.

    A run that was killed has rows that its run.json does not know of yet: its result is made from them. So is
    that of a what-if, with no call.

    Args:
        run: its directory.
        what_if: what to decide anew for.

    Raises:
        UsageError: when the directory holds no run, or its files cannot be read.
    """
    if what_if is not None:
        return RecordedRun(run).decide(what_if)
    result = run.read()
    return result if result.finished is not None else RecordedRun(run).result()


def recorded_generator(run: RecordedRun) -> GeneratorRecord:
    """Return what is recorded of the generator of a run; of one that was killed only what its plan tells."""
    told = run.record.validity
    seen = _generator(run.plan, run.evidence(run.plan))
    if run.record.finished is None:
        return seen
    return replace(
        seen,
        clock=told.clock,
        loop_lag_ms_p99=told.loop_lag_ms_p99,
        send_slip_ms_p99=told.send_slip_ms_p99,
        shard_cpu_share=None if told.shard_cpu_percent is None else told.shard_cpu_percent / 100,
        host_cpu_share=None if told.host_cpu_percent is None else told.host_cpu_percent / 100,
        connections_reopened=told.connections_reopened,
        calls_waited=told.calls_waited,
        rows_stalled_ms=told.rows_stalled_ms,
        clock_step_ms_max=told.clock_step_ms_max,
        shards_lost=told.shards_lost,
        calls_lost=told.calls_lost,
    )


def _generator(plan: Plan, evidence: Evidence) -> GeneratorRecord:
    """Return what the plan alone tells of the generator: how many connections its arrivals had to share."""
    if plan.arrivals_per_s is None:
        return GeneratorRecord()
    per_shard = max(connections_of(warm_pacing(plan)) // plan.shards, 1)
    orders = {
        pair
        for cell in evidence
        for pair in set(zip(cell.rows["order"].tolist(), cell.rows["shard"].tolist(), strict=True))
    }
    return GeneratorRecord(connections=dict.fromkeys(orders, per_shard))


def _as_recorded(made: Validity, recorded: Validity) -> Validity:
    """Return the validity of a what-if: what was seen of the generator while it ran is in the record alone."""
    return replace(
        recorded,
        valid=recorded.valid and made.valid,
        reasons=tuple(dict.fromkeys([*recorded.reasons, *made.reasons])),
    )


def cells_of(result: RunResult) -> list[Cell]:
    """Return the cells of a result, in the order that its rows count them."""
    return [Cell(cell.function, cell.memory_mb, cell.architecture, cell.runtime, cell.mode) for cell in result.cells]


def plan_of(record: dict[str, Any]) -> Plan:
    """Return the plan that run.json holds, with the payloads' bytes only where they were recorded.

    Raises:
        UsageError: when the record is not a plan.
    """
    try:
        return Plan(
            function=FunctionSource(**record["function"]),
            memory=parse_memory(record["memory"]),
            targets=tuple(map(parse_target, record["targets"])),
            mode=record["mode"],
            mode_options=msgspec.convert(record.get("mode_options", {}), ModeOptions),
            strategy=record.get("strategy", "cheapest"),
            confidence=record["confidence"],
            concurrency=record["concurrency"],
            rate_per_s=record.get("rate_per_s"),
            arrivals=record.get("arrivals", "constant"),
            ramp=parse_ramp(record["ramp"]) if record.get("ramp") else None,
            burst=parse_burst(record["burst"]) if record.get("burst") else None,
            shards=record.get("shards", 1),
            dask=record.get("dask"),
            cold_starts=record["cold_starts"],
            cold_rate=record["cold_rate"],
            traffic_per_s=record.get("traffic_per_s"),
            traffic_cold_rate=record.get("traffic_cold_rate"),
            limits=Limits(**record["limits"]),
            payloads=tuple(
                Payload(payload.get("body", "").encode(), payload["weight"], payload.get("tokens", False))
                for payload in record["payloads"]
            ),
            isolation=record.get("isolation", "clone"),
            architecture=record.get("architecture"),
            snap_start=record.get("snap_start"),
            provisioned_concurrency=record.get("provisioned_concurrency", 0),
            concurrency_share=record.get("concurrency_share", 0.5),
            endpoint_url=record["endpoint_url"],
            region=record["region"],
            aws_profile=record["aws_profile"],
            record_payloads=record.get("record_payloads", False),
            prices=record.get("prices"),
            seed=record["seed"],
        )
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise UsageError(
            f"the plan in run.json is not complete: {error}", hint="use the version that wrote it"
        ) from error
