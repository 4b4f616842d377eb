"""All tables: by name and ARN, their states, and the streams that they have or had."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError, validation
from lambdatune.local.events.dynamodb.table import Table, TableStream, check_schema, no_such_table
from lambdatune.local.events.dynamodb.values import invalid
from lambdatune.local.reply import structure, structures

if TYPE_CHECKING:
    from collections.abc import Callable

VIEWS = ("KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES")
_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}")
_MAX_TAGS = 50


class Tables:
    """The tables of one endpoint.

    Args:
        region: of ARNs.
        account_id: of ARNs.
        later: runs a change after the endpoint's settle time.
    """

    def __init__(self, region: str, account_id: str, later: Callable[[Callable[[], None]], None]) -> None:
        self._region = region
        self._account_id = account_id
        self._later = later
        self._tables: dict[str, Table] = {}
        self._streams: dict[str, TableStream] = {}

    def names(self) -> list[str]:
        """Return the names, sorted."""
        return sorted(self._tables)

    def streams(self) -> list[TableStream]:
        """Return all streams, also those of tables that are gone, by ARN."""
        return [stream for _, stream in sorted(self._streams.items())]

    def stream(self, arn: str) -> TableStream | None:
        """Return a stream, None when there is none."""
        return self._streams.get(arn)

    def create(self, body: dict[str, Any]) -> Table:
        """Make a table of the members of CreateTable, which were checked for what is not served.

        Raises:
            ApiError: ValidationException, ResourceInUseException.
        """
        name = table_name(body.get("TableName"))
        definitions, keys = structures(body.get("AttributeDefinitions")), structures(body.get("KeySchema"))
        check_schema(definitions, keys)
        billing = billing_of(body)
        throughput = throughput_of(body, billing)
        view = view_of(body)
        tags = tags_of(body.get("Tags"))
        if name in self._tables:
            raise ApiError("ResourceInUseException", f"Table already exists: {name}")
        arn = f"arn:aws:dynamodb:{self._region}:{self._account_id}:table/{name}"
        table = Table(
            name, arn, self._region, definitions, keys, billing, throughput, tags,
            is_protected=body.get("DeletionProtectionEnabled") is True,
        )  # fmt: skip
        self._tables[name] = table
        if view is not None:
            self._enable(table, view)
        self._later(lambda: self._become(table, "CREATING"))
        return table

    def update(self, table: Table, body: dict[str, Any]) -> None:
        """Change a table by the members of UpdateTable.

        Raises:
            ApiError: ValidationException, ResourceInUseException.
        """
        self._check_active(table)
        billing = table.billing if body.get("BillingMode") is None else billing_of(body)
        throughput = table.throughput
        if billing != table.billing or body.get("ProvisionedThroughput") is not None:
            throughput = throughput_of(body, billing)
        if body.get("StreamSpecification") is not None:
            view = view_of(body)
            if view is not None:
                self._enable(table, view)
            elif table.stream is None or table.stream.status != "ENABLED":
                raise invalid(f"Table has no stream to disable: TableName: {table.name}")
            else:
                table.disable_stream()
        if body.get("DeletionProtectionEnabled") is not None:
            table.is_protected = body["DeletionProtectionEnabled"] is True
        table.billing, table.throughput = billing, throughput
        table.status = "UPDATING"
        self._later(lambda: self._become(table, "UPDATING"))

    def delete(self, table: Table) -> None:
        """Remove a table; its stream can still be read.

        Raises:
            ApiError: ValidationException when it is protected, ResourceInUseException.
        """
        if table.is_protected:
            raise invalid(
                f"Resource cannot be deleted as it is currently protected against deletion. Disable deletion "
                f"protection first. TableName: {table.name}"
            )
        self._check_active(table)
        table.status = "DELETING"
        table.disable_stream()
        self._later(lambda: self._forget(table))

    def get(self, name: object) -> Table:
        """Return a table in any state, by its name or ARN.

        Raises:
            ApiError: ResourceNotFoundException, ValidationException.
        """
        bare = table_name(name)
        table = self._tables.get(bare)
        if table is None:
            raise ApiError("ResourceNotFoundException", f"Requested resource not found: Table: {bare} not found")
        return table

    def active(self, name: object) -> Table:
        """Return a table that takes and gives items.

        Raises:
            ApiError: ResourceNotFoundException, ValidationException.
        """
        table = self._tables.get(table_name(name))
        if table is None or table.status in {"CREATING", "DELETING"}:
            raise no_such_table()
        return table

    def by_arn(self, arn: object) -> Table:
        """Return the table of an ARN.

        Raises:
            ApiError: ResourceNotFoundException, ValidationException.
        """
        table = self._tables.get(table_name(arn))
        if table is None or table.arn != arn:
            raise ApiError("ResourceNotFoundException", f"Requested resource not found: ResourcArn: {arn} not found")
        return table

    def _enable(self, table: Table, view: str) -> None:
        table.enable_stream(view)
        if table.stream is not None:
            self._streams[table.stream.arn] = table.stream

    def _check_active(self, table: Table) -> None:
        if table.status != "ACTIVE":
            sentence = f"Attempt to change a resource which is still in use: Table is {table.status}: {table.name}"
            raise ApiError("ResourceInUseException", sentence)

    def _become(self, table: Table, before: str) -> None:
        if table.status == before:
            table.status = "ACTIVE"

    def _forget(self, table: Table) -> None:
        self._tables.pop(table.name, None)


def table_name(value: object) -> str:
    """Return the bare name of a table's name or ARN.

    Raises:
        ApiError: ValidationException.
    """
    name = value
    if isinstance(value, str) and value.startswith("arn:") and ":table/" in value:
        name = value.partition(":table/")[2]
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        shown = "null" if value is None else value
        raise validation(
            "tableName", shown, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+, 3 to 255 in length"
        )
    return name


def billing_of(body: dict[str, Any]) -> str:
    """Return the BillingMode of a request.

    Raises:
        ApiError: ValidationException.
    """
    billing = body.get("BillingMode") or "PROVISIONED"
    if billing not in ("PROVISIONED", "PAY_PER_REQUEST"):
        raise validation("billingMode", billing, "Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]")
    return str(billing)


def throughput_of(body: dict[str, Any], billing: str) -> tuple[int, int]:
    """Return read and write capacity units of a request; zeros when paid per request.

    Raises:
        ApiError: ValidationException.
    """
    given = structure(body.get("ProvisionedThroughput"))
    if billing == "PAY_PER_REQUEST":
        if given:
            raise invalid(
                "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be "
                "specified when BillingMode is PAY_PER_REQUEST"
            )
        return 0, 0
    units = given.get("ReadCapacityUnits"), given.get("WriteCapacityUnits")
    if not all(isinstance(each, int) and not isinstance(each, bool) and each >= 1 for each in units):
        raise invalid(
            "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be given "
            "and be 1 or more, when BillingMode is PROVISIONED"
        )
    return int(str(units[0])), int(str(units[1]))


def view_of(body: dict[str, Any]) -> str | None:
    """Return the StreamViewType that a request asks for, None when it asks for no stream.

    Raises:
        ApiError: ValidationException.
    """
    given = structure(body.get("StreamSpecification"))
    view = given.get("StreamViewType")
    if not given.get("StreamEnabled"):
        if view is not None:
            raise invalid(
                "One or more parameter values were invalid: StreamViewType cannot be specified when StreamEnabled is "
                "false"
            )
        return None
    if view not in VIEWS:
        raise validation(
            "streamSpecification.streamViewType",
            "null" if view is None else view,
            f"Member must satisfy enum value set: [{', '.join(VIEWS)}]",
        )
    return str(view)


def tags_of(value: object) -> dict[str, str]:
    """Return tags of a request's list of Key and Value.

    Raises:
        ApiError: ValidationException, SerializationException.
    """
    tags: dict[str, str] = {}
    for each in structures(value):
        key, text = each.get("Key"), each.get("Value")
        if not isinstance(key, str) or not key or not isinstance(text, str):
            raise invalid("One or more parameter values were invalid: a tag has a Key and a Value")
        tags[key] = text
    if len(tags) > _MAX_TAGS:
        raise invalid(f"One or more parameter values were invalid: a table has {_MAX_TAGS} tags at the most")
    return tags
