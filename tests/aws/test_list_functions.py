"""The functions of an account are listed by name, page after page and not without end."""

from __future__ import annotations

import asyncio
import io
import zipfile

import botocore.session
import pytest

import lambdatune.aws.functions
from lambdatune.aws.access import LOOPBACK_KEY, AwsAccess
from lambdatune.aws.functions import FunctionSummary, list_functions
from lambdatune.model.errors import AwsRefused

NAMES = [f"shop-{number:02}" for number in range(52)]
"""More than AWS gives a page."""


def make_functions(url: str) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("app.py", "def handler(event, context):\n    return None\n")
    client = botocore.session.get_session().create_client(
        "lambda", "us-east-1", endpoint_url=url, aws_access_key_id=LOOPBACK_KEY, aws_secret_access_key=LOOPBACK_KEY
    )
    for name in reversed(NAMES):
        client.create_function(
            FunctionName=name, Runtime="python3.12", Role="arn:aws:iam::000000000000:role/any", Handler="app.handler",
            Code={"ZipFile": archive.getvalue()}, MemorySize=256,
        )  # fmt: skip
    client.close()


async def test_functions_are_listed_over_pages_by_name(url, monkeypatch) -> None:
    async with AwsAccess(endpoint_url=url) as access:
        assert await list_functions(access) == ()
        await asyncio.to_thread(make_functions, url)
        found = await list_functions(access)
        assert [function.name for function in found] == NAMES
        modified = found[0].modified
        assert modified.startswith("20")
        assert found[0] == FunctionSummary("shop-00", "python3.12", "x86_64", 256, modified)
        monkeypatch.setattr(lambdatune.aws.functions, "MOST_LISTED", 3)
        assert len(await list_functions(access)) == 3


async def test_an_endpoint_that_does_not_answer_is_told() -> None:
    async with AwsAccess(endpoint_url="http://127.0.0.1:9") as access:
        with pytest.raises(AwsRefused, match="listing functions: ") as raised:
            await list_functions(access)
        assert raised.value.hint is not None
