"""The result of a run: what run.json holds and what every report renders.

Field names are the keys of run.json (schema ``lambdatune.run/1``). A figure that is not known is None, never
zero or NaN.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from lambdatune.model.cold_starts import ColdStartAdvice  # noqa: TC001  msgspec reads the annotations
from lambdatune.model.gate import GateReport  # noqa: TC001  msgspec reads the annotations
from lambdatune.model.modes import Mode  # noqa: TC001  msgspec reads the annotations

SCHEMA: Literal["lambdatune.run/1"] = "lambdatune.run/1"

RunStatus = Literal["complete", "interrupted", "failed"]
Verdict = Literal["meets", "misses", "unproven", "failed", "not-tried"]
CertificateStatus = Literal["meets", "misses", "undecided"]
RecommendationStatus = Literal["met", "missed", "unproven", "invalid", "none"]


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures of one quantity in ms; percentiles by nearest rank (ceil(q n)), from the histogram.

    Attributes:
        count: how many values.
        min: the least value.
        mean: arithmetic mean, nothing cut off.
        p50: the median.
        p90: 90th percentile.
        p95: 95th percentile.
        p99: 99th percentile.
        p99_9: 99.9th percentile.
        max: the largest value.
        intervals: percentile name (``p95``) to [low, high] at the plan's confidence; a high end that the
            data cannot bound is None.
    """

    count: int
    min: float | None = None
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p99_9: float | None = None
    max: float | None = None
    intervals: dict[str, tuple[float, float | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WarmStats:
    """Warm calls of a cell.

    Attributes:
        count: whatever became of them; the figures have counts of their own.
        duration_ms: the function's clock: Duration of the REPORT line.
        response_ms: the client's clock, from the intended send.
        service_ms: the client's clock, from the actual send.
        billed_ms_mean: mean of Billed Duration; of messages, of their share of a batch.
        first_byte_ms: from the send to the answer's first byte; of mode ``stream`` only.
        queue_delay_ms: from accepted to the start of the execution, of messages that are delivered.
        e2e_ms: from the intended send to the end of the execution, of messages that are delivered.
    """

    count: int
    duration_ms: Stats
    response_ms: Stats
    service_ms: Stats
    billed_ms_mean: float | None = None
    first_byte_ms: Stats | None = None
    queue_delay_ms: Stats | None = None
    e2e_ms: Stats | None = None


@dataclass(frozen=True, slots=True)
class ColdStats:
    """Cold calls of a cell.

    Attributes:
        count: environments that were started, whatever became of the call; the figures have counts of their own.
        init_ms: Init Duration (or Restore Duration).
        duration_ms: the handler's alone.
        total_ms: both together, what a target on ``cold.duration`` is about.
        response_ms: as of warm calls.
        service_ms: as of warm calls.
        billed_ms_mean: as of warm calls; init is billed.
        first_byte_ms: as of warm calls.
        queue_delay_ms: as of warm calls; it holds the init, which comes before the start.
        e2e_ms: as of warm calls.
    """

    count: int
    init_ms: Stats
    duration_ms: Stats
    total_ms: Stats
    response_ms: Stats
    service_ms: Stats
    billed_ms_mean: float | None = None
    first_byte_ms: Stats | None = None
    queue_delay_ms: Stats | None = None
    e2e_ms: Stats | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the messages of a cell, in the modes in which they are delivered.

    ``accepted = executed + dead_lettered + lost``; ``executed`` holds the retried and the duplicated ones.

    Attributes:
        sent: messages that were sent.
        accepted: of these, those that the service took.
        executed: executed well in the end.
        retried: of these, those of which an execution had failed before.
        duplicated: of these, those that were executed well more than once.
        dead_lettered: given up after their retries.
        lost: accepted, and neither executed nor dead-lettered while they were waited for.
        invocations: executions of the function, a batch counted once.
        batch_size_mean: messages of an invocation.
        batch_size_max: the largest.
        drain_ms: longest time from the last send of an order to the end of the last execution of its messages.
        throughput_per_s: messages executed well per second, from the first send of an order to the last end, in the
            order with the most messages.
    """

    sent: int
    accepted: int
    executed: int
    retried: int
    duplicated: int
    dead_lettered: int
    lost: int
    invocations: int
    batch_size_mean: float | None
    batch_size_max: int | None
    drain_ms: float | None
    throughput_per_s: float | None


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars (CNY in China) per million calls.

    Attributes:
        warm: of warm calls alone.
        cold: of cold calls alone, init included.
        blended: of both, at the plan's cold rate.
        intervals: ``warm``, ``cold`` and ``blended`` to [low, high] of the mean cost at the plan's confidence;
            one that a single call leaves open is left out.
    """

    warm: float | None = None
    cold: float | None = None
    blended: float | None = None
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the calls of a cell prove about one target.

    Attributes:
        target: the target, as text.
        status: meets and misses are proven at `confidence`; undecided is neither.
        confidence: of the statement, whatever the number of looks.
        calls: calls that counted.
        exceedances: calls over the threshold, errors and timeouts among them.
        attempt: the size's number among the sizes attempted, which decides its share of the error; None when
            it was only screened.
        screen_calls: the first of `calls`, which chose the size and are no part of a proof that it meets.
    """

    target: str
    status: CertificateStatus
    confidence: float
    calls: int
    exceedances: int
    attempt: int | None = None
    screen_calls: int = 0


@dataclass(frozen=True, slots=True)
class CellResult:
    """What was measured of one cell, and the verdict.

    Attributes:
        function: name of the function.
        memory_mb: memory size.
        architecture: ``x86_64`` or ``arm64``.
        runtime: AWS's identifier of the runtime.
        mode: how it was invoked.
        verdict: ``meets`` and ``misses`` are proven; ``unproven`` is neither; ``failed`` is a size that cannot run the
            function (`reason` says why); ``not-tried`` had no call.
        invocations: calls (of messages: messages), whatever became of them.
        errors: number of calls that failed, by kind (the column `status` of invocations.csv).
        throttles: calls that AWS throttled.
        warm: calls in a re-used environment.
        cold: calls in a fresh environment.
        cost_usd_per_million: cost of a million calls.
        max_memory_used_mb: largest Max Memory Used of the REPORT lines.
        certificates: what is proven of each target.
        histograms: start kind and clock (``warm.duration``) to a compressed HdrHistogram in base64, values in
            microseconds.
        reason: why the size failed; None when it did not.
        preinitialised: first calls of environments that were initialised before the call came (provisioned
            concurrency, proactive initialisation); counted neither as warm nor as cold.
        environments: execution environments that served its calls; None when the function's log could not tell.
        delivery: what became of its messages; None in modes in which calls wait for their result.
    """

    function: str
    memory_mb: int
    architecture: str
    runtime: str
    mode: Mode
    verdict: Verdict
    invocations: int
    errors: dict[str, int]
    throttles: int
    warm: WarmStats
    cold: ColdStats
    cost_usd_per_million: Cost
    max_memory_used_mb: int | None
    certificates: tuple[Certificate, ...]
    histograms: dict[str, str]
    reason: str | None = None
    preinitialised: int = 0
    environments: int | None = None
    delivery: Delivery | None = None


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another size a user may prefer, and what it would change.

    Attributes:
        memory_mb: the size.
        cost_usd_per_million: its cost, at the plan's cold rate.
        sentence: what it would change against the advice.
    """

    memory_mb: int
    cost_usd_per_million: float | None
    sentence: str


@dataclass(frozen=True, slots=True)
class ToBeSure:
    """What it would about cost to settle what is unproven, one way or the other.

    Attributes:
        invocations: as many calls or fewer do in half of the cases; dollars and minutes are for these.
        usd: what these calls cost.
        minutes: how long they take under the plan's load.
        invocations_range: the middle nine tenths of the futures that the calls leave plausible take so many calls; None
            at the end: no number of calls may settle it.
        memory_mb: the size that gets the calls.
    """

    invocations: int
    usd: float
    minutes: float
    invocations_range: tuple[int, int | None] | None = None
    memory_mb: int | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The advice, in a sentence and in figures.

    Attributes:
        status: ``met``, ``missed`` and ``unproven`` are about the targets; ``invalid`` is a measurement that does not
            describe the function; ``none``: no target was set.
        sentence: the advice for people.
        confidence: of the advice.
        memory_mb: the size that is advised; None when none is.
        architecture: of the cell that is advised.
        function: of the cell that is advised.
        cost_usd_per_million: of the advice, at the plan's cold rate.
        saving_percent: against the size that the function has now; negative when the advice costs more.
        alternatives: other sizes a user may prefer.
        to_be_sure: what would settle what is unproven.
        strategy: by which the advice was picked.
        tied_with_mb: sizes that meet the plan too, and whose cost cannot be told from that of the advice.
        frontier_mb: sizes that no other measured size beats in cost and in median time at once.
        break_even_cold_rate: share of cold starts, nearest to the plan's, from which on another size is best.
        break_even_memory_mb: that other size.
        nearest_feasible: targets that a measured size is proven to meet when it misses those of the plan.
    """

    status: RecommendationStatus
    sentence: str
    confidence: float
    memory_mb: int | None = None
    architecture: str | None = None
    function: str | None = None
    cost_usd_per_million: float | None = None
    saving_percent: float | None = None
    alternatives: tuple[Alternative, ...] = ()
    to_be_sure: ToBeSure | None = None
    strategy: str = "cheapest"
    tied_with_mb: tuple[int, ...] = ()
    frontier_mb: tuple[int, ...] = ()
    break_even_cold_rate: float | None = None
    break_even_memory_mb: int | None = None
    nearest_feasible: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FunctionInfo:
    """The function that is tuned, as it was found.

    Attributes:
        name: its name; of code on this machine that of its directory.
        arn: AWS's identifier of it.
        runtime: AWS's identifier of the runtime; empty of a container image.
        architecture: ``x86_64`` or ``arm64``.
        memory_mb: memory size that it has now.
    """

    name: str
    arn: str
    runtime: str
    architecture: str
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Validity:
    """Whether the numbers describe the function, and what was seen of the generator and the host.

    Attributes:
        valid: whether the numbers describe the function; without it there is no advice.
        reasons: why the run is invalid; empty when it is valid.
        notes: what a reader should know although the run is valid.
        loop_lag_ms_p99: how late the generator read answers, worst order; with the kernel's clock that is in no
            figure.
        send_slip_ms_p99: how late the generator sent calls, worst order.
        throttles: calls that AWS throttled.
        clock: who stamped the arrival of answers: the kernel, the generator itself (user), or some of each.
        generator_shift_percent_max: by how much, at the most, late sends moved a percentile of a response time.
        shard_cpu_percent: CPU time of the busiest load process, of one core, while orders ran.
        host_cpu_percent: of all cores of this host, in use by whatever process, while the run measured.
        connections_reopened: connections that had to be opened again while calls were made.
        calls_waited: calls that found no free connection when they were due.
        rows_stalled_ms: time during which load processes waited for their rows to be taken.
        clock_step_ms_max: largest jump of this host's wall clock.
        shards_lost: load processes that were lost with their Dask workers.
        calls_lost: calls of their shares that are in no figure.
    """

    valid: bool
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    loop_lag_ms_p99: float | None = None
    send_slip_ms_p99: float | None = None
    throttles: int = 0
    clock: Literal["kernel", "user", "mixed"] | None = None
    generator_shift_percent_max: float | None = None
    shard_cpu_percent: float | None = None
    host_cpu_percent: float | None = None
    connections_reopened: int = 0
    calls_waited: int = 0
    rows_stalled_ms: float = 0.0
    clock_step_ms_max: float = 0.0
    shards_lost: int = 0
    calls_lost: int = 0


@dataclass(frozen=True, slots=True)
class Spend:
    """What the run cost.

    Attributes:
        usd: dollars at the region's prices: what AWS would have billed.
        invocations: calls, every one that was sent.
    """

    usd: float
    invocations: int


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run, whole: the contents of run.json.

    Attributes:
        id: names the run and its directory: UTC date and time of its start, and four random digits.
        started: when it began, UTC, ISO 8601.
        finished: when it ended; None while it goes on, and of a run that was killed.
        status: how it ended: ``complete`` by itself or by a limit, ``interrupted`` by a user or a signal, ``failed``
            when AWS refused in the middle.
        function: the function that was tuned.
        plan: what was asked for; the settings in force at the end, where steering changed them.
        environment: versions, place, prices and what else the figures depend on.
        validity: whether the numbers describe the function.
        cells: what was measured of each memory size.
        recommendation: the advice.
        spend: what the run cost.
        schema: name and version of this form.
        gate: what it is against its baseline; None without one.
        cold_start_advice: what cold starts cost at the plan's traffic; None when it has none, or nothing can be said.
    """

    id: str
    started: str
    finished: str | None
    status: RunStatus
    function: FunctionInfo
    plan: dict[str, Any]
    environment: dict[str, Any]
    validity: Validity
    cells: tuple[CellResult, ...]
    recommendation: Recommendation
    spend: Spend
    gate: GateReport | None = None
    schema: Literal["lambdatune.run/1"] = SCHEMA
    cold_start_advice: ColdStartAdvice | None = None

    @property
    def architectures(self) -> str:
        """What was measured: the cells' architecture, which a clone may have been given, or all that they have."""
        return ", ".join(dict.fromkeys(cell.architecture for cell in self.cells)) or self.function.architecture

    @property
    def given(self) -> tuple[str, ...]:
        """What else the clone was given in place of what the function has, in words."""
        snap_start = {"on": "SnapStart", "off": "no SnapStart"}.get(self.plan.get("snap_start") or "")
        environments = self.plan.get("provisioned_concurrency")
        provisioned = f"provisioned concurrency {environments}" if environments else None
        return tuple(word for word in (snap_start, provisioned) if word)
