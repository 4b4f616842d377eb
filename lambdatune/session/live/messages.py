"""What the screens and the engine process tell each other: frozen values, msgpack in frames over two pipes.

The frames are those of the load processes (`lambdatune.load.messages`). A question carries a number that its answer
repeats. Snapshots are whole: a newer one replaces one that was not looked at yet.
"""

from typing import Any, Literal

import msgspec

SettingValues = dict[str, Any]
"""Settings by name, with values as in a run profile (`lambdatune.session.setting_table`)."""


class PlanSettings(msgspec.Struct, frozen=True):
    """A plan as a person gives it.

    Attributes:
        values: what was given.
        directory: that relative paths in it are relative to.
    """

    values: SettingValues
    directory: str


# --- from the screens: questions, each answered by one message with the same number --------------------------------


class LookUp(msgspec.Struct, frozen=True, tag=True):
    """What would this plan do? Answered with CardShown or Refused; nothing is changed and nothing called."""

    question: int
    settings: PlanSettings


class ListFunctions(msgspec.Struct, frozen=True, tag=True):
    """Which functions are there? Answered with FunctionsListed or Refused."""

    question: int
    endpoint_url: str | None = None
    region: str | None = None
    aws_profile: str | None = None


class PlanApply(msgspec.Struct, frozen=True, tag=True):
    """What call would set the function of a recorded run to a memory size? Answered with ApplyPlanned or Refused."""

    question: int
    run_path: str
    memory_mb: int


class Apply(msgspec.Struct, frozen=True, tag=True):
    """Set the memory size of the user's function, as planned; answered with Applied or Refused.

    Attributes:
        revision_id: of the function as it was when the change was planned: another one refuses the change.
        undo: put back what an earlier Apply of that run changed, in place of `memory_mb`.
    """

    question: int
    run_path: str
    memory_mb: int
    revision_id: str
    undo: bool = False


# --- from the screens: a run and its steering, not answered ---------------------------------------------------------


class Start(msgspec.Struct, frozen=True, tag=True):
    """Run a plan; its run directory is made in `output`. One run at a time."""

    settings: PlanSettings
    output: str


class Continue(msgspec.Struct, frozen=True, tag=True):
    """Go on with a recorded run that ended early, in its own directory and under its own plan."""

    run_path: str


class Pause(msgspec.Struct, frozen=True, tag=True):
    """Send nothing new until Resume. Calls in flight end; a ramp ends first, as a part of it is another load."""


class Resume(msgspec.Struct, frozen=True, tag=True):
    """Go on."""


class EndSize(msgspec.Struct, frozen=True, tag=True):
    """Give a memory size no more calls; what it has is kept."""

    memory_mb: int


class AddSize(msgspec.Struct, frozen=True, tag=True):
    """Measure another memory size as well."""

    memory_mb: int


class ChangeTargets(msgspec.Struct, frozen=True, tag=True):
    """Decide for other targets from now on, from all that was measured; empty for none."""

    targets: tuple[str, ...]


class ChangeLoad(msgspec.Struct, frozen=True, tag=True):
    """Send another load from now on: `concurrency` calls in flight, or arrivals at `rate` (``50/s``)."""

    concurrency: int | None = None
    rate: str | None = None


class Follow(msgspec.Struct, frozen=True, tag=True):
    """Which cell's latency over time goes into the snapshots; None for whichever is measured."""

    cell: int | None = None


class Stop(msgspec.Struct, frozen=True, tag=True):
    """End the run, keep what was measured, undo what was changed; `abandon` gives up the calls in flight."""

    abandon: bool = False


ToEngine = (
    LookUp | ListFunctions | PlanApply | Apply
    | Start | Continue | Pause | Resume | EndSize | AddSize | ChangeTargets | ChangeLoad | Follow | Stop
)  # fmt: skip
Question = LookUp | ListFunctions | PlanApply | Apply


# --- from the engine: answers -----------------------------------------------------------------------------------------


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Why not: a sentence and a hint.

    Attributes:
        question: the number of the question; None for a steering that cannot be followed.
        setting: which setting is wrong, where it is one.
    """

    question: int | None
    message: str
    hint: str | None = None
    setting: str | None = None
    exit_code: int = 2


class CardShown(msgspec.Struct, frozen=True, tag=True):
    """What a plan would do.

    Attributes:
        function: name of the function.
        place: where it runs, in words: ``in eu-west-1``.
        runtime: of the function; empty for a container image.
        architecture: of the function.
        current_memory_mb: that it has now; None for code on this machine.
        sizes_mb: that are tried.
        calls: about how many.
        usd_per_100ms: dollars of all calls if each were billed 100 ms.
        minutes: about how long it takes if each call took 100 ms; None where that is not known.
        currency: ``USD``, in China ``CNY``.
        load: when the calls come, in words.
        costs_money: whether the calls are real ones on AWS.
        changes: every change and how it is undone.
        warnings: what else to know before.
    """

    question: int
    function: str
    place: str
    runtime: str
    architecture: str
    current_memory_mb: int | None
    sizes_mb: tuple[int, ...]
    calls: int
    usd_per_100ms: float
    minutes: float | None
    currency: str
    load: str | None
    costs_money: bool
    changes: tuple[str, ...]
    warnings: tuple[str, ...]


class FunctionListed(msgspec.Struct, frozen=True):
    """A function of the account or endpoint."""

    name: str
    runtime: str
    architecture: str
    memory_mb: int
    modified: str


class FunctionsListed(msgspec.Struct, frozen=True, tag=True):
    """The functions of the account in the region, by name, and where they were looked for."""

    question: int
    place: str
    functions: tuple[FunctionListed, ...]


class ApplyPlanned(msgspec.Struct, frozen=True, tag=True):
    """The change that Apply would make.

    Attributes:
        call: the exact API call, as AWS CLI command.
        function: whose memory size changes.
        from_mb: that it has now.
        to_mb: that it would have.
        revision_id: to give back with Apply.
        warnings: what else to know before.
        undoes: the size that undoing an earlier Apply of the run would put back; None when none was made.
    """

    question: int
    call: str
    function: str
    from_mb: int
    to_mb: int
    revision_id: str
    warnings: tuple[str, ...] = ()
    undoes: int | None = None


class Applied(msgspec.Struct, frozen=True, tag=True):
    """The change was made."""

    question: int
    sentence: str


# --- from the engine: a run ------------------------------------------------------------------------------------------


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The engine listens."""

    pid: int


class Started(msgspec.Struct, frozen=True, tag=True):
    """A run began."""

    run_id: str
    run_path: str


class Said(msgspec.Struct, frozen=True, tag=True):
    """Something happened.

    Attributes:
        at_s: seconds since the run was asked for.
        sentence: what.
        kind: how much it matters.
    """

    at_s: float
    sentence: str
    kind: Literal["info", "warning", "steering"] = "info"


class Ended(msgspec.Struct, frozen=True, tag=True):
    """A run ended.

    Attributes:
        exit_code: as a headless run would have ended (DESIGN.md, section 3).
        run_path: its directory; None when it had not begun.
        message: what went wrong; None when nothing did.
        hint: what to do about it.
    """

    exit_code: int
    run_path: str | None
    message: str | None = None
    hint: str | None = None


class LiveFigures(msgspec.Struct, frozen=True):
    """Warm or cold calls of a cell so far, times in ms on the function clock (cold ones with init); None without calls.

    Attributes:
        count: successful calls.
        counts: how many of them lie in each bin of `BINS_MS`, int32 little-endian; empty without calls.
    """

    count: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    counts: bytes = b""


class LiveDelivery(msgspec.Struct, frozen=True):
    """Messages of a cell so far, in the modes in which they are delivered; figures of warm ones in ms.

    Attributes:
        queue_p50_ms: from accepted to the start of the execution.
        e2e_p50_ms: from the intended send to the end of the execution; `e2e_p95_ms` likewise.
        executed: well in the end; `retried` of them after an execution that failed, `duplicated` of them twice.
        dead: given up after their retries.
        lost: accepted, and not heard of again.
    """

    queue_p50_ms: float | None
    e2e_p50_ms: float | None
    e2e_p95_ms: float | None
    executed: int
    retried: int
    duplicated: int
    dead: int
    lost: int


class LiveCell(msgspec.Struct, frozen=True):
    """A cell so far.

    Attributes:
        state: what is going on; ``ended`` by hand.
        calls: made so far.
        init_p50_ms: of cold starts.
        how_sure: confidence that was reached for the verdict, or for meeting as yet; None without a target.
        reason: why it failed or was ended.
        delivery: of its messages; None in modes in which calls wait for their result.
    """

    function: str
    memory_mb: int
    architecture: str
    mode: str
    state: Literal["queued", "running", "measured", "ended", "failed"]
    verdict: str
    calls: int
    warm: LiveFigures
    cold: LiveFigures
    init_p50_ms: float | None
    errors: int
    throttles: int
    cost_usd_per_million: float | None
    how_sure: float | None = None
    reason: str | None = None
    delivery: LiveDelivery | None = None


class OverTime(msgspec.Struct, frozen=True):
    """Latency of a cell's warm calls over time, second by second; float64 little-endian, all of one length.

    A second has its largest value as well, so that no spike is lost.

    Attributes:
        cell: index into the snapshot's cells.
        clock: that of the first target; the function's where there is none.
        at_s: the middle of each second, since the run was asked for.
    """

    cell: int
    clock: Literal["duration", "response", "service", "e2e"]
    at_s: bytes
    p50_ms: bytes
    p95_ms: bytes
    max_ms: bytes


class Snapshot(msgspec.Struct, frozen=True, tag=True):
    """A session that measures, whole; there is none before its first order can be sent.

    Attributes:
        state: ``pausing`` while calls in flight end; ``undoing`` after the last call.
        step: what is being done, in a few words.
        elapsed_s: since the run was asked for.
        paused_s: of that, paused.
        calls: made so far.
        calls_expected: where `calls` is heading for, as far as is known now.
        usd: what they cost so far, or would on AWS.
        costs_money: whether they do.
        currency: of `usd`.
        max_invocations: limit; None for none. `max_usd` and `max_minutes` likewise.
        calls_per_s: over the last seconds.
        in_flight: calls now, at the most.
        cold_starts: so far; `throttles` and `errors` likewise.
        send_slip_ms_p99: how late the generator sent, worst order; None before the first ended.
        loop_lag_ms_p99: how late it read answers, likewise.
        targets: in force, as text.
        load: in force, in words: ``10 in flight``.
        concurrency: in force, in the closed loop.
        rate: in force, in the open loop, as the setting is written.
        confidence: of the certificates.
        cells: in order of memory size.
        running: index of the cell that is measured; None between.
        leading: index of the cell that would be advised now; None as yet.
        over_time: of the followed cell.
    """

    run_id: str
    function: str
    place: str
    runtime: str
    architecture: str
    mode: str
    state: Literal["running", "pausing", "paused", "stopping", "undoing"]
    step: str
    elapsed_s: float
    paused_s: float
    calls: int
    calls_expected: int
    usd: float
    costs_money: bool
    currency: str
    max_invocations: int | None
    max_usd: float | None
    max_minutes: float | None
    calls_per_s: float
    in_flight: int
    cold_starts: int
    throttles: int
    errors: int
    send_slip_ms_p99: float | None
    loop_lag_ms_p99: float | None
    targets: tuple[str, ...]
    load: str
    concurrency: int
    rate: str | None
    confidence: float
    cells: tuple[LiveCell, ...]
    running: int | None
    leading: int | None
    over_time: OverTime | None


FromEngine = (
    Ready | Refused | CardShown | FunctionsListed | ApplyPlanned | Applied | Started | Said | Snapshot | Ended
)  # fmt: skip
Answer = Refused | CardShown | FunctionsListed | ApplyPlanned | Applied

BINS_PER_DECADE = 40
LOWEST_MS, HIGHEST_MS = 0.01, 1_000_000.0
BINS = 8 * BINS_PER_DECADE
"""Bins of `LiveFigures.counts`: bin i holds times from LOWEST_MS * 10 ** (i / BINS_PER_DECADE) on; what lies beyond an
end is in the bin at that end."""
