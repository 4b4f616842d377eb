from __future__ import annotations

import asyncio
import math
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from lambdatune.load.driver import LoadDriver
from lambdatune.load.endpoint import Credentials, endpoint_from_region, endpoint_from_url
from lambdatune.load.order import Burst, ClosedLoop, ConstantRate, Poisson, WeightedPayload
from lambdatune.load.row_buffer import ROW_BYTES
from lambdatune.model.errors import AwsRefused, LambdatuneError, UsageError
from lambdatune.model.invocation import Start, Status
from lambdatune.stats.histogram import LatencyHistogram
from lambdatune.stats.rows import ROW_DTYPE, clock_ms

pytestmark = pytest.mark.alone

S = Status


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def eventually(holds, within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110  nothing tells us when another process has ended
            await asyncio.sleep(0.02)


def test_rows_are_packed_as_numpy_reads_them():
    assert ROW_DTYPE.itemsize == ROW_BYTES


async def test_a_closed_loop_makes_exactly_its_calls_once_each(driver, stub, collect, make_order):
    rows = await collect(driver, make_order("ok", 500, ClosedLoop(8)))
    assert len(rows) == 500
    assert stub.stats()["requests"] == {"ok": 500}
    assert stub.stats()["most_in_flight"] <= 8
    assert (rows["status"] == S.OK).all()
    assert (rows["start"] == Start.WARM).all()
    assert set(rows["order"]) == {7}
    assert set(rows["cell"]) == {3}
    assert set(rows["shard"]) == {0}
    assert (rows["http_status"] == 200).all()
    assert (rows["max_memory_used_mb"] == 64).all()
    assert len(set(rows["request_id"])) == 500
    assert (rows["intended_ns"] <= rows["sent_ns"]).all()
    assert (rows["sent_ns"] <= rows["first_byte_ns"]).all()
    assert (rows["first_byte_ns"] <= rows["done_ns"]).all()
    outcome = driver.last_outcome
    assert outcome.order == 7
    assert outcome.calls == 500
    assert outcome.complete
    assert not outcome.was_stopped
    assert outcome.setup.opened == 8
    assert outcome.setup.max_ms > 0


async def test_times_agree_with_what_the_server_measured(driver, collect, make_order):
    rows = await collect(driver, make_order("delay_20", 200, ClosedLoop(10)))
    service_ms = (rows["done_ns"] - rows["sent_ns"]) / 1e6
    error_ms = service_ms - rows["duration_ms"]
    assert (rows["duration_ms"] >= 19).all()
    assert np.median(error_ms) < 2
    # Loopback stamps of both ends are of one kernel: a time below the server's would be invented.
    assert error_ms.min() > -1
    assert driver.last_outcome.clock in {"kernel", "user"}
    assert not np.isnan(rows["billed_ms"]).any()
    assert np.isnan(rows["init_ms"]).all()


@pytest.mark.parametrize(
    ("function", "status", "http_status", "error"),
    [
        ("ok", S.OK, 200, ""),
        ("lower", S.OK, 200, ""),
        ("chunked", S.OK, 200, ""),
        ("slow", S.OK, 200, ""),
        ("huge", S.OK, 200, ""),
        ("close", S.OK, 200, ""),
        ("fnerror_KeyError", S.FUNCTION_ERROR, 200, "KeyError"),
        ("fnerror_Runtime.ExitError", S.FUNCTION_ERROR, 200, "Runtime.ExitError"),
        ("timeout", S.TIMEOUT, 200, "Sandbox.Timedout"),
        ("oom", S.OUT_OF_MEMORY, 200, "Runtime.ExitError"),
        ("throttle_CallerRateLimitExceeded", S.THROTTLED, 429, "CallerRateLimitExceeded"),
        ("http_404_ResourceNotFoundException", S.REFUSED, 404, "ResourceNotFoundException"),
        ("http_403_AccessDeniedException", S.REFUSED, 403, "AccessDeniedException"),
        ("http_500_ServiceException", S.SERVICE_ERROR, 500, "ServiceException"),
        ("http_502_ENILimitReachedException", S.SERVICE_ERROR, 502, "ENILimitReachedException"),
        ("reset", S.CONNECTION_ERROR, 0, "connection reset by peer"),
        ("truncated", S.TRUNCATED, 200, "answer ended early"),
        ("halfhead", S.TRUNCATED, 0, "answer ended early"),
        ("garbage", S.CONNECTION_ERROR, 0, "answer is not HTTP"),
        ("never", S.CLIENT_TIMEOUT, 0, "no answer within 0.3 s"),
    ],
)
async def test_each_kind_of_answer_is_told_apart(
    shared_stub, credentials, collect, make_order, function, status, http_status, error
):
    calls = 2 if function in {"huge", "never"} else 6
    timeout_s = 0.3 if function == "never" else 20.0
    before = shared_stub.stats()["requests"].get(function, 0)
    async with LoadDriver.start(shared_stub.endpoint, credentials) as driver:
        rows = await collect(driver, make_order(function, calls, ClosedLoop(2), timeout_s=timeout_s))
    assert [S(value).name for value in rows["status"]] == [status.name] * calls
    assert set(rows["http_status"]) == {http_status}
    assert set(rows["error"]) == {error.encode()}
    assert shared_stub.stats()["requests"][function] == before + calls, "a call was lost or sent twice"
    assert (rows["sent_ns"] > 0).all()
    assert driver.last_outcome.counts[status] == calls
    if error:
        assert driver.last_outcome.messages.get(error) is not None


async def test_a_truncated_answer_keeps_its_report(driver, collect, make_order):
    rows = await collect(driver, make_order("truncated"))
    assert not math.isnan(rows["duration_ms"][0])
    assert rows["start"][0] == Start.WARM


async def test_an_answer_before_the_request_was_sent_whole(driver, collect, make_order):
    payload = WeightedPayload(b'"' + b"x" * 20_000_000 + b'"')
    rows = await collect(driver, make_order("early", 1, payloads=(payload,), timeout_s=10))
    assert [S(value).name for value in rows["status"]] == ["REFUSED"]
    assert rows["error"][0] == b"RequestTooLargeException"


async def test_a_large_payload_arrives_whole(driver, stub, collect, make_order):
    payload = WeightedPayload(b'"' + b"x" * 6_000_000 + b'"')
    rows = await collect(driver, make_order("ok", 3, ClosedLoop(2), payloads=(payload,)))
    assert (rows["status"] == S.OK).all()
    assert stub.stats()["requests"] == {"ok": 3}


async def test_cold_starts_and_restores_are_read_from_the_report(driver, collect, make_order):
    rows = await collect(driver, make_order("cold", 9, ClosedLoop(3)))
    cold = rows[rows["start"] == Start.COLD]
    assert len(cold) == 3
    assert (cold["init_ms"] == 123.45).all()
    restored = await collect(driver, make_order("restored", 1))
    assert restored["start"][0] == Start.RESTORED
    assert restored["restore_ms"][0] == 51.25


async def test_an_init_that_nobody_waited_for_is_no_cold_start(driver, collect, make_order):
    """The first answer tells of an init of 123 ms, and comes sooner than an init of 123 ms could have ended."""
    rows = await collect(driver, make_order("ahead", 2, ClosedLoop(1)))
    assert rows["start"].tolist() == [Start.PREINITIALISED, Start.WARM]
    assert rows["init_ms"][0] == 123.45
    assert rows["done_ns"][0] - rows["sent_ns"][0] < 115e6


async def test_a_wave_uses_each_connection_once(driver, stub, collect, make_order):
    rows = await collect(driver, make_order("delay_30", 20, Burst(10)))
    waves = np.unique(rows["intended_ns"])
    assert len(waves) == 2
    assert stub.stats()["connections"] == 10 + 1
    assert stub.stats()["most_in_flight"] == 10
    first = rows[rows["intended_ns"] == waves[0]]
    assert len(first) == 10
    assert first["done_ns"].max() <= waves[1]


async def test_a_server_that_closes_idle_connections_costs_no_call(driver, stub, collect, make_order):
    async def close_idle_while_waves_wait() -> list[int]:
        closed = []
        for _ in range(3):
            # All but one call of the wave have their answers, and the connections of those are idle.
            await eventually(lambda: (stats := stub.stats())["held"] == 1 and stats["in_flight"] == 1)
            closed.append(stub.ask("/close-idle"))
            assert stub.ask("/release") == 1
        return closed

    closing = asyncio.create_task(close_idle_while_waves_wait())
    rows = await collect(driver, make_order("wave_6", 18, Burst(6)))
    assert await closing == [5, 5, 5]
    assert (rows["status"] == S.OK).all()
    assert stub.stats()["requests"] == {"wave_6": 18}
    # Those that were closed in the last wave are needed no more.
    assert driver.last_outcome.setup.reopened == 10


async def test_connections_are_kept_between_orders_and_opened_again_when_closed(driver, stub, collect, make_order):
    await collect(driver, make_order("ok", 10, ClosedLoop(4)))
    await collect(driver, make_order("ok", 10, ClosedLoop(4)))
    assert driver.last_outcome.setup.opened == 0
    await collect(driver, make_order("drop_5", 4, Burst(4)))
    await asyncio.sleep(0.05)
    rows = await collect(driver, make_order("ok", 10, ClosedLoop(4)))
    assert (rows["status"] == S.OK).all()
    assert driver.last_outcome.setup.opened == 4


@pytest.mark.parametrize("pacing", [ConstantRate(400, 40), Poisson(400, 40)])
async def test_arrivals_keep_their_times_and_none_is_dropped(driver, collect, make_order, pacing):
    rows = await collect(driver, make_order("delay_10", 200, pacing))
    assert len(rows) == 200
    intended = np.sort(rows["intended_ns"])
    assert (intended[-1] - intended[0]) / 1e9 == pytest.approx(0.5, rel=0.3)
    assert np.median(rows["sent_ns"] - rows["intended_ns"]) < 5e6
    assert driver.last_outcome.send_delay_p99_ms >= driver.last_outcome.send_delay_p50_ms > 0


async def test_a_call_that_waits_for_a_connection_keeps_its_intended_time(driver, collect, make_order):
    rows = np.sort(await collect(driver, make_order("delay_50", 10, ConstantRate(1000, 1))), order="intended_ns")
    delay_ms = (rows["sent_ns"] - rows["intended_ns"]) / 1e6
    assert delay_ms[-1] > 400
    assert np.diff(rows["intended_ns"]).max() == pytest.approx(1e6, abs=2)
    assert driver.last_outcome.waited == 9


async def test_stop_lets_calls_in_flight_end(driver, collect, stub, make_order):
    order = make_order("delay_100", 10_000, ClosedLoop(5))
    asyncio.get_running_loop().call_later(0.35, driver.stop)
    rows = await collect(driver, order)
    outcome = driver.last_outcome
    assert outcome.was_stopped
    assert 5 <= len(rows) < 100
    assert outcome.unmade == 10_000 - len(rows)
    assert (rows["status"] == S.OK).all()
    assert stub.stats()["requests"] == {"delay_100": len(rows)}
    again = await collect(driver, make_order("ok", 10))
    assert len(again) == 10


async def test_leaving_early_stops_the_order(driver, stub, collect, make_order):
    running = driver.run(make_order("delay_20", 100_000, ClosedLoop(4)))
    async for batch in running:
        assert len(batch)
        break
    await running.aclose()
    rows = await collect(driver, make_order("ok", 50))
    assert len(rows) == 50
    assert set(rows["error"]) == {b""}
    assert stub.stats()["requests"]["delay_20"] < 1000


async def test_rows_arrive_while_the_order_runs_and_wait_for_a_slow_reader(driver, make_order):
    total = batches = 0
    async for batch in driver.run(make_order("ok", 20_000, ClosedLoop(20))):
        total += len(batch)
        batches += 1
        await asyncio.sleep(0.02)
    assert total == 20_000
    assert batches >= 3


async def test_two_shards_share_an_order_exactly(stub, credentials, collect, make_order):
    async with LoadDriver.start(stub.endpoint, credentials, shards=2) as driver:
        rows = await collect(driver, make_order("delay_5", 301, ClosedLoop(5)))
        assert len(rows) == 301
        assert set(rows["shard"]) == {0, 1}
        assert stub.stats()["most_in_flight"] <= 5
        wave = await collect(driver, make_order("delay_30", 14, Burst(7)))
        assert len(wave) == 14
        single = await collect(driver, make_order("ok", 1, Burst(1)))
        assert len(single) == 1
        assert driver.last_outcome.calls == 1


@pytest.mark.parametrize("pacing", [ClosedLoop(7), ConstantRate(2000, 30), Poisson(2000, 30)])
async def test_merged_histograms_of_two_shards_are_the_histogram_of_all_rows(
    stub, credentials, collect, make_order, pacing
):
    async with LoadDriver.start(stub.endpoint, credentials, shards=2) as driver:
        rows = await collect(driver, make_order("delay_1", 1501, pacing))
    assert len(rows) == 1501
    for clock in ("duration", "response", "service"):
        parts = [LatencyHistogram(clock_ms(rows[rows["shard"] == number], clock)) for number in (0, 1)]
        assert all(part.count for part in parts)
        merged = LatencyHistogram()
        for part in parts:
            merged.merge(LatencyHistogram.decode(part.encode()))
        whole = LatencyHistogram(clock_ms(rows, clock))
        assert np.array_equal(merged.counts, whole.counts)
        assert merged.encode() == whole.encode()


async def test_a_shard_that_dies_is_told_and_its_rows_are_kept(stub, credentials, make_order):
    async with LoadDriver.start(stub.endpoint, credentials, shards=2) as driver:
        pids = [shard.pid for shard in driver._shards]
        rows = 0
        with pytest.raises(  # noqa: PT012  the loop is what raises
            LambdatuneError, match=r"load process was ended by SIGKILL; .* of 100000 calls"
        ) as told:
            async for batch in driver.run(make_order("delay_5", 100_000, ClosedLoop(4))):
                rows += len(batch)
                if rows > 100 and alive(pids[1]):
                    os.kill(pids[1], signal.SIGKILL)
        assert told.value.hint
        assert rows > 100
        assert not driver.last_outcome.complete
        with pytest.raises(LambdatuneError, match="no more orders"):
            async for _ in driver.run(make_order("ok")):
                pass
    assert not any(alive(pid) for pid in pids)


async def test_what_a_dying_shard_says_is_in_the_error(stub, credentials, make_order):
    async with LoadDriver.start(stub.endpoint, credentials) as driver:
        # Not a message: the shard cannot go on, and says why on standard error.
        driver._shards[0]._process.stdin.write(b"\0\1\0\0\0\xc1")
        with pytest.raises(LambdatuneError, match=r"ended with status 1: .*msgspec"):
            async for _ in driver.run(make_order("ok")):
                pass


@pytest.mark.parametrize("pacing", [ClosedLoop(4), ConstantRate(200, 20)])
async def test_credentials_can_change_while_an_order_runs(driver, stub, credentials, collect, make_order, pacing):
    asyncio.get_running_loop().call_later(
        0.25, driver.update_credentials, Credentials("OTHERKEY", "secret", "session+token")
    )
    rows = await collect(driver, make_order("delay_20", 120, pacing))
    # Those in flight ended well, all that followed were signed with the new ones, and none was sent twice.
    assert (rows["status"] == S.OK).all()
    stats = stub.stats()
    assert [key for key, _ in stats["keys"]] == [credentials.access_key_id, "OTHERKEY"]
    assert sum(count for _, count in stats["keys"]) == 120
    assert min(count for _, count in stats["keys"]) > 10
    assert "X-Amz-Security-Token: session+token" in stats["last"]
    rows = await collect(driver, make_order("ok", 5))
    assert stub.stats()["keys"][-1][0] == "OTHERKEY", "the order after is signed with the old ones again"


async def test_each_call_sends_tokens_of_its_own(driver, stub, credentials, collect, make_order):
    payloads = (WeightedPayload(b'{"n":{{sequence}}}', tokens=True),)
    async with LoadDriver.start(stub.endpoint, credentials, shards=2) as two:
        rows = await collect(two, make_order("ok", 300, ClosedLoop(6), payloads=payloads))
    assert (rows["status"] == S.OK).all()
    assert stub.stats()["bodies"] == {f'{{"n":{number}}}': 1 for number in range(300)}


async def test_secrets_are_neither_in_arguments_nor_in_the_environment(stub, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2-secret")
    secret = "wJalr-very-secret-key"
    async with LoadDriver.start(stub.endpoint, Credentials("AKID", secret, "tok-secret")) as driver:
        process = Path(f"/proc/{driver._shards[0].pid}")
        shown = process.joinpath("cmdline").read_bytes() + process.joinpath("environ").read_bytes()
    assert b"hunter2-secret" not in shown
    assert secret.encode() not in shown
    assert b"tok-secret" not in shown


async def test_ctrl_c_does_not_reach_a_shard(driver, collect, make_order):
    pid = driver._shards[0].pid
    assert os.getpgid(pid) != os.getpgid(0)
    os.kill(pid, signal.SIGINT)
    assert len(await collect(driver, make_order("ok", 5))) == 5


async def test_shards_end_with_their_context_in_the_middle_of_an_order(stub, credentials, make_order):
    with pytest.raises(RuntimeError, match="the caller failed"):  # noqa: PT012  what is left is the point
        async with LoadDriver.start(stub.endpoint, credentials, shards=2) as driver:
            pids = [shard.pid for shard in driver._shards]
            async for _ in driver.run(make_order("delay_20", 100_000, ClosedLoop(4))):
                raise RuntimeError("the caller failed")
    assert not any(alive(pid) for pid in pids)


async def test_an_endpoint_that_cannot_be_reached_is_a_sentence(start_stub, credentials, make_order):
    gone = start_stub()
    gone.close()
    async with LoadDriver.start(gone.endpoint, credentials) as driver:
        with pytest.raises(AwsRefused, match=f"{gone.url} cannot be reached: connection refused") as told:
            async for _ in driver.run(make_order("ok")):
                pass
        assert told.value.hint


async def test_a_server_that_goes_away_makes_rows_not_a_crash(start_stub, credentials, make_order):
    stub = start_stub()
    counts = dict.fromkeys(S, 0)
    async with LoadDriver.start(stub.endpoint, credentials) as driver:
        async for batch in driver.run(make_order("delay_5", 3000, ClosedLoop(4))):
            for value in batch["status"]:
                counts[S(value)] += 1
            if stub.process.poll() is None:
                stub.close()
        assert sum(counts.values()) == 3000
        assert counts[S.OK] > 0
        assert counts[S.CONNECTION_ERROR] == 3000 - counts[S.OK]
        assert driver.last_outcome.messages["connection refused"]


async def test_a_call_that_was_never_sent_has_no_send_time(start_stub, credentials, collect, make_order):
    stub = start_stub()
    async with LoadDriver.start(stub.endpoint, credentials) as driver:
        assert len(await collect(driver, make_order("drop_1", 4, Burst(4)))) == 4
        running = driver.run(make_order("delay_1", 400, ClosedLoop(1)))
        batches = []
        async for batch in running:
            batches.append(batch)
            if stub.process.poll() is None:
                stub.close()
    rows = np.concatenate(batches)
    refused = rows[rows["error"] == b"connection refused"]
    assert len(refused)
    assert (refused["sent_ns"] == 0).all()
    assert (refused["first_byte_ns"] == 0).all()


async def test_tls_is_verified_and_measured(tls_stub, certificates, credentials, collect, make_order):
    ca = str(certificates[0])
    trusted = endpoint_from_url(tls_stub.url, "us-east-1", ca_file=ca)
    async with LoadDriver.start(trusted, credentials) as driver:
        rows = await collect(driver, make_order("ok", 300, ClosedLoop(10)))
        assert (rows["status"] == S.OK).all()
        assert driver.last_outcome.setup.opened == 10
        for function in ("huge", "close", "slow", "drop_5"):
            rows = await collect(driver, make_order(function, 3, ClosedLoop(1, think_time_ms=20)))
            assert (rows["status"] == S.OK).all(), function
        payload = WeightedPayload(b'"' + b"x" * 6_000_000 + b'"')
        rows = await collect(driver, make_order("ok", 2, payloads=(payload,)))
        assert (rows["status"] == S.OK).all()
        rows = await collect(driver, make_order("reset", 2))
        assert set(rows["status"]) == {S.CONNECTION_ERROR}


async def test_an_untrusted_certificate_is_refused_with_a_sentence(tls_stub, credentials, make_order, tmp_path):
    untrusted = endpoint_from_url(tls_stub.url, "us-east-1")
    async with LoadDriver.start(untrusted, credentials) as driver:
        with pytest.raises(AwsRefused, match="certificate not trusted"):
            async for _ in driver.run(make_order("ok")):
                pass
    missing = endpoint_from_url(tls_stub.url, "us-east-1", ca_file=str(tmp_path / "none.pem"))
    async with LoadDriver.start(missing, credentials) as driver:
        with pytest.raises(AwsRefused, match=r"none\.pem: no such file"):
            async for _ in driver.run(make_order("ok")):
                pass


async def test_certificates_can_be_left_unchecked(tls_stub, credentials, collect, make_order):
    endpoint = endpoint_from_url(tls_stub.url, "us-east-1", verify_tls=False)
    async with LoadDriver.start(endpoint, credentials) as driver:
        assert len(await collect(driver, make_order("ok", 5))) == 5


async def test_a_driver_needs_a_shard(stub, credentials):
    with pytest.raises(UsageError, match="at least 1 shard"):
        async with LoadDriver.start(stub.endpoint, credentials, shards=0):
            pass


def test_endpoints():
    assert endpoint_from_region("eu-west-1").url == "https://lambda.eu-west-1.amazonaws.com"
    assert endpoint_from_region("cn-north-1").host == "lambda.cn-north-1.amazonaws.com.cn"
    local = endpoint_from_url("http://[::1]:4566/", "us-east-1")
    assert (local.host, local.port, local.host_header) == ("::1", 4566, "[::1]:4566")
    assert endpoint_from_url("https://example.com:443", "x").host_header == "example.com"
    for wrong in ("ftp://x", "http://", "http://h/path", "http://u@h", "http://h:99999", "nonsense"):
        with pytest.raises(UsageError):
            endpoint_from_url(wrong, "us-east-1")
