"""The advice as a change for each tool, read by the parsers of those that have one."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest
import yaml
from support.program import sdk
from support.recorded_runs import INVALID, MISSED, SLOWER, UNPROVEN

from lambdatune.cli.commands.show import command
from lambdatune.model.errors import UsageError
from lambdatune.reports.change_report import TOOLS, render_change


def on_arm(result):
    """Return a result that advises another architecture than the function has."""
    return replace(result, recommendation=replace(result.recommendation, architecture="x86_64"))


@pytest.mark.parametrize(
    ("tool", "kind"), [("sam", "AWS::Serverless::Function"), ("cloudformation", "AWS::Lambda::Function")]
)
def test_a_template_gets_memory_size_and_architecture(recorded, tool, kind) -> None:
    text = render_change(recorded(SLOWER), tool)
    assert yaml.safe_load(text) == {"Resources": {"OrdersApi": {"Type": kind, "Properties": {"MemorySize": 768}}}}
    assert "MemorySize: 768  # was 512" in text
    assert "template.yaml" in text
    properties = yaml.safe_load(render_change(on_arm(recorded(SLOWER)), tool))["Resources"]["OrdersApi"]["Properties"]
    assert properties == {"MemorySize": 768, "Architectures": ["x86_64"]}


def test_the_serverless_framework_gets_its_own_names(recorded) -> None:
    text = render_change(on_arm(recorded(SLOWER)), "serverless")
    assert yaml.safe_load(text) == {"functions": {"ordersApi": {"memorySize": 768, "architecture": "x86_64"}}}


def test_terraform_and_cdk_get_theirs(recorded) -> None:
    terraform = render_change(on_arm(recorded(SLOWER)), "terraform")
    assert terraform.splitlines()[2:] == [
        'resource "aws_lambda_function" "orders_api" {', "  memory_size = 768  # was 512",
        '  architectures = ["x86_64"]', "}",
    ]  # fmt: skip
    cdk = render_change(on_arm(recorded(SLOWER)), "cdk")
    assert "new lambda.Function(this, 'OrdersApi', {\n  memorySize: 768,  // was 512\n" in cdk
    assert 'lambda_.Function(self, "OrdersApi",\n    memory_size=768,  # was 512\n' in cdk
    assert "architecture=lambda_.Architecture.X86_64," in cdk


def test_the_aws_cli_takes_the_command_and_the_one_that_undoes_it(recorded) -> None:
    result = recorded(SLOWER)
    odd = replace(result, plan={**result.plan, "endpoint_url": "http://127.0.0.1:9/?a=b c", "aws_profile": "my own"})
    lines = [line.removeprefix("# ") for line in render_change(odd, "aws-cli").splitlines() if "aws lambda" in line]
    commands = [shlex.split(line) for line in lines]
    place = ["--region", "eu-central-1", "--endpoint-url", "http://127.0.0.1:9/?a=b c", "--profile", "my own"]
    assert commands == [
        [
            "aws",
            "lambda",
            "update-function-configuration",
            "--function-name",
            "orders-api",
            "--memory-size",
            size,
            *place,
        ]
        for size in ("768", "512")
    ]
    operation = sdk().get_service_model("lambda").operation_model("UpdateFunctionConfiguration")
    assert {"FunctionName", "MemorySize"} <= set(operation.input_shape.members)


@pytest.mark.parametrize("recipe", [MISSED, UNPROVEN, INVALID], ids=lambda recipe: recipe.id)
def test_a_run_without_an_advice_is_refused(recorded, recipe) -> None:
    for tool in TOOLS:
        with pytest.raises(UsageError, match="advises no size") as caught:
            render_change(recorded(recipe), tool)
        assert caught.value.hint


def test_code_on_this_machine_has_no_function_to_change(result) -> None:
    local = replace(result, plan={**result.plan, "function": {**result.plan["function"], "is_path": True}})
    with pytest.raises(UsageError, match="code on this machine"):
        render_change(local, "aws-cli")
    assert "was" not in render_change(local, "sam").splitlines()[-1]


def test_names_from_elsewhere_break_nothing(hostile) -> None:
    for tool in ("sam", "cloudformation", "serverless"):
        (body,) = yaml.safe_load(render_change(hostile, tool)).values()
        (name,) = body
        assert re.fullmatch("[A-Za-z][A-Za-z0-9]*", name)
    code = [line for line in render_change(hostile, "terraform").splitlines() if not line.startswith("#")]
    assert re.fullmatch(r'resource "aws_lambda_function" "[a-z][a-z0-9_]*" \{', code[0])
    words = shlex.split(render_change(hostile, "aws-cli").partition("next time.\n")[2].partition("\n# To undo")[0])
    assert words[4] == hostile.function.name


def test_the_size_that_the_function_has_is_said_to_be_that(result) -> None:
    size = result.recommendation.memory_mb
    same = replace(result, function=replace(result.function, memory_mb=size))
    assert f"MemorySize: {size}  # as it is" in render_change(same, "sam")
    assert "To undo it" not in render_change(same, "aws-cli")


def test_show_knows_the_same_tools() -> None:
    (option,) = [each for each in command.params if each.name == "tool"]
    assert tuple(option.type.choices) == tuple(TOOLS)
