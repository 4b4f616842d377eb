"""The actions of DynamoDB: tables, and single items by their key."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import not_implemented, validation
from lambdatune.local.events.dynamodb.table import key_identity
from lambdatune.local.events.dynamodb.tables import tags_of
from lambdatune.local.events.dynamodb.values import Item, check_item, invalid, size_of
from lambdatune.local.reply import Reply, json_body, structure, structures, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.local.events.dynamodb.table import Table
    from lambdatune.local.events.dynamodb.tables import Tables
    from lambdatune.local.httpd import Request

CONTENT = "application/x-amz-json-1.0"
_MAX_BATCH = 25
_EXPRESSIONS = (
    "ConditionExpression", "ProjectionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues", "Expected",
    "ConditionalOperator", "AttributesToGet",
)  # fmt: skip
"""Members that would change what an action does and that this endpoint does not evaluate."""

_UNSERVED = (
    "LocalSecondaryIndexes", "GlobalSecondaryIndexes", "GlobalSecondaryIndexUpdates", "ReplicaUpdates",
    "SSESpecification", "TableClass", "ResourcePolicy", "OnDemandThroughput", "WarmThroughput",
)  # fmt: skip
_DEFAULTS = {"TableClass": "STANDARD"}


class DynamoDbApi:
    """Serves the actions of DynamoDB.

    Args:
        tables: all tables.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._actions: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
            "CreateTable": self._create,
            "DeleteTable": self._delete_table,
            "DescribeTable": self._describe,
            "ListTables": self._list,
            "UpdateTable": self._update_table,
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsOfResource": self._list_tags,
            "PutItem": self._put,
            "GetItem": self._get,
            "DeleteItem": self._delete,
            "BatchWriteItem": self._write_batch,
        }

    async def serve(self, action: str, request: Request) -> Reply:
        """Serve one action.

        Raises:
            ApiError: UnknownOperationException for what is not implemented, and the errors of the actions.
        """
        handler = self._actions.get(action)
        if handler is None:
            raise not_implemented(f"DynamoDB {action}")
        answer = handler(json_body(request))
        return Reply(200, answer, content_type=CONTENT)

    # Tables.

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        _refuse_unserved(body)
        return {"TableDescription": self._tables.create(body).view()}

    def _delete_table(self, body: dict[str, Any]) -> dict[str, Any]:
        table = self._tables.get(body.get("TableName"))
        self._tables.delete(table)
        return {"TableDescription": table.view()}

    def _describe(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"Table": self._tables.get(body.get("TableName")).view()}

    def _update_table(self, body: dict[str, Any]) -> dict[str, Any]:
        _refuse_unserved(body)
        table = self._tables.get(body.get("TableName"))
        self._tables.update(table, body)
        return {"TableDescription": table.view()}

    def _list(self, body: dict[str, Any]) -> dict[str, Any]:
        limit = body.get("Limit", 100)
        if not isinstance(limit, int) or not 1 <= limit <= 100:
            raise validation("limit", limit, "Member must have value between 1 and 100")
        after = str(body.get("ExclusiveStartTableName") or "")
        left = [name for name in self._tables.names() if name > after]
        answer: dict[str, Any] = {"TableNames": left[:limit]}
        if len(left) > limit:
            answer["LastEvaluatedTableName"] = left[limit - 1]
        return answer

    def _tag(self, body: dict[str, Any]) -> dict[str, Any]:
        table = self._tables.by_arn(body.get("ResourceArn"))
        merged = {**table.tags, **tags_of(body.get("Tags"))}
        table.tags = tags_of([{"Key": key, "Value": value} for key, value in merged.items()])
        return {}

    def _untag(self, body: dict[str, Any]) -> dict[str, Any]:
        table = self._tables.by_arn(body.get("ResourceArn"))
        for key in texts(body.get("TagKeys")):
            table.tags.pop(key, None)
        return {}

    def _list_tags(self, body: dict[str, Any]) -> dict[str, Any]:
        tags = self._tables.by_arn(body.get("ResourceArn")).tags
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    # Items.

    def _put(self, body: dict[str, Any]) -> dict[str, Any]:
        _refuse_expressions(body, "PutItem")
        wants_old = _wants_old(body)
        table = self._tables.active(body.get("TableName"))
        item = check_item(body.get("Item"), "item")
        old = table.put(item)
        return _written(body, table, [item, old], old if wants_old else None)

    def _get(self, body: dict[str, Any]) -> dict[str, Any]:
        _refuse_expressions(body, "GetItem")
        table = self._tables.active(body.get("TableName"))
        item = table.get(table.key_of(check_item(body.get("Key"), "key"), is_whole=False))
        answer: dict[str, Any] = {} if item is None else {"Item": item}
        strong = 1.0 if body.get("ConsistentRead") is True else 0.5
        units = max(math.ceil((0 if item is None else size_of(item)) / 4_096), 1) * strong
        return answer | _consumed(body, {table.name: units}, is_list=False)

    def _delete(self, body: dict[str, Any]) -> dict[str, Any]:
        _refuse_expressions(body, "DeleteItem")
        wants_old = _wants_old(body)
        table = self._tables.active(body.get("TableName"))
        old = table.delete(table.key_of(check_item(body.get("Key"), "key"), is_whole=False))
        return _written(body, table, [old], old if wants_old else None)

    def _write_batch(self, body: dict[str, Any]) -> dict[str, Any]:
        asked = structure(body.get("RequestItems"))
        requests = [(name, each) for name, given in asked.items() for each in structures(given)]
        if not 1 <= len(requests) <= _MAX_BATCH:
            raise validation(
                "requestItems", f"{len(requests)} requests", f"Member must have length between 1 and {_MAX_BATCH}"
            )
        # All is checked before anything is written.
        writes = [self._write_of(name, each) for name, each in requests]
        keys = {(table.name, key_identity(keys)) for table, keys, _ in writes}
        if len(keys) != len(writes):
            raise invalid("Provided list of item keys contains duplicates")
        units: dict[str, float] = {}
        for table, key, item in writes:
            old = table.delete(key) if item is None else table.put(item)
            units[table.name] = units.get(table.name, 0.0) + _units([item, old])
        return {"UnprocessedItems": {}} | _consumed(body, units, is_list=True)

    def _write_of(self, name: str, request: dict[str, Any]) -> tuple[Table, Item, Item | None]:
        """Return table, key, and the item to put; None for one to delete."""
        table = self._tables.active(name)
        if set(request) == {"PutRequest"}:
            item = check_item(structure(request["PutRequest"]).get("Item"), "item")
            table.check_size(item)
            return table, table.key_of(item, is_whole=True), item
        if set(request) == {"DeleteRequest"}:
            key = check_item(structure(request["DeleteRequest"]).get("Key"), "key")
            return table, table.key_of(key, is_whole=False), None
        raise invalid(
            "Supplied AttributeValue has more than one or no request: PutRequest or DeleteRequest is expected"
        )


def _refuse_unserved(body: dict[str, Any]) -> None:
    for member in _UNSERVED:
        if body.get(member) not in (None, [], {}, _DEFAULTS.get(member)):
            raise invalid(f"The embedded lambdatune endpoint does not implement {member}.")


def _refuse_expressions(body: dict[str, Any], action: str) -> None:
    for member in _EXPRESSIONS:
        if body.get(member):
            raise invalid(f"The embedded lambdatune endpoint does not evaluate {member} of {action}.")


def _wants_old(body: dict[str, Any]) -> bool:
    wanted = body.get("ReturnValues") or "NONE"
    if wanted not in ("NONE", "ALL_OLD"):
        raise invalid("Return values set to invalid value")
    return wanted == "ALL_OLD"


def _written(body: dict[str, Any], table: Table, items: list[Item | None], old: Item | None) -> dict[str, Any]:
    answer: dict[str, Any] = {} if old is None else {"Attributes": old}
    return answer | _consumed(body, {table.name: _units(items)}, is_list=False)


def _units(items: list[Item | None]) -> float:
    """Return write capacity units: one for each started KB of the larger of the item before and after."""
    return float(max(math.ceil(max(0 if item is None else size_of(item) for item in items) / 1_024), 1))


def _consumed(body: dict[str, Any], units: dict[str, float], *, is_list: bool) -> dict[str, Any]:
    asked = body.get("ReturnConsumedCapacity") or "NONE"
    if asked == "NONE":
        return {}
    if asked not in ("TOTAL", "INDEXES"):
        raise validation("returnConsumedCapacity", asked, "Member must satisfy enum value set: [INDEXES, TOTAL, NONE]")
    answers = [{"TableName": name, "CapacityUnits": value} for name, value in units.items()]
    if asked == "INDEXES":
        answers = [{**answer, "Table": {"CapacityUnits": answer["CapacityUnits"]}} for answer in answers]
    return {"ConsumedCapacity": answers if is_list else answers[0]}
