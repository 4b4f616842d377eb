"""A terminal of its own in tmux, in which the program is used as a person would."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROGRAM = Path(sys.executable).parent / "lambdatune"
PATIENCE_S = 30.0


class Terminal:
    """A shell in tmux; use as a context manager.

    Args:
        directory: where its socket and the files of exit codes go.
        width: columns.
        height: rows.
        environment: variables of the program.
    """

    def __init__(self, directory: Path, *, width: int, height: int, environment: Mapping[str, str]) -> None:
        self._socket = directory / "tmux"
        self._code_file = directory / "code"
        self._pid_file = directory / "pid"
        self._size = width, height
        self._environment = {
            key: value
            for key, value in {**os.environ, **environment}.items()
            # The size is that of this terminal, whatever another one left in the environment.
            if not key.startswith("TMUX") and key not in {"COLUMNS", "LINES"}
        }

    def __enter__(self) -> Self:
        width, height = map(str, self._size)
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, "env PS1='$ ' sh")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(
            [_tmux_program(), "-S", str(self._socket), "kill-server"], env=self._environment, check=False,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            [_tmux_program(), "-S", str(self._socket), *arguments],
            env=self._environment, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    def start(self, *arguments: str) -> None:
        """Start the program in the shell, which then writes its pid and its exit code to files."""
        command = shlex.join([str(PROGRAM), *arguments])
        # A file in parts is not read: the code is moved to its place when it is whole.
        inner = f"echo $$ > {self._pid_file}; exec {command}"
        part = f"{self._code_file}.part"
        self.type(f"sh -c {shlex.quote(inner)}; echo $? > {part}; mv {part} {self._code_file}")
        self.press("Enter")

    def type(self, text: str) -> None:
        """Type text."""
        self._tmux("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys, by their names in tmux."""
        self._tmux("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        """Change the size of the terminal."""
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def close(self) -> None:
        """Take the terminal away from the program."""
        self._tmux("kill-session")

    @property
    def screen(self) -> str:
        """What is on the screen."""
        return self._tmux("capture-pane", "-p")

    @property
    def pid(self) -> int:
        """The pid of the program."""
        return int(self._pid_file.read_text())

    @property
    def modes(self) -> dict[str, bool]:
        """Whether the alternate screen, the mouse and the cursor are on."""
        names = ("alternate_on", "mouse_any_flag", "cursor_flag")
        found = self._tmux("display-message", "-p", " ".join(f"#{{{name}}}" for name in names)).split()
        return {name: value == "1" for name, value in zip(names, found, strict=True)}

    def wait_for(self, text: str, *, patience_s: float = PATIENCE_S) -> str:
        """Wait until `text` is on the screen; return the screen."""
        wait_until(lambda: text in self.screen, lambda: f"{text!r} did not come:\n{self.screen}", patience_s)
        return self.screen

    def wait_for_code(self) -> int:
        """Wait until the program has ended; return its exit code."""
        wait_until(self._code_file.exists, lambda: f"the program did not end:\n{self.screen}")
        return int(self._code_file.read_text())


def wait_until(is_so: Callable[[], bool], complaint: Callable[[], str], patience_s: float = PATIENCE_S) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: with the complaint when it takes too long.
    """
    deadline_s = time.monotonic() + patience_s
    while not is_so():
        if time.monotonic() > deadline_s:
            raise AssertionError(complaint())
        time.sleep(0.05)


def _tmux_program() -> str:
    found = shutil.which("tmux")
    assert found, "tmux is needed: .ci/run installs it"
    return found
