"""event, sns, s3 and eventbridge: set up, sent, told of, taken away, on the embedded endpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lambdatune.aws.access import AwsAccess

if TYPE_CHECKING:
    from lambdatune.model.modes import Mode

MODES: tuple[Mode, ...] = ("event", "sns", "s3", "eventbridge")


def payload_in(mode: Mode, event: dict[str, Any]) -> Any:
    """Return what the function got of a message's payload."""
    if mode == "sns":
        return json.loads(event["Records"][0]["Sns"]["Message"])
    return event["detail"] if mode == "eventbridge" else event


@pytest.mark.parametrize("mode", MODES)
async def test_a_message_is_executed_and_its_record_names_message_and_request(mode, rig_of) -> None:
    async with rig_of(mode) as rig:
        sent = await rig.send({"sku": '7 \u00fc&"\\', "id": "{{uuid}}"}, tokens=True)
        assert 200 <= sent.status < 300, sent.body
        (row,) = await rig.rows(1)
        assert (row["outcome"], row["message_id"][-36:]) == ("executed", sent.message_id)
        assert mode != "event" or row["request_id"] == sent.message_id
        (ending,) = await rig.endings(1)
        assert (ending.message_id, ending.request_id) == (sent.message_id, row["request_id"])
        assert (ending.outcome, ending.error) == ("executed", "")
        (event,) = await rig.got()
        if mode == "s3":
            assert event["Records"][0]["s3"]["bucket"]["name"].startswith("lambdatune-shop-")
        else:
            got = payload_in(mode, event)
            assert got["sku"] == '7 \u00fc&"\\'
            assert len(got["id"]) == 36
        assert rig.mode.patience_s > 180 + 3 * 60
        assert await rig.mode.backlog() is None


@pytest.mark.parametrize("mode", ["event", "sns", "eventbridge"])
async def test_a_message_that_fails_every_time_is_told_with_its_error(mode, rig_of) -> None:
    async with rig_of(mode) as rig:
        sent = await rig.send({"poison": 1})
        (row,) = await rig.rows(1, "dead-lettered")
        assert row["attempt"] == 3
        (ending,) = await rig.endings(1)
        assert ending.message_id == sent.message_id
        assert ending.request_id == row["request_id"]
        assert (ending.outcome, ending.error) == ("dead-lettered", "ValueError")


async def test_events_are_tried_as_often_as_the_functions_own(rig_of, url) -> None:
    async with AwsAccess(endpoint_url=url) as access:
        functions = await access.functions()
        await functions.put_function_event_invoke_config(
            FunctionName="shop", MaximumRetryAttempts=0, MaximumEventAgeInSeconds=99
        )
        try:
            async with rig_of("event") as rig:
                assert rig.mode.patience_s < 180
                now = await functions.get_function_event_invoke_config(
                    FunctionName=rig.clone.name, Qualifier="lambdatune"
                )
                assert (now["MaximumRetryAttempts"], now["MaximumEventAgeInSeconds"]) == (0, 99)
        finally:
            await functions.delete_function_event_invoke_config(FunctionName="shop")


async def test_many_endings_are_all_told_and_each_once(rig_of) -> None:
    async with rig_of("sns") as rig:
        sent = {(await rig.send({"n": number})).message_id for number in range(45)}
        await rig.rows(45, "executed")
        endings = await rig.endings(45)
        assert {ending.message_id for ending in endings} == sent


async def test_an_alias_that_moves_takes_messages_along(rig_of) -> None:
    async with rig_of("event") as rig:
        await rig.send({"n": 1})
        await rig.rows(1)
        other = await rig.clone.version(256)
        await rig.mode.point_to(other)
        await rig.send({"n": 2})
        await rig.rows(2)
        logs = await rig.access.logs()
        streams = (await logs.filter_log_events(logGroupName=rig.clone.log_group))["events"]
        names = {event["logStreamName"] for event in streams if event["message"].startswith("REPORT")}
        assert {name.partition("[")[2].partition("]")[0] for name in names} == {rig.version.version, other.version}
