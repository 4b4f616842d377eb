"""The GitHub Action: its scripts are run as a runner would, on the embedded endpoint; inputs are never commands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from support.composite_action import ACTION, action, run_action, scripts

from lambdatune.model.errors import ExitCode

HOSTILE = "\"; touch pwned; $(touch pwned) `touch pwned` ' \n"


@pytest.mark.parametrize("step", scripts())
def test_a_script_is_of_bash_and_holds_no_expression(step) -> None:
    assert "${{" not in scripts()[step]
    done = subprocess.run(["bash", "-n"], input=scripts()[step], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_input_and_output_says_what_it_is_and_is_used() -> None:
    document, text = action(), ACTION.read_text(encoding="utf-8")
    for kind in ("inputs", "outputs"):
        assert all(entry["description"].endswith(".") for entry in document[kind].values())
    for name in document["inputs"]:
        assert re.search(rf"\$\{{\{{[^}}]*inputs\.{name}\b", text), name


@pytest.mark.slow
def test_a_target_that_is_met_passes_and_tells_what_was_found(tmp_path) -> None:
    ended = run_action(tmp_path, profile="ci-gate", args="  --memory=1024  \r\n--confidence=0.9\r\n\n--cold-starts=1")
    assert ended.code == 0, ended.said
    assert ended.outputs["exit-code"] == "0"
    assert ended.outputs["status"] == "met"
    assert ended.outputs["memory"] == "1024"
    run = Path(ended.outputs["run-directory"])
    assert run.parent == tmp_path / "work" / "lambdatune-runs"
    assert (run / "run.json").exists()
    assert Path(ended.outputs["junit"]) == tmp_path / "work" / "lambdatune.xml"
    assert "Use 1024 MB" in ended.summary
    assert ended.installed[-1] == str(ACTION.parent)
    assert "::error" not in ended.said
    again = run_action(
        tmp_path, profile="ci-gate", args="--memory=1024\n--cold-starts=1\n--max-invocations=30", baseline=str(run)
    )
    assert f"baseline {run.name}" in again.said
    assert again.outputs["exit-code"] in {"0", "4", "5"}, again.said


@pytest.mark.slow
def test_a_target_that_is_missed_fails_with_the_code_of_the_tool_and_says_why(tmp_path) -> None:
    ended = run_action(
        tmp_path, function="sample:checkout", targets="p50<=10us\nall.p95<=1s\n", version="0.1.0", junit="gate.xml",
        args='--memory=1769\n--cold-starts=1\n--payload={"items": 10}',
    )  # fmt: skip
    assert ended.code == ExitCode.TARGET_MISSED, ended.said
    assert ended.outputs["exit-code"] == "3"
    assert ended.outputs["status"] == "missed"
    assert ended.outputs["memory"] == ""
    assert '<failure type="missed"' in Path(ended.outputs["junit"]).read_text()
    assert "::error title=lambdatune::" in ended.said
    assert ended.installed[-1] == "lambdatune==0.1.0"


@pytest.mark.slow
def test_a_comparison_tells_its_best_too(tmp_path) -> None:
    ended = run_action(
        tmp_path, function="sample:lookup-python", targets="p50<=2s",
        args="--function=sample:checkout\n--memory=512\n--cold-starts=1\n--confidence=0.6\n--max-invocations=60",
    )  # fmt: skip
    assert ended.outputs["exit-code"] == "0", ended.said
    assert ended.outputs["status"] == "met"
    assert ended.outputs["memory"] == "512"
    assert (Path(ended.outputs["run-directory"]) / "comparison.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["profile", "function", "targets", "baseline", "args"])
def test_what_an_input_holds_is_never_a_command(tmp_path, name) -> None:
    ended = run_action(tmp_path, **{"function": "sample:checkout", "args": "--max-invocations=1", name: HOSTILE})
    assert ended.code == ExitCode.USAGE, ended.said
    assert ended.outputs["exit-code"] == "2"
    assert ended.outputs["status"] == "not-run"
    assert not list(tmp_path.rglob("pwned"))


def test_a_gate_that_measured_nothing_does_not_pass(tmp_path) -> None:
    ended = run_action(tmp_path, args="--help")
    assert ended.code == 1
    assert "nothing was measured" in ended.said
    assert ended.outputs["status"] == "not-run"


@pytest.mark.parametrize(
    ("name", "value"), [("output", "runs\nmemory=1"), ("junit", "a\nb"), ("version", "0.1.0 evil"), ("version", "../x")]
)
def test_an_input_that_could_forge_an_output_or_a_package_is_refused(tmp_path, name, value) -> None:
    ended = run_action(tmp_path, function="sample:checkout", **{name: value})
    assert ended.code == 2
    assert f"::error::{name}" in ended.said or (name == "junit" and "::error::output and junit" in ended.said)
    assert not any(ended.outputs.values())


def test_a_job_that_was_cancelled_undoes_what_a_killed_run_left() -> None:
    (step,) = [step for step in action()["runs"]["steps"] if step.get("if") == "${{ cancelled() }}"]
    assert step["run"] == "lambdatune restore --all"
