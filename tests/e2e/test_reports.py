"""The reports of a run that a limit ended before the evidence was in, as the program writes them."""

from __future__ import annotations

import json
import os

import pytest

from lambdatune.session.setting_table import REPORT_SETTINGS

pytestmark = pytest.mark.slow

KINDS = [setting.name for setting in REPORT_SETTINGS]


def test_a_run_that_a_limit_ends_writes_its_reports_and_the_summary_of_its_job(lambdatune, tmp_path) -> None:
    profile = tmp_path / "ci.toml"
    profile.write_text(
        'function = "sample:checkout"\nmemory = "512"\ntarget = "p99<=10ms"\ncold-starts = 1\nmax-invocations = 5\n'
    )
    files = {kind: tmp_path / f"report.{kind}" for kind in KINDS}
    options = [part for kind, path in files.items() for part in (f"--{kind}", str(path))]
    summary = tmp_path / "summary.md"
    done = lambdatune(
        "run", str(profile), *options, "--output", str(tmp_path / "runs"),
        env={**os.environ, "GITHUB_STEP_SUMMARY": str(summary)},
    )  # fmt: skip
    assert done.code == 5, done.err
    assert json.loads(files["json"].read_text())["recommendation"]["status"] == "unproven"
    shown = {
        kind: lambdatune("show", "latest", "--format", kind, "--output", str(tmp_path / "runs")).out for kind in KINDS
    }
    assert {kind: path.read_text() for kind, path in files.items()} == shown
    assert summary.read_text() == shown["markdown"] + "\n"
