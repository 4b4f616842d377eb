"""sqs, standard and FIFO: set up, sent, told of, taken away, on the embedded endpoint."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("fifo", [False, True])
async def test_messages_are_executed_and_those_that_fail_are_told(fifo, rig_of) -> None:
    async with rig_of("sqs", fifo=fifo, batch_size=2) as rig:
        assert (rig.mode.batch_size, rig.mode.retry_after_s) == (2, 60.0)
        sent = await rig.send({"sku": '7 \u00fc&"\\'})
        assert sent.status == 200, sent.body
        (row,) = await rig.rows(1)
        assert row["outcome"] == "executed"
        assert row["message_id"] == sent.message_id
        (event,) = await rig.got()
        assert event["Records"][0]["body"] == '{"sku": "7 \\u00fc&\\"\\\\"}'
        assert await rig.mode.endings() == []


@pytest.mark.slow
@pytest.mark.parametrize("fifo", [False, True])
async def test_a_message_that_fails_three_times_ends_in_the_dead_letter_queue(fifo, rig_of) -> None:
    async with rig_of("sqs", function="brief", fifo=fifo, batch_size=1) as rig:
        assert rig.mode.retry_after_s == 1.0
        sent = await rig.send({"poison": 1})
        await rig.rows(1, "failed")
        assert await rig.mode.backlog() == 1
        (ending,) = await rig.endings(1)
        assert (ending.message_id, ending.request_id) == (sent.message_id, None)
        assert (ending.outcome, ending.error) == ("dead-lettered", "MaxReceiveCountExceeded")
        assert len(await rig.rows(3, "failed")) == 3
        assert await rig.mode.backlog() == 0
