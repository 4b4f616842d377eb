"""Runs that are ended at random moments, and what has to hold of each: used by a test and by a long campaign.

The function writes down each of its calls, so that the rows of a run can be compared with what really happened.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from lambdatune.model.errors import LambdatuneError
from lambdatune.session.run_directory import RunDirectory
from support.program import family, wait_gone

if TYPE_CHECKING:
    import random
    from pathlib import Path

HOWS = ("kill shard", "kill parent", "interrupt", "interrupt twice")
MOST_LOST_S = 1.0
NOTEBOOK = """
import os, time

def handler(event, context):
    line = f"{context.aws_request_id} {time.time()}\\n".encode()
    with open(event["notebook"], "ab", buffering=0) as notebook:
        notebook.write(line)
    return {}
"""
"""One write of one short line to a file opened for appending: lines of several processes do not mix."""


@dataclass
class Ending:
    """One run, and how it ended.

    Attributes:
        how: one of `HOWS`.
        after_s: seconds between the start and the end that was brought about.
        problems: what should not have been, in words; empty when all is well.
        rows: calls recorded.
        lost_s: how long before the end the first unrecorded call began; 0 when none is missing.
    """

    how: str
    after_s: float
    problems: list[str] = field(default_factory=list)
    rows: int = 0
    lost_s: float = 0.0


def end_a_run(endpoint_url: str, function: str, directory: Path, randomness: random.Random) -> Ending:
    """Start a run of two shards, end it at a random moment in a random way, and look at what is left."""
    ending = Ending(randomness.choice(HOWS), randomness.uniform(0.3, 5.0))
    directory.mkdir(parents=True)
    notebook = directory / "notebook"
    output = directory / "runs"
    process = subprocess.Popen(
        [
            sys.executable, "-c", "from lambdatune.cli.main import main; main()",
            "run", "--endpoint-url", endpoint_url, "--function", function, "--memory", "256,512",
            "--target", "p99.9<=2s", "--cold-starts", "2", "--concurrency", "4", "--shards", "2",
            "--payload", json.dumps({"notebook": str(notebook)}), "--output", str(output),
        ],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env={**os.environ, "LAMBDATUNE_DATA": str(directory / "data")},
    )  # fmt: skip
    try:
        time.sleep(ending.after_s)
        processes, ended_s = _end(process, ending.how, randomness)
        _, said = process.communicate(timeout=60)
        ending.problems += [f"pid {each.pid} still runs" for each in wait_gone(processes)]
        if "Traceback" in said:
            ending.problems.append(said)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    _look(ending, output, notebook, ended_s)
    return ending


def _end(process: subprocess.Popen[str], how: str, randomness: random.Random) -> tuple[list[psutil.Process], float]:
    """Bring the end about; return the processes that must be gone afterwards, and the moment."""
    try:
        processes = family(process.pid)
    except psutil.NoSuchProcess:
        processes = []
    ended_s = time.time()
    shards = [each for each in processes if _is_shard(each)]
    if how == "kill parent":
        process.kill()
    elif how == "kill shard" and shards:
        randomness.choice(shards).kill()
    else:
        process.send_signal(signal.SIGINT)
        if how == "interrupt twice":
            time.sleep(randomness.uniform(0.0, 0.3))
            process.send_signal(signal.SIGINT)
    return processes, ended_s


def _is_shard(process: psutil.Process) -> bool:
    try:
        return "lambdatune.load.shard" in process.cmdline()
    except psutil.Error:
        return False


def _look(ending: Ending, output: Path, notebook: Path, ended_s: float) -> None:
    """Read the run directory as a user would, and compare its rows with the notebook."""
    made = [line.split() for line in notebook.read_text().splitlines()] if notebook.exists() else []
    runs = list(output.iterdir()) if output.exists() else []
    if not runs:
        if made:
            ending.problems.append(f"{len(made)} calls were made and no run directory")
        return
    try:
        RunDirectory(runs[0]).read()
    except LambdatuneError as error:
        if made:
            ending.problems.append(f"the run cannot be read: {error.message}")
        return
    rows = runs[0] / "invocations.csv"
    text = rows.read_text() if rows.exists() else ""
    # A line that the end cut off is not a row.
    whole = text[: text.rfind("\n") + 1].splitlines()
    recorded = {row["request_id"] for row in csv.DictReader(whole)}
    ending.rows = len(recorded)
    missing = [float(at_s) for request_id, at_s in made if request_id not in recorded]
    ending.lost_s = max((ended_s - at_s for at_s in missing), default=0.0)
    if ending.lost_s > MOST_LOST_S:
        ending.problems.append(f"rows of the last {ending.lost_s:.2f} s are missing")
