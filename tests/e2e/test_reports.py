"""The reports of a run that a limit ended before the evidence was in, as the program writes them."""

from __future__ import annotations

import json
import os

import pytest
from support.faults import client
from support.program import aws_environment

from lambdatune.reports.formats import render
from lambdatune.session.replay import open_run
from lambdatune.session.run_directory import find_run
from lambdatune.session.setting_table import REPORT_SETTINGS

pytestmark = pytest.mark.slow

KINDS = [setting.name for setting in REPORT_SETTINGS]


def test_a_run_that_a_limit_ends_writes_its_reports_and_the_summary_of_its_job(lambdatune, tmp_path) -> None:
    profile = tmp_path / "ci.toml"
    profile.write_text(
        'function = "sample:checkout"\nmemory = "512"\ntarget = "p99<=5s"\ncold-starts = 1\nmax-invocations = 5\n'
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
    result = open_run(find_run("latest", tmp_path / "runs"))
    shown = {kind: render(result, kind) for kind in KINDS}
    assert {kind: path.read_text() for kind, path in files.items()} == shown
    assert summary.read_text() == shown["markdown"] + "\n"


def test_an_input_file_of_aws_lambda_power_tuning_runs_unchanged_and_gives_its_output_which_is_read_as_well(
    lambdatune, endpoint, create, tmp_path
) -> None:
    """The sample input of that tool, its advice applied as its `autoOptimize` does; then its URL moves a user over."""
    local = endpoint()
    create(local, "quick")
    asked = {
        "lambdaARN": "arn:aws:lambda:us-east-1:123456789012:function:quick", "powerValues": [256, 384], "num": 2,
        "payload": {}, "parallelInvocation": True, "strategy": "cost", "autoOptimize": True,
    }  # fmt: skip
    (tmp_path / "input.json").write_text(json.dumps(asked))
    place = ["--endpoint-url", local.url, "--region", "us-east-1", "--output", str(tmp_path / "runs")]
    few = ["--cold-starts", "1", "--apply", "--yes"]
    done = lambdatune("run", "--power-tuning-input", "input.json", *place, *few, env=aws_environment())
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["power"] in asked["powerValues"]
    assert [each["value"] for each in told["stats"]] == asked["powerValues"]
    url = told["stateMachine"]["visualization"]
    assert url.startswith("https://lambda-power-tuning.show/#AAGAAQ==;")
    assert "note: num: the run makes as many calls as its answer takes" in done.err
    assert f"now has {told['power']} MB in $LATEST" in done.err
    assert _mb(local.url) == told["power"]
    undone = lambdatune("show", "latest", "--undo-apply", "--yes", *place[-2:], env=aws_environment())
    assert (undone.code, _mb(local.url)) == (0, 512), undone.err

    again = lambdatune(
        "run", "--power-tuning-input", url, "--function", "quick", "--target", "p99<=100ms",
        "--max-invocations", "6", *place, *few, env=aws_environment(),
    )  # fmt: skip
    assert again.code in (5, 6), again.err  # unproven; on a busy host the measurement may be invalid besides
    there = [line.split()[:2] for line in again.err.splitlines() if line.split()[:1] in (["256"], ["384"])]
    assert there == [[str(each["value"]), f"{each['averageDuration']:.1f}"] for each in told["stats"]]
    assert f"--apply: the run ends with exit code {again.code}: nothing was changed" in again.err
    assert _mb(local.url) == 512


def _mb(url: str) -> int:
    with client("lambda", url) as functions:
        return functions.get_function_configuration(FunctionName="quick")["MemorySize"]
