"""Environments are read from the log of a function that ran on an endpoint, in text and in JSON."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import botocore.session
import pytest
from support.program import make_function

from lambdatune.aws.access import LOOPBACK_KEY, AwsAccess
from lambdatune.aws.environments import read_environments

HANDLER = "import time\ndef handler(event, context):\n    print('REPORT RequestId: forged')\n    time.sleep(0.2)\n"


def client_of(url: str) -> Any:
    return botocore.session.get_session().create_client(
        "lambda", "us-east-1", endpoint_url=url, aws_access_key_id=LOOPBACK_KEY, aws_secret_access_key=LOOPBACK_KEY
    )


async def called(url: str, at_once: int) -> list[str]:
    """Call the function `at_once` times at one instant; return the request ids."""

    def call() -> str:
        client = client_of(url)
        try:
            return client.invoke(FunctionName="noisy")["ResponseMetadata"]["RequestId"]
        finally:
            client.close()

    return list(await asyncio.gather(*(asyncio.to_thread(call) for _ in range(at_once))))


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
async def test_each_request_is_traced_to_the_log_stream_of_its_environment(url: str, log_format: str) -> None:
    began_s = time.time()
    await asyncio.to_thread(make_function, url, "noisy", HANDLER)
    client = client_of(url)
    client.update_function_configuration(FunctionName="noisy", LoggingConfig={"LogFormat": log_format})
    client.get_waiter("function_updated_v2").wait(FunctionName="noisy", WaiterConfig={"Delay": 0.1})
    client.close()
    first, second = await called(url, 2), await called(url, 2)
    async with AwsAccess(endpoint_url=url) as access:

        async def read(ids: list[str], patience_s: float = 10.0) -> dict[str, str]:
            return await read_environments(
                access, "/aws/lambda/noisy", ids,
                since_s=began_s - 1, is_json=log_format == "JSON", patience_s=patience_s,
            )  # fmt: skip

        found = await read([*first, *second])
        assert set(found) == {*first, *second}
        assert len({found[request_id] for request_id in first}) == 2
        assert {found[request_id] for request_id in second} == {found[request_id] for request_id in first}
        assert await read([*first, "11111111-1111-1111-1111-111111111111"], 0.0) == {
            request_id: found[request_id] for request_id in first
        }


async def test_a_log_group_that_is_not_there_yet_holds_nothing(url: str) -> None:
    async with AwsAccess(endpoint_url=url) as access:
        found = await read_environments(
            access, "/aws/lambda/none", ["a"], since_s=time.time(), is_json=False, patience_s=0.0
        )
    assert found == {}
