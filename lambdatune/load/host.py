"""What a load process asks of its host: exact timers, no pauses, and to end with its parent."""

from __future__ import annotations

import ctypes
import gc
import resource
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_TIMERSLACK = 29
"""linux/prctl.h"""


def settle() -> None:
    """Make this process a load process.

    * Ctrl-C in the terminal is the parent's to decide about.
    * The garbage collector does not run by itself (a collection of all objects takes milliseconds).
    * Linux: timers wake within a nanosecond instead of 50 us, and the death of the parent ends the process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    gc.collect()
    gc.freeze()
    gc.disable()


def allow_descriptors(count: int) -> bool:
    """Raise the limit of open files to `count` if the host lets us; return whether it holds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count or soft == resource.RLIM_INFINITY:
        return True
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted >= count


def cpu_ns() -> int:
    """Return the CPU time of this process, user and system, in ns."""
    return time.clock_gettime_ns(time.CLOCK_PROCESS_CPUTIME_ID)


class ClockWatch:
    """Notices jumps of the wall clock, on which the kernel stamps what it receives."""

    def __init__(self) -> None:
        self._offset_ns = _offset_ns()
        self.largest_step_ns = 0

    def look(self) -> None:
        """Compare the clocks; to be called every 100 ms or so, so that slewing (at most 50 us) is no jump."""
        offset_ns = _offset_ns()
        self.largest_step_ns = max(self.largest_step_ns, abs(offset_ns - self._offset_ns))
        self._offset_ns = offset_ns


def _offset_ns() -> int:
    """Return wall clock minus monotonic clock; the tightest of a few readings, since any may be interrupted."""
    best_width_ns, best_ns = 1 << 62, 0
    for _ in range(3):
        before_ns = time.monotonic_ns()
        wall_ns = time.time_ns()
        after_ns = time.monotonic_ns()
        if after_ns - before_ns < best_width_ns:
            best_width_ns, best_ns = after_ns - before_ns, wall_ns - (before_ns + after_ns) // 2
    return best_ns
