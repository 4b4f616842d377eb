"""The plan: what to measure, under which targets, within which limits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lambdatune.model.modes import MODES, Mode, ModeOptions

if TYPE_CHECKING:
    from lambdatune.model.load_shape import BurstLoad, Ramp
    from lambdatune.model.memory import MemoryChoice
    from lambdatune.model.target import Target

Arrivals = Literal["constant", "poisson"]
Strategy = Literal["cheapest", "fastest", "balanced"]
IsolationName = Literal["clone", "version", "current"]
PriceChoice = Literal["live", "bundled"]
Architecture = Literal["x86_64", "arm64"]
OnOff = Literal["on", "off"]

STRETCH_S = 10.0
"""Seconds of messages at a rate that each size gets at the least, one stretch after another."""


@dataclass(frozen=True, slots=True)
class FunctionSource:
    """Which function is tuned.

    Attributes:
        name: a function's name or ARN on AWS, or the path of a directory or zip that holds its code.
        is_path: whether `name` is a path, whose function runs on the embedded endpoint.
        runtime: AWS's runtime identifier; needed with a path, unless there is an entry point.
        handler: ``module.function``; needed with a path, unless there is an entry point.
        timeout_s: the function's timeout in seconds; used with a path.
        entry_point: command line of a program that speaks the Runtime API; the path is a directory that stands in for
            a container image then.
    """

    name: str
    is_path: bool = False
    runtime: str | None = None
    handler: str | None = None
    timeout_s: int = 60
    entry_point: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Hard limits over the whole run; None is unlimited.

    Attributes:
        max_invocations: calls.
        max_usd: dollars (in China: CNY) that they cost.
        max_minutes: time from the first call on.
    """

    max_invocations: int | None = None
    max_usd: float | None = None
    max_minutes: float | None = None


@dataclass(frozen=True, slots=True)
class Payload:
    """One event that is sent.

    Attributes:
        body: the event, JSON; empty until it is read, when it is in S3.
        weight: its weight among the events of the plan.
        tokens: whether ``{{uuid}}``, ``{{sequence}}`` and ``{{timestamp}}`` in it are replaced anew for every call.
        s3: bucket and key of an event that is read from S3 when the session starts.
    """

    body: bytes
    weight: float = 1.0
    tokens: bool = False
    s3: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure.

    Attributes:
        function: the function that is tuned.
        memory: the memory sizes that may be tried.
        targets: all must hold for a size to meet the plan; may be empty.
        mode: invocation mode.
        mode_options: how the mode is set up.
        strategy: what to pick among the sizes that meet every target.
        confidence: of the certificates and intervals, between 0.5 and 1.
        concurrency: calls in flight (closed loop).
        rate_per_s: arrivals per second, whether answers come or not (open loop); None for the closed loop.
        arrivals: of a rate or ramp: at equal intervals, or at random ones (Poisson).
        ramp: arrivals whose rate changes; each size gets whole ramps. At most one of rate, ramp and burst is given.
        burst: arrivals that come many at once; each size gets whole bursts.
        shards: load processes that the load is split over; with `dask` so many on each worker.
        dask: address of the scheduler of a Dask cluster that sends the load; None for this machine.
        cold_starts: forced cold starts per size.
        cold_rate: share of cold starts that the cost per million assumes.
        traffic_per_s: calls (messages) a second of the function's real traffic, for what its cold starts cost; None
            when that is not asked. The load of the run does not depend on it.
        traffic_cold_rate: share of that traffic that starts cold; None: to be modelled.
        limits: hard limits over the whole run.
        payloads: the events, at least one.
        record_payloads: whether the run directory keeps the events themselves.
        isolation: what is called: a clone, versions published from the function, or the function as it is.
        architecture: instruction set of the clone; None for the function's own.
        snap_start: whether the clone has SnapStart; None for what the function has.
        provisioned_concurrency: environments of each version of the clone that are initialised ahead; 0 for none.
        concurrency_share: share of the account's unreserved concurrency that the load may take, above 0 to 1.
        prices: AWS's price list of today, or the bundled table; None: live on AWS itself, bundled elsewhere.
        endpoint_url: an endpoint that speaks like AWS; None for AWS itself.
        region: AWS region; None to take it from the environment.
        aws_profile: name of a profile of the AWS configuration; None for the standard chain.
        seed: of every random choice, so that a run can be repeated.
    """

    function: FunctionSource
    memory: MemoryChoice
    targets: tuple[Target, ...] = ()
    mode: Mode = "invoke"
    mode_options: ModeOptions = field(default_factory=ModeOptions)
    strategy: Strategy = "cheapest"
    confidence: float = 0.95
    concurrency: int = 1
    rate_per_s: float | None = None
    arrivals: Arrivals = "constant"
    ramp: Ramp | None = None
    burst: BurstLoad | None = None
    shards: int = 1
    dask: str | None = None
    cold_starts: int = 10
    cold_rate: float = 0.01
    traffic_per_s: float | None = None
    traffic_cold_rate: float | None = None
    limits: Limits = field(default_factory=Limits)
    payloads: tuple[Payload, ...] = (Payload(b"{}"),)
    record_payloads: bool = False
    isolation: IsolationName = "clone"
    architecture: Architecture | None = None
    snap_start: OnOff | None = None
    provisioned_concurrency: int = 0
    concurrency_share: float = 0.5
    prices: PriceChoice | None = None
    endpoint_url: str | None = None
    region: str | None = None
    aws_profile: str | None = None
    seed: int = 0

    @property
    def warm_block(self) -> int:
        """Warm calls that one order makes at the least: one of each caller, a burst, or a ramp."""
        return self.whole_block if self.whole_block > 1 else self.concurrency

    @property
    def whole_block(self) -> int:
        """Warm calls that only mean something together: a burst, a ramp, or a single call.

        Of messages that are delivered at a rate, as many as come in `STRETCH_S`: a backlog takes time to show.
        """
        if self.ramp is not None:
            return self.ramp.calls
        if self.burst is not None:
            return self.burst.size
        is_stretch = self.rate_per_s is not None and MODES[self.mode].is_delivered
        return max(math.ceil(self.rate_per_s * STRETCH_S), 1) if is_stretch and self.rate_per_s else 1

    def in_blocks(self, calls: int) -> int:
        """Return `calls` warm calls rounded up to whole blocks."""
        return math.ceil(calls / self.whole_block) * self.whole_block

    @property
    def arrivals_per_s(self) -> float | None:
        """Mean arrivals of warm calls per second in the open loop; None in the closed loop."""
        if self.ramp is not None:
            return self.ramp.calls / self.ramp.duration_s
        return self.rate_per_s if self.burst is None else self.burst.size / self.burst.every_s
