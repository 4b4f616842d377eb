"""Which permissions an invocation mode needs beside those of its clone: on the run's own things, by their names.

Sources: AWS service authorization reference, of each service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.aws.marks import CLONE_PREFIX
from lambdatune.aws.need import Need

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambdatune.aws.need import Ground, Target
    from lambdatune.model.modes import HttpKind, Mode, ModeOptions

_MINE = f"{CLONE_PREFIX}*"
_BALANCERS = "lt-*"


def needs_of_mode(ground: Ground, mode: Mode, options: ModeOptions) -> list[Need]:
    """Return every permission that `mode` needs, in the order in which it needs them."""
    return _BY_MODE[mode](ground, options)


def _on(target: Target, resources: Sequence[str], actions: Sequence[tuple[str, str]]) -> list[Need]:
    return [Need(action, target, tuple(resources), why) for action, why in actions]


def _clones(ground: Ground, *actions: tuple[str, str]) -> list[Need]:
    return _on("clone", [ground.function_arn(_MINE)], actions)


def _alias(ground: Ground) -> list[Need]:
    finding = "`restore --all` finds what invokes clones"
    looked_at = ("lambda:GetPolicy", "lambda:GetFunctionEventInvokeConfig")
    clones = (ground.function_arn(_MINE),)
    return [
        *_clones(
            ground,
            ("lambda:CreateAlias", "makes the alias that messages come by"),
            ("lambda:UpdateAlias", "moves the alias to each size"),
            ("lambda:GetAlias", "sees that it has moved"),
        ),
        *(Need(action, "clone", clones, finding, required=False) for action in looked_at),
    ]


def _queues(ground: Ground, *actions: tuple[str, str]) -> list[Need]:
    every = [
        ("sqs:CreateQueue", "makes the run's queue"),
        ("sqs:TagQueue", "marks it as this run's"),
        ("sqs:GetQueueAttributes", "reads its ARN, and how many messages wait"),
        ("sqs:GetQueueUrl", "finds it to delete it"),
        ("sqs:ReceiveMessage", "reads what Lambda tells of messages, and dead letters"),
        ("sqs:DeleteMessage", "takes away what was read"),
        ("sqs:DeleteQueue", "deletes it"),
        *actions,
    ]
    return _on("queue", [ground.arn("sqs", _MINE)], every)


def _mapping(ground: Ground) -> list[Need]:
    ours = {"ArnLike": {"lambda:FunctionArn": ground.function_arn(_MINE)}}
    mappings = (ground.arn("lambda", "event-source-mapping:*"),)
    # AWS knows no resource of a mapping that is not there yet, nor of a list of them.
    return [
        Need("lambda:CreateEventSourceMapping", "mapping", ("*",), "lets Lambda poll for the clone", condition=ours),
        Need("lambda:GetEventSourceMapping", "mapping", mappings, "waits until it is enabled", condition=ours),
        Need("lambda:DeleteEventSourceMapping", "mapping", mappings, "deletes it", condition=ours),
        Need("lambda:TagResource", "mapping tags", mappings, "marks it as this run's"),
        Need("lambda:ListEventSourceMappings", "account", ("*",), "finds it to delete it"),
    ]


def _policy_of_clone(ground: Ground) -> list[Need]:
    return _clones(ground, ("lambda:AddPermission", "lets the event source invoke the clone"))


def _asynchronous(ground: Ground) -> list[Need]:
    named = (ground.function_arn(ground.function), ground.function_arn(f"{ground.function}:*"))
    return [
        *_alias(ground),
        Need(
            "lambda:GetFunctionEventInvokeConfig", "function", named, "reads how often the function's events are tried",
            required=False,
        ),
        *_clones(ground, ("lambda:PutFunctionEventInvokeConfig", "lets Lambda tell what became of events")),
        *_queues(ground),
    ]  # fmt: skip


def _event(ground: Ground, _options: ModeOptions) -> list[Need]:
    return _asynchronous(ground)


def _sns(ground: Ground, _options: ModeOptions) -> list[Need]:
    actions = [
        ("sns:CreateTopic", "makes the run's topic"),
        ("sns:TagResource", "marks it as this run's"),
        ("sns:Subscribe", "subscribes the clone"),
        ("sns:Publish", "sends messages"),
        ("sns:GetTopicAttributes", "finds it to delete it"),
        ("sns:DeleteTopic", "deletes it and its subscription"),
    ]
    topics = _on("topic", [ground.arn("sns", _MINE)], actions)
    return [*_asynchronous(ground), *_policy_of_clone(ground), *topics]


def _s3(ground: Ground, _options: ModeOptions) -> list[Need]:
    buckets = f"arn:{ground.partition}:s3:::{_MINE}"
    actions = [
        ("s3:CreateBucket", "makes the run's bucket"),
        ("s3:PutBucketTagging", "marks it as this run's"),
        ("s3:PutBucketNotification", "lets it notify the clone"),
        ("s3:GetBucketNotification", "sees that it does"),
        ("s3:ListBucket", "lists its objects to delete them"),
        ("s3:DeleteBucket", "deletes it"),
    ]
    of_objects = [("s3:PutObject", "sends messages"), ("s3:DeleteObject", "empties the bucket")]
    return [
        *_asynchronous(ground), *_policy_of_clone(ground),
        *_on("bucket", [buckets], actions), *_on("objects", [f"{buckets}/*"], of_objects),
    ]  # fmt: skip


def _eventbridge(ground: Ground, _options: ModeOptions) -> list[Need]:
    of_buses = [
        ("events:CreateEventBus", "makes the run's event bus"),
        ("events:PutEvents", "sends messages"),
        ("events:DescribeEventBus", "finds it to delete it"),
        ("events:DeleteEventBus", "deletes it"),
    ]
    of_rules = [
        ("events:PutRule", "makes its rule"),
        ("events:PutTargets", "makes the clone the rule's target"),
        ("events:ListTargetsByRule", "finds the target to remove it"),
        ("events:RemoveTargets", "removes it"),
        ("events:DeleteRule", "deletes the rule"),
    ]
    buses, rules = ground.arn("events", f"event-bus/{_MINE}"), ground.arn("events", f"rule/{_MINE}")
    return [
        *_asynchronous(ground), *_policy_of_clone(ground),
        *_on("bus", [buses], of_buses), *_on("rule", [rules], of_rules),
        *_on("bus and rule", [buses, rules], [("events:TagResource", "marks both as this run's")]),
        Need("events:ListRules", "account", ("*",), "finds the rule to delete it"),
    ]  # fmt: skip


def _sqs(ground: Ground, _options: ModeOptions) -> list[Need]:
    return [*_alias(ground), *_queues(ground, ("sqs:SendMessage", "sends messages")), *_mapping(ground)]


def _kinesis(ground: Ground, _options: ModeOptions) -> list[Need]:
    actions = [
        ("kinesis:CreateStream", "makes the run's data stream"),
        ("kinesis:AddTagsToStream", "marks it as this run's"),
        ("kinesis:TagResource", "marks it as this run's"),
        ("kinesis:DescribeStreamSummary", "waits until it is active"),
        ("kinesis:PutResourcePolicy", "lets the clone's role read it"),
        ("kinesis:PutRecord", "sends messages"),
        ("kinesis:DeleteStream", "deletes it"),
    ]
    streams = _on("stream", [ground.arn("kinesis", f"stream/{_MINE}")], actions)
    return [*_alias(ground), *_queues(ground), *streams, *_mapping(ground)]


def _dynamodb_streams(ground: Ground, _options: ModeOptions) -> list[Need]:
    tables = ground.arn("dynamodb", f"table/{_MINE}")
    of_tables = [
        ("dynamodb:CreateTable", "makes the run's table"),
        ("dynamodb:TagResource", "marks it as this run's"),
        ("dynamodb:DescribeTable", "waits until it is active"),
        ("dynamodb:PutItem", "sends messages"),
        ("dynamodb:DeleteTable", "deletes it"),
    ]
    of_streams = [
        ("dynamodb:DescribeStream", "counts its shards"),
        ("dynamodb:PutResourcePolicy", "lets the clone's role read it"),
    ]
    return [
        *_alias(ground), *_queues(ground),
        *_on("table", [tables], of_tables), *_on("table stream", [f"{tables}/stream/*"], of_streams),
        *_mapping(ground),
    ]  # fmt: skip


def _function_url(ground: Ground, options: ModeOptions) -> list[Need]:
    public = _policy_of_clone(ground) if options.auth == "none" else []
    return [
        *_alias(ground), *public,
        *_clones(
            ground,
            ("lambda:CreateFunctionUrlConfig", "makes the clone's function URL"),
            ("lambda:GetFunctionUrlConfig", "reads it where it is there already"),
            ("lambda:InvokeFunctionUrl", "calls the clone by it"),
        ),
    ]  # fmt: skip


def _gateway(ground: Ground, options: ModeOptions, collection: str, kind: str) -> list[Need]:
    # AWS gives APIs their ids: no name can be asked for.
    base = f"arn:{ground.partition}:apigateway:{ground.region}::/{collection}"
    actions = [
        ("apigateway:POST", f"makes the run's {kind} API"),
        ("apigateway:PUT", "lets it pass requests on to the clone"),
        ("apigateway:GET", "finds it to delete it"),
        ("apigateway:DELETE", "deletes it"),
    ]
    tags = f"arn:{ground.partition}:apigateway:{ground.region}::/tags/*"
    marking = [("apigateway:POST", "marks it as this run's"), ("apigateway:PUT", "marks it as this run's")]
    calling = _on("api", [ground.arn("execute-api", "*")], [("execute-api:Invoke", "calls the clone by it")])
    return [
        *_alias(ground), *_policy_of_clone(ground),
        *_on("api", [base, f"{base}/*"], actions), *_on("api tags", [tags], marking),
        *(calling if options.auth == "iam" else []),
    ]  # fmt: skip


def _balancer(ground: Ground, _options: ModeOptions) -> list[Need]:
    service = "elasticloadbalancing"
    own = [
        ground.arn(service, f"{thing}/{_BALANCERS}") for thing in ("loadbalancer/app", "targetgroup", "listener/app")
    ]
    actions = [
        (f"{service}:CreateTargetGroup", "makes the run's target group"),
        (f"{service}:RegisterTargets", "makes the clone its target"),
        (f"{service}:CreateLoadBalancer", "makes the run's load balancer"),
        (f"{service}:CreateListener", "lets it listen"),
        (f"{service}:AddTags", "marks them as this run's"),
        (f"{service}:DeleteLoadBalancer", "deletes it and its listener"),
        (f"{service}:DeleteTargetGroup", "deletes the target group"),
    ]
    linked = {"StringEquals": {"iam:AWSServiceName": f"{service}.amazonaws.com"}}
    return [
        *_alias(ground), *_policy_of_clone(ground), *_on("balancer", own, actions),
        Need(f"{service}:DescribeLoadBalancers", "account", ("*",), "waits until it is active"),
        Need(f"{service}:DescribeTargetGroups", "account", ("*",), "finds the target group to delete it"),
        Need(
            "iam:CreateServiceLinkedRole", "service role", ("*",), "the first load balancer of an account makes it",
            required=False, condition=linked,
        ),
    ]  # fmt: skip


_BY_HTTP_KIND: dict[HttpKind, Callable[[Ground, ModeOptions], list[Need]]] = {
    "http": lambda ground, options: _gateway(ground, options, "apis", "HTTP"),
    "rest": lambda ground, options: _gateway(ground, options, "restapis", "REST"),
    "alb": _balancer,
}


def _step_functions(ground: Ground, options: ModeOptions) -> list[Need]:
    roles = f"arn:{ground.partition}:iam::{ground.account}:role/{_MINE}"
    passing = Need(
        "iam:PassRole", "workflow role", (options.role_arn or roles,), "the workflow runs with this role",
        condition={"StringEquals": {"iam:PassedToService": "states.amazonaws.com"}},
    )  # fmt: skip
    of_roles = [
        ("iam:CreateRole", "makes the workflow's role"),
        ("iam:TagRole", "marks it as this run's"),
        ("iam:GetRole", "reads it where it is there already"),
        ("iam:PutRolePolicy", "lets it call the clone"),
        ("iam:ListRolePolicies", "finds its policy to delete it"),
        ("iam:DeleteRolePolicy", "deletes the policy"),
        ("iam:DeleteRole", "deletes the role"),
    ]
    of_machines = [
        ("states:CreateStateMachine", "makes the run's workflow"),
        ("states:TagResource", "marks it as this run's"),
        ("states:StartSyncExecution", "calls the clone by it"),
        ("states:DescribeStateMachine", "finds it to delete it"),
        ("states:DeleteStateMachine", "deletes it"),
    ]
    making = [] if options.role_arn else _on("workflow role", [roles], of_roles)
    machines = ground.arn("states", f"stateMachine:{_MINE}")
    return [*making, passing, *_on("workflow", [machines], of_machines)]


_BY_MODE: dict[Mode, Callable[[Ground, ModeOptions], list[Need]]] = {
    "invoke": lambda _ground, _options: [],
    "stream": lambda _ground, _options: [],
    "function-url": _function_url,
    "http": lambda ground, options: _BY_HTTP_KIND[options.http_kind](ground, options),
    "step-functions": _step_functions,
    "event": _event,
    "sns": _sns,
    "s3": _s3,
    "eventbridge": _eventbridge,
    "sqs": _sqs,
    "kinesis": _kinesis,
    "dynamodb-streams": _dynamodb_streams,
}
