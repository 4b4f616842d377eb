"""Before anything is changed: everything that the run will do is permitted, or the run ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lambdatune.aws.identity import greet
from lambdatune.aws.marks import clone_name
from lambdatune.aws.need import Ground
from lambdatune.aws.permissions import bare_name, needs_of, partition_of, policy_of
from lambdatune.aws.price_list import pricing_endpoint
from lambdatune.aws.probes import Prober
from lambdatune.model.errors import AwsRefused
from lambdatune.session.prices import is_live

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.aws.functions import FunctionDescription
    from lambdatune.aws.probes import Finding
    from lambdatune.model.plan import Plan
    from lambdatune.session.subject import Subject


def ground_of(
    plan: Plan,
    region: str,
    clone: str,
    *,
    account: str | None,
    description: FunctionDescription | None,
) -> Ground:
    """Return what is known before anything is done.

    Args:
        plan: what is asked for.
        region: where the function is.
        clone: name of a function that does not exist.
        account: twelve digits, None when not known.
        description: the function as it was found, None when it was not.
    """
    in_arn = description.arn.split(":")[4] if description is not None else ""
    return Ground(
        partition=partition_of(region),
        region=region,
        account=in_arn or account or "*",
        function=description.name if description is not None else bare_name(plan.function.name),
        clone=clone,
        configuration=description.configuration if description is not None else {},
        code=description.code if description is not None else {},
        qualifier=description.qualifier if description is not None else None,
        provisioned=plan.provisioned_concurrency > 0,
        objects=tuple(payload.s3 for payload in plan.payloads if payload.s3 is not None),
        live_prices=is_live(plan) and (plan.endpoint_url is None or pricing_endpoint() is not None),
    )


async def preflight(plan: Plan, subject: Subject, run_id: str) -> None:
    """Try every permission that the run needs, where that is harmless, and end it here when one is missing.

    The run's own embedded endpoint knows no permissions, and is not asked.

    Raises:
        AwsRefused: naming the actions that are denied; its hint is the policy statements to add.
    """
    if subject.embedded:
        return
    description = subject.description
    clone = clone_name(description.name, run_id)
    ground = ground_of(plan, subject.place.region, clone, account=None, description=description)
    greeting = await greet(subject.access)
    identity = greeting.identity.arn if greeting.identity else None
    # What the run only uses where it may is not asked for here, and neither is what it has done already.
    done = ("object", "function:lambda:GetFunction")
    needs = [
        need
        for need in needs_of(ground, plan.isolation, plan.mode, plan.mode_options)
        if need.required and need.target not in done and f"{need.target}:{need.action}" not in done
    ]
    refuse_denied(await Prober(subject.access, ground, identity).try_all(needs))


def refuse_denied(findings: Sequence[Finding]) -> None:
    """End the run when a permission is missing.

    Raises:
        AwsRefused: naming each action, with the statements that grant them.
    """
    denied = [finding for finding in findings if finding.answer == "denied"]
    if not denied:
        return
    actions = ", ".join(dict.fromkeys(finding.need.action for finding in denied))
    plural = "permissions are" if len(denied) > 1 else "permission is"
    made = policy_of(finding.need for finding in denied)["Statement"]
    statements = "\n      ".join(json.dumps(statement) for statement in made)
    raise AwsRefused(
        f"the {plural} missing: {actions}; nothing was changed ({denied[0].reason})",
        hint=f"add to the caller's policy: {statements}\n      `lambdatune doctor --policy` prints the whole policy",
        code="AccessDeniedException",
    )
