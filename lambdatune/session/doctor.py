"""The doctor: what works, what is missing, and the IAM policy to ask for. It changes nothing."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lambdatune.aws.access import AwsAccess
from lambdatune.aws.account import region_of
from lambdatune.aws.functions import describe_function
from lambdatune.aws.identity import Greeting, account_concurrency, greet
from lambdatune.aws.marks import clone_name
from lambdatune.aws.permissions import bare_name, needs_of, policy_of
from lambdatune.aws.probes import Prober
from lambdatune.model.errors import AwsRefused, LambdatuneError
from lambdatune.recommend.sizes import spread_sizes
from lambdatune.session.checks import Check
from lambdatune.session.clone_settings import clone_settings_of
from lambdatune.session.host_checks import check_host
from lambdatune.session.preflight import ground_of

if TYPE_CHECKING:
    from lambdatune.aws.functions import FunctionDescription
    from lambdatune.aws.need import Ground, Need
    from lambdatune.aws.probes import Finding
    from lambdatune.model.plan import Plan
    from lambdatune.session.checks import State

DOCTOR_SCHEMA: Literal["lambdatune.doctor/1"] = "lambdatune.doctor/1"
ANY_FUNCTION = "*"
"""Stands for the function when none is named."""

_SKEW_WARNING_S = 60.0
_SIGV4_WINDOW = "AWS refuses signatures that are more than 5 minutes off (SigV4)"
_BURST = 10
"""Calls at once by which a run forces cold starts."""

_STATES: dict[str, State] = {"permitted": "ok", "denied": "missing", "not checked": "not checked"}


@dataclass(frozen=True, slots=True)
class Examination:
    """What the doctor found.

    Attributes:
        checks: in the order in which they are shown.
        policy: the least-privilege IAM policy of the plan; None for code on this machine, which needs none.
        schema: of this document as JSON.
    """

    checks: tuple[Check, ...]
    policy: dict[str, Any] | None
    schema: str = DOCTOR_SCHEMA

    @property
    def is_well(self) -> bool:
        """Whether nothing is missing that a run needs."""
        return all(check.state != "missing" for check in self.checks)


async def examine(plan: Plan) -> Examination:
    """Look at everything that a run of `plan` needs, and change nothing.

    Raises:
        UsageError: when the plan names no region, or an AWS profile that does not exist.
    """
    if plan.function.is_path:
        note = "code on this machine runs on the embedded endpoint: no AWS credentials or permissions are needed"
        return Examination((Check("function", plan.function.name, "ok", note), *await check_host(plan)), None)
    async with _access(plan) as access:
        checks, ground = await _on_aws(plan, access)
    return Examination(
        (*checks, *await check_host(plan)), policy_of(needs_of(ground, plan.isolation, plan.mode, plan.mode_options))
    )


async def policy_for(plan: Plan) -> dict[str, Any] | None:
    """Return the least-privilege policy of `plan`, made from no more than who asks and the function's configuration.

    Raises:
        UsageError: when the plan names no region, or an AWS profile that does not exist.
    """
    if plan.function.is_path:
        return None
    async with _access(plan) as access:
        _, greeting = await _credentials(access)
        description, _ = await _function(plan, access)
        ground = _ground(plan, access, greeting, description)
    return policy_of(needs_of(ground, plan.isolation, plan.mode, plan.mode_options))


def _access(plan: Plan) -> AwsAccess:
    """Return the access that a run of `plan` would have: the region of an ARN is where the function is."""
    region = plan.region if plan.function.name == ANY_FUNCTION else region_of(plan.function.name, plan.region)
    return AwsAccess(region=region, aws_profile=plan.aws_profile, endpoint_url=plan.endpoint_url)


async def _on_aws(plan: Plan, access: AwsAccess) -> tuple[list[Check], Ground]:
    checks, greeting = await _credentials(access)
    if greeting is None or greeting.identity is None:
        # Without an identity every further call would fail for the same reason.
        return checks, _ground(plan, access, greeting, None)
    description, function_check = await _function(plan, access)
    ground = _ground(plan, access, greeting, description)
    checks.append(function_check)
    try:
        findings = await Prober(access, ground, greeting.identity.arn).try_all(_triable(plan, ground))
        checks += [_permission(finding) for finding in findings]
    except AwsRefused as error:
        checks.append(Check("permissions", "all", "missing", error.message, hint=error.hint))
    checks.append(await _concurrency(plan, access))
    return checks, ground


def _triable(plan: Plan, ground: Ground) -> list[Need]:
    """Return the needs that can be told apart now: without a function's name those of its own cannot."""
    needs = needs_of(ground, plan.isolation, plan.mode, plan.mode_options)
    if ground.function == ANY_FUNCTION:
        return [need for need in needs if need.target not in {"function", "role"}]
    return list(needs)


def _ground(
    plan: Plan, access: AwsAccess, greeting: Greeting | None, description: FunctionDescription | None
) -> Ground:
    name = bare_name(plan.function.name).replace(ANY_FUNCTION, "any")
    identity = greeting.identity if greeting is not None else None
    return ground_of(
        plan, access.region, clone_name(name, f"doctor-{secrets.token_hex(4)}"),
        account=identity.account if identity is not None else None, description=description,
    )  # fmt: skip


async def _credentials(access: AwsAccess) -> tuple[list[Check], Greeting | None]:
    try:
        facts = await access.credential_facts()
    except AwsRefused as error:
        return [Check("credentials", "found", "missing", error.message, hint=error.hint)], None
    kind = "temporary" if facts.temporary else "long-lived"
    described = f"{facts.source}; {kind}, access key {facts.key_id}" if facts.key_id else facts.source
    where = f"at {access.endpoint_url}" if access.endpoint_url else "of AWS"
    checks = [
        Check("credentials", "found", "ok", described),
        Check("credentials", "region", "ok", f"{access.region} {where}"),
    ]
    greeting = await greet(access)
    if greeting.identity is not None:
        identity = greeting.identity
        checks.append(Check("credentials", "identity", "ok", f"{identity.arn} in account {identity.account}"))
    elif greeting.refusal is not None:
        checks.append(Check("credentials", "identity", "missing", greeting.refusal.message, hint=greeting.refusal.hint))
    checks.append(_clock(greeting.clock_ahead_s))
    return checks, greeting


def _clock(ahead_s: float | None) -> Check:
    if ahead_s is None:
        return Check("credentials", "clock", "not checked", "the answer had no Date header")
    if abs(ahead_s) <= _SKEW_WARNING_S:
        return Check("credentials", "clock", "ok", f"within {max(abs(ahead_s), 1):.0f} s of AWS's")
    side = "ahead of" if ahead_s > 0 else "behind"
    return Check(
        "credentials", "clock", "warning", f"{abs(ahead_s):.0f} s {side} AWS's; {_SIGV4_WINDOW}",
        hint="set this host's clock by NTP",
    )  # fmt: skip


async def _function(plan: Plan, access: AwsAccess) -> tuple[FunctionDescription | None, Check]:
    name = plan.function.name
    if name == ANY_FUNCTION:
        hint = "name it with --function: the policy below is for any function and any role until then"
        return None, Check("function", "none named", "not checked", "nothing is known of a function", hint=hint)
    try:
        found = await describe_function(access, name)
        clone_settings_of(plan).refuse_unfit(found)
    except LambdatuneError as error:
        return None, Check("function", name, "missing", error.message, hint=error.hint)
    kind = found.runtime or "container image"
    return found, Check("function", name, "ok", f"{kind}, {found.architecture}, {found.memory_mb} MB: {found.arn}")


def _permission(finding: Finding) -> Check:
    need = finding.need
    state = _STATES[finding.answer]
    if state == "missing" and not need.required:
        text = f"denied, and a run goes on without it: {need.why}"
        return Check("permissions", f"{need.action} ({need.target})", "warning", text)
    detail = need.why if state == "ok" else f"{need.why}: {finding.reason}"
    if state == "ok" and finding.reason != "tried":
        detail += f" ({finding.reason})"
    hint = "the policy below grants it" if state == "missing" else None
    return Check("permissions", f"{need.action} ({need.target})", state, detail, hint)


async def _concurrency(plan: Plan, access: AwsAccess) -> Check:
    try:
        account = await account_concurrency(access)
    except AwsRefused as error:
        return Check("account", "concurrency", "not checked", error.message, hint=error.hint)
    provisioned = plan.provisioned_concurrency * len(spread_sizes(plan.memory))
    wanted = max(plan.concurrency, _BURST, plan.burst.size if plan.burst else 0, provisioned)
    text = f"{account.limit} concurrent executions, {account.unreserved} unreserved; this plan uses up to {wanted}"
    if wanted <= account.unreserved:
        return Check("account", "concurrency", "ok", text)
    return Check(
        "account", "concurrency", "warning", text, hint="calls above it are throttled, and those of your functions too"
    )
