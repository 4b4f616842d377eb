"""The invocation mode of a plan: what it sets up for the run, and the sender that goes with how it is linked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.aws.executions import ExecutionLog
from lambdatune.aws.marks import clone_name
from lambdatune.aws.modes.registry import make_mode, mode_names_versions
from lambdatune.model.modes import MODES
from lambdatune.session.delivered.joining import CallsById, MessagesById, RowWriter
from lambdatune.session.delivered.ordering import CallsInOrder, MessagesInOrder
from lambdatune.session.sending import AnsweredCalls, JoinedMessages

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.aws.isolation import Isolation
    from lambdatune.aws.marks import Maker
    from lambdatune.aws.modes.protocol import InvocationMode
    from lambdatune.load.driver import LoadDriver
    from lambdatune.load.order import Order
    from lambdatune.model.plan import Plan
    from lambdatune.session.delivered.joining import Joiner
    from lambdatune.session.delivered.linking import LinkRecord
    from lambdatune.session.sending import Sender
    from lambdatune.session.subject import Subject

_PAUSE_S = 2.0
_PAUSE_ON_LOOPBACK_S = 0.1
"""Between two looks at the log: AWS allows few FilterLogEvents a second, and lines arrive seconds later."""

_LATENCY_MS = 50.0
_LATENCY_ON_LOOPBACK_MS = 5.0
"""From the moment a batch is gathered to its start, without an init."""

_SETTLE_S = 8.0
_SETTLE_ON_LOOPBACK_S = 0.3
_SETTLE_OF_STREAM_ON_LOOPBACK_S = 2.5
"""For how long no execution must come where the end of a message cannot be known: two polls of a shard, or the time
that a log line takes."""


def mode_of(plan: Plan, subject: Subject, maker: Maker) -> InvocationMode | None:
    """Return the mode of `plan`, nothing of which is set up yet; None for plain Invoke.

    Raises:
        UsageError: when the mode is not possible as it is asked for.
    """
    if plan.mode == "invoke":
        return None
    return make_mode(
        plan.mode, plan.mode_options,
        access=subject.access, clone_name=clone_name(subject.description.name, maker.run), source=subject.description,
        maker=maker, place=subject.place,
        provisioned_concurrency=0 if mode_names_versions(plan.mode) else plan.provisioned_concurrency,
    )  # fmt: skip


def sender_of(
    plan: Plan,
    subject: Subject,
    *,
    driver: LoadDriver,
    mode: InvocationMode | None,
    isolation: Isolation,
    links: LinkRecord,
    memory_mb_of: Callable[[int], int],
    waiting: Callable[[int, int], None],
) -> Sender:
    """Return what sends the orders of `plan`.

    Args:
        plan: of the run.
        subject: the function.
        driver: the load driver, ready.
        mode: of `plan`, set up.
        isolation: what is called, which tells the log group.
        links: takes note of how sure the links are.
        memory_mb_of: returns the memory size of a cell.
        waiting: is told how many messages were sent, and how many of them have not ended.
    """
    facts = MODES[plan.mode]
    if mode is None or facts.linking == "answer":
        return AnsweredCalls(driver, mode)
    on_loopback = subject.place.endpoint_url is not None
    log = ExecutionLog(
        subject.access, isolation.log_group, is_json=subject.description.logs_json, runtime=subject.description.runtime
    )
    settle_s = 0.0
    if facts.linking == "order":
        is_stream = mode.retry_after_s == 0
        local_s = _SETTLE_OF_STREAM_ON_LOOPBACK_S if is_stream else _SETTLE_ON_LOOPBACK_S
        settle_s = local_s if on_loopback else _SETTLE_S

    def joiner_of(order: Order) -> Joiner:
        writer = RowWriter(memory_mb_of(order.cell), links)
        if facts.family == "synchronous":
            return CallsById(writer) if facts.linking == "request-id" else CallsInOrder(writer, links)
        if facts.family == "asynchronous":
            return MessagesById(writer)
        latency_ms = _LATENCY_ON_LOOPBACK_MS if on_loopback else _LATENCY_MS
        # An embedded endpoint may be told to poll more often.
        faster = 1.0 if subject.host is None else subject.host.get("stream_poll_ms", 1_000.0) / 1_000
        return MessagesInOrder(writer, mode, links, latency_ms=latency_ms, poll_ms=facts.poll_ms * faster)

    return JoinedMessages(
        driver, mode, log,
        joiner_of=joiner_of, settle_s=settle_s, timeout_s=subject.description.timeout_s, waiting=waiting,
        pause_s=_PAUSE_ON_LOOPBACK_S if on_loopback else _PAUSE_S, is_aws=not on_loopback,
    )  # fmt: skip
