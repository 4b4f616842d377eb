"""Permissions, tried without harm.

IAM decides before a service looks for the thing that is named. So an action on a function that does not exist
(the clone's future name, which is made up and taken by no one) answers ResourceNotFoundException when it is
permitted and AccessDeniedException when it is not, and changes nothing either way. CreateFunction is sent with
code that is no zip, which is refused as invalid when it is permitted. Nothing that could write is ever sent at
the user's own function. What cannot be tried so is asked of IAM's policy simulator, where that is permitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from lambdatune.aws.marks import RUN_TAG, log_group_of
from lambdatune.aws.modes.probes import ATTEMPTS as ATTEMPTS_OF_MODES
from lambdatune.aws.price_list import pricing_region
from lambdatune.aws.refusals import DENIED, denied_action, error_code, is_about_credentials, refused, translated
from lambdatune.model.errors import AwsRefused, NotUndone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from lambdatune.aws.access import AwsAccess
    from lambdatune.aws.need import Ground, Need, Target

Answer = Literal["permitted", "denied", "not checked"]

_PERMITTED = frozenset(
    {
        "ResourceNotFoundException", "InvalidParameterValueException", "ResourceConflictException",
        "DryRunOperation", "NoSuchKey", "404", "InvalidZipFileException",
        "NotFound", "ProvisionedConcurrencyConfigNotFoundException", "NoSuchEntity", "StateMachineDoesNotExist",
    }
)  # fmt: skip
"""Codes of answers that a service only gives after IAM has permitted the action."""

_NO_ZIP = b"this is no zip: lambdatune only asks whether it may create the function"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about one permission.

    Attributes:
        reason: how it was found out; for ``denied`` AWS's own sentence, for ``not checked`` why not.
    """

    need: Need
    answer: Answer
    reason: str


class Prober:
    """Tries the permissions of a plan.

    Args:
        access: the account.
        ground: the place, the function, and the name that no function has.
        identity_arn: who asks, for IAM's simulator; None when it is not known.
    """

    def __init__(self, access: AwsAccess, ground: Ground, identity_arn: str | None) -> None:
        self._access = access
        self._ground = ground
        self._principal = principal_of(identity_arn)
        self._no_simulator = "" if self._principal else "IAM's simulator takes only users and roles"
        self._denied_besides: dict[str, str] = {}

    async def try_all(self, needs: Iterable[Need]) -> list[Finding]:
        """Return a finding for each of `needs`, in their order; one call at a time, as AWS's control plane likes it.

        Raises:
            AwsRefused: when AWS does not accept the credentials at all.
            NotUndone: when an endpoint, other than AWS, made a function of what is none, and keeps it.
        """
        return [await self._try(need) for need in needs]

    async def _try(self, need: Need) -> Finding:
        if need.action in self._denied_besides:
            return Finding(need, "denied", self._denied_besides[need.action])
        attempt = _ATTEMPTS.get((need.target, need.action))
        if attempt is None:
            return await self._simulate(need)
        try:
            await attempt(self._access, self._ground)
        except ClientError as error:
            return await self._judged(need, error)
        except (BotoCoreError, ResponseParserError) as error:
            return Finding(need, "not checked", translated(error, "trying it").message)
        return Finding(need, "permitted", "tried")

    async def _judged(self, need: Need, error: ClientError) -> Finding:
        if is_about_credentials(error):
            raise translated(error, f"trying {need.action}") from error
        code = error_code(error)
        message = error.response.get("Error", {}).get("Message") or code
        if code in DENIED or (code == "403" and need.target == "object"):
            action, _ = denied_action(error)
            if action not in {None, need.action}:
                # CreateFunction also passes a role and sets tags: this permission is there, that one is not.
                self._denied_besides[str(action)] = message
                return Finding(need, "permitted", "tried")
            return Finding(need, "denied", message)
        if code in _PERMITTED:
            return Finding(need, "permitted", "tried")
        return Finding(need, "not checked", f"the answer was {code}: {message}")

    async def _simulate(self, need: Need) -> Finding:
        """Ask IAM what it would decide."""
        if self._no_simulator:
            return Finding(need, "not checked", f"it cannot be tried without harm, and {self._no_simulator}")
        client = await self._access.service("iam")
        context = [
            {"ContextKeyName": key, "ContextKeyValues": [value.replace("*", "doctor")], "ContextKeyType": "string"}
            for tests in (need.condition or {}).values()
            for key, value in tests.items()
        ]
        try:
            answer = await client.simulate_principal_policy(
                PolicySourceArn=self._principal, ActionNames=[need.action], ResourceArns=list(need.resources[:1]),
                ContextEntries=context,
            )  # fmt: skip
            decision = answer["EvaluationResults"][0]["EvalDecision"]
        except ClientError as error:
            self._no_simulator = f"iam:SimulatePrincipalPolicy answered {error_code(error)}"
            return await self._simulate(need)
        except (BotoCoreError, ResponseParserError) as error:
            self._no_simulator = translated(error, "asking iam:SimulatePrincipalPolicy").message
            return await self._simulate(need)
        if decision == "allowed":
            return Finding(need, "permitted", "simulated by IAM")
        return Finding(need, "denied", f"IAM's simulator says {decision} for {need.action} on {need.resources[0]}")


def principal_of(identity_arn: str | None) -> str | None:
    """Return the ARN that IAM's simulator knows a caller by: of a user, or of the role that a session has assumed."""
    if identity_arn is None:
        return None
    head, _, tail = identity_arn.rpartition(":")
    kind, _, name = tail.partition("/")
    if kind == "user":
        return identity_arn
    if kind == "assumed-role":
        return f"{head.replace(':sts:', ':iam:')}:role/{name.partition('/')[0]}"
    return None


async def _create(access: AwsAccess, ground: Ground) -> None:
    client = await access.functions()
    configuration = ground.configuration
    role = configuration.get("Role") or f"arn:{ground.partition}:iam::{_digits(ground.account)}:role/lambdatune-none"
    await client.create_function(
        FunctionName=ground.clone, Role=role, Code={"ZipFile": _NO_ZIP}, PackageType="Zip", Handler="none.none",
        Runtime=configuration.get("Runtime") or "python3.12", Tags={RUN_TAG: "doctor"},
    )  # fmt: skip
    # An endpoint that takes anything for a zip has made a function now, under a name that is ours alone.
    try:
        with refused(f"deleting function `{ground.clone}`"):
            await client.delete_function(FunctionName=ground.clone)
    except AwsRefused as error:
        raise NotUndone(
            f"this endpoint took what is no zip for a function `{ground.clone}`, which could not be deleted again: "
            f"{error.message}",
            hint=f"aws lambda delete-function --function-name {ground.clone}",
        ) from error


def _digits(account: str) -> str:
    return account if account.isdigit() else "000000000000"


async def _tag(access: AwsAccess, ground: Ground) -> None:
    client = await access.functions()
    await client.tag_resource(Resource=_clone_arn(ground), Tags={RUN_TAG: "doctor"})


async def _list_tags(access: AwsAccess, ground: Ground) -> None:
    client = await access.functions()
    await client.list_tags(Resource=_clone_arn(ground))


def _clone_arn(ground: Ground) -> str:
    return f"arn:{ground.partition}:lambda:{ground.region}:{_digits(ground.account)}:function:{ground.clone}"


async def _get_clone(access: AwsAccess, ground: Ground) -> None:
    await (await access.functions()).get_function(FunctionName=ground.clone)


async def _update(access: AwsAccess, ground: Ground) -> None:
    await (await access.functions()).update_function_configuration(FunctionName=ground.clone, MemorySize=128)


async def _publish(access: AwsAccess, ground: Ground) -> None:
    await (await access.functions()).publish_version(FunctionName=ground.clone)


async def _invoke_clone(access: AwsAccess, ground: Ground) -> None:
    await (await access.functions()).invoke(FunctionName=ground.clone, InvocationType="DryRun")


async def _delete(access: AwsAccess, ground: Ground) -> None:
    await (await access.functions()).delete_function(FunctionName=ground.clone)


def _named(ground: Ground) -> dict[str, Any]:
    """Return the function as it was named: a caller may be allowed an alias and nothing else."""
    return {"FunctionName": ground.function} | ({"Qualifier": ground.qualifier} if ground.qualifier else {})


async def _invoke_function(access: AwsAccess, ground: Ground) -> None:
    await (await access.functions()).invoke(**_named(ground), InvocationType="DryRun")


async def _get_function(access: AwsAccess, ground: Ground) -> None:
    await (await access.functions()).get_function(**_named(ground))


async def _get_alias(access: AwsAccess, ground: Ground) -> None:
    await (await access.functions()).get_alias(FunctionName=ground.function, Name=str(ground.qualifier))


async def _provision(access: AwsAccess, ground: Ground) -> None:
    client = await access.functions()
    await client.put_provisioned_concurrency_config(
        FunctionName=ground.clone, Qualifier="1", ProvisionedConcurrentExecutions=1
    )


async def _provisioned(access: AwsAccess, ground: Ground) -> None:
    client = await access.functions()
    await client.get_provisioned_concurrency_config(FunctionName=ground.clone, Qualifier="1")


async def _unprovision(access: AwsAccess, ground: Ground) -> None:
    client = await access.functions()
    await client.delete_provisioned_concurrency_config(FunctionName=ground.clone, Qualifier="1")


async def _delete_logs(access: AwsAccess, ground: Ground) -> None:
    await (await access.logs()).delete_log_group(logGroupName=log_group_of(ground.clone))


async def _filter_clone_logs(access: AwsAccess, ground: Ground) -> None:
    await (await access.logs()).filter_log_events(logGroupName=log_group_of(ground.clone), limit=1)


async def _filter_own_logs(access: AwsAccess, ground: Ground) -> None:
    await (await access.logs()).filter_log_events(logGroupName=ground.log_group, limit=1)


async def _log_groups(access: AwsAccess, ground: Ground) -> None:
    await (await access.logs()).describe_log_groups(logGroupNamePrefix=log_group_of(ground.clone), limit=1)


async def _list_versions(access: AwsAccess, ground: Ground) -> None:
    await (await access.functions()).list_versions_by_function(FunctionName=ground.function, MaxItems=1)


async def _account(access: AwsAccess, _ground: Ground) -> None:
    await (await access.functions()).get_account_settings()


async def _list(access: AwsAccess, _ground: Ground) -> None:
    await (await access.functions()).list_functions(MaxItems=1)


async def _prices(access: AwsAccess, ground: Ground) -> None:
    client = await access.service("pricing", region=pricing_region(ground.region))
    await client.get_products(ServiceCode="AWSLambda", MaxResults=1)


async def _head(access: AwsAccess, ground: Ground) -> None:
    client = await access.service("s3")
    for bucket, key in ground.objects:
        await client.head_object(Bucket=bucket, Key=key)


def _describe(what: str) -> Callable[[AwsAccess, Ground], Awaitable[None]]:
    async def describe(access: AwsAccess, _ground: Ground) -> None:
        # DryRun: EC2 says whether it would have answered, and does not.
        client: Any = await access.service("ec2")
        await getattr(client, f"describe_{what}")(DryRun=True)

    return describe


_ATTEMPTS: dict[tuple[Target, str], Callable[[AwsAccess, Ground], Awaitable[None]]] = {
    ("function", "lambda:GetFunction"): _get_function,
    ("function", "lambda:InvokeFunction"): _invoke_function,
    ("clone", "lambda:CreateFunction"): _create,
    ("clone", "lambda:TagResource"): _tag,
    ("clone", "lambda:ListTags"): _list_tags,
    ("clone", "lambda:GetFunction"): _get_clone,
    ("clone", "lambda:UpdateFunctionConfiguration"): _update,
    ("clone", "lambda:PublishVersion"): _publish,
    ("clone", "lambda:InvokeFunction"): _invoke_clone,
    ("clone", "lambda:DeleteFunction"): _delete,
    ("clone", "lambda:PutProvisionedConcurrencyConfig"): _provision,
    ("clone", "lambda:GetProvisionedConcurrencyConfig"): _provisioned,
    ("clone", "lambda:DeleteProvisionedConcurrencyConfig"): _unprovision,
    ("function", "lambda:GetAlias"): _get_alias,
    ("logs", "logs:DeleteLogGroup"): _delete_logs,
    ("logs", "logs:FilterLogEvents"): _filter_clone_logs,
    ("own logs", "logs:FilterLogEvents"): _filter_own_logs,
    ("account", "logs:DescribeLogGroups"): _log_groups,
    ("function", "lambda:ListVersionsByFunction"): _list_versions,
    ("account", "lambda:GetAccountSettings"): _account,
    ("account", "lambda:ListFunctions"): _list,
    ("account", "pricing:GetProducts"): _prices,
    ("extra", "ec2:DescribeSecurityGroups"): _describe("security_groups"),
    ("extra", "ec2:DescribeSubnets"): _describe("subnets"),
    ("extra", "ec2:DescribeVpcs"): _describe("vpcs"),
    ("object", "s3:GetObject"): _head,
    **ATTEMPTS_OF_MODES,
}
"""How each action is tried, by what it is done to."""
