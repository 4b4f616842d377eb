"""Who makes a run now: the one that holds its directory, whatever else the process of its journal does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.recorded_runs import KILLED, make_run

from lambdatune.model.errors import UsageError
from lambdatune.session.events import Silent
from lambdatune.session.holding import hold, is_held
from lambdatune.session.liveness import own_mark
from lambdatune.session.restore import restore_run
from lambdatune.session.run_directory import OwedUndo, RunDirectory

HOLD = (
    "import sys; from pathlib import Path; from lambdatune.session.holding import hold; "
    "from lambdatune.session.run_directory import RunDirectory\n"
    "with hold(RunDirectory(Path(sys.argv[1]))): print('held', flush=True); input()"
)


@pytest.fixture
def run(tmp_path) -> RunDirectory:
    return make_run(tmp_path, KILLED)


def test_of_two_that_want_a_run_one_gets_it(run) -> None:
    run.journal.begin(own_mark())
    with hold(run):
        assert is_held(run)
        with pytest.raises(UsageError, match=f"is still going, in process {os.getpid()}"), hold(run):
            pass
    assert not is_held(run)


def test_a_process_that_is_killed_lets_go(run) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    assert is_held(run)
    process.kill()
    process.communicate()
    assert not is_held(run)


async def test_what_a_run_left_is_undone_while_the_process_that_made_it_lives_on(run) -> None:
    """As that of the screens does: its hint is to run `restore`."""
    run.journal.begin(own_mark())
    assert await restore_run(run, OwedUndo(), Silent()) == []
    with hold(run), pytest.raises(UsageError, match="it undoes its changes itself when it ends"):
        await restore_run(run, OwedUndo(), Silent())


def test_a_directory_that_is_gone_is_held_by_no_one(tmp_path) -> None:
    assert not is_held(RunDirectory(tmp_path / "gone"))
