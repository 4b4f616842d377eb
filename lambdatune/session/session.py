"""The conductor: plan -> price and show -> prepare -> measure -> decide -> restore."""

from __future__ import annotations

import asyncio
import datetime as dt
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from lambdatune.aws.marks import Maker
from lambdatune.load.driver import LoadDriver
from lambdatune.load.endpoint import endpoint_from_region, endpoint_from_url
from lambdatune.model.cell import Cell
from lambdatune.model.errors import ExitCode, LambdatuneError, NotUndone
from lambdatune.pricing.cost import Tariff
from lambdatune.recommend.evidence import gather
from lambdatune.recommend.search import TuningSearch
from lambdatune.recommend.sizes import spread_sizes
from lambdatune.session.credentials import credentials_now, keep_fresh
from lambdatune.session.delivered.linking import LINKING, LinkRecord
from lambdatune.session.environments import learn_environments
from lambdatune.session.events import Silent
from lambdatune.session.gating import GateCalls, drifts, with_cautions
from lambdatune.session.holding import hold
from lambdatune.session.isolation import allowed_share, fitted, isolation_of
from lambdatune.session.lane import Alone
from lambdatune.session.liveness import own_mark
from lambdatune.session.measure import Measurement
from lambdatune.session.modes import mode_of, sender_of
from lambdatune.session.outcome import Outcome
from lambdatune.session.plan_card import plan_card
from lambdatune.session.preflight import preflight
from lambdatune.session.prices import prices_for
from lambdatune.session.recorder import Recorder
from lambdatune.session.restore import left_behind, restore_dead, undo
from lambdatune.session.results import Facts, compose
from lambdatune.session.run_directory import OwedUndo, RunDirectory, new_run_id
from lambdatune.session.standing_meter import STANDING, meter_of
from lambdatune.session.steered import STEERED, Steered
from lambdatune.session.steering import Steering
from lambdatune.session.stored_payloads import fetch_payloads
from lambdatune.session.subject import find_subject

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lambdatune.aws.isolation import Isolation
    from lambdatune.aws.modes.protocol import InvocationMode
    from lambdatune.model.plan import Plan
    from lambdatune.model.result import RunResult, RunStatus
    from lambdatune.recommend.evidence import Evidence
    from lambdatune.recommend.search import Search
    from lambdatune.session.continuing import Continuation
    from lambdatune.session.events import Observer
    from lambdatune.session.gating import Gate
    from lambdatune.session.lane import Lane
    from lambdatune.session.plan_card import PlanCard
    from lambdatune.session.standing_meter import StandingMeter
    from lambdatune.session.subject import Subject


class Session:
    """One run of a plan.

    Args:
        plan: what to measure.
        output: directory in which the run's directory is made.
        observer: watches.
        confirm: is shown the card before anything is changed; False ends the session with nothing done.
        continued: the run that goes on, under `plan` and in its own directory; None for a new one.
        gate: what the run is held against; None without a baseline.
        gate_calls: warm calls that the advised size gets at the least; None: as many as the search makes.
        lane: its place among sessions that run with it, which asks in place of `confirm`; None when it is alone.

    Attributes:
        plan: as it is now: steering may change it.
        run_directory: of the run; None before it began.
        underway: what is measured, and the way to steer it; None before and after.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        output: Path,
        observer: Observer | None = None,
        confirm: Callable[[PlanCard], bool] = lambda _: True,
        continued: Continuation | None = None,
        gate: Gate | None = None,
        gate_calls: int | None = None,
        lane: Lane | None = None,
    ) -> None:
        self.plan = plan
        self.observer: Observer = observer or Silent()
        self.run_directory: RunDirectory | None = None
        self.underway: Underway | None = None
        self._output = output
        self._lane = lane or Alone(confirm)
        self._continued = continued
        self._gate = gate
        self._gate_calls = None if gate_calls is None else GateCalls(gate, gate_calls, self.narrate)
        self._measurement: Measurement | None = None
        self._stop_asked = asyncio.Event()

    def stop(self, *, abandon: bool = False) -> None:
        """End the run early: what was measured is kept, what was changed is undone.

        Args:
            abandon: give up the calls in flight instead of waiting for them.
        """
        self._stop_asked.set()
        if self._measurement is not None:
            self._measurement.stop(abandon=abandon)

    def is_stopped(self) -> bool:
        """Whether nothing new is wanted: `stop` was called, or a limit was reached."""
        return self._stop_asked.is_set() or (self._measurement is not None and self._measurement.is_ending)

    def narrate(self, sentence: str) -> None:
        """Tell the observer that something happened."""
        self.observer.narrate(sentence)

    async def run(self) -> RunResult | None:
        """Run the plan; return its result, or None when it was not confirmed.

        Raises:
            LambdatuneError: what went wrong; everything measured is in the run directory by then, and
                everything changed is undone, unless it is NotUndone.
        """
        started = dt.datetime.now(dt.UTC)
        self.plan = await fetch_payloads(self.plan)
        if self._continued is not None:
            self._continued.check_payloads(self.plan)
        async with AsyncExitStack() as stack:
            run_id = new_run_id(started) if self._continued is None else self._continued.run.id
            subject = await find_subject(self.plan, stack, endpoint=self._lane.endpoint, name=self._lane.name)
            ready = await self._ready(subject, run_id)
            if self._stop_asked.is_set() or not await self._lane.confirm(ready.card):
                return None
            evidence = ready.evidence
            await ready.subject.access.refuse_configured_endpoint()
            self._warn_of_exposure()
            facts = Facts.of(ready.run_id, started, subject, evidence.tariff.prices)
            if self._continued is not None:
                facts = self._continued.facts()
            if self._gate is not None:
                self._gate.check(compose(self.plan, evidence, facts, "interrupted", Outcome()), self.plan)
            run = await self._directory(ready.run_id, stack)
            # Until the run has ended its file says "interrupted": that is what it is if it ends here.
            run.write(compose(self.plan, evidence, facts, "interrupted", Outcome()))
            failure: BaseException | None = None
            try:
                await self._measure(run, ready, facts)
            except BaseException as error:
                failure = error
                run.write(compose(self.plan, evidence, facts.finished_now(), "failed", self._outcome()))
                raise
            else:
                status: RunStatus = "interrupted" if self._stop_asked.is_set() else "complete"
                result = compose(self.plan, evidence, facts.finished_now(), status, self._outcome())
                run.write(result)
                return self._gated(run, result, evidence)
            finally:
                await self._undo(run, subject, failure)

    def _gated(self, run: RunDirectory, result: RunResult, evidence: Evidence) -> RunResult:
        """Return a result with what it is against the baseline, where there is one, and record that."""
        if self._gate is None or not (result.status == "complete" and result.validity.valid):
            return result
        report = self._gate.report(evidence, self.plan, result)
        report = report if self._gate_calls is None else self._gate_calls.told(report)
        report = replace(report, drift=drifts(result, self._output))
        gated = replace(result, gate=with_cautions(report, result, self._gate))
        run.write(gated)
        return gated

    async def _directory(self, run_id: str, stack: AsyncExitStack) -> RunDirectory:
        """Return the directory of the run, held until the session ends; what a killed run left is undone first.

        Raises:
            LambdatuneError: when it cannot be made, another process holds it, or something stays behind.
        """
        continued = self._continued
        if continued is None:
            run = RunDirectory.create(self._output, run_id)
            stack.enter_context(hold(run))
        else:
            run = continued.run
            stack.enter_context(hold(run))
            continued.refuse_other_end()
            run.journal.begin(own_mark())
            left = left_behind(run, await restore_dead(run, OwedUndo(), self.observer))
            if left is not None:
                raise left
        self.run_directory = run
        return run

    async def look_up(self) -> tuple[PlanCard, Subject]:
        """Return what the plan would do, and the function that was found; nothing is changed and nothing called.

        Raises:
            LambdatuneError: as `run` would before its first change.
        """
        self.plan = await fetch_payloads(self.plan)
        async with AsyncExitStack() as stack:
            ready = await self._ready(await find_subject(self.plan, stack), new_run_id(dt.datetime.now(dt.UTC)))
            return ready.card, ready.subject

    async def _ready(self, subject: Subject, run_id: str) -> _Ready:
        """Return what is needed for a start, with nothing changed yet.

        Raises:
            LambdatuneError: when the plan asks for what the function, the account or a permission does not allow.
        """
        plan = self.plan = fitted(self.plan, subject.description)
        share = await allowed_share(plan, subject)
        if share.note is not None:
            self.observer.narrate(share.note)
        await preflight(plan, subject, run_id)
        measured = subject.measured
        cells = [
            Cell(measured.shown_name, size, measured.architecture, measured.runtime, plan.mode)
            for size in spread_sizes(plan.memory)
        ]
        if self._continued is None:
            prices = await prices_for(plan, subject, self.observer)
            tariff = Tariff(prices, measured.ephemeral_storage_mb, plan.provisioned_concurrency > 0)
            evidence = gather(cells, plan, tariff)
        else:
            self._continued.check(subject)
            evidence = self._continued.evidence()
            cells = [cell.cell for cell in evidence]
        meter = meter_of(plan, subject, evidence)
        cold_batch = min(subject.cold_batch, share.most) if share.most else subject.cold_batch
        search = TuningSearch(plan, cold_batch=cold_batch)
        maker = Maker(run_id, own_mark())
        isolation, mode = isolation_of(plan, subject, maker), mode_of(plan, subject, maker)
        card = plan_card(
            plan, cells, evidence, search, subject=subject, isolation=isolation, mode=mode,
            standing=meter.rates.sentences([cell.memory_mb for cell in cells]),
        )  # fmt: skip
        return _Ready(run_id, subject, evidence, search, isolation, mode, meter, card)

    def _warn_of_exposure(self) -> None:
        """Tell, before credentials travel, that they could be read on the way to a Dask scheduler."""
        if self.plan.dask is not None:
            from lambdatune.load.cluster import is_exposed  # noqa: PLC0415  an extra, and slow to import

            if is_exposed(self.plan.dask):
                self.observer.narrate(
                    f"warning: AWS credentials travel to {self.plan.dask} unencrypted; use a tls:// scheduler"
                )

    async def _measure(self, run: RunDirectory, ready: _Ready, facts: Facts) -> None:
        subject, evidence, isolation = ready.subject, ready.evidence, ready.isolation
        region, url = subject.place.region, subject.place.endpoint_url
        endpoint = endpoint_from_url(url, region) if url else endpoint_from_region(region)
        credentials = await credentials_now(subject.access)
        # Before anything is changed: a cluster that is not there is found out for nothing.
        async with LoadDriver.start(endpoint, credentials, shards=self.plan.shards, dask=self.plan.dask) as driver:
            OwedUndo().note(run)
            run.journal.begin(own_mark())
            sizes_mb = [cell.cell.memory_mb for cell in evidence]
            await isolation.prepare(run.journal, sizes_mb, self)
            if ready.mode is not None:
                await ready.mode.prepare(run.journal, self)
            links = LinkRecord(self.plan.mode)
            sender = sender_of(
                self.plan, subject, driver=driver, mode=ready.mode, isolation=isolation, links=links,
                memory_mb_of=lambda cell: evidence[cell].cell.memory_mb, waiting=self._show_waiting,
            )  # fmt: skip
            recorded = None if self._continued is None else self._continued.rows
            with Recorder(run, evidence, recorded=recorded) as recorder:
                self._measurement = Measurement(
                    self.plan, evidence, ready.search,
                    sender=sender, isolation=isolation, recorder=recorder, observer=self.observer,
                    meter=ready.meter, lane=self._lane,
                    continued=self._continued, further=None if self._gate_calls is None else self._gate_calls.further,
                )  # fmt: skip
                if self._stop_asked.is_set():
                    self._measurement.stop()
                self.underway = self._underway(run, ready, facts, self._measurement)
                fresh = asyncio.create_task(keep_fresh(subject.access, driver, credentials, self.observer))
                try:
                    await self._measurement.run()
                finally:
                    fresh.cancel()
                    ready.meter.end()
                    if ready.meter.usd():
                        facts.environment[STANDING] = ready.meter.usd()
                    if ready.mode is not None:
                        facts.environment[LINKING] = links.to_json()
            await learn_environments(
                run, subject.access, isolation.log_group, evidence, self.observer,
                is_json=subject.description.logs_json, stopped=self._stop_asked.is_set(),
                after_order=0 if self._continued is None else self._continued.orders,
            )  # fmt: skip

    def _show_waiting(self, sent: int, awaited: int) -> None:
        if self._measurement is not None:
            self._measurement.show_waiting(sent, awaited)

    def _underway(self, run: RunDirectory, ready: _Ready, facts: Facts, measurement: Measurement) -> Underway:
        async def check_load(plan: Plan) -> None:
            await allowed_share(plan, ready.subject)

        def record(steered: Steered, plan: Plan) -> None:
            self.plan = plan
            facts.environment.setdefault(STEERED, []).append(asdict(steered))
            # A run that is killed later is replayed with what was steered.
            run.write(compose(plan, ready.evidence, facts, "interrupted", self._outcome()))
            self.observer.narrate(steered.sentence)

        steering = Steering(measurement, ready.evidence, check_load=check_load, record=record)
        return Underway(run, ready.subject, ready.evidence, measurement, steering)

    async def _undo(self, run: RunDirectory, subject: Subject, failure: BaseException | None) -> None:
        left = left_behind(run, await undo(run, subject.access, self.observer))
        if left is None:
            OwedUndo().settle(run)
        elif isinstance(failure, LambdatuneError):
            raise NotUndone(f"{left.message}; before that, {failure.message}", hint=left.hint) from failure
        else:
            raise left

    def _outcome(self) -> Outcome:
        return self._measurement.outcome if self._measurement else Outcome()


@dataclass(frozen=True, slots=True)
class Underway:
    """A run that measures: what a surface may look at, and the way to steer it."""

    run: RunDirectory
    subject: Subject
    evidence: Evidence
    measurement: Measurement
    steering: Steering


@dataclass(frozen=True, slots=True)
class _Ready:
    """A run that could start: what it would measure and how, and the card that says so."""

    run_id: str
    subject: Subject
    evidence: Evidence
    search: Search
    isolation: Isolation
    mode: InvocationMode | None
    meter: StandingMeter
    card: PlanCard


def exit_code(result: RunResult) -> ExitCode:
    """Return the exit code that a run's result means: invalid before a regression, and that before a missed target."""
    if result.status == "interrupted":
        return ExitCode.INTERRUPTED
    advice, gate = result.recommendation.status, result.gate
    if advice == "invalid":
        return ExitCode.INVALID
    if gate is not None and gate.outcome == "regression":
        return ExitCode.REGRESSION
    code = {
        "met": ExitCode.OK, "none": ExitCode.OK, "missed": ExitCode.TARGET_MISSED, "unproven": ExitCode.UNPROVEN,
    }[advice]  # fmt: skip
    return ExitCode.UNPROVEN if code == ExitCode.OK and gate is not None and not gate.passes else code
