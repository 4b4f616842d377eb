"""A process is known again by its host, its number and its start; another one that got its number is not it."""

from __future__ import annotations

import subprocess
import sys

from lambdatune.session.liveness import host_of, is_alive, own_mark

PRINT_MARK = "from lambdatune.session.liveness import own_mark; print(own_mark(), flush=True); input()"


def test_a_process_lives_until_it_has_ended() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PRINT_MARK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    mark = process.stdout.readline().strip()
    assert mark.split(":")[1] == str(process.pid)
    assert is_alive(mark) is True
    process.communicate("\n")
    assert is_alive(mark) is False


def test_a_process_with_the_same_number_and_another_start_is_another_one() -> None:
    host, pid, start = own_mark().split(":")
    assert is_alive(f"{host}:{pid}:{start}") is True
    assert is_alive(f"{host}:{pid}:{int(start) - 1}") is False


def test_of_another_host_nothing_is_known() -> None:
    assert is_alive("ci-7f3:1:1") is None
    assert is_alive("not a mark") is None
    assert host_of("ci-7f3:1:1") == "ci-7f3"
