"""SnapStart in the Python runtime client: a process that has run the init, and its forks.

Loaded by `python.py` only where a snapshot is taken, so that no other start pays for it.
"""

from __future__ import annotations

import _socket
import ctypes
import json
import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _hooks(name: str) -> list[tuple[Callable[..., Any], Any, Any]]:
    """Return the runtime hooks that the function registered (PyPI: snapshot-restore-py, AWS's own)."""
    module = sys.modules.get("snapshot_restore_py")
    found: list[tuple[Callable[..., Any], Any, Any]] = getattr(module, name)() if module else []
    return found


class _Snapshot:
    """SnapStart: this process has run the init and serves no call; each restore is a fork of it.

    The endpoint asks over a socket, with the output pipe and the control groups of the new environment as file
    descriptors, and is told the pid of each child, when it was forked, and how it ended.
    """

    def __init__(self, fd: int) -> None:
        self._prctl = ctypes.CDLL(None).prctl
        self._control = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fd)
        self._children: dict[int, int] = {}

    def tell(self, **members: Any) -> None:
        """Send one message; the endpoint that is gone takes this process along."""
        try:
            self._control.send(json.dumps(members).encode())
        except OSError:
            os._exit(1)

    def wait_for_restore(self) -> None:
        """Serve restores for as long as the endpoint lives; returns only in a child."""
        while True:
            poll = select.poll()
            for fd in (self._control.fileno(), *self._children):
                poll.register(fd, select.POLLIN)
            for fd, _ in poll.poll():
                if fd in self._children:
                    self._reap(fd)
                elif self._fork():
                    return

    def _reap(self, pidfd: int) -> None:
        pid = self._children.pop(pidfd)
        try:  # its group cannot be anybody else's before it is waited for
            os.killpg(pid, 9)
        except (ProcessLookupError, PermissionError):
            os.kill(pid, 9)  # it ended before it had a group of its own
        _, status = os.waitpid(pid, 0)
        os.close(pidfd)
        self.tell(exited=pid, code=os.waitstatus_to_exitcode(status))

    def _fork(self) -> bool:
        """Make the child that is asked for; return whether this process is the child."""
        message, ancillary, _, _ = self._control.recvmsg(262144, _socket.CMSG_SPACE(16 * 4))
        if not message:
            os._exit(0)
        fds = [
            int.from_bytes(data[i : i + 4], sys.byteorder) for _, _, data in ancillary for i in range(0, len(data), 4)
        ]
        parent = os.getpid()
        at_ns = time.monotonic_ns()
        pid = os.fork()
        if pid:
            for fd in fds:
                os.close(fd)
            self._children[os.pidfd_open(pid)] = pid
            self.tell(pid=pid, at_ns=at_ns)
            return False
        self._become(json.loads(message), fds, parent)
        return True

    def _become(self, variables: dict[str, str], fds: list[int], parent: int) -> None:
        """Make an execution environment of its own of this forked process."""
        output, *groups = fds
        for fd in groups:
            os.write(fd, b"0")
        os.setsid()
        self._prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL: never outlive the snapshot
        if os.getppid() != parent:
            os._exit(1)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for fd in (*fds, *self._children):
            os.close(fd)
        self._children.clear()
        self._control.close()
        os.environ.update(variables)
        if "tempfile" in sys.modules:
            sys.modules["tempfile"].tempdir = None  # type: ignore[attr-defined]


def restored(
    fd: int,
    load: Callable[[str], Any],
    describe: Callable[[BaseException, str | None], tuple[str, dict[str, Any]]],
    connect: Callable[[str], Any],
) -> tuple[Any, Any]:
    """Run the init once, then return in each restored child: the handler, and the Runtime API of its environment.

    The arguments are those parts of the runtime client that do it: `load` imports the handler, `describe` logs an
    error and returns its type and members, `connect` opens a Runtime API.
    """
    snapshot = _Snapshot(fd)
    try:
        handler = load(os.environ["_HANDLER"])
        before = _hooks("get_before_snapshot")
        while before:  # in reverse order of registration, as AWS does
            function, args, kwargs = before.pop()
            function(*args, **kwargs)
    except Exception as error:
        error_type, members = describe(error, None)
        sys.stdout.flush()
        snapshot.tell(failed=error_type, message=members["errorMessage"])
        sys.exit(1)
    sys.stdout.flush()
    snapshot.tell(ready=True)
    snapshot.wait_for_restore()
    api = connect(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        after = _hooks("get_after_restore")
        while after:
            function, args, kwargs = after.pop(0)
            function(*args, **kwargs)
    except Exception as error:
        error_type, members = describe(error, None)
        sys.stdout.flush()
        api.post("restore/error", json.dumps(members).encode(), error_type)
        api.receive()
        sys.exit(1)
    return handler, api
