"""Permissions of invocation modes, tried without harm: on things whose name nothing has.

Queues and buckets are not among them: SQS and S3 give the same answer for what is not there and for what is not
permitted. They are asked of IAM's simulator, as everything that would make something is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdatune.aws.modes.protocol import ALIAS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lambdatune.aws.access import AwsAccess
    from lambdatune.aws.need import Ground, Target


def _try(service: str, operation: str, **members: Any) -> Callable[[AwsAccess, Ground], Awaitable[None]]:
    """Return what calls an operation; ``{clone}``, ``{topic}`` and ``{machine}`` in `members` are what nothing has."""

    async def attempt(access: AwsAccess, ground: Ground) -> None:
        names = {
            "clone": ground.clone, "function": ground.function,
            "topic": ground.arn("sns", ground.clone), "queue": ground.arn("sqs", ground.clone),
            "machine": ground.arn("states", f"stateMachine:{ground.clone}"),
        }  # fmt: skip
        filled = {
            name: value.format(**names) if isinstance(value, str) and "{" in value else value
            for name, value in members.items()
        }
        client = await access.service(service)
        await getattr(client, operation)(**filled)

    return attempt


def _try_clone(operation: str, **members: Any) -> Callable[[AwsAccess, Ground], Awaitable[None]]:
    return _try("lambda", operation, FunctionName="{clone}", **members)


ATTEMPTS: dict[tuple[Target, str], Callable[[AwsAccess, Ground], Awaitable[None]]] = {
    ("clone", "lambda:CreateAlias"): _try_clone("create_alias", Name=ALIAS, FunctionVersion="$LATEST"),
    ("clone", "lambda:UpdateAlias"): _try_clone("update_alias", Name=ALIAS, FunctionVersion="1"),
    ("clone", "lambda:GetAlias"): _try_clone("get_alias", Name=ALIAS),
    ("clone", "lambda:GetPolicy"): _try_clone("get_policy"),
    ("clone", "lambda:GetFunctionEventInvokeConfig"): _try_clone("get_function_event_invoke_config"),
    ("clone", "lambda:AddPermission"): _try_clone(
        "add_permission", StatementId="doctor", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com"
    ),
    ("clone", "lambda:PutFunctionEventInvokeConfig"): _try_clone(
        "put_function_event_invoke_config", MaximumRetryAttempts=2
    ),
    ("clone", "lambda:CreateFunctionUrlConfig"): _try_clone("create_function_url_config", AuthType="AWS_IAM"),
    ("clone", "lambda:GetFunctionUrlConfig"): _try_clone("get_function_url_config"),
    ("function", "lambda:GetFunctionEventInvokeConfig"): _try(
        "lambda", "get_function_event_invoke_config", FunctionName="{function}"
    ),
    ("mapping", "lambda:CreateEventSourceMapping"): _try_clone("create_event_source_mapping", EventSourceArn="{queue}"),
    ("account", "lambda:ListEventSourceMappings"): _try("lambda", "list_event_source_mappings", MaxItems=1),
    ("topic", "sns:GetTopicAttributes"): _try("sns", "get_topic_attributes", TopicArn="{topic}"),
    ("topic", "sns:Publish"): _try("sns", "publish", TopicArn="{topic}", Message="doctor"),
    ("topic", "sns:DeleteTopic"): _try("sns", "delete_topic", TopicArn="{topic}"),
    ("bus", "events:DescribeEventBus"): _try("events", "describe_event_bus", Name="{clone}"),
    ("bus", "events:DeleteEventBus"): _try("events", "delete_event_bus", Name="{clone}"),
    ("stream", "kinesis:DescribeStreamSummary"): _try("kinesis", "describe_stream_summary", StreamName="{clone}"),
    ("stream", "kinesis:PutRecord"): _try(
        "kinesis", "put_record", StreamName="{clone}", Data=b"doctor", PartitionKey="doctor"
    ),
    ("stream", "kinesis:DeleteStream"): _try("kinesis", "delete_stream", StreamName="{clone}"),
    ("table", "dynamodb:DescribeTable"): _try("dynamodb", "describe_table", TableName="{clone}"),
    ("table", "dynamodb:PutItem"): _try("dynamodb", "put_item", TableName="{clone}", Item={"id": {"S": "doctor"}}),
    ("table", "dynamodb:DeleteTable"): _try("dynamodb", "delete_table", TableName="{clone}"),
    ("workflow", "states:DescribeStateMachine"): _try(
        "stepfunctions", "describe_state_machine", stateMachineArn="{machine}"
    ),
    ("workflow", "states:DeleteStateMachine"): _try(
        "stepfunctions", "delete_state_machine", stateMachineArn="{machine}"
    ),
    ("workflow role", "iam:GetRole"): _try("iam", "get_role", RoleName="{clone}"),
    ("workflow role", "iam:ListRolePolicies"): _try("iam", "list_role_policies", RoleName="{clone}"),
    ("workflow role", "iam:DeleteRole"): _try("iam", "delete_role", RoleName="{clone}"),
    ("account", "elasticloadbalancing:DescribeLoadBalancers"): _try("elbv2", "describe_load_balancers", PageSize=1),
    ("account", "elasticloadbalancing:DescribeTargetGroups"): _try("elbv2", "describe_target_groups", PageSize=1),
}
"""How each action is tried, by what it is done to."""
