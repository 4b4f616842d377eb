"""Which permissions a plan needs, and the least-privilege policy that grants them.

Sources: AWS docs, "Actions, resources, and condition keys" of Lambda, CloudWatch Logs and IAM; Lambda developer
guide, "Working with Amazon VPC" (ec2:Describe*), "Securing environment variables" (kms), "Container images"
(ecr), "File systems" (elasticfilesystem).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lambdatune.aws.functions import split_function_name
from lambdatune.aws.marks import CLONE_PREFIX, log_group_of
from lambdatune.aws.modes.permissions import needs_of_mode
from lambdatune.aws.need import Need
from lambdatune.aws.refusals import statement
from lambdatune.aws.routing import is_alias
from lambdatune.model.modes import ModeOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lambdatune.aws.need import Ground
    from lambdatune.model.modes import Mode
    from lambdatune.model.plan import IsolationName

_ENVIRONMENTS = "tells which environment served each call"


def partition_of(region: str) -> str:
    """Return the partition that a region is in."""
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def bare_name(function: str) -> str:
    """Return the name of a function given as a name, ``name:qualifier`` or ARN; ``*`` stays as it is."""
    return function if function == "*" else split_function_name(function)[0].rpartition(":")[2]


def needs_of(
    ground: Ground, isolation: IsolationName, mode: Mode = "invoke", options: ModeOptions | None = None
) -> tuple[Need, ...]:
    """Return every permission that a run under `isolation` in `mode` needs, in the order in which it needs them."""
    of_mode = needs_of_mode(ground, mode, options or ModeOptions())
    return (*_BY_ISOLATION[isolation](ground), *of_mode, *_payloads(ground), *_account(ground))


def policy_of(needs: Iterable[Need]) -> dict[str, Any]:
    """Return the IAM policy that grants `needs` and nothing else; actions on the same resources share a statement."""
    groups: dict[tuple[Any, ...], list[Need]] = {}
    for need in needs:
        groups.setdefault((need.target, need.resources, json.dumps(need.condition)), []).append(need)
    statements = []
    for number, group in enumerate(groups.values()):
        first = group[0]
        made = json.loads(statement(sorted({need.action for need in group}), list(first.resources), first.condition))
        kind = first.target.title().replace(" ", "")
        statements.append({"Sid": f"Lambdatune{kind}{number}", **made})
    return {"Version": "2012-10-17", "Statement": statements}


def _clone(ground: Ground) -> list[Need]:
    clones = (ground.function_arn(f"{CLONE_PREFIX}*"),)
    groups = (ground.log_group_arn(log_group_of(f"{CLONE_PREFIX}*")),)
    on_clone = [
        ("lambda:CreateFunction", "makes the clone"),
        ("lambda:TagResource", "marks the clone as this run's"),
        ("lambda:GetFunction", "waits until the clone is ready"),
        ("lambda:UpdateFunctionConfiguration", "sets each memory size"),
        ("lambda:PublishVersion", "makes a version per size"),
        ("lambda:InvokeFunction", "calls the clone"),
        ("lambda:DeleteFunction", "removes the clone and its versions"),
    ]
    if ground.provisioned:
        on_clone += [
            ("lambda:PutProvisionedConcurrencyConfig", "gives each version its provisioned environments"),
            ("lambda:GetProvisionedConcurrencyConfig", "waits until they are initialised"),
            ("lambda:DeleteProvisionedConcurrencyConfig", "takes them away again"),
        ]
    passing = Need(
        "iam:PassRole", "role", (ground.role,), "the clone runs with the function's role",
        condition={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
    )  # fmt: skip
    return [
        *_reading(ground),
        *(Need(action, "clone", clones, why) for action, why in on_clone),
        Need("lambda:ListTags", "clone", clones, "`restore --all` tells clones by their tags", required=False),
        passing,
        *_extras(ground),
        Need("logs:DeleteLogGroup", "logs", groups, "removes the clone's logs"),
        Need("logs:FilterLogEvents", "logs", groups, _ENVIRONMENTS, required=False),
        Need("logs:DescribeLogGroups", "account", ("*",), "`restore --all` finds log groups", required=False),
    ]


def _version(ground: Ground) -> list[Need]:
    everything = (ground.function_arn(ground.function), ground.function_arn(f"{ground.function}:*"))
    on_function = [
        ("lambda:UpdateFunctionConfiguration", "sets each memory size, and the old one again"),
        ("lambda:PublishVersion", "makes a version per size"),
        ("lambda:InvokeFunction", "calls those versions"),
        ("lambda:DeleteFunction", "removes those versions"),
        ("lambda:ListVersionsByFunction", "finds those versions to remove them"),
    ]
    return [
        *_reading(ground),
        *(Need(action, "function", everything, why) for action, why in on_function),
        _own_log_reading(ground),
    ]


def _current(ground: Ground) -> list[Need]:
    everything = (ground.function_arn(ground.function), ground.function_arn(f"{ground.function}:*"))
    return [
        *_reading(ground),
        Need("lambda:InvokeFunction", "function", everything, "calls the function as it is"),
        _own_log_reading(ground),
    ]


_BY_ISOLATION: dict[IsolationName, Callable[[Ground], list[Need]]] = {
    "clone": _clone,
    "version": _version,
    "current": _current,
}


def _reading(ground: Ground) -> list[Need]:
    read = (ground.function_arn(ground.function), ground.function_arn(f"{ground.function}:*"))
    needs = [Need("lambda:GetFunction", "function", read, "reads the function's code and configuration")]
    if is_alias(ground.qualifier):
        why = "tells whether the alias sends a share of its calls to another version"
        needs.append(Need("lambda:GetAlias", "function", read, why, required=False))
    return needs


def _own_log_reading(ground: Ground) -> Need:
    # The events of a group have the ARN of the group with `:*` behind it.
    arn = ground.log_group_arn(ground.log_group)
    return Need("logs:FilterLogEvents", "own logs", (arn, f"{arn}:*"), _ENVIRONMENTS, required=False)


def _account(ground: Ground) -> list[Need]:
    needs = [
        Need("lambda:GetAccountSettings", "account", ("*",), "reads the account's concurrency", required=False),
        Need("lambda:ListFunctions", "account", ("*",), "lists functions by name, finds clones", required=False),
    ]
    if ground.live_prices:
        needs.append(Need("pricing:GetProducts", "account", ("*",), "reads AWS's prices of today", required=False))
    return needs


def _extras(ground: Ground) -> list[Need]:
    """Return what a clone of this function needs besides, and others do not."""
    configuration = ground.configuration
    needs: list[Need] = []
    if (configuration.get("VpcConfig") or {}).get("SubnetIds"):
        actions = ("ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs")
        needs += [Need(action, "extra", ("*",), "the clone is in the function's VPC") for action in actions]
    if configuration.get("KMSKeyArn"):
        key = (str(configuration["KMSKeyArn"]),)
        actions = ("kms:CreateGrant", "kms:Decrypt", "kms:Encrypt")
        needs += [Need(action, "extra", key, "the variables are encrypted with it") for action in actions]
    # A directory stands in for the image on the embedded endpoint.
    if configuration.get("PackageType") == "Image" and not str(ground.code.get("ImageUri", "")).startswith("file:"):
        image = (_repository_arn(ground),)
        actions = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:GetRepositoryPolicy")
        needs += [Need(action, "extra", image, "the clone runs the function's image") for action in actions]
    if configuration.get("FileSystemConfigs"):
        needs.append(
            Need("elasticfilesystem:DescribeMountTargets", "extra", ("*",), "the clone mounts the file system")
        )
    layers = _layer_arns(configuration.get("Layers") or ())
    if layers:
        needs.append(Need("lambda:GetLayerVersion", "extra", layers, "the clone has the function's layers"))
    return needs


def _payloads(ground: Ground) -> list[Need]:
    return [
        Need("s3:GetObject", "object", (f"arn:{ground.partition}:s3:::{bucket}/{key}",), "reads the payload")
        for bucket, key in ground.objects
    ]


def _layer_arns(layers: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(str(layer["Arn"]) for layer in layers if layer.get("Arn"))


def _repository_arn(ground: Ground) -> str:
    """Return the ARN of the repository in ``<account>.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>``."""
    registry, _, path = str(ground.code.get("ImageUri", "")).partition("/")
    parts = registry.split(".")
    if len(parts) < 4 or not path:
        return f"arn:{ground.partition}:ecr:{ground.region}:{ground.account}:repository/*"
    return f"arn:{ground.partition}:ecr:{parts[3]}:{parts[0]}:repository/{path.partition('@')[0].partition(':')[0]}"
