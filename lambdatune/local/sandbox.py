"""One process of an execution environment: its start, its output pipe, its memory, its certain end."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from lambdatune.local.limits import tree_cpu_ns, tree_rss_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lambdatune.local.cgroups import Cage
    from lambdatune.local.limits import Limits
    from lambdatune.local.snapshot import Snapshot

_log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_PIPE_BYTES = 64 * 1024
_RSS_POLL_S = 0.025
_REMOVE_PATIENCE_S = 5.0
_SIGNALS = {
    signal.SIGKILL: "killed",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGABRT: "aborted",
    signal.SIGTERM: "terminated",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception",
    signal.SIGILL: "illegal instruction",
    signal.SIGINT: "interrupt",
    signal.SIGPIPE: "broken pipe",
}
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def exit_sentence(code: int) -> str:
    """Return how AWS words the end of a runtime process with return code `code` (negative: killed by a signal)."""
    if code == 0:
        return "Runtime exited without providing a reason"
    if code > 0:
        return f"Runtime exited with error: exit status {code}"
    try:
        name = _SIGNALS[signal.Signals(-code)]
    except (KeyError, ValueError):
        name = f"signal {-code}"
    return f"Runtime exited with error: signal: {name}"


class Sandbox:
    """A running process in its cage.

    Args:
        name: unique name of the cage.
        limits: the limiters in force.
        memory_mb: memory size of the function in MB.
        on_output: takes what the process writes to stdout and stderr.
        on_exit: called once, with the return code, after the last output.
    """

    def __init__(
        self,
        name: str,
        limits: Limits,
        memory_mb: int,
        *,
        on_output: Callable[[bytes], None],
        on_exit: Callable[[int], None],
    ) -> None:
        self._limits = limits
        self._memory_mb = memory_mb
        self._on_output = on_output
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._read_fd = -1
        self._pidfd = -1
        self._peak_bytes = 0
        self._over_limit = False
        self.exited: asyncio.Future[int] = self._loop.create_future()
        self._cage: Cage | None = limits.make_cage(name, memory_mb)
        if self._cage is not None:
            self._cage.set_quota(None)

    @property
    def pid(self) -> int:
        """The pid of the runtime process."""
        assert self._pid is not None
        return self._pid

    @property
    def is_forked(self) -> bool:
        """Whether the process was forked from a snapshot, with which it shares memory."""
        return self._pid is not None and self._process is None

    def spawn(
        self, command: Sequence[str], environment: Mapping[str, str], directory: Path, keep_fds: Sequence[int] = ()
    ) -> None:
        """Start `command` with exactly `environment`, in `directory`, inside the cage.

        Args:
            command: program and arguments.
            environment: all its variables.
            directory: where it starts.
            keep_fds: file descriptors that it inherits under the same numbers.

        Raises:
            OSError: when the command cannot be executed.
        """
        write_fd, join_fds = self._open()
        parent = os.getpid()

        def in_child() -> None:  # between fork and exec: system calls only
            for fd in join_fds:
                os.write(fd, b"0")
            if _prctl is not None:
                _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != parent:
                    os._exit(1)

        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=write_fd,
                stderr=write_fd,
                env=dict(environment),
                cwd=directory,
                start_new_session=True,
                preexec_fn=in_child,  # noqa: PLW1509  the cage must be joined before the first instruction
                pass_fds=keep_fds,
            )
            self._pid = self._process.pid
        except OSError:
            self._close_files()
            raise
        finally:
            for fd in (*join_fds, write_fd):
                os.close(fd)
        self._loop.add_reader(self._read_fd, self._read)
        self._watch_exit()

    async def restore(self, snapshot: Snapshot, environment: Mapping[str, str]) -> int:
        """Fork `snapshot` into the cage; return when that happened, on the monotonic clock in nanoseconds.

        Args:
            snapshot: an initialised process.
            environment: variables that are set in the child.

        Raises:
            ApiError: SnapStartException when the snapshot is gone.
        """
        write_fd, join_fds = self._open()
        try:
            child = await snapshot.fork(environment, [write_fd, *join_fds], self._ended)
        finally:
            for fd in (*join_fds, write_fd):
                os.close(fd)
        self._pid = child.pid
        if not self.exited.done():
            self._loop.add_reader(self._read_fd, self._read)
        return child.at_ns

    def _open(self) -> tuple[int, list[int]]:
        """Return the end of a new output pipe that the process writes to, and the open join files of the cage."""
        self._read_fd, write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        return write_fd, [os.open(path, os.O_WRONLY) for path in self._cage.join_files()] if self._cage else []

    def throttle(self) -> None:
        """Put the CPU quota of the memory size in force."""
        if self._cage is not None and self._limits.cpu.startswith("cgroup"):
            self._cage.set_quota(self._limits.quota_us(self._memory_mb))

    def drain(self) -> None:
        """Take what is in the output pipe now; at most what a pipe holds, so that a chatty process cannot hold us."""
        for _ in range(2):
            if not self._read():
                return

    def cpu_ns(self, elapsed_ns: int) -> int:
        """Return the CPU time used so far, in nanoseconds; 0 when the process is gone."""
        counted = self._cage.cpu_ns() if self._cage is not None else None
        if counted is not None:
            return counted
        try:
            return tree_cpu_ns(self.pid, elapsed_ns)
        except ProcessLookupError:
            return 0

    def max_memory_mb(self) -> int:
        """Return the most memory in use so far in MB, at least 1 and never more than the memory size."""
        peak = self._cage.peak_bytes() if self._cage is not None else None
        if peak is None or self.is_forked:
            # The cage of a forked process holds only what it has not in common with its snapshot.
            if not self._over_limit and self._pid is not None and not self.exited.done():
                self._peak_bytes = max(self._peak_bytes, _high_water_bytes(self.pid))
            peak = max(peak or 0, self._peak_bytes)
        return min(max(-(-peak // (1 << 20)), 1), self._memory_mb)

    def out_of_memory(self) -> bool:
        """Whether the memory limit ended the process."""
        return self._over_limit or (self._cage is not None and self._cage.oom_killed())

    async def watch_memory(self) -> None:
        """Kill the process when its resident memory passes the limit; runs until cancelled."""
        limit = self._memory_mb << 20
        while not self.exited.done():
            rss = tree_rss_bytes(self.pid)
            self._peak_bytes = max(self._peak_bytes, rss)
            if rss > limit:
                self._over_limit = True
                self.kill()
                return
            await asyncio.sleep(_RSS_POLL_S)

    def kill(self) -> None:
        """SIGKILL the process, its session's process group and everything in the cage."""
        if self._pid is not None and not self.exited.done():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        if self._cage is not None:
            self._cage.kill()

    async def close(self) -> None:
        """Kill everything and remove the cage; returns when nothing is left."""
        self.kill()
        if self._pid is not None:
            await self.exited
        if self._cage is not None:
            await self._remove_cage(self._cage)
            self._cage = None
        self._close_files()

    async def _remove_cage(self, cage: Cage) -> None:
        deadline = time.monotonic() + _REMOVE_PATIENCE_S
        while not (cage.kill() and cage.remove()):
            if time.monotonic() > deadline:
                _log.warning("a control group is still held by the kernel; the next start will remove it")
                break
            await asyncio.sleep(0.002)
        cage.close()

    def _read(self) -> bool:
        if self._read_fd < 0:
            return False
        try:
            data = os.read(self._read_fd, _PIPE_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._read_fd)
            os.close(self._read_fd)
            self._read_fd = -1
            return False
        self._on_output(data)
        return True

    def _watch_exit(self) -> None:
        if hasattr(os, "pidfd_open"):
            self._pidfd = os.pidfd_open(self.pid)
            self._loop.add_reader(self._pidfd, self._exited)
        else:
            threading.Thread(target=self._wait_in_thread, daemon=True).start()

    def _wait_in_thread(self) -> None:
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._exited)

    def _exited(self) -> None:
        assert self._process is not None
        # The leader is a zombie until it is waited for, so its group id cannot be anybody else's yet.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._process.wait()
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        self._ended(code)

    def _ended(self, code: int) -> None:
        self.drain()
        if not self.exited.done():
            self.exited.set_result(code)
            self._on_exit(code)

    def _close_files(self) -> None:
        if self._read_fd >= 0:
            self._loop.remove_reader(self._read_fd)
            os.close(self._read_fd)
            self._read_fd = -1


def _high_water_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status", "rb") as status:  # noqa: PTH123  once per call: half the time of Path
            for line in status:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return tree_rss_bytes(pid)
