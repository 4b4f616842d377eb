"""Waiting for sockets and for the next intended send, more exactly than an event loop's millisecond."""

from __future__ import annotations

import select
import selectors
import sys
from typing import Protocol

READ = 1
WRITE = 4
GONE = 0x2018
"""EPOLLRDHUP, EPOLLHUP, EPOLLERR: the other side closed, or the socket failed."""

_NS_PER_S = 1_000_000_000
_NOT_WORTH_SLEEPING_NS = 15_000
"""Going to sleep and waking up takes about as long as this, and costs as much."""

_SPIN_SHARE = 10
_LONGEST_SPIN_NS = 300_000
"""An idle core of a virtual machine takes a quarter of a millisecond to wake up: at low rates that would be in every
response time. So the last tenth of a wait, but no more than this, is spent awake."""


class Poller(Protocol):
    """Readiness of file descriptors; masks are made of READ, WRITE and GONE."""

    def register(self, fd: int, mask: int) -> None:
        """Watch a descriptor."""

    def modify(self, fd: int, mask: int) -> None:
        """Watch a descriptor for something else."""

    def unregister(self, fd: int) -> None:
        """Watch a descriptor no longer."""

    def wait(self, timeout_ns: int, *, precise: bool) -> list[tuple[int, int]]:
        """Return the ready descriptors and their masks, after `timeout_ns` at the latest.

        Args:
            timeout_ns: zero or below: do not wait.
            precise: whether waking up late by a millisecond matters; waking up some microseconds early does not.
        """

    def close(self) -> None:
        """Give the descriptor back."""


class EpollPoller:
    """Linux. `epoll.poll` rounds up to milliseconds, so an exact wait is a `select` on the epoll itself."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._fd = [self._epoll.fileno()]
        self._spin_ns = 0
        self._before_ns = 0
        self.unregister = self._epoll.unregister
        self.close = self._epoll.close

    def register(self, fd: int, mask: int) -> None:
        """Watch a descriptor, and whether its other side closes."""
        self._epoll.register(fd, mask | GONE)

    def modify(self, fd: int, mask: int) -> None:
        """Watch a descriptor for something else."""
        self._epoll.modify(fd, mask | GONE)

    def wait(self, timeout_ns: int, *, precise: bool) -> list[tuple[int, int]]:
        """Return what is ready; see `Poller`."""
        if timeout_ns > self._before_ns:
            self._spin_ns = 0  # another send is waited for
        self._before_ns = timeout_ns
        if timeout_ns <= 0 or (precise and timeout_ns <= max(_NOT_WORTH_SLEEPING_NS, self._spin_ns)):
            return self._epoll.poll(0)
        if not precise:
            return self._epoll.poll(timeout_ns / _NS_PER_S)
        self._spin_ns = min(timeout_ns // _SPIN_SHARE, _LONGEST_SPIN_NS)
        select.select(self._fd, (), (), (timeout_ns - self._spin_ns) / _NS_PER_S)
        return self._epoll.poll(0)


class SelectorPoller:
    """Everything else (kqueue on macOS), where the standard library's selector is exact enough."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.close = self._selector.close

    def register(self, fd: int, mask: int) -> None:
        """Watch a descriptor."""
        self._selector.register(fd, _events(mask))

    def modify(self, fd: int, mask: int) -> None:
        """Watch a descriptor for something else."""
        self._selector.modify(fd, _events(mask))

    def unregister(self, fd: int) -> None:
        """Watch a descriptor no longer."""
        self._selector.unregister(fd)

    def wait(self, timeout_ns: int, *, precise: bool) -> list[tuple[int, int]]:  # noqa: ARG002
        """Return what is ready; see `Poller`."""
        ready = self._selector.select(max(timeout_ns, 0) / _NS_PER_S)
        return [
            (key.fd, (READ if events & selectors.EVENT_READ else 0) | (WRITE if events & selectors.EVENT_WRITE else 0))
            for key, events in ready
        ]


def _events(mask: int) -> int:
    return (selectors.EVENT_READ if mask & READ else 0) | (selectors.EVENT_WRITE if mask & WRITE else 0)


def make_poller() -> Poller:
    """Return the host's poller."""
    return EpollPoller() if sys.platform == "linux" else SelectorPoller()
