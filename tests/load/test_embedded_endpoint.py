"""The load driver against the embedded endpoint: real functions in real processes."""

from __future__ import annotations

import asyncio
import io
import zipfile

import aioboto3
import numpy as np
import pytest

from lambdatune.load.driver import LoadDriver
from lambdatune.load.endpoint import Credentials, endpoint_from_url
from lambdatune.load.order import Burst, ClosedLoop, WeightedPayload
from lambdatune.model.invocation import Start, Status

CODE = """
import os, time

time.sleep(float(os.environ.get("INIT_S", "0")))

def handler(event, context):
    if event.get("raise"):
        raise KeyError("no such key")
    if event.get("exit"):
        os._exit(1)
    time.sleep(event.get("sleep_s", 0))
    return {"ok": True}
"""


@pytest.fixture(scope="module")
def embedded(start_embedded):
    with start_embedded("--init-timeout-s", "1.5") as told:
        yield told


@pytest.fixture
async def client(embedded):
    session = aioboto3.Session(
        aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="AKIDEXAMPLE", region_name=embedded["region"]
    )
    async with session.client("lambda", endpoint_url=embedded["endpoint_url"]) as opened:
        yield opened


@pytest.fixture
async def function(embedded, request, client):
    """A function on the embedded endpoint, named after the test."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("app.py", CODE)
    name = request.node.name.replace("[", "-").replace("]", "")[:64]
    await client.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=f"arn:aws:iam::{embedded['account_id']}:role/lambda",
        Handler="app.handler",
        Code={"ZipFile": archive.getvalue()},
        MemorySize=512,
        Timeout=1,
    )
    await client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05})
    yield name
    await client.delete_function(FunctionName=name)


@pytest.fixture
async def driver(embedded):
    endpoint = endpoint_from_url(embedded["endpoint_url"], embedded["region"])
    async with LoadDriver.start(endpoint, Credentials("AKIDEXAMPLE", "AKIDEXAMPLE")) as started:
        yield started


async def test_cold_and_warm_calls_of_a_real_function(driver, function, collect, make_order):
    rows = await collect(driver, make_order(function, 40, ClosedLoop(2)))
    assert len(rows) == 40
    assert (rows["status"] == Status.OK).all()
    cold = rows["start"] == Start.COLD
    assert 1 <= cold.sum() <= 2
    assert (rows["start"][~cold] == Start.WARM).all()
    assert (rows["init_ms"][cold] > 0).all()
    service_ms = (rows["done_ns"] - rows["sent_ns"]) / 1e6
    assert (service_ms >= rows["duration_ms"]).all()
    assert (rows["billed_ms"] >= rows["duration_ms"]).all()
    assert (rows["max_memory_used_mb"] > 0).all()
    assert len(set(rows["request_id"])) == 40
    assert {len(request_id) for request_id in rows["request_id"]} == {36}


async def test_a_burst_forces_one_cold_start_a_call(driver, function, collect, make_order):
    payload = WeightedPayload(b'{"sleep_s": 0.3}')
    rows = await collect(driver, make_order(function, 4, Burst(4), payloads=(payload,)))
    assert (rows["status"] == Status.OK).all()
    assert (rows["start"] == Start.COLD).all()
    assert len(np.unique(rows["intended_ns"])) == 1


async def publish(client, function, **settings):
    """Publish a version whose init takes 0.3 s, and wait until it can be called."""
    await client.update_function_configuration(
        FunctionName=function, Environment={"Variables": {"INIT_S": "0.3"}}, **settings
    )
    await client.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 0.1})
    version = (await client.publish_version(FunctionName=function))["Version"]
    waiter = client.get_waiter("published_version_active")
    await waiter.wait(FunctionName=function, Qualifier=version, WaiterConfig={"Delay": 0.1})
    return version


async def test_provisioned_concurrency_is_not_taken_for_a_cold_start(driver, function, client, collect, make_order):
    version = await publish(client, function)
    await client.put_provisioned_concurrency_config(
        FunctionName=function, Qualifier=version, ProvisionedConcurrentExecutions=1
    )
    status = ""
    while status != "READY":
        await asyncio.sleep(0.05)
        found = await client.get_provisioned_concurrency_config(FunctionName=function, Qualifier=version)
        status = found["Status"]
        assert status != "FAILED"
    rows = await collect(driver, make_order(function, 3, ClosedLoop(1), qualifier=version))
    assert (rows["status"] == Status.OK).all()
    assert rows["start"].tolist() == [Start.PREINITIALISED, Start.WARM, Start.WARM]
    assert rows["init_ms"][0] > 300
    # A call beyond what is provisioned spills over, and its caller waits for the init.
    payload = WeightedPayload(b'{"sleep_s": 0.6}')
    rows = await collect(driver, make_order(function, 2, Burst(2), qualifier=version, payloads=(payload,)))
    assert sorted(rows["start"].tolist()) == [Start.WARM, Start.COLD]


async def test_an_init_that_timed_out_and_ran_again_inside_the_call_is_cold(
    driver, function, client, collect, make_order
):
    """Its REPORT line has no Init Duration: Duration holds the init, and INIT_REPORT alone tells."""
    await client.update_function_configuration(
        FunctionName=function, Timeout=9, Environment={"Variables": {"INIT_S": "1.8"}}
    )
    await client.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 0.1})
    rows = await collect(driver, make_order(function, 2, ClosedLoop(1)))
    assert (rows["status"] == Status.OK).all()
    assert rows["start"].tolist() == [Start.COLD, Start.WARM]
    assert np.isnan(rows["init_ms"]).all()
    assert rows["duration_ms"][0] > 1800
    assert rows["billed_ms"][0] >= rows["duration_ms"][0]


async def test_restored_environments_of_a_real_snapshot(driver, function, client, collect, make_order):
    version = await publish(client, function, SnapStart={"ApplyOn": "PublishedVersions"})
    payload = WeightedPayload(b'{"sleep_s": 0.3}')
    rows = await collect(driver, make_order(function, 2, Burst(2), qualifier=version, payloads=(payload,)))
    assert (rows["status"] == Status.OK).all()
    assert (rows["start"] == Start.RESTORED).all()
    assert (rows["restore_ms"] > 0).all()
    assert np.isnan(rows["init_ms"]).all()
    service_ms = (rows["done_ns"] - rows["sent_ns"]) / 1e6
    assert (service_ms >= rows["duration_ms"] + rows["restore_ms"]).all()
    assert (rows["billed_ms"] >= rows["duration_ms"]).all()


@pytest.mark.parametrize(
    ("event", "status", "error"),
    [
        (b'{"raise": 1}', Status.FUNCTION_ERROR, b"KeyError"),
        (b'{"exit": 1}', Status.FUNCTION_ERROR, b"Runtime.ExitError"),
        (b'{"sleep_s": 5}', Status.TIMEOUT, b"Sandbox.Timedout"),
    ],
    ids=["raise", "exit", "timeout"],
)
async def test_failures_of_a_real_function(driver, function, collect, make_order, event, status, error):
    rows = await collect(driver, make_order(function, 1, payloads=(WeightedPayload(event),)))
    assert [Status(value) for value in rows["status"]] == [status]
    assert list(rows["error"]) == [error]
    assert not np.isnan(rows["duration_ms"]).any()


async def test_a_function_that_does_not_exist(driver, embedded, collect, make_order):
    rows = await collect(driver, make_order("no-such-function", 2))
    assert set(rows["status"]) == {Status.REFUSED}
    assert set(rows["error"]) == {b"ResourceNotFoundException"}
    assert "no-such-function" in driver.last_outcome.messages["ResourceNotFoundException"]
    arn = f"arn:aws:lambda:{embedded['region']}:{embedded['account_id']}:function:no-such-function"
    rows = await collect(driver, make_order(arn, 1, qualifier="live"))
    assert set(rows["error"]) == {b"ResourceNotFoundException"}


@pytest.mark.parametrize("token", [None, "IQoJb3JpZ2luX2VjE+/=="], ids=["user", "session"])
@pytest.mark.parametrize("named", ["plain", "latest", "qualified", "arn"])
async def test_every_call_is_signed_as_the_endpoint_verifies(embedded, function, collect, make_order, named, token):
    arn = f"arn:aws:lambda:{embedded['region']}:{embedded['account_id']}:function:{function}"
    name, qualifier = {
        "plain": (function, None),
        "latest": (function, "$LATEST"),
        "qualified": (f"{function}:$LATEST", None),
        "arn": (arn, "$LATEST"),
    }[named]
    endpoint = endpoint_from_url(embedded["endpoint_url"], embedded["region"])
    payloads = (WeightedPayload(b"{}"), WeightedPayload('{"a": "\u00fc\u4e2d"}'.encode()))
    async with LoadDriver.start(endpoint, Credentials("AKIDEXAMPLE", "AKIDEXAMPLE", token)) as driver:
        rows = await collect(driver, make_order(name, 6, qualifier=qualifier, payloads=payloads))
    assert (rows["status"] == Status.OK).all(), rows["error"]


async def test_a_wrong_secret_is_refused(embedded, function, collect, make_order):
    endpoint = endpoint_from_url(embedded["endpoint_url"], embedded["region"])
    async with LoadDriver.start(endpoint, Credentials("AKIDEXAMPLE", "another")) as driver:
        rows = await collect(driver, make_order(function, 2))
        assert set(rows["error"]) == {b"InvalidSignatureException"}
        assert "does not match" in driver.last_outcome.messages["InvalidSignatureException"]


async def test_a_binary_payload_reaches_the_function_whole_or_is_refused_as_no_json(
    driver, function, collect, make_order
):
    rows = await collect(driver, make_order(function, 2, payloads=(WeightedPayload(bytes(range(256))),)))
    assert set(rows["error"]) == {b"InvalidRequestContentException"}
