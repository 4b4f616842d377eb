from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lambdatune.load import connection as connection_module
from lambdatune.load.endpoint import Credentials
from lambdatune.load.engine import Engine
from lambdatune.load.messages import (
    HEADER_BYTES,
    MESSAGE_KIND,
    Begin,
    Configure,
    FrameReader,
    OrderDone,
    Prepare,
    Prepared,
    Ready,
    decode_from_shard,
    frame,
    message_frame,
    split_header,
)
from lambdatune.load.order import ClosedLoop, Order
from lambdatune.load.outbox import Outbox
from lambdatune.load.pacers import make_pacer
from lambdatune.load.poller import EpollPoller, SelectorPoller
from lambdatune.load.pool import ConnectionPool
from lambdatune.load.request import PreparedRequests
from lambdatune.load.row_buffer import RowBuffer
from lambdatune.model.invocation import Status
from lambdatune.stats.rows import ROW_DTYPE

pytestmark = pytest.mark.alone

LONG = Order(1, 0, "delay_5", ClosedLoop(4), 1_000_000)

PARENT = """
import asyncio, sys
from lambdatune.load.driver import LoadDriver
from lambdatune.load.endpoint import Credentials, endpoint_from_url
from lambdatune.load.order import ClosedLoop, Order

async def main():
    endpoint = endpoint_from_url(sys.argv[1], "us-east-1")
    async with LoadDriver.start(endpoint, Credentials("A", "s")) as driver:
        async for _ in driver.run(Order(1, 0, "delay_5", ClosedLoop(4), 1_000_000)):
            print(driver._shards[0].pid, flush=True)

asyncio.run(main())
"""


def read_frame(stream):
    kind, length = split_header(stream.read(HEADER_BYTES))
    payload = stream.read(length)
    return decode_from_shard(payload) if kind == MESSAGE_KIND else payload


def is_gone(pid: int, within_s: float) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def shard(stub):
    process = subprocess.Popen(
        [sys.executable, "-m", "lambdatune.load.shard"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        cwd=Path(__file__).parents[2],
    )
    process.stdin.write(message_frame(Configure(stub.endpoint, Credentials("A", "s"), 5)))
    process.stdout = io.BufferedReader(process.stdout)
    assert read_frame(process.stdout) == Ready(process.pid)
    yield process
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()


def begin_long_order(shard) -> None:
    shard.stdin.write(message_frame(Prepare(LONG)))
    assert read_frame(shard.stdout) == Prepared(1)
    shard.stdin.write(message_frame(Begin(0)))
    assert isinstance(read_frame(shard.stdout), bytes)


def test_a_shard_ends_when_its_pipe_ends_and_stops_sending(shard, stub):
    begin_long_order(shard)
    shard.stdin.close()
    assert shard.wait(1) == 0
    before = stub.stats()["requests"]
    time.sleep(0.1)
    assert stub.stats()["requests"] == before
    assert shard.stderr.read() == b""


def test_a_shard_ends_when_nobody_reads_what_it_measured(shard):
    begin_long_order(shard)
    shard.stdout.close()
    assert shard.wait(2) == 0


def test_a_shard_ends_when_its_parent_is_killed(stub):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, stub.url], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    with parent:
        pid = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
        assert is_gone(pid, 1.0)
    before = stub.stats()["requests"]
    time.sleep(0.1)
    assert stub.stats()["requests"] == before


def test_the_parent_that_does_not_read_loses_nothing(shard):
    order = Order(2, 0, "ok", ClosedLoop(50), 20_000)
    shard.stdin.write(message_frame(Prepare(order)))
    assert read_frame(shard.stdout) == Prepared(2)
    shard.stdin.write(message_frame(Begin(0)))
    time.sleep(1.0)
    rows = []
    while not isinstance(message := read_frame(shard.stdout), OrderDone):
        rows.append(np.frombuffer(message, ROW_DTYPE))
    assert sum(map(len, rows)) == 20_000
    assert sum(message.counts) == 20_000
    assert len(set(np.concatenate(rows)["request_id"])) == 20_000


def test_an_outbox_keeps_every_byte_in_order():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.set_blocking(reader, False)
    poller = EpollPoller()
    outbox = Outbox(writer, poller)
    sent, got = b"", b""
    for number in range(200):
        part = bytes([number]) * (number * 37)
        sent += part
        outbox.put(part)
    for _ in range(10_000):
        try:
            got += os.read(reader, 1000)
        except BlockingIOError:
            break
        for fd, _ in poller.wait(0, precise=False):
            assert fd == writer
            outbox.write()
    assert got == sent
    assert poller.wait(0, precise=True) == []
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        outbox.put(b"x")
    os.close(writer)
    poller.close()


def test_frames_are_found_in_any_cut():
    wire = b"".join(frame(0, bytes([number]) * number) for number in range(30))
    for size in (1, 2, 3, 7, 100, len(wire)):
        reader = FrameReader()
        found = [payload for at in range(0, len(wire), size) for payload in reader.feed(wire[at : at + size])]
        assert found == [bytes([number]) * number for number in range(30)]


def test_a_host_without_epoll_and_kernel_stamps(stub, monkeypatch):
    monkeypatch.setattr(connection_module, "HAS_KERNEL_STAMPS", False)
    poller = SelectorPoller()
    pool = ConnectionPool(stub.endpoint, poller)
    order = Order(3, 1, "delay_5", ClosedLoop(4), 60)
    batches: list[bytes] = []

    def never(fd: int, mask: int) -> None:
        raise AssertionError(fd)

    engine = Engine(
        order=order,
        pacer=make_pacer(order.pacing, order.seed),
        requests=PreparedRequests(stub.endpoint, Credentials("A", "s"), order),
        rows=RowBuffer(order.cell, 0, order.id, batches.append),
        pool=pool,
        poller=poller,
        connections=pool.prepare(4, never),
        on_other=never,
    )
    done = engine.run(time.time_ns())
    pool.close_all()
    poller.close()
    assert done.counts[Status.OK] == 60
    assert done.kernel_stamps == 0
    assert done.user_stamps >= 60
    rows = np.frombuffer(b"".join(batches), ROW_DTYPE)
    assert ((rows["done_ns"] - rows["sent_ns"]) / 1e6 >= rows["duration_ms"] - 0.5).all()
