"""ministack: a public AWS emulator from PyPI that needs no containers, as a process of its own.

It is installed once, in a virtual environment below that of the tests, and shares nothing with lambdatune.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
import venv
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from support.program import family

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "1.5.33"

_PATIENCE_S = 60.0


def ministack_python() -> Path:
    """Return the interpreter of an environment that has ministack, made when it is not there."""
    directory = Path(sys.prefix) / f"ministack-{VERSION}"
    python, done = directory / "bin" / "python", directory / "installed"
    if not done.exists():
        venv.create(directory, with_pip=False, clear=True)
        # The environment of the tests has no pip of its own (see the Makefile); that of its interpreter installs.
        base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        subprocess.run(
            [
                str(base), "-m", "pip", "--python", str(python), "--disable-pip-version-check", "--quiet",
                "install", f"ministack=={VERSION}",
            ],
            check=True,
        )  # fmt: skip
        done.touch()
    return python


@contextmanager
def running_ministack(home: Path) -> Iterator[str]:
    """Run ministack on a free loopback port with nothing of the user's environment; yield its URL."""
    python = ministack_python()
    home.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "PATH": os.defpath, "HOME": str(home), "TMPDIR": str(home),
        "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port),
    }  # fmt: skip
    with (home / "ministack.log").open("wb") as log:
        process = subprocess.Popen(
            [str(python), "-m", "ministack"],
            env=environment, cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(process, url, home / "ministack.log")
        yield url
    finally:
        _end(process)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_ministack/health"):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"ministack did not start: {log.read_text(errors='replace')[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End ministack and the processes in which it runs handlers."""
    everything = family(process.pid) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for other in everything:
        if other.is_running() and other.pid != process.pid:
            try:
                other.kill()
            except psutil.NoSuchProcess:
                continue
