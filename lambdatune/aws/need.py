"""What a permission is, and what is known of the place where it is needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from lambdatune.aws.marks import log_group_of

Target = Literal[
    "function", "own logs", "clone", "logs", "role", "account", "extra", "object",
    "queue", "mapping", "mapping tags", "topic", "bucket", "objects", "bus", "rule", "bus and rule", "stream",
    "table", "table stream", "api", "api tags", "balancer", "service role", "workflow", "workflow role",
]  # fmt: skip
"""What an action is done to: the user's function or its log group, a clone or its log group, the role, the account;
then what a mode sets up."""


@dataclass(frozen=True, slots=True)
class Need:
    """One permission.

    Attributes:
        action: IAM's name, ``lambda:CreateFunction``.
        target: what it is done to.
        resources: ARNs it is needed on, as in a policy.
        why: what for, in a few words.
        required: whether a run fails without it.
        condition: of the policy's statement.
    """

    action: str
    target: Target
    resources: tuple[str, ...]
    why: str
    required: bool = True
    condition: dict[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Ground:
    """What is known of the place and the function before anything is done.

    Attributes:
        partition: ``aws``, ``aws-cn`` or ``aws-us-gov``.
        account: twelve digits, ``*`` when not known.
        function: its name without qualifier; ``*`` for any.
        clone: name that a clone would get, and that no function has.
        configuration: AWS's configuration of the function; empty when it could not be read.
        code: AWS's ``Code`` of the function.
        qualifier: the version or alias that is measured; None for the function itself.
        objects: bucket and key of payloads in S3.
        provisioned: whether the clone is given provisioned concurrency.
        live_prices: whether the plan asks for AWS's price list.
    """

    partition: str
    region: str
    account: str
    function: str
    clone: str
    configuration: dict[str, Any] = field(default_factory=dict)
    code: dict[str, Any] = field(default_factory=dict)
    qualifier: str | None = None
    objects: tuple[tuple[str, str], ...] = ()
    provisioned: bool = False
    live_prices: bool = False

    @property
    def role(self) -> str:
        """ARN of the function's role; of any role of the account when it is not known."""
        role: str = self.configuration.get("Role") or f"arn:{self.partition}:iam::{self.account}:role/*"
        return role

    def function_arn(self, name: str) -> str:
        """Return the ARN of function `name` here."""
        return f"arn:{self.partition}:lambda:{self.region}:{self.account}:function:{name}"

    @property
    def log_group(self) -> str:
        """Name of the log group of the function."""
        told: str | None = (self.configuration.get("LoggingConfig") or {}).get("LogGroup")
        return told or log_group_of(self.function)

    def log_group_arn(self, name: str) -> str:
        """Return the ARN of the log group `name` here."""
        return f"arn:{self.partition}:logs:{self.region}:{self.account}:log-group:{name}"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of another resource here."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"
