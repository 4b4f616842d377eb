"""Runs are found by what a user would type; a run that owes an undo is remembered wherever it is."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from lambdatune.model.errors import UsageError
from lambdatune.session.run_directory import OwedUndo, RunDirectory, find_run, list_runs, new_run_id


@pytest.fixture
def output(tmp_path):
    for run_id in ("20261101-101010-aaaa", "20261102-101010-bbbb"):
        (tmp_path / run_id).mkdir()
        (tmp_path / run_id / "run.json").write_text("{}")
    (tmp_path / "not-a-run").mkdir()
    return tmp_path


def test_ids_sort_by_time_and_differ_within_a_second() -> None:
    moment = dt.datetime(2026, 11, 23, 15, 12, 0, tzinfo=dt.UTC)
    assert new_run_id(moment).startswith("20261123-151200-")
    assert len({new_run_id(moment) for _ in range(20)}) > 1


def test_runs_are_listed_oldest_first_and_other_directories_are_not(output) -> None:
    assert [run.id for run in list_runs(output)] == ["20261101-101010-aaaa", "20261102-101010-bbbb"]


@pytest.mark.parametrize("text", ["20261102-101010-bbbb", "20261102", "latest", "{output}/20261102-101010-bbbb",
                                  "{output}/20261102-101010-bbbb/run.json"])  # fmt: skip
def test_a_run_is_found_by_id_start_path_or_as_the_latest(output, text) -> None:
    assert find_run(text.format(output=output), output).id == "20261102-101010-bbbb"


@pytest.mark.parametrize(
    ("text", "said"), [("2026", "is the start of 2 runs"), ("20261103-101010-cccc", "was not found")]
)
def test_no_run_or_more_than_one_is_an_error(output, text, said) -> None:
    with pytest.raises(UsageError, match=said):
        find_run(text, output)


def test_a_damaged_run_file_is_an_error_that_names_it(output) -> None:
    with pytest.raises(UsageError, match=r"run\.json` cannot be read"):
        find_run("latest", output).read()


def test_a_file_of_another_schema_is_refused(output) -> None:
    (output / "20261102-101010-bbbb" / "run.json").write_text(json.dumps({"schema": "lambdatune.run/9"}))
    with pytest.raises(UsageError, match="cannot be read"):
        find_run("latest", output).read()


def test_a_directory_that_cannot_be_made_is_an_error_before_anything_is_done(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made"):
        RunDirectory.create(tmp_path / "file", "20261101-101010-aaaa")


def test_an_owed_undo_is_remembered_until_it_is_settled(tmp_path) -> None:
    owed, run = OwedUndo(), RunDirectory.create(tmp_path / "elsewhere", "20261101-101010-aaaa")
    assert owed.runs() == []
    owed.note(run)
    assert [found.path for found in OwedUndo().runs()] == [run.path]
    owed.settle(run)
    assert owed.runs() == []
