"""What the endpoint can be told when it is started."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_STREAM_POLL_MS = 5
MAX_STREAM_POLL_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of the embedded endpoint.

    Attributes:
        port: TCP port on 127.0.0.1; 0 picks a free one.
        exit_with_stdin: end when standard input reaches its end, so that a killed parent takes the endpoint along.
        sweep: only remove what dead endpoints left behind, then exit.
        cpu_limiter: auto, cgroup, delay or none.
        memory_limiter: auto, cgroup or rss.
        account_concurrency: executions at once over all functions; AWS's default is 1000.
        region: region in ARNs.
        account_id: account in ARNs.
        period_us: CPU quota period in microseconds.
        idle_s: seconds after which an unused execution environment ends.
        settle_ms: how long Pending and InProgress last, in milliseconds.
        init_timeout_s: limit of the init phase; AWS's is 10 s.
        reserve_cores: cores kept free for the client and this server; fractions allowed.
        async_wait_scale: factor on the waits and the maximum age of asynchronous invocations; 1 is AWS's time.
        stream_poll_ms: from one poll of a Kinesis shard by a mapping to the next, in milliseconds; AWS's is a second.
            Shards of DynamoDB streams are polled four times as often, as on AWS.
        credentials: access key id and secret of keys whose secret is not their id, see `local.signatures`.
    """

    port: int = 0
    exit_with_stdin: bool = False
    sweep: bool = False
    cpu_limiter: str = "auto"
    memory_limiter: str = "auto"
    account_concurrency: int = 1_000
    region: str = "us-east-1"
    account_id: str = "123456789012"
    period_us: int = 20_000
    idle_s: float = 600.0
    settle_ms: float = 100.0
    init_timeout_s: float = 10.0
    reserve_cores: float = 0.25
    async_wait_scale: float = 1.0
    stream_poll_ms: float = 1_000.0
    credentials: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def parse_credentials(text: str) -> tuple[str, str]:
    """Read ``KEY:SECRET``.

    Raises:
        UsageError: when it is not of that form; what was given is not repeated.
    """
    key, colon, secret = text.partition(":")
    if not (key and colon and secret) or "/" in key:
        raise UsageError("--credentials: expected KEY:SECRET", hint="for example --credentials AKIDTEST:secret")
    return key, secret


def parse_options(argv: Sequence[str] | None = None) -> Options:
    """Read the command line of ``python -m lambdatune.local``; exits with 2 on a usage error."""
    parser = argparse.ArgumentParser(
        prog="lambdatune local",
        description="The embedded AWS-compatible Lambda endpoint, on 127.0.0.1 only.",
    )
    default = Options()
    add = parser.add_argument
    add("--port", type=int, default=default.port, help="TCP port; 0 picks a free one (default)")
    add("--exit-with-stdin", action="store_true", help="end when standard input ends")
    add("--sweep", action="store_true", help="only remove what dead endpoints left behind")
    add("--cpu-limiter", choices=("auto", "cgroup", "delay", "none"), default=default.cpu_limiter)
    add("--memory-limiter", choices=("auto", "cgroup", "rss"), default=default.memory_limiter)
    add("--account-concurrency", type=int, default=default.account_concurrency, metavar="N")
    add("--region", default=default.region, help=f"region in ARNs (default {default.region})")
    add("--account-id", default=default.account_id, help="account in ARNs")
    add("--period-us", type=int, default=default.period_us, help="CPU quota period (default 20000)")
    add("--idle-s", type=float, default=default.idle_s, help="seconds before an idle environment ends")
    add("--settle-ms", type=float, default=default.settle_ms, help="how long Pending and InProgress last")
    add("--init-timeout-s", type=float, default=default.init_timeout_s, help="limit of the init phase")
    add("--reserve-cores", type=float, default=default.reserve_cores, help="cores kept for client and server")
    add("--async-wait-scale", type=float, default=default.async_wait_scale, metavar="FACTOR",
        help="factor on the waits between asynchronous retries and on their maximum age")  # fmt: skip
    add("--stream-poll-ms", type=float, default=default.stream_poll_ms, metavar="MS",
        help="between two polls of a Kinesis shard (default 1000); DynamoDB streams: a quarter")  # fmt: skip
    add("--credentials", action="append", default=[], metavar="KEY:SECRET", help="a key whose secret is not its id")
    given = vars(parser.parse_args(argv))
    try:
        given["credentials"] = tuple(parse_credentials(text) for text in given["credentials"])
    except UsageError as error:
        parser.error(error.message)
    if not 0 < given["async_wait_scale"] <= 1:
        parser.error("--async-wait-scale: expected a factor above 0 and up to 1")
    if not MIN_STREAM_POLL_MS <= given["stream_poll_ms"] <= MAX_STREAM_POLL_MS:
        parser.error(f"--stream-poll-ms: expected {MIN_STREAM_POLL_MS} to {MAX_STREAM_POLL_MS} milliseconds")
    return Options(**given)
