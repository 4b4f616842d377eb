"""`dynamodb-streams`: items are put into a table of the run's own, whose stream has each of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdatune.aws.modes.forms import check_bytes, json_request, parsed
from lambdatune.aws.modes.streams import BECOMES_ACTIVE_S, Streamed
from lambdatune.aws.modes.waiting import until
from lambdatune.aws.refusals import error_code, refused
from lambdatune.model.change import Change
from lambdatune.model.errors import UsageError
from lambdatune.model.request_form import BodyPart

if TYPE_CHECKING:
    from lambdatune.aws.isolation import Ledger, Version, Watcher
    from lambdatune.aws.modes.site import Site
    from lambdatune.model.request_form import RequestForm

_KEY = "id"
_MAX_BYTES = 400 * 1024


class DynamoDbStreams(Streamed):
    """A table with a stream.

    Args:
        site: the run.
    """

    reading = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator")

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._table = site.clone
        self._shards = 1

    @property
    def changes(self) -> tuple[str, ...]:
        """What is made, and that it is deleted."""
        return (*super().changes, f"create table {self._table} with a stream; deleted at the end with its items")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What becomes of a payload."""
        return (f"a payload's members are the attributes of an item; `{_KEY}` is its key, and another in each item",)

    @property
    def lanes(self) -> int:
        """Shards times batches of a shard at once; a table's shards are counted when it is there."""
        return self._shards * self._site.options.parallelization_factor

    async def _create_stream(self, ledger: Ledger, watcher: Watcher) -> None:
        ledger.intend(Change("create-table", self._table, self._site.place))
        client = await self._site.access.service("dynamodb")
        self._base_url = self._site.base_url_of(client)
        with refused(f"creating table `{self._table}`"):
            try:
                await client.create_table(
                    TableName=self._table, BillingMode="PAY_PER_REQUEST", Tags=self._site.tag_list(),
                    AttributeDefinitions=[{"AttributeName": _KEY, "AttributeType": "S"}],
                    KeySchema=[{"AttributeName": _KEY, "KeyType": "HASH"}],
                    StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
                )  # fmt: skip
            except ClientError as error:
                if error_code(error) != "ResourceInUseException":
                    raise

        async def state() -> str:
            with refused(f"reading table `{self._table}`"):
                table = (await client.describe_table(TableName=self._table))["Table"]
            self._stream_arn = table.get("LatestStreamArn", "")
            return str(table["TableStatus"])

        await until("ACTIVE", state, f"table {self._table}", watcher, patience_s=BECOMES_ACTIVE_S)
        await self._let_role_read(
            lambda policy: client.put_resource_policy(ResourceArn=self._stream_arn, Policy=policy), watcher
        )

    async def point_to(self, version: Version) -> None:
        """Move the alias, and count the shards anew: AWS divides them as it likes.

        Raises:
            AwsRefused: when AWS refuses.
        """
        await super().point_to(version)
        await self._count_shards()

    async def _count_shards(self) -> None:
        client = await self._site.access.service("dynamodbstreams")
        with refused(f"reading the stream of table `{self._table}`"):
            stream = (await client.describe_stream(StreamArn=self._stream_arn))["StreamDescription"]
        is_open = [not each["SequenceNumberRange"].get("EndingSequenceNumber") for each in stream.get("Shards", [])]
        self._shards = max(sum(is_open), 1)

    def request(self, version: Version, payload: bytes, *, tokens: bool) -> RequestForm:  # noqa: ARG002  by the alias
        """Return a PutItem with a key of its own for every message.

        Raises:
            UsageError: when the payload is too large, or is no JSON object.
        """
        document = parsed(payload, tokens=tokens)
        if not isinstance(document, dict):
            raise UsageError(
                "a payload for mode dynamodb-streams is a JSON object, whose members are the attributes of an item, "
                f"also before its tokens are replaced: {payload[:20].decode('utf-8', 'replace')!r} is none",
                hint="for example --payload '{\"sku\": 7}'; tokens stand within texts",
            )
        check_bytes(
            "dynamodb-streams", payload, _MAX_BYTES, "an item of DynamoDB has 400 KB at the most", tokens=tokens
        )
        item = json.dumps({name: _typed(value) for name, value in document.items() if name != _KEY}, ensure_ascii=False)
        head = f'{{"TableName": {json.dumps(self._table)}, "Item": {{"{_KEY}": {{"S": "{{{{uuid}}}}"}}'
        rest = f", {item[1:-1]}" if len(item) > len("{}") else ""
        body = (BodyPart(head.encode(), tokens=True), BodyPart(rest.encode(), tokens), BodyPart(b"}}"))
        return json_request("DynamoDB_20120810.PutItem", "dynamodb", body, version="1.0", base_url=self._base_url)


def _typed(value: Any) -> dict[str, Any]:
    """Return a JSON value with its DynamoDB type, as the SDKs' document clients have it."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int | float):
        return {"N": json.dumps(value)}
    if isinstance(value, list):
        return {"L": [_typed(each) for each in value]}
    return {"M": {name: _typed(each) for name, each in value.items()}}
