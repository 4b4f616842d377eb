"""``lambdatune doctor``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambdatune.cli.plan_options import given_from, plan_options
from lambdatune.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from lambdatune.session.doctor import Examination

_MARKS = {"ok": "✓ ok", "missing": "✗ missing", "not checked": "? not checked", "warning": "! warning"}


@click.command("doctor")
@click.argument("profile", required=False)
@plan_options
@click.option("--policy", "policy_only", is_flag=True, help="Print only the IAM policy, as JSON; try nothing.")
@click.option("--json", "json_file", metavar="FILE",
              help="Write checks and policy as JSON; - is stdout, in place of the text.")  # fmt: skip
def command(profile: str | None, policy_only: bool, json_file: str | None, **options: Any) -> int:
    """Check credentials, permissions, limits and host for a plan, and print the IAM policy it needs.

    Nothing is changed and the function is not called: permissions are tried on a name that no function has, or
    asked of IAM's policy simulator; what can be found out by neither is `not checked`.

    PROFILE and the options of the plan are those of `run`. Without --function the policy is for any function.

    \b
    Exit codes: 0 all is well, 2 usage, 7 something is missing on AWS.
    """  # noqa: D301  \b keeps click from joining the lines
    import asyncio  # noqa: PLC0415  heavy, and not needed for --help

    from lambdatune.session.doctor import ANY_FUNCTION, examine, policy_for  # noqa: PLC0415
    from lambdatune.session.setting_table import Given  # noqa: PLC0415
    from lambdatune.session.settings import build_plan  # noqa: PLC0415

    if policy_only and json_file is not None:
        raise UsageError("--policy and --json: the JSON report holds the policy", hint="leave one of them out")
    given = given_from(profile, options)
    given.setdefault("function", Given(ANY_FUNCTION, "--function", Path.cwd()))
    plan = build_plan(given)
    if policy_only:
        policy = asyncio.run(policy_for(plan))
        if policy is None:
            raise UsageError("--policy: code on this machine needs no permission on AWS", hint="name a function on AWS")
        click.echo(json.dumps(policy, indent=2))
        return ExitCode.OK
    found = asyncio.run(examine(plan))
    _write(found, json_file)
    return ExitCode.OK if found.is_well else ExitCode.AWS_REFUSED


def _write(found: Examination, json_file: str | None) -> None:
    if json_file != "-":
        click.echo("\n".join(_lines(found)))
    if json_file is None:
        return
    import msgspec  # noqa: PLC0415  heavy, and not needed for --help

    text = msgspec.json.format(msgspec.json.encode(found), indent=1).decode()
    if json_file == "-":
        click.echo(text)
        return
    try:
        Path(json_file).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"--json: `{json_file}` cannot be written: {error.strerror}", hint="give a file in a directory that exists"
        ) from error


def _lines(found: Examination) -> list[str]:
    lines: list[str] = []
    section = ""
    width = max(len(check.name) for check in found.checks)
    for check in found.checks:
        if check.section != section:
            section = check.section
            lines += ["", section] if lines else [section]
        lines.append(f"  {_MARKS[check.state].ljust(13)}  {check.name.ljust(width)}  {check.detail}")
        if check.hint:
            lines += [f"  {'':13}  {'':{width}}  hint: {line.strip()}" for line in check.hint.splitlines()]
    if found.policy is not None:
        lines += ["", "policy (least privilege for this plan)", json.dumps(found.policy, indent=2)]
    return lines
