"""The permissions of a plan: what each function and each isolation needs, and a policy of no more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdatune.aws.need import Ground
from lambdatune.aws.permissions import bare_name, needs_of, partition_of, policy_of
from lambdatune.aws.price_list import pricing_region
from lambdatune.aws.probes import principal_of

ROLE = "arn:aws:iam::123456789012:role/service/shop"


def ground(configuration: dict[str, Any] | None = None, **rest: Any) -> Ground:
    settings = {"Role": ROLE, **(configuration or {})}
    return Ground("aws", "eu-west-1", "123456789012", "shop", "lambdatune-shop-x", settings, **rest)


def actions(policy: dict[str, Any]) -> set[str]:
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def resources_of(policy: dict[str, Any], action: str) -> set[str]:
    return {arn for each in policy["Statement"] if action in each["Action"] for arn in each["Resource"]}


def test_a_clone_is_made_and_removed_and_nothing_else_is_written() -> None:
    policy = policy_of(needs_of(ground(), "clone"))
    clones = "arn:aws:lambda:eu-west-1:123456789012:function:lambdatune-*"
    for action in ("CreateFunction", "UpdateFunctionConfiguration", "PublishVersion", "DeleteFunction", "TagResource"):
        assert resources_of(policy, f"lambda:{action}") == {clones}
    assert resources_of(policy, "logs:DeleteLogGroup") == {
        "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/lambdatune-*"
    }
    assert resources_of(policy, "iam:PassRole") == {ROLE}
    assert not any(action.startswith(("ec2:", "kms:", "ecr:", "s3:", "pricing:")) for action in actions(policy))


def test_version_and_current_need_nothing_of_clones_roles_or_logs() -> None:
    version, current = (policy_of(needs_of(ground(), isolation)) for isolation in ("version", "current"))
    for policy in (version, current):
        assert "lambdatune-" not in json.dumps(policy)
        assert not any(action.startswith("iam:") for action in actions(policy))
        group = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/shop"
        assert resources_of(policy, "logs:FilterLogEvents") == {group, f"{group}:*"}
        assert "logs:DeleteLogGroup" not in actions(policy)
    assert "lambda:UpdateFunctionConfiguration" in actions(version)
    assert actions(current) == {
        "lambda:GetFunction", "lambda:InvokeFunction", "lambda:GetAccountSettings", "lambda:ListFunctions",
        "logs:FilterLogEvents",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("configuration", "code", "extra", "resource"),
    [
        ({"VpcConfig": {"SubnetIds": ["subnet-1"]}}, {}, "ec2:DescribeSubnets", "*"),
        ({"KMSKeyArn": "arn:aws:kms:eu-west-1:1:key/k"}, {}, "kms:CreateGrant", "arn:aws:kms:eu-west-1:1:key/k"),
        (
            {"PackageType": "Image"}, {"ImageUri": "99.dkr.ecr.eu-west-2.amazonaws.com/team/shop:v1"},
            "ecr:BatchGetImage", "arn:aws:ecr:eu-west-2:99:repository/team/shop",
        ),
        (
            {"PackageType": "Image"}, {"ImageUri": "99.dkr.ecr.eu-west-2.amazonaws.com/shop@sha256:abc"},
            "ecr:GetRepositoryPolicy", "arn:aws:ecr:eu-west-2:99:repository/shop",
        ),
        ({"FileSystemConfigs": [{"Arn": "x"}]}, {}, "elasticfilesystem:DescribeMountTargets", "*"),
        (
            {"Layers": [{"Arn": "arn:aws:lambda:eu-west-1:1:layer:l:3"}]}, {},
            "lambda:GetLayerVersion", "arn:aws:lambda:eu-west-1:1:layer:l:3",
        ),
    ],
)  # fmt: skip
def test_what_only_some_functions_need(configuration, code, extra, resource) -> None:
    policy = policy_of(needs_of(ground(configuration, code=code), "clone"))
    assert resources_of(policy, extra) == {resource}
    assert extra not in actions(policy_of(needs_of(ground(), "clone")))
    assert extra not in actions(policy_of(needs_of(ground(configuration, code=code), "current")))


def test_provisioned_concurrency_and_an_alias_add_theirs() -> None:
    clones = "arn:aws:lambda:eu-west-1:123456789012:function:lambdatune-*"
    policy = policy_of(needs_of(ground(provisioned=True), "clone"))
    for verb in ("Put", "Get", "Delete"):
        assert resources_of(policy, f"lambda:{verb}ProvisionedConcurrencyConfig") == {clones}
    assert "ProvisionedConcurrency" not in json.dumps(policy_of(needs_of(ground(), "clone")))
    read = "arn:aws:lambda:eu-west-1:123456789012:function:shop"
    policy = policy_of(needs_of(ground(qualifier="live"), "clone"))
    assert resources_of(policy, "lambda:GetAlias") == {read, f"{read}:*"}
    for other in (None, "7", "$LATEST"):
        assert "lambda:GetAlias" not in actions(policy_of(needs_of(ground(qualifier=other), "current")))


def test_an_empty_vpc_configuration_is_no_vpc() -> None:
    assert "ec2:" not in json.dumps(policy_of(needs_of(ground({"VpcConfig": {"SubnetIds": []}}), "clone")))


def test_payloads_in_s3_and_live_prices_add_theirs() -> None:
    policy = policy_of(needs_of(ground(objects=(("events", "a/b.json"),), live_prices=True), "current"))
    assert resources_of(policy, "s3:GetObject") == {"arn:aws:s3:::events/a/b.json"}
    assert resources_of(policy, "pricing:GetProducts") == {"*"}


def test_arns_are_those_of_the_partition() -> None:
    china = Ground("aws-cn", "cn-north-1", "123456789012", "shop", "lambdatune-shop-x")
    text = json.dumps(policy_of(needs_of(china, "clone")))
    assert "arn:aws-cn:lambda:cn-north-1" in text
    assert "arn:aws:" not in text


@pytest.mark.parametrize(
    ("region", "partition", "prices"),
    [
        ("us-east-1", "aws", "us-east-1"), ("eu-north-1", "aws", "eu-central-1"), ("ap-east-1", "aws", "ap-south-1"),
        ("cn-north-1", "aws-cn", "cn-northwest-1"), ("us-gov-west-1", "aws-us-gov", None),
    ],
)  # fmt: skip
def test_partition_and_price_list_of_a_region(region, partition, prices) -> None:
    assert (partition_of(region), pricing_region(region)) == (partition, prices)


@pytest.mark.parametrize(
    ("identity", "principal"),
    [
        ("arn:aws:iam::1:user/team/ann", "arn:aws:iam::1:user/team/ann"),
        ("arn:aws:sts::1:assumed-role/Deployer/ann@example.com", "arn:aws:iam::1:role/Deployer"),
        ("arn:aws-cn:sts::1:assumed-role/Deployer/x", "arn:aws-cn:iam::1:role/Deployer"),
        ("arn:aws:iam::1:root", None), ("arn:aws:sts::1:federated-user/ann", None), (None, None),
    ],
)  # fmt: skip
def test_the_simulator_knows_users_and_roles(identity, principal) -> None:
    assert principal_of(identity) == principal


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("shop", "shop"), ("shop:live", "shop"), ("*", "*"),
        ("arn:aws:lambda:eu-west-1:123456789012:function:shop:live", "shop"),
    ],
)  # fmt: skip
def test_the_name_of_a_function_however_it_is_given(given, name) -> None:
    assert bare_name(given) == name
