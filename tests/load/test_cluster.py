"""Shards on the workers of a real Dask cluster: two workers on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from distributed import Client
from support.dask_cluster import DaskCluster
from support.program import wait_gone

from lambdatune.load.cluster import is_exposed
from lambdatune.load.driver import LoadDriver
from lambdatune.load.hosted import Frames
from lambdatune.load.order import Burst, ClosedLoop, ConstantRate, TimedBurst
from lambdatune.model.errors import LambdatuneError, UsageError
from lambdatune.model.invocation import Status
from lambdatune.stats.rows import ROW_DTYPE

pytestmark = [pytest.mark.alone, pytest.mark.slow]

CLIENT = """
import asyncio, sys
from lambdatune.load.driver import LoadDriver
from lambdatune.load.endpoint import Credentials, endpoint_from_url
from lambdatune.load.order import ClosedLoop, Order

async def main():
    endpoint = endpoint_from_url(sys.argv[1], "us-east-1")
    async with LoadDriver.start(endpoint, Credentials("A", "A"), dask=sys.argv[2]) as driver:
        async for _ in driver.run(Order(1, 0, "delay_5", ClosedLoop(4), 1_000_000)):
            print("sending", flush=True)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with DaskCluster(tmp_path_factory.mktemp("dask"), 2) as started:
        wait_for_workers(started)
        yield started


@pytest.fixture
def own_cluster(tmp_path):
    """A cluster whose workers a test may kill."""
    with DaskCluster(tmp_path, 2) as started:
        wait_for_workers(started)
        yield started


def wait_for_workers(cluster: DaskCluster) -> None:
    with Client(cluster.address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)


async def test_a_cluster_gives_the_same_rows_as_processes_here(cluster, stub, credentials, collect, make_order):
    async with LoadDriver.start(stub.endpoint, credentials, dask=cluster.address) as driver:
        for pacing, calls in (
            (ClosedLoop(5), 501),
            (Burst(8), 16),
            (TimedBurst(8, 0.1, 20), 24),
            (ConstantRate(500, 20), 300),
        ):
            rows = await collect(driver, make_order("delay_2", calls, pacing))
            assert rows.dtype == ROW_DTYPE
            assert len(rows) == calls
            assert (rows["status"] == Status.OK).all()
            assert set(rows["shard"]) == {0, 1}
            outcome = driver.last_outcome
            assert (outcome.complete, outcome.lost, outcome.calls) == (True, 0, calls)
        processes = cluster.load_processes()
        assert len(processes) == 2
    assert stub.stats()["requests"] == {"delay_2": 841}
    assert credentials.secret_access_key not in cluster.logs()
    assert "take_frames" not in cluster.logs()
    assert wait_gone(processes) == []


async def test_several_shards_on_each_worker(cluster, stub, credentials, collect, make_order):
    async with LoadDriver.start(stub.endpoint, credentials, shards=2, dask=cluster.address) as driver:
        rows = await collect(driver, make_order("ok", 4000, ClosedLoop(8)))
    assert set(rows["shard"]) == {0, 1, 2, 3}
    assert len(np.unique(rows["request_id"])) == 4000


async def test_the_loss_of_a_worker_costs_only_what_it_had_not_sent(
    own_cluster, stub, credentials, collect, make_order
):
    async with LoadDriver.start(stub.endpoint, credentials, dask=own_cluster.address) as driver:
        batches = []
        async for batch in driver.run(make_order("delay_5", 2000, ClosedLoop(4))):
            batches.append(batch)
            if sum(map(len, batches)) > 200 and own_cluster.workers[0].poll() is None:
                own_cluster.workers[0].kill()
                own_cluster.workers[0].wait()
        rows = np.concatenate(batches)
        outcome = driver.last_outcome
        counts = sorted(np.bincount(rows["shard"], minlength=2).tolist())
        assert counts[1] == 1000, "the other worker's share is whole"
        assert 1 <= counts[0] < 1000
        # Two callers at 5 ms make less than 400 calls in a second.
        assert stub.stats()["requests"]["delay_5"] - len(rows) < 400
        assert (outcome.complete, outcome.shards_lost, outcome.lost) == (False, 1, 1000 - counts[0])
        assert len(np.unique(rows["request_id"])) == len(rows)

        again = await collect(driver, make_order("ok", 100, ClosedLoop(4)))
        assert len(again) == 100
        assert driver.last_outcome.complete

        with pytest.raises(LambdatuneError, match=r"a load process on Dask worker tcp://.* was lost"):  # noqa: PT012
            async for _ in driver.run(make_order("delay_5", 100_000, ClosedLoop(4))):
                if own_cluster.workers[1].poll() is None:
                    own_cluster.workers[1].kill()
                    own_cluster.workers[1].wait()


async def test_a_shard_that_is_killed_on_its_worker_is_survived(own_cluster, stub, credentials, make_order):
    async with LoadDriver.start(stub.endpoint, credentials, dask=own_cluster.address) as driver:
        rows = 0
        killed = False
        async for batch in driver.run(make_order("delay_5", 1000, ClosedLoop(4))):
            rows += len(batch)
            if not killed:
                own_cluster.load_processes()[0].kill()
                killed = True
        assert driver.last_outcome.shards_lost == 1
        assert driver.last_outcome.lost == 1000 - rows


async def test_without_its_scheduler_a_cluster_is_lost_and_sends_nothing(own_cluster, stub, credentials, make_order):
    with pytest.raises(LambdatuneError, match="was lost"):  # noqa: PT012
        async with LoadDriver.start(stub.endpoint, credentials, dask=own_cluster.address) as driver:
            processes = own_cluster.load_processes()
            async for _ in driver.run(make_order("delay_5", 1_000_000, ClosedLoop(4))):
                if own_cluster.scheduler.poll() is None:
                    own_cluster.scheduler.kill()
                    own_cluster.scheduler.wait()
    assert len(processes) == 2
    assert wait_gone(processes) == []


@contextlib.contextmanager
def sending_client(stub, cluster: DaskCluster):
    """A client in a process of its own, whose shards are sending; and the load processes."""
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, stub.url, cluster.address],
        stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    with client:
        try:
            assert client.stdout.readline() == b"sending\n"
            processes = cluster.load_processes()
            assert len(processes) == 2
            yield client, processes
        finally:
            client.kill()


def test_load_stops_within_a_second_when_its_client_is_killed_and_ends(cluster, stub):
    with sending_client(stub, cluster) as (client, processes):
        killed_s = time.time()
        client.kill()
    assert wait_gone(processes, patience_s=20) == []
    # Less than one on a machine that has time; what is not allowed is to go on until the end of the lease.
    assert stub.stats()["last_call_s"] - killed_s < 2


def test_load_goes_on_when_its_client_was_only_busy(cluster, stub):
    def all_are(state: str) -> bool:
        return all((process.status() == psutil.STATUS_STOPPED) is (state == "halted") for process in processes)

    with sending_client(stub, cluster) as (client, processes):
        client.send_signal(signal.SIGSTOP)
        wait_until(lambda: all_are("halted"))
        calls = stub.stats()["requests"]["delay_5"]
        client.send_signal(signal.SIGCONT)
        wait_until(lambda: all_are("going on"))
        wait_until(lambda: stub.stats()["requests"]["delay_5"] > calls + 100)
        assert client.poll() is None
    assert wait_gone(processes, patience_s=20) == []


def wait_until(holds, within_s: float = 4.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


async def test_a_scheduler_that_does_not_answer_is_a_sentence(stub, credentials, tmp_path):
    with pytest.raises(UsageError, match="no Dask scheduler answers at tcp://"):
        async with LoadDriver.start(stub.endpoint, credentials, dask="tcp://127.0.0.1:9"):
            pass
    with DaskCluster(tmp_path, 0) as empty, pytest.raises(UsageError, match="has no workers"):
        async with LoadDriver.start(stub.endpoint, credentials, dask=empty.address):
            await asyncio.sleep(0)


def test_frames_do_not_show_what_is_in_them():
    assert repr([Frames(b"secret")]) == "[<6 bytes>]"


@pytest.mark.parametrize(
    ("address", "exposed"),
    [
        ("tcp://127.0.0.1:8786", False),
        ("tcp://[::1]:8786", False),
        ("tcp://localhost:8786", False),
        ("tls://scheduler.example:8786", False),
        ("tcp://10.0.0.7:8786", True),
        ("ws://scheduler.example:8786", True),
    ],
)
def test_an_address_whose_traffic_can_be_read_is_told(address, exposed):
    assert is_exposed(address) is exposed
