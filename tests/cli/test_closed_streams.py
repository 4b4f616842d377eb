"""A reader that went away takes no exit code along."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

SAYS_MUCH = """
import os, sys
from lambdatune.cli import main
from lambdatune.model.errors import ExitCode

def run(argv):
    sys.stdin.readline()
    sys.stdout.write("a line that is not ended, as that of a bar is")
    return ExitCode.TERMINATED

main._run = run
main.main()
"""
"""The command line around a run that ends when it is told to, and says so to whoever is left."""
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def test_a_terminal_that_is_closed_leaves_the_exit_code_of_the_run() -> None:
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SAYS_MUCH],
        stdin=subprocess.PIPE,
        stdout=end,
        stderr=end,
        start_new_session=True,
        env=BUFFERED,
    )
    os.close(end)
    os.close(terminal)
    process.communicate(b"\n", timeout=30)
    assert process.returncode == 143


def test_a_pipe_that_nobody_reads_leaves_the_exit_code_of_the_run() -> None:
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", SAYS_MUCH], stdin=subprocess.PIPE, stdout=writer, stderr=writer, env=BUFFERED
    )
    os.close(writer)
    os.close(reader)
    process.communicate(b"\n", timeout=30)
    assert process.returncode == 143
