"""The advice as a change to what deploys the function: a snippet for each tool, and where it goes. Nothing is changed.

Names of the properties are those of AWS SAM (AWS::Serverless::Function), CloudFormation (AWS::Lambda::Function),
Terraform's AWS provider (aws_lambda_function), the AWS CDK (aws-lambda.FunctionProps), the Serverless Framework and the
AWS CLI.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError
from lambdatune.reports.wording import printable
from lambdatune.session.advice import advised_mb

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.model.result import RunResult


@dataclass(frozen=True, slots=True)
class _Change:
    """What is to be set.

    Attributes:
        function: name of the function, as AWS knows it; for code on this machine what the run calls it.
        memory_mb: the size.
        before_mb: the size that it had; None when that is another function's.
        architecture: to be set as well; None when it is what it was.
        qualifier: the version or alias that was measured; None for the function itself.
        place: the AWS CLI's options that lead to the function.
        is_deployed: whether the run measured a function on AWS, not code on this machine.
    """

    function: str
    memory_mb: int
    before_mb: int | None
    architecture: str | None
    qualifier: str | None
    place: tuple[str, ...]
    is_deployed: bool

    @property
    def was(self) -> str:
        """What the size was, for a comment."""
        if self.before_mb is None or not self.is_deployed:
            return ""
        return "as it is" if self.before_mb == self.memory_mb else f"was {self.before_mb}"

    @property
    def identifier(self) -> str:
        """A name in the style of resources: ``OrdersApi``."""
        words = re.findall(r"[A-Za-z0-9]+", self.function.rsplit("/", 1)[-1])
        joined = "".join(word[:1].upper() + word[1:] for word in words)
        return joined if joined[:1].isalpha() else f"Function{joined}"


def render_change(result: RunResult, tool: str) -> str:
    """Return the change that follows the advice of a run, for one of `TOOLS`.

    Raises:
        UsageError: when the run advises no size, or the tool needs a function and the run measured code on this host.
    """
    change = _change(result)
    lines = [f"# {printable(' '.join(result.recommendation.sentence.split()))}"]
    if change.qualifier is not None:
        lines.append(
            f"# The run measured `{_plain(change.qualifier)}`, and a version cannot be changed: this changes $LATEST. "
            "Publish a version of it then, and move the alias to it."
        )
    lines += TOOLS[tool](change)
    return "\n".join(lines) + "\n"


def _change(result: RunResult) -> _Change:
    advice, function, plan = result.recommendation, result.function, result.plan
    memory_mb = advised_mb(result)
    shown = advice.function or function.name
    is_same = shown == function.name
    # A path may hold colons, a function's name holds one before its version or alias.
    is_path = plan.get("function", {}).get("is_path", False)
    name, _, qualifier = (shown, "", "") if is_path else shown.partition(":")
    is_other = advice.architecture not in (None, function.architecture)
    region = plan.get("region") or result.environment.get("region")
    given = (("--region", region), ("--endpoint-url", plan.get("endpoint_url")), ("--profile", plan.get("aws_profile")))
    return _Change(
        function=name,
        memory_mb=memory_mb,
        before_mb=function.memory_mb if is_same else None,
        architecture=advice.architecture if is_other and is_same else None,
        qualifier=qualifier or None,
        place=tuple(part for option, value in given if value for part in (option, str(value))),
        is_deployed=not is_path,
    )


def _where(change: _Change, file: str, thing: str) -> str:
    return f"# In {file}: {thing} of `{_plain(change.function)}`. Its name there may be another one."


def _plain(text: str) -> str:
    return printable(" ".join(text.split()))


def _comment(change: _Change, sign: str) -> str:
    return f"  {sign} {change.was}" if change.was else ""


def _cloudformation(change: _Change, kind: str) -> list[str]:
    lines = [
        _where(change, "template.yaml", f"the {kind}"),
        "Resources:",
        f"  {change.identifier}:",
        f"    Type: {kind}",
        "    Properties:",
        f"      MemorySize: {change.memory_mb}{_comment(change, '#')}",
    ]
    return [*lines, *([f"      Architectures: [{change.architecture}]"] if change.architecture else [])]


def _sam(change: _Change) -> list[str]:
    return _cloudformation(change, "AWS::Serverless::Function")


def _plain_cloudformation(change: _Change) -> list[str]:
    return _cloudformation(change, "AWS::Lambda::Function")


def _terraform(change: _Change) -> list[str]:
    resource = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", change.identifier).lower()
    lines = [
        _where(change, "the configuration", "the aws_lambda_function"),
        f'resource "aws_lambda_function" "{resource}" {{',
        f"  memory_size = {change.memory_mb}{_comment(change, '#')}",
    ]
    return [*lines, *([f'  architectures = ["{change.architecture}"]'] if change.architecture else []), "}"]


def _cdk(change: _Change) -> list[str]:
    name = change.identifier
    architecture = {"arm64": "ARM_64", "x86_64": "X86_64"}.get(change.architecture or "")
    typescript = [f"  memorySize: {change.memory_mb},{_comment(change, '//')}"]
    python = [f"    memory_size={change.memory_mb},{_comment(change, '#')}"]
    if architecture:
        typescript.append(f"  architecture: lambda.Architecture.{architecture},")
        python.append(f"    architecture=lambda_.Architecture.{architecture},")
    return [
        _where(change, "the stack", "the lambda.Function"),
        "# TypeScript:", f"new lambda.Function(this, '{name}', {{", *typescript, "});",
        "# Python:", f'lambda_.Function(self, "{name}",', *python, ")",
    ]  # fmt: skip


def _serverless(change: _Change) -> list[str]:
    name = change.identifier[:1].lower() + change.identifier[1:]
    lines = [
        _where(change, "serverless.yml", "the entry below `functions`"),
        "functions:",
        f"  {name}:",
        f"    memorySize: {change.memory_mb}{_comment(change, '#')}",
    ]
    return [*lines, *([f"    architecture: {change.architecture}"] if change.architecture else [])]


def _aws_cli(change: _Change) -> list[str]:
    if not change.is_deployed:
        raise UsageError(
            "this run measured code on this machine: there is no function that the AWS CLI could change",
            hint="give the memory size to whatever deploys the code, for example with --change sam",
        )
    lines = ["# In a shell. What deploys the function sets its own size again the next time."]
    if change.architecture:
        lines.append(f"# The advice is for {change.architecture}, which needs the code of it: update-function-code.")
    lines.append(_command(change, change.memory_mb))
    if change.before_mb not in (None, change.memory_mb):
        lines += ["# To undo it:", f"# {_command(change, change.before_mb or 0)}"]
    return lines


def _command(change: _Change, memory_mb: int) -> str:
    words = ("--function-name", change.function, "--memory-size", str(memory_mb), *change.place)
    return f"aws lambda update-function-configuration {shlex.join(words)}"


TOOLS: dict[str, Callable[[_Change], list[str]]] = {
    "sam": _sam,
    "cloudformation": _plain_cloudformation,
    "terraform": _terraform,
    "cdk": _cdk,
    "serverless": _serverless,
    "aws-cli": _aws_cli,
}
"""Name of a tool to what makes the lines for it."""
