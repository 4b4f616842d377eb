"""Temporary credentials are renewed in the middle of a run, before they expire."""

from __future__ import annotations

import asyncio
import sys

import pytest

from lambdatune.aws.access import AwsAccess
from lambdatune.load.driver import LoadDriver
from lambdatune.load.endpoint import Credentials, endpoint_from_url
from lambdatune.session.credentials import credentials_now, keep_fresh
from lambdatune.session.events import Silent

ISSUE = """
import datetime as dt, json, pathlib, sys
count = pathlib.Path(sys.argv[1])
number = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(number))
if len(sys.argv) > 2 and number > int(sys.argv[2]):
    sys.exit("the session has ended")
expires = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5)
print(json.dumps({"Version": 1, "AccessKeyId": f"KEY{number}", "SecretAccessKey": f"KEY{number}",
                  "SessionToken": "token", "Expiration": expires.isoformat()}))
"""


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """Configure a profile whose credentials expire in five minutes: the chain renews such at every look."""

    def configure(*limits: int) -> None:
        script = tmp_path / "issue.py"
        script.write_text(ISSUE)
        arguments = " ".join(map(str, (tmp_path / "count", *limits)))
        config = tmp_path / "config"
        config.write_text(f"[profile short]\ncredential_process = {sys.executable} {script} {arguments}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")

    return configure


class Told(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def narrate(self, sentence: str) -> None:
        self.sentences.append(sentence)


async def until(holds) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110  what is waited for happens in another process
            await asyncio.sleep(0.05)


async def test_renewed_credentials_reach_the_load_processes(profile, tmp_path) -> None:
    profile()
    endpoint = endpoint_from_url("http://127.0.0.1:9", "us-east-1")
    async with (
        AwsAccess(region="us-east-1", aws_profile="short", endpoint_url="http://127.0.0.1:9") as access,
        LoadDriver.start(endpoint, Credentials("OLD", "OLD")) as driver,
    ):
        first = await credentials_now(access)
        assert first.access_key_id.startswith("KEY")
        assert first.session_token == "token"
        issued = tmp_path / "count"
        task = asyncio.create_task(keep_fresh(access, driver, first, Silent(), every_s=0.05))
        before = int(issued.read_text())
        await until(lambda: int(issued.read_text() or 0) >= before + 2)
        assert not task.done()
        task.cancel()


async def test_a_renewal_that_fails_is_told_once_and_the_run_goes_on(profile, tmp_path) -> None:
    profile(1)
    endpoint = endpoint_from_url("http://127.0.0.1:9", "us-east-1")
    told = Told()
    async with (
        AwsAccess(region="us-east-1", aws_profile="short", endpoint_url="http://127.0.0.1:9") as access,
        LoadDriver.start(endpoint, Credentials("OLD", "OLD")) as driver,
    ):
        first = Credentials("KEY1", "KEY1", "token")
        task = asyncio.create_task(keep_fresh(access, driver, first, told, every_s=0.05))
        await until(lambda: told.sentences)
        tried = int((tmp_path / "count").read_text())
        await until(lambda: int((tmp_path / "count").read_text() or 0) >= tried + 3)
        assert not task.done()
        task.cancel()
    assert len(told.sentences) == 1
    assert told.sentences[0].startswith("warning: the credentials cannot be renewed")
