"""The ways in which Lambda is invoked, and what each of them means for a measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mode = Literal[
    "invoke", "stream", "function-url", "http", "step-functions",
    "event", "sns", "s3", "eventbridge",
    "sqs", "kinesis", "dynamodb-streams",
]  # fmt: skip
Family = Literal["synchronous", "asynchronous", "polling"]
Linking = Literal["answer", "request-id", "destination", "order"]
"""How a message is linked to its execution.

``answer``: the answer holds the REPORT line. ``request-id``: the answer names the request id of the REPORT line.
``destination``: the record that Lambda sends to a destination of the clone names both. ``order``: AWS gives no
identifier that links them; messages and executions are matched in the order of their times.
"""

HttpKind = Literal["http", "rest", "alb"]
Auth = Literal["iam", "none"]


@dataclass(frozen=True, slots=True)
class ModeFacts:
    """What is known of a mode.

    Attributes:
        family: synchronous, asynchronous or polling.
        linking: how a message is linked to its execution.
        summary: what is measured, for people.
        poll_ms: from one poll of a shard to the next, of a stream (AWS docs, "Lambda event source mappings": a shard of
            Kinesis is polled once a second, one of DynamoDB four times); 0 of every other mode.
    """

    family: Family
    linking: Linking
    summary: str
    poll_ms: float = 0.0

    @property
    def is_delivered(self) -> bool:
        """Whether the sender only learns that the message was accepted, and the function runs later."""
        return self.family != "synchronous"


MODES: dict[Mode, ModeFacts] = {
    "invoke": ModeFacts("synchronous", "answer", "Invoke, which waits for the result"),
    "stream": ModeFacts("synchronous", "answer", "InvokeWithResponseStream: time to the first byte and to the last"),
    "function-url": ModeFacts("synchronous", "request-id", "a function URL, signed or public"),
    "http": ModeFacts("synchronous", "order", "an HTTP API, a REST API or an Application Load Balancer"),
    "step-functions": ModeFacts("synchronous", "request-id", "StartSyncExecution of an Express workflow"),
    "event": ModeFacts("asynchronous", "request-id", "Invoke with InvocationType Event"),
    "sns": ModeFacts("asynchronous", "destination", "Publish to a topic"),
    "s3": ModeFacts("asynchronous", "destination", "PutObject into a bucket"),
    "eventbridge": ModeFacts("asynchronous", "destination", "PutEvents to a bus"),
    "sqs": ModeFacts("polling", "order", "SendMessage to a queue, standard or FIFO"),
    "kinesis": ModeFacts("polling", "order", "PutRecord to a data stream", poll_ms=1_000),
    "dynamodb-streams": ModeFacts("polling", "order", "PutItem into a table with a stream", poll_ms=250),
}


@dataclass(frozen=True, slots=True)
class ModeOptions:
    """What can be told of how a mode is set up; each concerns only some modes.

    Attributes:
        batch_size: most messages of an invocation; None for AWS's default (10 of a queue, 100 of a stream). Polling.
        batch_window_s: how long a batch may be gathered, in seconds. Polling.
        maximum_concurrency: most batches of a queue at once; None for no limit of its own. sqs.
        fifo: whether the queue is a FIFO queue. sqs.
        stream_shards: shards of the data stream. kinesis.
        parallelization_factor: batches of a shard at once. kinesis, dynamodb-streams.
        http_kind: HTTP API, REST API or load balancer. http.
        auth: whether requests are signed for IAM, or anyone may call. function-url, http.
        alb_subnets: subnets of the load balancer; needed on AWS. http with `http_kind` alb.
        alb_security_groups: its security groups. http with `http_kind` alb.
        role_arn: role that the workflow assumes to invoke the clone; None: one is created. step-functions.
    """

    batch_size: int | None = None
    batch_window_s: int = 0
    maximum_concurrency: int | None = None
    fifo: bool = False
    stream_shards: int = 1
    parallelization_factor: int = 1
    http_kind: HttpKind = "http"
    auth: Auth = "iam"
    alb_subnets: tuple[str, ...] = ()
    alb_security_groups: tuple[str, ...] = ()
    role_arn: str | None = None
