"""Going on with a run that ended early, in its own directory: interrupted, killed, failed, or unproven by a limit.

The plan stays what it was, and what was measured is taken in as it was measured, so that the certificates go on where
they stopped: they may be looked at after every call, and so also after a break. Limits count anew. What the calls are
sent to must be what they were sent to before: the code and the configuration are compared, and the payloads have to be
there again.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lambdatune.model.errors import UsageError
from lambdatune.session.fingerprint import differences_between, fingerprint_of
from lambdatune.session.holding import refuse_going
from lambdatune.session.replay import RecordedRun, recorded_generator
from lambdatune.session.results import CONTINUED, DEFAULT_BODY, Facts, timestamp
from lambdatune.session.run_directory import RunDirectory
from lambdatune.session.steered import steered_of

if TYPE_CHECKING:
    from lambdatune.model.plan import Limits, Payload, Plan
    from lambdatune.model.result import RunResult
    from lambdatune.recommend.evidence import Evidence
    from lambdatune.session.generator import GeneratorRecord
    from lambdatune.session.subject import Subject
    from lambdatune.stats.rows import Rows

_GIVEN_UP = re.compile(r"up to (\d+) calls in flight were given up")
_HOST_KEYS = ("machine", "cores", "cpu_limiter")
"""What an embedded endpoint says of its host and what the times of its calls depend on."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """A recorded run that can go on.

    Attributes:
        recorded: the run.
        plan: under which it goes on: its own, with its payloads, and with other limits where they are given.
    """

    recorded: RecordedRun
    plan: Plan

    @classmethod
    def of(cls, run: RunDirectory, *, limits: Limits | None = None, payloads: tuple[Payload, ...] = ()) -> Continuation:
        """Return how `run` goes on.

        Args:
            run: recorded.
            limits: instead of the recorded ones; a limit counts what is added to the run, not what it has.
            payloads: what the run was told to send, for one that did not record it.

        Raises:
            UsageError: when the run is complete or invalid, another process makes it, or its payloads are not there.
        """
        refuse_going(run, finished=run.read().finished is not None)
        # The list of owed undos holds its path, wherever that is looked at from.
        recorded = RecordedRun(RunDirectory(run.path.absolute()))
        refuse_ended(recorded.record)
        plan = replace(recorded.plan, payloads=_payloads_of(recorded, payloads))
        return cls(recorded, plan if limits is None else replace(plan, limits=limits))

    def check(self, subject: Subject) -> None:
        """Check that calls would be sent to what they were sent to before.

        Raises:
            UsageError: naming what differs.
        """
        record = self.recorded.record
        found = subject.measured
        differing = differences_between(record.environment, fingerprint_of(found))
        if record.function.arn != found.arn:
            differing.insert(0, f"the function was {record.function.arn}, and is {found.arn}")
        if subject.embedded or subject.host:
            before, now = record.environment.get("embedded") or {}, subject.host or {}
            differing += [
                f"the host's {key} was {before[key]}, and is {now.get(key)}"
                for key in _HOST_KEYS
                if key in before and before[key] != now.get(key)
            ]
        if differing:
            raise UsageError(
                f"run {record.id} cannot be continued, because its calls would not be like those before: "
                + "; ".join(differing),
                hint="start a new run, and compare the two",
            )

    def evidence(self) -> Evidence:
        """Return what was measured, as evidence that more is added to."""
        evidence = self.recorded.evidence(self.plan)
        for entry in steered_of(self.recorded.record.environment):
            if entry.ended_mb is not None:
                evidence[evidence.index_of(entry.ended_mb)].ended = True
        return evidence

    def facts(self) -> Facts:
        """Return the facts of the run, with the note that it is continued now."""
        record = self.recorded.record
        how = {"complete": "ended by a limit", "failed": "failed", "interrupted": "been interrupted"}[record.status]
        how = "been killed" if record.finished is None else how
        entry = {"at": timestamp(dt.datetime.now(dt.UTC)), "calls": len(self.rows), "ended": how}
        environment: dict[str, Any] = dict(record.environment)
        environment[CONTINUED] = [*environment.get(CONTINUED, ()), entry]
        return Facts(record.id, record.started, None, record.function, environment)

    @property
    def run(self) -> RunDirectory:
        """The directory of the run."""
        return self.recorded.directory

    def check_payloads(self, plan: Plan) -> None:
        """Check the payloads of `plan`, all of them read, against what was sent.

        Raises:
            UsageError: when they are others.
        """
        _refuse_other_payloads(self.recorded, plan.payloads)

    def refuse_other_end(self) -> None:
        """Refuse a run that another process continued since it was read.

        Raises:
            UsageError: when it did.
        """
        if self.run.read() != self.recorded.record:
            raise UsageError(f"run {self.run.id} was continued by another process meanwhile", hint="look at it again")

    @property
    def rows(self) -> Rows:
        """What was measured, as it came."""
        return self.recorded.rows

    @property
    def orders(self) -> int:
        """The number of the last order that has rows."""
        return int(self.rows["order"].max()) if len(self.rows) else 0

    def generator(self) -> GeneratorRecord:
        """Return what was seen of the generator before."""
        record = self.recorded.record
        told = [match for note in record.validity.notes if (match := _GIVEN_UP.search(note))]
        given_up = sum(int(match[1]) for match in told) if record.finished is not None else 0
        return replace(recorded_generator(self.recorded), given_up=given_up)


def refuse_ended(record: RunResult) -> None:
    """Refuse a run to which more calls would add nothing.

    Raises:
        UsageError: saying what it ended with.
    """
    advice = record.recommendation
    if record.finished is None or record.status != "complete":
        return
    if advice.status == "invalid":
        raise UsageError(
            f"run {record.id} is invalid, and more calls would not mend that: {'; '.join(record.validity.reasons)}",
            hint="start a new run when the reason is gone",
        )
    if advice.status != "unproven":
        raise UsageError(
            f"run {record.id} is complete, so that there is nothing to go on with: {advice.sentence}",
            hint="start a new run for another target or load",
        )


def _payloads_of(recorded: RecordedRun, given: tuple[Payload, ...]) -> tuple[Payload, ...]:
    """Return the payloads of the run: those recorded, the default one, or those given again.

    Raises:
        UsageError: when they are not there, or others are given than were sent.
    """
    entries = recorded.record.plan["payloads"]
    if not given and all("body" in entry or entry.get("default") for entry in entries):
        sent = zip(recorded.plan.payloads, entries, strict=True)
        return tuple(payload if "body" in entry else replace(payload, body=DEFAULT_BODY) for payload, entry in sent)
    if not given:
        raise UsageError(
            f"run {recorded.record.id} cannot send its payloads again, since it did not record them: {_sizes(entries)}",
            hint="give the same ones with --payload; --record-payloads keeps those of a new run",
        )
    # Those in S3 are read when the session starts, and compared then.
    if all(payload.s3 is None for payload in given) or len(given) != len(entries):
        _refuse_other_payloads(recorded, given)
    return tuple(
        replace(payload, tokens=entry.get("tokens", False)) for payload, entry in zip(given, entries, strict=True)
    )


def _refuse_other_payloads(recorded: RecordedRun, given: tuple[Payload, ...]) -> None:
    entries = recorded.record.plan["payloads"]
    bodies = [entry.get("body", "{}" if entry.get("default") else None) for entry in entries]
    is_same = len(given) == len(entries) and all(
        (len(payload.body), payload.weight) == (entry["bytes"], entry["weight"])
        and body in {None, payload.body.decode("utf-8")}
        for payload, entry, body in zip(given, entries, bodies, strict=True)
    )
    if not is_same:
        raise UsageError(
            f"the payloads given are not those of run {recorded.record.id}: it sent {_sizes(entries)}",
            hint="give the same ones, in the same order and with the same weights",
        )


def _sizes(entries: list[dict[str, Any]]) -> str:
    return ", ".join(f"{entry['bytes']} bytes (weight {entry['weight']:g})" for entry in entries)
