"""A real Dask cluster on loopback: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Self

import psutil

if TYPE_CHECKING:
    from pathlib import Path

_QUIET = ("--no-dashboard", "--host", "127.0.0.1")


class DaskCluster:
    """A scheduler and `count` workers; use as a context manager."""

    def __init__(self, directory: Path, count: int) -> None:
        self._file = directory / "scheduler.json"
        self._directory = directory
        self._count = count
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self._start("scheduler", "--port", "0", *_QUIET)
        self.address: str = self._wait(lambda: json.loads(self._file.read_text())["address"])
        for number in range(self._count):
            self._start("worker", "--no-nanny", "--nthreads", "1", "--name", str(number), *_QUIET)
        return self

    @property
    def scheduler(self) -> subprocess.Popen[bytes]:
        return self._processes[0]

    @property
    def workers(self) -> list[subprocess.Popen[bytes]]:
        return self._processes[1:]

    def logs(self) -> str:
        return "".join(path.read_text() for path in self._directory.glob("*.log"))

    def load_processes(self) -> list[psutil.Process]:
        """Return the load processes that run on the workers."""
        found = []
        for worker in self.workers:
            if worker.poll() is None:
                found += psutil.Process(worker.pid).children(recursive=True)
        return [process for process in found if "lambdatune.load.shard" in process.cmdline()]

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, kind: str, *arguments: str) -> None:
        log = (self._directory / f"{kind}-{len(self._processes)}.log").open("wb")
        with log:
            self._processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "dask", kind, "--scheduler-file", str(self._file), *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self._directory,
                )
            )

    def _wait(self, read) -> str:
        deadline_s = time.monotonic() + 60
        while True:
            try:
                return read()
            except (FileNotFoundError, ValueError):
                assert time.monotonic() < deadline_s, "the Dask scheduler did not start"
                assert self._processes[0].poll() is None, "the Dask scheduler ended"
                time.sleep(0.05)
