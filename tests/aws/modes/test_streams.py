"""kinesis and dynamodb-streams: set up, sent, told of, taken away, on the embedded endpoint."""

from __future__ import annotations

import base64
import json

import pytest


@pytest.mark.parametrize("mode", ["kinesis", "dynamodb-streams"])
async def test_records_are_executed_in_batches(mode, rig_of) -> None:
    options = {"stream_shards": 2} if mode == "kinesis" else {}
    async with rig_of(mode, parallelization_factor=2, batch_size=5, **options) as rig:
        assert (rig.mode.batch_size, rig.mode.lanes, rig.mode.retry_after_s) == (5, 4 if options else 2, 0.0)
        sent = [await rig.send({"sku": '7 \u00fc&"\\', "n": number}) for number in range(6)]
        assert {each.status for each in sent} == {200}, sent[0].body
        rows = await rig.rows(6)
        assert {row["outcome"] for row in rows} == {"executed"}
        records = [record for event in await rig.got() for record in event["Records"]]
        if mode == "kinesis":
            got = [json.loads(base64.b64decode(record["kinesis"]["data"])) for record in records]
            assert {record["kinesis"]["sequenceNumber"][-36:] for record in records} == {s.message_id for s in sent}
        else:
            images = [record["dynamodb"]["NewImage"] for record in records]
            got = [{"sku": image["sku"]["S"], "n": int(image["n"]["N"])} for image in images]
            assert len({image["id"]["S"] for image in images}) == 6
        assert sorted(each["n"] for each in got) == list(range(6))
        assert {each["sku"] for each in got} == {'7 \u00fc&"\\'}
        assert await rig.mode.endings() == []
        assert await rig.mode.backlog() is None


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["kinesis", "dynamodb-streams"])
async def test_a_batch_that_fails_every_time_is_told_with_its_range(mode, rig_of) -> None:
    async with rig_of(mode) as rig:
        sent = await rig.send({"poison": 1})
        (row,) = await rig.rows(1, "dead-lettered")
        assert row["attempt"] == 3
        (ending,) = await rig.endings(1)
        assert (ending.outcome, ending.message_id, ending.batch_size) == ("dead-lettered", None, 1)
        assert ending.request_id == row["request_id"]
        assert ending.first_sequence == ending.last_sequence is not None
        assert ending.error
        if mode == "kinesis":
            assert ending.first_sequence[-36:] == sent.message_id
