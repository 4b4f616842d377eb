"""``lambdatune local``."""

from __future__ import annotations

import click


@click.command("local")
@click.option("--port", type=click.IntRange(0, 65_535), default=9_001, show_default=True,
              help="TCP port on 127.0.0.1; 0 picks a free one.")  # fmt: skip
@click.option(
    "--cpu-limiter",
    type=click.Choice(["auto", "cgroup", "delay", "none"]),
    default="auto",
    show_default=True,
    help="How CPU is held to memory / 1769 of a core.",
)
@click.option("--memory-limiter", type=click.Choice(["auto", "cgroup", "rss"]), default="auto", show_default=True,
              help="How memory is held to the memory size.")  # fmt: skip
@click.option("--account-concurrency", type=click.IntRange(1), default=1_000, show_default=True, metavar="N",
              help="Concurrent executions of the account.")  # fmt: skip
@click.option("--async-wait-scale", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True,
              metavar="FACTOR", help="Factor on the waits between asynchronous retries (1 and 2 minutes on AWS), on "
              "their back-off and on their maximum age.")  # fmt: skip
@click.option("--stream-poll-ms", type=click.FloatRange(5, 60_000), default=1_000.0, show_default=True, metavar="MS",
              help="Time between two polls of a Kinesis shard by an event source mapping, a second on AWS; a shard of "
              "a DynamoDB stream is polled four times as often.")  # fmt: skip
@click.option(
    "--credentials",
    multiple=True,
    metavar="KEY:SECRET",
    help="An access key whose secret is not its own id. Repeatable.",
)
def command(
    port: int,
    cpu_limiter: str,
    memory_limiter: str,
    account_concurrency: int,
    async_wait_scale: float,
    stream_poll_ms: float,
    credentials: tuple[str, ...],
) -> int:
    """Serve the embedded AWS-compatible endpoint by itself, on 127.0.0.1 only.

    Works with the AWS CLI and the SDKs: functions that are created there run as real processes, with CPU and
    memory in proportion to the memory size. Everything in it is gone when it ends (Ctrl-C).

    Signatures are verified as on AWS. Any access key is taken whose secret is the key id itself.

    \b
    lambdatune local &
    export AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_DEFAULT_REGION=us-east-1
    aws --endpoint-url http://127.0.0.1:9001 lambda list-functions
    lambdatune run --endpoint-url http://127.0.0.1:9001 --function my-function
    """  # noqa: D301  \b keeps click from joining the lines
    from lambdatune.local.options import Options, parse_credentials  # noqa: PLC0415  heavy, and not needed for --help
    from lambdatune.local.server import run  # noqa: PLC0415

    options = Options(
        port=port, cpu_limiter=cpu_limiter, memory_limiter=memory_limiter, account_concurrency=account_concurrency,
        async_wait_scale=async_wait_scale, stream_poll_ms=stream_poll_ms,
        credentials=tuple(parse_credentials(text) for text in credentials),
    )  # fmt: skip
    return run(options)
