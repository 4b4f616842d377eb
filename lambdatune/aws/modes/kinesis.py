"""`kinesis`: records are put into a data stream of the run's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdatune.aws.modes.forms import check_bytes, json_request, json_with_base64
from lambdatune.aws.modes.streams import BECOMES_ACTIVE_S, Streamed
from lambdatune.aws.modes.waiting import until
from lambdatune.aws.refusals import error_code, refused
from lambdatune.model.change import Change

if TYPE_CHECKING:
    from lambdatune.aws.isolation import Ledger, Version, Watcher
    from lambdatune.aws.modes.site import Site
    from lambdatune.model.request_form import RequestForm

_MAX_BYTES = 1024 * 1024 - 36
"""A record has 1 MiB at the most unless the stream is told otherwise, with its partition key (AWS docs)."""


class Kinesis(Streamed):
    """A data stream.

    Args:
        site: the run.
    """

    reading = (
        "kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator",
        "kinesis:ListShards",
    )  # fmt: skip

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._stream = site.clone
        self._stream_arn = site.arn("kinesis", f"stream/{self._stream}")

    @property
    def changes(self) -> tuple[str, ...]:
        """What is made, and that it is deleted."""
        shards = self._site.options.stream_shards
        plural = "s" if shards > 1 else ""
        return (
            *super().changes, f"create data stream {self._stream} with {shards} shard{plural}; deleted at the end",
        )  # fmt: skip

    @property
    def lanes(self) -> int:
        """Shards times batches of a shard at once."""
        return self._site.options.stream_shards * self._site.options.parallelization_factor

    async def _create_stream(self, ledger: Ledger, watcher: Watcher) -> None:
        ledger.intend(Change("create-stream", self._stream, self._site.place))
        client = await self._site.access.service("kinesis")
        self._base_url = self._site.base_url_of(client)
        tags = {_tag(key): _tag(value) for key, value in self._site.tags.items()}
        with refused(f"creating data stream `{self._stream}`"):
            try:
                await client.create_stream(
                    StreamName=self._stream, ShardCount=self._site.options.stream_shards,
                    StreamModeDetails={"StreamMode": "PROVISIONED"}, Tags=tags,
                )  # fmt: skip
            except ClientError as error:
                if error_code(error) != "ResourceInUseException":
                    raise

        async def state() -> str:
            with refused(f"reading data stream `{self._stream}`"):
                summary = (await client.describe_stream_summary(StreamName=self._stream))["StreamDescriptionSummary"]
            self._stream_arn = summary["StreamARN"]
            return str(summary["StreamStatus"])

        await until("ACTIVE", state, f"data stream {self._stream}", watcher, patience_s=BECOMES_ACTIVE_S)
        await self._let_role_read(
            lambda policy: client.put_resource_policy(ResourceARN=self._stream_arn, Policy=policy), watcher
        )

    def request(self, version: Version, payload: bytes, *, tokens: bool) -> RequestForm:  # noqa: ARG002  by the alias
        """Return a PutRecord with a partition key of its own for every message.

        Raises:
            UsageError: when the payload is too large.
        """
        check_bytes("kinesis", payload, _MAX_BYTES, "a record of Kinesis has 1 MB at the most", tokens=tokens)
        document = {"StreamName": self._stream, "PartitionKey": "{{uuid}}"}
        body = json_with_base64(document, "Data", payload, tokens=tokens)
        return json_request(
            "Kinesis_20131202.PutRecord", "kinesis", body, version="1.1", base_url=self._base_url,
            id_key="SequenceNumber",
        )  # fmt: skip


def _tag(text: str) -> str:
    """Return a tag's text without what Kinesis does not have among its characters (API reference, Tag): the colon."""
    return text.replace(":", "/")
