"""Undo of what was never made, half made, or is in someone else's way; and what a journal says of it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, get_args

import pytest

from lambdatune.aws.access import AwsAccess
from lambdatune.aws.leftovers import find_leftovers
from lambdatune.aws.modes.undo import UNDO
from lambdatune.aws.undo import undo_change
from lambdatune.model.change import Change, ChangeKind, Place
from lambdatune.model.errors import UsageError
from lambdatune.session.journal import Journal

from .conftest import Book

if TYPE_CHECKING:
    from pathlib import Path

NAME = "lambdatune-shop-20261125-154931-e934"


WITH_THINGS = [
    ("event", {}), ("sns", {}), ("s3", {}), ("eventbridge", {}), ("sqs", {"fifo": True}), ("kinesis", {}),
    ("dynamodb-streams", {}), ("http", {}), ("http", {"http_kind": "rest"}), ("http", {"http_kind": "alb"}),
    ("step-functions", {}),
]  # fmt: skip
"""Modes that make something that does not go with the clone."""


def change_of(kind: ChangeKind, url: str | None = None) -> Change:
    arns = {"create-topic": "sns:us-east-1:123456789012:", "create-state-machine": "states:us-east-1:1:stateMachine:"}
    name = f"arn:aws:{arns[kind]}{NAME}" if kind in arns else NAME
    return Change(kind, name, Place("us-east-1", url))


@pytest.mark.parametrize("kind", sorted(set(UNDO) - {"create-role"}))
async def test_what_was_never_made_is_already_gone(kind, url) -> None:
    async with AwsAccess(endpoint_url=url) as access:
        assert await undo_change(access, change_of(kind, url)) is False


async def test_a_bucket_is_emptied_and_a_bus_without_a_target_is_deleted(url) -> None:
    async with AwsAccess(endpoint_url=url) as access:
        s3, events = await access.service("s3"), await access.service("events")
        await s3.create_bucket(Bucket=NAME)
        for number in range(3):
            await s3.put_object(Bucket=NAME, Key=f"lambdatune/{number} &.json", Body=b"{}")
        await events.create_event_bus(Name=NAME)
        await events.put_rule(Name="other", EventBusName=NAME, EventPattern='{"source": ["x"]}')
        for kind in ("create-bucket", "create-event-bus"):
            assert await undo_change(access, change_of(kind, url)) is True
            assert await undo_change(access, change_of(kind, url)) is False


async def test_a_mapping_is_found_after_its_function_is_gone(url, rig_of) -> None:
    async with rig_of("sqs") as rig:
        functions = await rig.access.functions()
        await functions.delete_function(FunctionName=rig.clone.name)
        (mapping,) = [change for change in rig.book.intents if change.kind == "create-event-source-mapping"]
        assert await undo_change(rig.access, mapping) is True
        rig.book.intents = [change for change in rig.book.intents if change.kind == "create-queue"]


@pytest.mark.parametrize("kind", get_args(ChangeKind))
def test_every_change_is_kept_named_and_can_be_undone_by_hand(kind, tmp_path: Path) -> None:
    change = change_of(kind)
    journal = Journal(tmp_path / "journal.jsonl")
    journal.intend(change)
    assert Journal(journal.path).pending() == (change,)
    assert NAME in change.thing
    assert "arn:" not in change.thing
    for command in change.command().split(" && "):
        assert command.startswith("aws ")
        assert command.endswith(" --region us-east-1")
        assert "{" not in command


def test_a_journal_of_a_later_release_is_an_error_that_says_where(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    entry = {"kind": "create-moon", "name": NAME, "place": {"region": "us-east-1"}}
    journal.path.write_text(json.dumps({"event": "intent", "change": entry}) + "\n")
    with pytest.raises(UsageError, match=r"line 1 cannot be read: .*create-moon"):
        journal.pending()


async def test_what_only_invokes_the_clone_and_is_not_the_runs_is_left_alone(rig_of) -> None:
    async with rig_of("event") as rig:
        functions = await rig.access.functions()
        arn = "arn:aws:sns:us-east-1:123456789012:orders"
        await functions.add_permission(
            FunctionName=rig.clone.name, Qualifier="lambdatune", StatementId="x", Action="lambda:InvokeFunction",
            Principal="sns.amazonaws.com", SourceArn=arn,
        )  # fmt: skip
        found = await find_leftovers(rig.access, Place("us-east-1", rig.url), ())
        assert {leftover.change.kind for leftover in found} == {"create-function", "create-queue"}


class KilledError(Exception):
    """The run is no more."""


class CutBook(Book):
    """A ledger whose run is killed right after it has written a given change of the mode."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    def intend(self, change: Change) -> None:
        super().intend(change)
        if self.left == 0:
            raise KilledError
        self.left -= 1


@pytest.mark.parametrize(("mode", "options"), WITH_THINGS)
async def test_what_is_left_is_found_without_a_journal_and_undone_from_one_wherever_the_run_was_killed(
    mode, options, rig_of
) -> None:
    async with rig_of(mode, **options) as rig:
        of_mode = [change for change in rig.book.intents if change.kind in UNDO]
        found = await find_leftovers(rig.access, Place("us-east-1", rig.url), ())
        changes = [leftover.change for leftover in found]
        assert set(of_mode) <= set(changes)
        assert {leftover.owner for leftover in found} == {"host:1:1"}
        assert changes[-1].kind == "create-function"
        for change in changes[:-1]:
            await undo_change(rig.access, change)
        assert not any([await undo_change(rig.access, change) for change in of_mode])
        # What goes with the clone is there already, as after an answer that was lost.
        for number in range(len(of_mode)):
            await asyncio.sleep(0.05)  # streams, tables and mappings take --settle-ms to be deleted
            book = CutBook(number)
            with pytest.raises(KilledError):
                await rig.again().prepare(book, book)
            assert len(book.intents) == number + 1
            for change in reversed(book.intents):
                await undo_change(rig.access, change)
        assert not any([await undo_change(rig.access, change) for change in of_mode])
        rig.book.intents[:] = [change for change in rig.book.intents if change.kind not in UNDO]
