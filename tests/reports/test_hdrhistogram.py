"""``.hlog`` and ``.hgrm`` by HdrHistogram's own reader, the Java one that defines both formats."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.recorded_runs import SLOWER

from lambdatune.model.errors import UsageError
from lambdatune.reports.formats import render_recorded
from lambdatune.reports.hgrm_report import histogram_tags, render_hgrm
from lambdatune.reports.hlog_report import render_hlog
from lambdatune.session.replay import RecordedRun
from lambdatune.session.run_directory import RunDirectory

JAR = Path("/usr/share/java/hdrhistogram.jar")
TAG = "mem-512.warm.duration"


@pytest.fixture(scope="module")
def run(run_of) -> RecordedRun:
    return RecordedRun(run_of(SLOWER))


@pytest.fixture(scope="module")
def log(run, tmp_path_factory) -> Path:
    """Return the file of `show --format hlog`."""
    path = tmp_path_factory.mktemp("hlog") / "run.hlog"
    path.write_text(render_hlog(run))
    return path


def processed(log: Path, *options: str) -> str:
    """Run HistogramLogProcessor over a log; values of ours are in microseconds, and shown in ms."""
    assert JAR.is_file(), "the reader of these formats is missing: apt-get install libhdrhistogram-java"
    program = ["java", "-XX:TieredStopAtLevel=1", "-cp", str(JAR), "org.HdrHistogram.HistogramLogProcessor"]
    arguments = ["-i", str(log), "-outputValueUnitRatio", "1000", *options]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=True)
    assert "Exception" not in done.stdout + done.stderr, done.stderr
    return done.stdout


def test_the_tags_that_it_finds_are_those_of_every_size_start_and_clock(run, log) -> None:
    assert processed(log, "-listtags").splitlines()[1:] == sorted(histogram_tags(run.record))


@pytest.mark.parametrize("tag", [TAG, "mem-1024.cold.response"])
def test_its_table_of_the_log_is_our_hgrm_to_the_letter(run, log, tag) -> None:
    """Its percentiles of all seconds together are those of the histogram in run.json."""
    lines = processed(log, "-tag", tag).splitlines(keepends=True)
    assert "".join(line for line in lines if not line.startswith("#[StartTime:")) == render_hgrm(run.record, tag)


def test_the_log_that_is_made_anew_is_the_one_that_was_written_while_the_run_went(run, log) -> None:
    assert log.read_text() == run.directory.histogram_path.read_text()
    assert render_recorded(run.record, "hlog", lambda: run) == log.read_text()


def test_one_tag_can_be_taken_out_of_it(run, log, tmp_path) -> None:
    one = tmp_path / "one.hlog"
    one.write_text(render_hlog(run, TAG))
    assert processed(one, "-listtags").splitlines()[1:] == [TAG]
    taken = [line for line in log.read_text().splitlines() if line.startswith(f"Tag={TAG},")]
    assert one.read_text().splitlines()[4:] == taken
    with pytest.raises(UsageError, match="has no histogram") as caught:
        render_hlog(run, "mem-512.warm.duratoin")
    assert caught.value.hint == f"did you mean {TAG}?"


def test_a_run_without_a_call_has_no_log(run_of, tmp_path) -> None:
    empty = RunDirectory(Path(shutil.copytree(run_of(SLOWER).path, tmp_path / SLOWER.id)))
    empty.rows_path.write_text(empty.rows_path.read_text().partition("\n")[0] + "\n")
    with pytest.raises(UsageError, match="has no recorded call"):
        render_hlog(RecordedRun(empty))
