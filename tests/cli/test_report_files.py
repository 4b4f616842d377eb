"""Where a run's reports go, and what is found out about that before the run."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from support.recorded_runs import MISSED, UNPROVEN

from lambdatune.cli.plan_options import reports_from
from lambdatune.cli.report_files import ReportFiles
from lambdatune.model.errors import UsageError
from lambdatune.reports.formats import render
from lambdatune.session.replay import open_run
from lambdatune.session.setting_table import REPORT_SETTINGS

KINDS = [setting.name for setting in REPORT_SETTINGS]


@pytest.fixture(autouse=True)
def in_scratch(tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def reports(**options: str) -> ReportFiles:
    return ReportFiles.of(reports_from(None, options))


def test_every_report_is_written_whatever_became_of_the_run(run_of, capsys) -> None:
    for recipe in (MISSED, UNPROVEN):
        result = open_run(run_of(recipe))
        where = reports(**{kind: f"out.{kind}" for kind in KINDS})
        assert where.write(result) == []
        for kind in KINDS:
            assert Path(f"out.{kind}").read_text(encoding="utf-8") == render(result, kind)
        where.show(result)
        assert capsys.readouterr().out == render(result, "text")


@pytest.mark.parametrize("kind", KINDS)
def test_a_dash_is_stdout_in_place_of_the_text(run_of, capsys, kind) -> None:
    result = open_run(run_of(MISSED))
    where = reports(**{kind: "-"})
    assert where.write(result) == []
    where.show(result)
    assert capsys.readouterr().out == render(result, kind)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"json": "-", "markdown": "-"}, "stdout is taken by --json already"),
        ({"json": "x", "markdown": "./x"}, "is the file of --json already"),
        ({"json": "."}, "--json: `.*` is a directory"),
        ({"markdown": "nowhere/x.md"}, "--markdown: `.*nowhere/x.md` cannot be written: No such file"),
        ({"markdown": "x" * 300}, "cannot be written: File name too long"),
        ({"markdown": "a\0b"}, "cannot be written: "),
    ],
)
def test_what_cannot_be_written_is_found_out_first_and_nothing_is_left(in_scratch, options, said) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        reports(**options)
    assert caught.value.hint
    assert list(in_scratch.iterdir()) == [in_scratch / "data"] or not list(in_scratch.iterdir())


def test_looking_leaves_a_file_as_it_is() -> None:
    Path("old.json").write_text("old")
    reports(json="old.json", markdown="new.md")
    assert Path("old.json").read_text() == "old"
    assert not Path("new.md").exists()


def test_a_profile_names_reports_and_an_option_wins() -> None:
    Path("profiles").mkdir()
    Path("profiles/ci.toml").write_text('function = "shop"\njson = "a.json"\nmarkdown = "b.md"\n')
    where = ReportFiles.of(reports_from("profiles/ci.toml", {"markdown": "c.md"}))
    assert where.files == {"json": Path.cwd() / "a.json", "markdown": Path.cwd() / "c.md"}


def test_a_report_that_fails_in_the_end_is_told_and_the_others_are_written(run_of) -> None:
    result = open_run(run_of(MISSED))
    Path("gone").mkdir()
    where = reports(json="gone/x.json", markdown="x.md")
    Path("gone").rmdir()
    (said,) = where.write(result)
    assert said.startswith("--json: `")
    assert said.endswith(f"`lambdatune show {result.id} --format json` makes the report again")
    assert Path("x.md").exists()


def test_the_summary_of_a_github_job_is_appended_to_once(run_of, monkeypatch) -> None:
    result = open_run(run_of(MISSED))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    Path("summary.md").write_text("what another command said\n")
    for where in (reports(), reports(markdown="summary.md")):
        before = Path("summary.md").read_text()
        assert where.write(result) == []
        assert where.write_summary(result) is None
        assert Path("summary.md").read_text() == f"{before}{render(result, 'markdown')}\n"


def test_a_summary_that_cannot_be_written_fails_nothing(run_of, monkeypatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", f"nowhere{os.sep}summary.md")
    where = reports()
    result = replace(open_run(run_of(MISSED)))
    assert where.write(result) == []
    said = where.write_summary(result)
    assert said is not None
    assert said.startswith("GITHUB_STEP_SUMMARY: `nowhere/summary.md` could not be written")
