"""The command that makes a run again is read back to the same plan."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from lambdatune.cli.commands.run import command as run_command
from lambdatune.cli.plan_options import plan_from
from lambdatune.reports import reproduce
from lambdatune.session.results import plan_record

PLANS = {
    "defaults": ["--function", "shop", "--region", "eu-central-1"],
    "everything": [
        "--function", "arn:aws:lambda:eu-west-1:111122223333:function:shop:live", "--memory", "128-1769",
        "--target", "p95<=60ms", "--target", "cold.p90<=1s", "--strategy", "balanced", "--confidence", "0.9",
        "--cold-rate", "0.001%", "--rate", "12.5/s", "--arrivals", "poisson", "--shards", "3", "--cold-starts", "0",
        "--payload", '{"a": "it\'s"}:0.25', "--payload", "[1]", "--payload-tokens", "--record-payloads",
        "--max-invocations", "5000", "--max-usd", "0.00001", "--max-minutes", "2.5", "--concurrency-share", "0.3",
        "--prices", "bundled", "--region", "eu-west-1", "--aws-profile", "-odd", "--seed", "7",
    ],
    "traffic": ["--function", "x", "--region", "us-east-1", "--traffic", "3/min"],
    "traffic at the default cold rate": [
        "--function", "x", "--region", "us-east-1", "--traffic", "50/s", "--cold-rate", "1%",
    ],
    "traffic at another": ["--function", "x", "--region", "us-east-1", "--traffic", "50/s", "--cold-rate", "2%"],
    "a ramp": ["--function", "x", "--region", "us-east-1", "--ramp", "30s:10/s,1m:50/s"],
    "bursts": ["--function", "x", "--region", "us-east-1", "--burst", "20/5s"],
    "as it is": ["--function", "x", "--region", "us-east-1", "--isolation", "current", "--concurrency", "9"],
    "another architecture": [
        "--function", "x", "--region", "us-east-1", "--architecture", "arm64", "--snap-start", "on",
    ],
    "provisioned": ["--function", "x", "--region", "us-east-1", "--provisioned-concurrency", "4"],
    "a queue": [
        "--function", "x", "--region", "us-east-1", "--mode", "sqs", "--rate", "10/s", "--fifo", "--batch-size", "5",
        "--maximum-concurrency", "4",
    ],
    "a load balancer": [
        "--function", "x", "--region", "us-east-1", "--mode", "http", "--http-kind", "alb", "--alb-subnets", "s-1,s-2",
        "--alb-security-groups", "g-1",
    ],
    "a workflow": ["--function", "x", "--region", "us-east-1", "--mode", "step-functions", "--workflow-role", "arn:r"],
    "a stream": [
        "--function", "x", "--region", "us-east-1", "--mode", "kinesis", "--stream-shards", "2",
        "--parallelization-factor", "3", "--batch-window", "1",
    ],
}  # fmt: skip


def plan_of_line(arguments: list[str]):
    options = run_command.make_context("run", list(arguments)).params
    return plan_from(None, options)


@pytest.mark.parametrize("name", PLANS)
def test_the_command_is_read_back_to_the_same_plan(result, name) -> None:
    plan = plan_of_line(PLANS[name])
    again = replace(result, plan=plan_record(plan))
    assert plan_of_line(reproduce.arguments(again)[1:]) == plan
    words = shlex.split(reproduce.command(again).replace("\\\n", ""))
    assert words == ["lambdatune", *reproduce.arguments(again)]


def test_a_directory_with_an_entry_point_is_read_back_to_the_same_plan(result, tmp_path) -> None:
    plan = plan_of_line(["--function", str(tmp_path), "--entry-point", "sh 'my app.sh'"])
    again = replace(result, plan=plan_record(plan), environment={"embedded": {}})
    assert plan_of_line(reproduce.arguments(again)[1:]) == plan


def test_code_on_this_machine_needs_no_region(result, tmp_path) -> None:
    (tmp_path / "app.py").write_text("def handler(event, context): ...\n")
    line = ["--function", str(tmp_path), "--runtime", "python3.12", "--handler", "app.handler", "--timeout", "9"]
    plan = plan_of_line(line)
    again = replace(result, plan=plan_record(plan), environment={"region": "us-east-1", "embedded": {"cores": 2}})
    assert "--region" not in reproduce.arguments(again)
    assert plan_of_line(reproduce.arguments(again)[1:]) == plan


def test_payloads_that_were_not_recorded_are_asked_for(result) -> None:
    line = ["--function", "x", "--region", "us-east-1", "--payload", '{"secret": 1}:3', "--payload", "{}:2"]
    again = replace(result, plan=plan_record(plan_of_line(line)))
    assert reproduce.cautions(again) == [
        "payloads were not recorded (--record-payloads does that): put them into payload-1.json (13 bytes)"
    ]
    assert reproduce.arguments(again)[-4:] == ["--payload", "@payload-1.json:3", "--payload", "{}:2"]
    assert "secret" not in reproduce.command(again)
