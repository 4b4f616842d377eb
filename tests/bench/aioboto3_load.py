"""A closed loop of `lambda.invoke` calls through aioboto3: ``aioboto3_load.py URL FUNCTION CALLERS SECONDS [CA]``.

Prints calls, seconds of CPU and seconds on one line, of the time after the start.
"""

from __future__ import annotations

import asyncio
import sys
import time

import aioboto3
from botocore.config import Config


async def main() -> None:
    url, function, callers, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    session = aioboto3.Session(aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret", region_name="us-east-1")
    config = Config(max_pool_connections=callers, retries={"total_max_attempts": 1})
    verify = sys.argv[5] if len(sys.argv) > 5 else None
    async with session.client("lambda", endpoint_url=url, config=config, verify=verify) as client:
        made = 0
        end = time.monotonic() + 0.3

        async def call() -> None:
            nonlocal made
            while time.monotonic() < end:
                answer = await client.invoke(FunctionName=function, LogType="Tail", Payload=b"{}")
                await answer["Payload"].read()
                made += 1

        await asyncio.gather(*(call() for _ in range(callers)))
        made, end = 0, time.monotonic() + seconds
        began, began_cpu = time.monotonic(), time.process_time()
        await asyncio.gather(*(call() for _ in range(callers)))
        sys.stdout.write(f"{made} {time.process_time() - began_cpu} {time.monotonic() - began}\n")


asyncio.run(main())
