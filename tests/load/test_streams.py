"""Streamed answers, other hosts and cut answers, through real load processes against the stub."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from lambdatune.load.driver import LoadDriver
from lambdatune.load.order import ClosedLoop, Order, WeightedPayload
from lambdatune.model.errors import AwsRefused
from lambdatune.model.invocation import Start, Status
from lambdatune.model.request_form import BodyPart, RequestForm


@pytest.fixture
async def shared_driver(shared_stub, credentials):
    async with LoadDriver.start(shared_stub.endpoint, credentials) as started:
        yield started


def order_to(function: str, calls: int = 1, concurrency: int = 1, **fields) -> Order:
    """Return an order of calls to a behaviour of the stub."""
    fields = {"answer": "stream", "body": (BodyPart(b"{}"),), **fields}
    form = RequestForm(f"/2015/functions/{function}/invocations", **fields)
    return Order(7, 3, "fn", ClosedLoop(concurrency), calls, payloads=(WeightedPayload(b"", form=form),))


async def test_a_stream_has_a_first_chunk_a_last_byte_and_a_report(shared_driver, collect):
    rows = await collect(shared_driver, order_to("stream_30", 6, 2))
    assert (rows["status"] == Status.OK).all(), shared_driver.last_outcome.messages
    assert (rows["first_byte_ns"] - rows["sent_ns"] >= 30e6).all()
    assert (rows["done_ns"] - rows["sent_ns"] >= 90e6).all()
    assert (rows["first_byte_ns"] < rows["done_ns"]).all()
    assert (rows["duration_ms"] >= 90).all()
    assert (rows["init_ms"] == 0.01).all()
    assert (rows["start"] == Start.COLD).all()
    assert len(set(rows["request_id"])) == 6
    # Six streams, one after another on two connections.
    assert shared_driver.last_outcome.setup.opened == 2
    assert shared_driver.last_outcome.setup.reopened == 0


async def test_a_stream_without_payload_begins_with_its_head(shared_driver, collect):
    (row,) = await collect(shared_driver, order_to("stream_20_empty"))
    assert row["status"] == Status.OK
    assert row["sent_ns"] < row["first_byte_ns"]
    assert row["done_ns"] - row["first_byte_ns"] >= 50e6


@pytest.mark.parametrize(
    ("ending", "status", "error"),
    [
        ("error", Status.FUNCTION_ERROR, b"KeyError"),
        ("exception", Status.SERVICE_ERROR, b"ServiceException"),
        ("cut", Status.TRUNCATED, b"stream ended without InvokeComplete"),
        ("damaged", Status.TRUNCATED, b"checksum of an event is wrong"),
        ("dropped", Status.TRUNCATED, b"answer ended early"),
    ],
)
async def test_streams_that_end_otherwise(shared_driver, collect, ending, status, error):
    rows = await collect(shared_driver, order_to(f"stream_1_{ending}", 3))
    assert set(rows["status"]) == {status}
    assert set(rows["error"]) == {error}
    assert {len(request_id) for request_id in rows["request_id"]} == {36}
    assert (rows["first_byte_ns"] > rows["sent_ns"]).all()
    assert error.decode() in shared_driver.last_outcome.messages


async def test_a_stream_that_is_throttled(shared_driver, collect):
    (row,) = await collect(shared_driver, order_to("throttle_CallerRateLimitExceeded"))
    assert (row["status"], row["error"]) == (Status.THROTTLED, b"CallerRateLimitExceeded")


async def test_answers_of_any_length_and_framing_are_read_for_what_they_say(shared_driver, collect):
    for function in ("huge", "chunked", "slow"):
        for answer in ("accept", "http"):
            (row,) = await collect(shared_driver, order_to(function, answer=answer))
            assert (row["status"], row["error"]) == (Status.OK, b"")
    (row,) = await collect(shared_driver, order_to("ok", answer="workflow"))
    assert (row["status"], row["error"]) == (Status.SERVICE_ERROR, b"answer is no execution")


async def test_orders_go_to_several_hosts_in_turn_and_connections_stay(shared_driver, start_stub, collect):
    with start_stub() as other:
        opened = []
        for base_url in (None, other.url, None, other.url):
            rows = await collect(shared_driver, order_to("ok", 20, 4, answer="accept", base_url=base_url))
            assert (rows["status"] == Status.OK).all()
            opened.append(shared_driver.last_outcome.setup.opened)
        assert opened == [4, 4, 0, 0]
        assert other.stats()["requests"] == {"ok": 40}
        assert f"Host: 127.0.0.1:{other.port}" in other.stats()["last"]
        # Connections that the other host closes while an order goes here are let go, and opened anew when needed.
        assert other.ask("/close-idle") == 4
        rows = await collect(shared_driver, order_to("delay_1", 40, 4, answer="accept"))
        assert (rows["status"] == Status.OK).all()
        rows = await collect(shared_driver, order_to("ok", 20, 4, answer="accept", base_url=other.url))
        assert (rows["status"] == Status.OK).all()
        assert shared_driver.last_outcome.setup.opened == 4
        assert shared_driver.last_outcome.setup.reopened == 0
    # The other host is gone, this one is not.
    with pytest.raises(AwsRefused, match=f"{other.url} cannot be reached: connection refused"):
        await collect(shared_driver, order_to("ok", 1, answer="accept", base_url=other.url))
    rows = await collect(shared_driver, order_to("ok", 4, answer="accept"))
    assert (rows["status"] == Status.OK).all()


async def test_another_host_is_reached_by_tls_with_the_same_authorities(
    shared_stub, tls_stub, certificates, collect, credentials
):
    trusted = msgspec.structs.replace(shared_stub.endpoint, ca_file=str(certificates[0]))
    async with LoadDriver.start(trusted, credentials) as driver:
        rows = await collect(driver, order_to("stream_1", 3, base_url=tls_stub.url))
        assert (rows["status"] == Status.OK).all()
        assert not np.isnan(rows["duration_ms"]).any()
    async with LoadDriver.start(shared_stub.endpoint, credentials) as driver:
        with pytest.raises(AwsRefused, match="certificate not trusted"):
            await collect(driver, order_to("ok", base_url=tls_stub.url))


async def test_two_shards_keep_one_sequence(stub, collect, credentials):
    parts = (BodyPart(b'{"n":'), BodyPart(b"{{sequence}}", tokens=True), BodyPart(b"}"))
    async with LoadDriver.start(stub.endpoint, credentials, shards=2) as driver:
        rows = await collect(driver, order_to("ok", 41, 4, answer="accept", body=parts))
    assert (rows["status"] == Status.OK).all()
    assert set(rows["shard"]) == {0, 1}
    assert stub.stats()["bodies"] == {f'{{"n":{number}}}': 1 for number in range(41)}
