"""`step-functions`: an Express workflow of the run's own calls the version that its input names.

Sources: AWS docs, "Invoke an AWS Lambda function with Step Functions"; API reference, StartSyncExecution.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from lambdatune.aws.access import is_loopback
from lambdatune.aws.modes.base import SLACK_S
from lambdatune.aws.modes.forms import check_bytes, json_request
from lambdatune.aws.modes.waiting import once_known
from lambdatune.aws.refusals import error_code, refused
from lambdatune.model.change import Change
from lambdatune.model.request_form import BodyPart

if TYPE_CHECKING:
    from lambdatune.aws.isolation import Ledger, Version, Watcher
    from lambdatune.aws.modes.protocol import Ending
    from lambdatune.aws.modes.site import Site
    from lambdatune.model.request_form import RequestForm

_MAX_BYTES = 256 * 1024 - 512
"""An execution's input has 256 KB at the most (AWS docs, "Step Functions quotas"), with the version's ARN in it."""

_ROLE_IN_FORCE_S = 10.0
"""IAM's changes are known everywhere after some seconds; a workflow that may not call yet would fail."""

_HOST_PREFIX = "sync-"
"""Before the host for StartSyncExecution (botocore's service model, endpoint.hostPrefix)."""

POLICY = "invoke"
"""Name of the inline policy of the workflow's role."""


class StepFunctions:
    """An Express workflow; one serves every version.

    Args:
        site: the run.
    """

    batch_size: int = 1
    lanes: int = 0
    retry_after_s: float | None = None
    most_attempts: int | None = None

    def __init__(self, site: Site) -> None:
        self._site = site
        self._machine = site.arn("states", f"stateMachine:{site.clone}")
        self._base_url: str | None = None

    @property
    def changes(self) -> tuple[str, ...]:
        """What is made, and that it is deleted."""
        made = [f"create Express workflow {self._site.clone}, which calls the clone; deleted at the end"]
        if self._makes_role:
            made.append(
                f"create role {self._site.clone}, with which the workflow may call the clone; deleted at the end"
            )
        return tuple(made)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What Express workflows cost."""
        return ("Express workflows are billed by request and duration on top of Lambda: the plan's price has not that",)

    @property
    def patience_s(self) -> float:
        """Seconds that a call can take."""
        return self._site.source.timeout_s + SLACK_S

    @property
    def _makes_role(self) -> bool:
        return self._site.options.role_arn is None and not is_loopback(self._site.access.endpoint_url)

    async def prepare(self, ledger: Ledger, watcher: Watcher) -> None:
        """Make the role, unless one is given, and the workflow.

        Raises:
            AwsRefused: when AWS refuses.
        """
        # An endpoint on loopback asks for the ARN of a role, and not for the role.
        role = self._site.options.role_arn or self._site.role
        if self._makes_role:
            role = await self._create_role(ledger, watcher)
        ledger.intend(Change("create-state-machine", self._machine, self._site.place))
        client = await self._site.access.service("stepfunctions")
        with refused(f"creating workflow `{self._site.clone}`"):
            made = await once_known(
                lambda: client.create_state_machine(
                    name=self._site.clone, type="EXPRESS", roleArn=role, definition=self._definition(),
                    tags=self._site.tag_list("key", "value"),
                ),
                frozenset({"AccessDeniedException"}), "the workflow's role to be known", watcher, words="assume",
            )  # fmt: skip
        self._machine = made["stateMachineArn"]
        base = self._site.base_url_of(client)
        if base and self._site.is_aws:
            base = f"https://{_HOST_PREFIX}{urlsplit(base).netloc}"
        self._base_url = base
        if self._makes_role and self._site.is_aws:
            await asyncio.sleep(_ROLE_IN_FORCE_S)

    async def _create_role(self, ledger: Ledger, watcher: Watcher) -> str:
        name = self._site.clone
        ledger.intend(Change("create-role", name, self._site.place))
        watcher.narrate(f"creating role {name} for the workflow: it takes IAM some seconds to know it everywhere")
        client = await self._site.access.service("iam")
        trust = _allow("sts:AssumeRole", Principal={"Service": "states.amazonaws.com"})
        function = self._site.arn("lambda", f"function:{name}")
        with refused(f"creating role `{name}`"):
            try:
                made: dict[str, Any] = await client.create_role(
                    RoleName=name, AssumeRolePolicyDocument=json.dumps(trust), Tags=self._site.tag_list(),
                    Description="Lets the workflow of a lambdatune run call the run's clone",
                )  # fmt: skip
            except ClientError as error:
                if error_code(error) != "EntityAlreadyExists":
                    raise
                made = await client.get_role(RoleName=name)
            policy = _allow("lambda:InvokeFunction", Resource=[function, f"{function}:*"])
            await client.put_role_policy(RoleName=name, PolicyName=POLICY, PolicyDocument=json.dumps(policy))
        return str(made["Role"]["Arn"])

    def _definition(self) -> str:
        partition = self._site.source.arn.split(":")[1]
        call = {
            "Type": "Task",
            "Resource": f"arn:{partition}:states:::lambda:invoke",
            "Parameters": {"FunctionName.$": "$.FunctionName", "Payload.$": "$.Payload"},
            "End": True,
        }
        comment = "Calls the version of the clone that the input names."
        return json.dumps({"Comment": comment, "StartAt": "Call", "States": {"Call": call}})

    async def point_to(self, version: Version) -> None:
        """Do nothing: each execution's input names its version."""

    def request(self, version: Version, payload: bytes, *, tokens: bool) -> RequestForm:
        """Return a StartSyncExecution whose task calls `version`.

        Raises:
            UsageError: when the payload is too large.
        """
        limit = "the input of a workflow has 256 KB at the most"
        check_bytes("step-functions", payload, _MAX_BYTES, limit, tokens=tokens)
        assert version.version is not None
        head = f'{{"FunctionName": {json.dumps(self._site.function_arn(version.version))}, "Payload": '
        body = (
            BodyPart(f'{{"stateMachineArn": {json.dumps(self._machine)}, "input": "{_within_text(head)}'.encode()),
            BodyPart(_within_text(payload.decode()).encode(), tokens),
            BodyPart(b'}"}'),
        )
        target = "AWSStepFunctions.StartSyncExecution"
        return json_request(target, "states", body, version="1.0", base_url=self._base_url, answer="workflow")

    async def endings(self) -> list[Ending]:
        """Return nothing: whoever sends is told."""
        return []

    async def backlog(self) -> int | None:
        """Return None: an execution starts at once, or not at all."""
        return None


def _within_text(text: str) -> str:
    """Return `text` as it stands within a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _allow(action: str, **members: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, **members}]}
