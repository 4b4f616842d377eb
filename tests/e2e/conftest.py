"""The program as a user starts it, and an endpoint as a user's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.program import Finished, LocalEndpoint, aws_environment, make_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HANDLERS = {
    "quick": "def handler(event, context):\n    return {'ok': True}\n",
    "hungry": (
        "def handler(event, context):\n"
        "    block = bytearray(160 * 1024 * 1024)\n"
        "    block[:: 4096] = b'x' * len(block[:: 4096])\n"
        "    return len(block)\n"
    ),
    "busy": (
        "import time\n"
        "def handler(event, context):\n"
        "    end = time.process_time() + 0.012\n"
        "    while time.process_time() < end:\n"
        "        pass\n"
    ),
    "slow": "import time\ndef handler(event, context):\n    time.sleep(event.get('seconds', 30))\n",
}


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    """Return a directory with a directory of code per handler of `HANDLERS`."""
    for name, code in HANDLERS.items():
        (tmp_path / "code" / name).mkdir(parents=True)
        (tmp_path / "code" / name / "app.py").write_text(code)
    return tmp_path / "code"


@pytest.fixture
def start(own_data_directory: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `lambdatune ARGS` in a process group of its own; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, **rest: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", "from lambdatune.cli.main import main; main()", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True, cwd=tmp_path, **rest,
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def lambdatune(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., Finished]:
    """Run `lambdatune ARGS` to its end."""

    def run(*arguments: str, **rest: Any) -> Finished:
        process = start(*arguments, **rest)
        out, err = process.communicate(timeout=100)
        return Finished(process.returncode, out, err)

    return run


@pytest.fixture
def endpoint(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., LocalEndpoint]:
    """Start `lambdatune local` and return it when it is ready."""

    def begin(*arguments: str) -> LocalEndpoint:
        process = start("local", "--port", "0", *arguments)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr and process.stderr.read()
        return LocalEndpoint(json.loads(line)["endpoint_url"], process)

    return begin


@pytest.fixture
def aws(tmp_path: Path) -> Callable[..., Any]:
    """Run the AWS CLI against an endpoint; return its JSON answer."""
    cli = Path(sys.executable).parent / "aws"

    def run(endpoint: LocalEndpoint, *arguments: str) -> Any:
        done = subprocess.run(
            [str(cli), "--endpoint-url", endpoint.url, *arguments],
            env=aws_environment(), cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    return run


@pytest.fixture
def create() -> Callable[..., None]:
    """Create a function of `HANDLERS` on an endpoint."""

    def make(endpoint: LocalEndpoint, name: str, *, memory_mb: int = 512) -> None:
        make_function(endpoint.url, name, HANDLERS[name], memory_mb=memory_mb)

    return make
