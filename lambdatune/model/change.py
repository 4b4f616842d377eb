"""What a run changes on AWS: values that the journal holds, and from which each change is undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ChangeKind = Literal[
    "create-function", "create-log-group", "update-function", "publish-version", "put-provisioned-concurrency",
    "create-event-source-mapping", "create-queue", "create-topic", "create-bucket", "create-event-bus",
    "create-stream", "create-table", "create-http-api", "create-rest-api", "create-load-balancer",
    "create-target-group", "create-state-machine", "create-role",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a change is made: enough to reach it again, without any credential.

    Attributes:
        embedded_pid: pid of the run's own embedded endpoint, which takes all it holds along when it ends.
    """

    region: str
    endpoint_url: str | None = None
    aws_profile: str | None = None
    embedded_pid: int | None = None

    def __str__(self) -> str:
        """Return the place as a person names it."""
        return f"{self.region} at {self.endpoint_url}" if self.endpoint_url else self.region

    @property
    def options(self) -> str:
        """The options with which the AWS CLI gets there."""
        endpoint = f" --endpoint-url {self.endpoint_url}" if self.endpoint_url else ""
        profile = f" --profile {self.aws_profile}" if self.aws_profile else ""
        return f" --region {self.region}{endpoint}{profile}"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that exists, or differs, because of a run.

    Environment variables may hold secrets, so that none is here: what undoes a change of them reads them from AWS.

    Attributes:
        name: of the thing: its ARN where AWS deletes by ARN and the ARN is known before (topic, state machine); of
            event source mappings, that of the function.
        run: id of the run, with which what it made is marked; None where the name alone tells.
        version: number of a published version, or an alias; None for all that the run published.
        memory_mb: memory size of ``$LATEST`` before the change.
        changed_memory_mb: memory size of ``$LATEST`` because of the change.
    """

    kind: ChangeKind
    name: str
    place: Place
    run: str | None = None
    version: str | None = None
    memory_mb: int | None = None
    changed_memory_mb: int | None = None

    def __str__(self) -> str:
        """Return the change as a person names it."""
        return f"{self.thing} in {self.place.region}"

    @property
    def thing(self) -> str:
        """What was changed."""
        if self.kind == "update-function":
            return f"memory size and nonce of function `{self.name}`"
        if self.kind == "publish-version":
            return f"version {self.version} of function `{self.name}`" if self.version else (
                f"versions of function `{self.name}` that run {self.run} published"
            )  # fmt: skip
        if self.kind == "put-provisioned-concurrency":
            return f"provisioned concurrency of function `{self.name}:{self.version}`"
        if self.kind == "create-event-source-mapping":
            return f"event source mapping of function `{self.name}`"
        kind = self.kind.removeprefix("create-").replace("-", " ").replace("http api", "HTTP API")
        return f"{kind.replace('rest api', 'REST API')} `{self.name.rpartition(':')[2]}`"

    def command(self) -> str:
        """Return the AWS CLI command that undoes the change by hand; several where AWS has no single one."""
        options = self.place.options
        return " && ".join(f"aws {action}{options}" for action in self._actions(options))

    def _actions(self, options: str) -> tuple[str, ...]:
        if self.kind == "update-function":
            action = "lambda update-function-configuration"
            return (f"{action} --function-name {self.name} --memory-size {self.memory_mb}",)
        if self.kind == "publish-version":
            if self.version:
                return (f"lambda delete-function --function-name {self.name} --qualifier {self.version}",)
            wanted = f"Versions[?starts_with(Description, `lambdatune run {self.run} `)].Version"
            return (f"lambda list-versions-by-function --function-name {self.name} --query '{wanted}'",)
        parts = {"name": self.name, "version": self.version, "options": options}
        return tuple(action.format(**parts) for action in _BY_HAND[self.kind])


def _found(action: str, query: str) -> str:
    """Return a part of a command that another command finds."""
    return f"\"$(aws {action} --query '{query}' --output text{{options}})\""


_BY_HAND: dict[ChangeKind, tuple[str, ...]] = {
    "create-function": ("lambda delete-function --function-name {name}",),
    "put-provisioned-concurrency": (
        "lambda delete-provisioned-concurrency-config --function-name {name} --qualifier {version}",
    ),
    "create-log-group": ("logs delete-log-group --log-group-name {name}",),
    "create-event-source-mapping": (
        "lambda delete-event-source-mapping --uuid "
        + _found("lambda list-event-source-mappings --function-name {name}:lambdatune", "EventSourceMappings[0].UUID"),
    ),
    "create-queue": ("sqs delete-queue --queue-url " + _found("sqs get-queue-url --queue-name {name}", "QueueUrl"),),
    "create-topic": ("sns delete-topic --topic-arn {name}",),
    "create-bucket": ("s3 rb s3://{name} --force",),
    "create-event-bus": (
        "events remove-targets --event-bus-name {name} --rule {name} --ids clone",
        "events delete-rule --event-bus-name {name} --name {name}",
        "events delete-event-bus --name {name}",
    ),
    "create-stream": ("kinesis delete-stream --stream-name {name}",),
    "create-table": ("dynamodb delete-table --table-name {name}",),
    "create-http-api": (
        "apigatewayv2 delete-api --api-id "
        + _found("apigatewayv2 get-apis", "Items[?Name==`{name}`].ApiId | [0]"),
    ),
    "create-rest-api": (
        "apigateway delete-rest-api --rest-api-id "
        + _found("apigateway get-rest-apis", "items[?name==`{name}`].id | [0]"),
    ),
    "create-load-balancer": (
        "elbv2 delete-load-balancer --load-balancer-arn "
        + _found("elbv2 describe-load-balancers --names {name}", "LoadBalancers[0].LoadBalancerArn"),
    ),
    "create-target-group": (
        "elbv2 delete-target-group --target-group-arn "
        + _found("elbv2 describe-target-groups --names {name}", "TargetGroups[0].TargetGroupArn"),
    ),
    "create-state-machine": ("stepfunctions delete-state-machine --state-machine-arn {name}",),
    "create-role": (
        "iam delete-role-policy --role-name {name} --policy-name invoke",
        "iam delete-role --role-name {name}",
    ),
}  # fmt: skip
"""AWS CLI commands without the options that say where; all that a run creates."""
