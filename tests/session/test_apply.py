"""Applying an advice to the user's function on a real endpoint: what is set, what is put back, what is refused."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.applying import local_endpoint, measured_on
from support.faults import FaultyProxy, client, users_function
from support.program import aws_environment

from lambdatune.model.change import Change, Place
from lambdatune.model.errors import AwsRefused, LambdatuneError, NotUndone, UsageError
from lambdatune.session.apply import apply, journal_of, plan_apply, undo_apply
from lambdatune.session.events import Silent
from lambdatune.session.holding import hold
from lambdatune.session.liveness import own_mark
from lambdatune.session.restore import restore_run
from lambdatune.session.run_directory import OwedUndo

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with local_endpoint("--settle-ms", "20") as url:
        users_function(url)
        yield url


@pytest.fixture
def shop(url, tmp_path):
    """Return the run of the user's function, which has 512 MB."""
    set_mb(url, 512)
    return measured_on(url, tmp_path)


def set_mb(url: str, memory_mb: int) -> None:
    with client("lambda", url) as functions:
        functions.update_function_configuration(FunctionName="shop", MemorySize=memory_mb)
        functions.get_waiter("function_updated_v2").wait(FunctionName="shop", WaiterConfig={"Delay": 0.1})


def configuration(url: str, qualifier: str = "$LATEST") -> dict:
    with client("lambda", url) as functions:
        found = functions.get_function_configuration(FunctionName="shop", Qualifier=qualifier)
    passing = ("ResponseMetadata", "RevisionId", "LastModified", "LastUpdateStatus")
    return {name: value for name, value in found.items() if name not in passing}


async def test_a_size_is_planned_with_its_call_applied_and_put_back(shop, url) -> None:
    before = configuration(url)
    planned = await plan_apply(shop, 1024)
    assert (planned.function, planned.from_mb, planned.to_mb, planned.undoes) == ("shop", 512, 1024, None)
    assert planned.call == (
        "aws lambda update-function-configuration --function-name shop --memory-size 1024 "
        f"--revision-id {planned.revision_id} --region us-east-1 --endpoint-url {url}"
    )
    said = "\n".join(planned.warnings)
    assert "1 published version and alias lambdatune-1024, live keep their size" in said
    assert "the run itself does not advise 1024 MB" in said
    assert configuration(url) == before

    told = await apply(shop, 1024, planned.revision_id)
    assert told == f"function `shop` in us-east-1 at {url} now has 1024 MB in $LATEST; it had 512 MB"
    assert configuration(url) == {**before, "MemorySize": 1024}
    assert configuration(url, "live")["MemorySize"] == 512

    again = await plan_apply(shop, 1024)
    assert (again.from_mb, again.to_mb, again.undoes) == (1024, 1024, 512)
    with pytest.raises(UsageError, match="has 1024 MB already: nothing was changed"):
        await apply(shop, 1024, again.revision_id)
    assert "512 MB in $LATEST again, as before 1024 MB was applied" in await undo_apply(shop, again.revision_id)
    assert configuration(url) == before
    assert (await plan_apply(shop, 1024)).undoes is None
    with pytest.raises(UsageError, match="there is nothing to put back"):
        await undo_apply(shop)


async def test_the_call_that_is_shown_is_one_that_the_aws_cli_makes(shop, url) -> None:
    planned = await plan_apply(shop, 768)
    program, *arguments = shlex.split(planned.call)
    command = [str(Path(sys.executable).parent / program), *arguments]
    done = await asyncio.to_thread(
        subprocess.run, command, env=aws_environment(), stdout=subprocess.PIPE, check=True
    )  # fmt: skip
    assert json.loads(done.stdout)["MemorySize"] == 768
    assert configuration(url)["MemorySize"] == 768


async def test_a_function_that_was_changed_meanwhile_is_refused_and_left(shop, url) -> None:
    planned = await plan_apply(shop, 1024)
    set_mb(url, 640)
    with pytest.raises(AwsRefused, match="was changed by someone else since it was looked at: nothing was changed"):
        await apply(shop, 1024, planned.revision_id)
    assert configuration(url)["MemorySize"] == 640
    assert journal_of(shop).pending() == ()


async def test_a_size_that_someone_set_after_ours_is_not_put_back(shop, url) -> None:
    await apply(shop, 1024, (await plan_apply(shop, 1024)).revision_id)
    set_mb(url, 2048)
    assert (await plan_apply(shop, 1024)).undoes is None
    with pytest.raises(NotUndone, match="has 2048 MB, and 1024 MB was applied: someone else changed it") as refusal:
        await undo_apply(shop)
    assert f"--memory-size 512 --region us-east-1 --endpoint-url {url}" in refusal.value.hint
    assert configuration(url)["MemorySize"] == 2048


async def test_sizes_that_were_applied_one_after_the_other_are_put_back_in_turn(shop, url) -> None:
    for size in (768, 1024):
        await apply(shop, size, (await plan_apply(shop, size)).revision_id)
    for size in (768, 512):
        await undo_apply(shop)
        assert configuration(url)["MemorySize"] == size


async def test_restore_of_the_run_does_not_take_back_what_was_applied(shop, url) -> None:
    await apply(shop, 1024, (await plan_apply(shop, 1024)).revision_id)
    assert await restore_run(shop, OwedUndo(), Silent()) == []
    assert configuration(url)["MemorySize"] == 1024


async def test_what_is_about_to_be_changed_is_on_the_disk_before(shop, monkeypatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("the disk is full")))
    revision_id = (await plan_apply(shop, 1024)).revision_id
    with pytest.raises(OSError, match="the disk is full"):
        await apply(shop, 1024, revision_id)
    assert (await plan_apply(shop, 1024)).from_mb == 512


async def test_an_answer_that_was_lost_is_not_taken_for_someone_elses_change(shop, url) -> None:
    """The request comes through, its answer does not, and botocore makes it again with a RevisionId that is old."""
    planned = await plan_apply(shop, 1024)
    with FaultyProxy(url, operation="UpdateFunctionConfiguration", do="reset-after", times=1) as proxy:
        run = measured_on(url, shop.path.parent / "proxied", endpoint_url=proxy.url)
        assert "now has 1024 MB" in await apply(run, 1024, planned.revision_id)
        assert proxy.operations.count("UpdateFunctionConfiguration") >= 2
    assert configuration(url)["MemorySize"] == 1024


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [(429, "TooManyRequestsException", "Rate exceeded"),
     (409, "ResourceConflictException", "An update is in progress for resource")],
)  # fmt: skip
async def test_what_aws_asks_to_be_tried_later_is(shop, url, status, code, message) -> None:
    planned = await plan_apply(shop, 1024)
    error = {"do": "error", "status": status, "code": code, "message": message, "times": 1}
    with FaultyProxy(url, operation="UpdateFunctionConfiguration", **error) as proxy:
        run = measured_on(url, shop.path.parent / "proxied", endpoint_url=proxy.url)
        assert "now has 1024 MB" in await apply(run, 1024, planned.revision_id)
        assert proxy.operations.count("UpdateFunctionConfiguration") == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"plan": {"function": {"is_path": True}}}, "measured code on this machine: there is no function"),
        ({"function": {"name": "shpo"}}, "function `shpo` was not found in us-east-1"),
        ({"function": {"arn": "arn:aws:lambda:us-east-1:111122223333:function:shop"}}, "the credentials in use lead"),
    ],
)
async def test_a_run_without_a_function_to_change_is_refused(shop, change, said) -> None:
    path = shop.path / "run.json"
    record = json.loads(path.read_text())
    for name, part in change.items():
        for key, value in part.items():
            record[name][key] = {**record[name][key], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(record))
    with pytest.raises(LambdatuneError, match=said):
        await plan_apply(shop, 1024)


async def test_a_run_that_still_holds_the_function_is_refused(shop) -> None:
    shop.journal.intend(Change("publish-version", "shop", Place("us-east-1"), run=shop.id))
    with pytest.raises(UsageError, match="still owes an undo of function `shop` itself"):
        await plan_apply(shop, 1024)
    shop.journal.begin(own_mark())
    with hold(shop), pytest.raises(UsageError, match=f"is still going, in process {os.getpid()}"):
        await plan_apply(shop, 1024)


async def test_a_size_that_aws_does_not_have_is_refused_before_anything_is_asked(shop) -> None:
    with pytest.raises(UsageError, match="memory size 64 MB is out of range"):
        await apply(shop, 64, "any")


async def test_other_code_and_another_size_than_were_measured_are_told(shop, url) -> None:
    record = json.loads((shop.path / "run.json").read_text())
    record["environment"]["code_sha256"] = "of other code"
    (shop.path / "run.json").write_text(json.dumps(record))
    set_mb(url, 256)
    said = "\n".join((await plan_apply(shop, 3000)).warnings)
    assert "3000 MB was not measured in this run" in said
    assert "it had 512 MB when it was measured, and has 256 MB now" in said
    assert "its code is another one than was measured" in said
