"""The program as a user sees it: commands that ended, endpoints, run directories, processes."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import subprocess
import sys
import time
import urllib.request
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import botocore.session
import psutil

from lambdatune.cli.main import main
from lambdatune.model.result import SCHEMA
from support.signing import KEY, signed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


sdk = functools.cache(botocore.session.get_session)
"""The SDK's session, which reads the descriptions of the services once."""


@dataclass
class Finished:
    """A command that has ended."""

    code: int
    out: str
    err: str


@dataclass
class LocalEndpoint:
    """A running `lambdatune local`."""

    url: str
    process: subprocess.Popen[str]

    def facts(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/_lambdatune/host") as answer:
            return json.load(answer)

    def functions(self) -> list[str]:
        url = f"{self.url}/2015-03-31/functions/"
        request = urllib.request.Request(url, headers=signed("GET", url))
        with urllib.request.urlopen(request) as answer:
            return [entry["FunctionName"] for entry in json.load(answer)["Functions"]]


@contextmanager
def running_endpoint(*options: str) -> Iterator[LocalEndpoint]:
    """Run the embedded endpoint by itself: for the tests of a module that can share one, say."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lambdatune.local", "--port", "0", "--exit-with-stdin", *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield LocalEndpoint(json.loads(process.stdout.readline())["endpoint_url"], process)
    finally:
        process.communicate(timeout=20)


def aws_environment() -> dict[str, str]:
    """Return an environment for the AWS CLI in which nothing of the user's is used."""
    return {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_PAGER": "",
    }  # fmt: skip


def make_function(
    url: str,
    name: str,
    source: str,
    *,
    file: str = "app.py",
    memory_mb: int = 512,
    timeout_s: int = 60,
    **settings: Any,
) -> None:
    """Create a function of one file, in Python, on an endpoint and wait until it can be called.

    `settings` are CreateFunction's.
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr(file, source)
    client = sdk().create_client(
        "lambda", "us-east-1", endpoint_url=url, aws_access_key_id=KEY, aws_secret_access_key=KEY
    )
    client.create_function(
        FunctionName=name, Role="arn:aws:iam::000000000000:role/any", Handler="app.handler",
        Code={"ZipFile": archive.getvalue()}, MemorySize=memory_mb, Timeout=timeout_s,
        **{"Runtime": "python3.12", **settings},
    )  # fmt: skip
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})
    client.close()


def in_process(*arguments: str) -> Finished:
    """Run `lambdatune ARGUMENTS` in this process: the same program, without the second that one takes to start."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(arguments))
        except SystemExit as leave:
            return Finished(int(leave.code or 0), out.getvalue(), err.getvalue())
    raise AssertionError("main returned")


def only_run(output: Path) -> Path:
    """Return the directory of the only run below `output`."""
    (run,) = output.iterdir()
    return run


def result_of(run: Path) -> dict[str, Any]:
    result = json.loads((run / "run.json").read_text())
    assert result["schema"] == SCHEMA
    return result


def wait_for_rows(output: Path, count: int, *, patience_s: float = 60.0) -> Path:
    """Wait until a run below `output` has recorded `count` calls; return its directory."""
    deadline_s = time.monotonic() + patience_s
    while time.monotonic() < deadline_s:
        for rows in output.rglob("invocations.csv"):
            if rows.read_text().count("\n") > count:
                return rows.parent
        time.sleep(0.05)
    raise AssertionError(f"no run below {output} recorded {count} calls within {patience_s} s")


def wait_until_still(output: Path, *, still_s: float = 1.0) -> None:
    """Wait until the only run below `output` has recorded no call for a while."""
    before = -1
    while before != (now := (only_run(output) / "invocations.csv").stat().st_size):
        before = now
        time.sleep(still_s)


def family(pid: int) -> list[psutil.Process]:
    """Return the processes that descend from `pid`, itself among them."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def wait_gone(processes: list[psutil.Process], *, patience_s: float = 10.0) -> list[psutil.Process]:
    """Return those of `processes` that still run after a while; a zombie has ended."""
    deadline_s = time.monotonic() + patience_s
    alive = processes
    while alive and time.monotonic() < deadline_s:
        alive = [process for process in alive if _runs(process)]
        time.sleep(0.05)
    return alive


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
