"""Other load generators, each run as a process of its own on the load's core."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from servers import pin

if TYPE_CHECKING:
    from servers import Cores, Server

HERE = Path(__file__).parent
HEADERS = {
    "X-Amz-Log-Type": "Tail",
    "X-Amz-Date": "20260101T000000Z",
    "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/lambda/aws4_request, "
    "SignedHeaders=host;x-amz-date;x-amz-log-type, Signature=" + "0123456789abcdef" * 4,
}
"""A request of the size of a signed one: these tools neither sign nor read the answer."""


class Cost(NamedTuple):
    """Of one run: calls, CPU time of the generator and time on the wall, both in seconds."""

    calls: int
    cpu_s: float
    wall_s: float

    @property
    def us(self) -> float:
        """CPU per call, in microseconds."""
        return self.cpu_s / max(self.calls, 1) * 1e6


def _run(command: list[str], cores: Cores, text: bytes = b"") -> tuple[str, float, float]:
    """Return what a command printed, its CPU time and its time on the wall."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as given:
        given.write(text)
        given.seek(0)
        began = time.monotonic()
        # Threads that a program starts at once have the core that it was started on.
        pin(0, cores.load)
        process = subprocess.Popen(command, stdin=given, stdout=out, stderr=subprocess.DEVNULL)
        pin(0, cores.server)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.monotonic() - began
        out.seek(0)
        return out.read().decode("utf-8", "replace"), usage.ru_utime + usage.ru_stime, wall_s


def _target(server: Server) -> str:
    return f"{server.url}/2015-03-31/functions/{server.function}/invocations"


def wrk(server: Server, cores: Cores, callers: int, seconds: float) -> Cost:
    with tempfile.TemporaryDirectory() as where:
        script = Path(where, "request.lua")
        lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in HEADERS.items()]
        script.write_text("\n".join(['wrk.method = "POST"', 'wrk.body = "{}"', *lines]))
        duration = f"{max(round(seconds), 1)}s"
        shown, cpu_s, wall_s = _run(
            ["wrk", "-t1", f"-c{callers}", f"-d{duration}", "-s", str(script), _target(server)], cores
        )
    match = re.search(r"(\d+) requests in", shown)
    return Cost(int(match[1]) if match else 0, cpu_s, wall_s)


def hey(server: Server, cores: Cores, callers: int, seconds: float) -> Cost:
    headers = [word for name, value in HEADERS.items() for word in ("-H", f"{name}: {value}")]
    command = ["hey", "-z", f"{seconds}s", "-c", str(callers), "-m", "POST", "-d", "{}", *headers, _target(server)]
    shown, cpu_s, wall_s = _run(command, cores)
    match = re.search(r"\[200\]\s+(\d+) responses", shown)
    return Cost(int(match[1]) if match else 0, cpu_s, wall_s)


def vegeta(server: Server, cores: Cores, callers: int, seconds: float) -> Cost:
    with tempfile.TemporaryDirectory() as where:
        results, body = Path(where, "results"), Path(where, "body")
        body.write_text("{}")
        headers = [word for name, value in HEADERS.items() for word in ("-header", f"{name}: {value}")]
        _, cpu_s, wall_s = _run(
            ["vegeta", "attack", "-rate=0", f"-max-workers={callers}", f"-duration={seconds}s", f"-body={body}",
             f"-output={results}", *headers], cores, f"POST {_target(server)}\n".encode(),
        )  # fmt: skip
        shown = subprocess.run(["vegeta", "report", str(results)], capture_output=True, text=True, check=False).stdout
    match = re.search(r"200:(\d+)", shown)
    return Cost(int(match[1]) if match else 0, cpu_s, wall_s)


def aioboto3(server: Server, cores: Cores, callers: int, seconds: float, authority: Path | None = None) -> Cost:
    words = [sys.executable, str(HERE / "aioboto3_load.py"), server.url, server.function, str(callers), str(seconds)]
    shown, _, _ = _run(words + ([str(authority)] if authority else []), cores)
    calls, cpu_s, wall_s = shown.split()
    return Cost(int(calls), float(cpu_s), float(wall_s))


def installed(name: str) -> bool:
    return shutil.which(name) is not None
