"""AddPermission, RemovePermission, GetPolicy: who else may invoke a function (AWS API reference, Lambda)."""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError, conflict, invalid, not_found, validation
from lambdatune.local.events.policies import statements_allow
from lambdatune.local.functions import check_revision
from lambdatune.local.names import LATEST, parse_reference
from lambdatune.local.reply import Reply, json_body

if TYPE_CHECKING:
    from lambdatune.local.functions import Functions
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming
    from lambdatune.local.records import Function

_SID = re.compile(r"[a-zA-Z0-9-_]{1,100}")
_ACTION = re.compile(r"lambda:\*|lambda:[a-zA-Z]+|\*")
_ACCOUNT = re.compile(r"\d{12}")
_MAX_BYTES = 20_480
"""Of the whole policy (AWS docs, "Lambda quotas")."""
_CONDITIONS = {
    "SourceArn": ("ArnLike", "AWS:SourceArn"),
    "SourceAccount": ("StringEquals", "AWS:SourceAccount"),
    "PrincipalOrgID": ("StringEquals", "aws:PrincipalOrgID"),
    "EventSourceToken": ("StringEquals", "lambda:EventSourceToken"),
    "FunctionUrlAuthType": ("StringEquals", "lambda:FunctionUrlAuthType"),
}


class Permissions:
    """Keeps and serves the resource policies of functions.

    Args:
        functions: the registry, whose functions keep the statements.
        naming: makes ARNs.
    """

    def __init__(self, functions: Functions, naming: Naming) -> None:
        self._functions = functions
        self._naming = naming

    def check(self, arn: str, principal: str, source_arn: str) -> None:
        """Refuse a service that may not invoke a function.

        Raises:
            ApiError: ResourceNotFoundException, AccessDenied.
        """
        name, qualifier = parse_reference(arn)
        function, _ = self._functions.version(name, qualifier)
        resource = self._naming.function_arn(name, qualifier)
        statements = function.policies.get(qualifier or "", [])
        if not statements_allow(statements, principal, "lambda:InvokeFunction", resource, source_arn):
            raise ApiError(
                "AccessDenied",
                f"{principal} is not authorized to perform: lambda:InvokeFunction on resource: {resource} for "
                f"{source_arn}, because no resource-based policy allows it (AddPermission does)",
                403,
            )

    async def add(self, reference: str, request: Request) -> Reply:
        """AddPermission."""
        function, qualifier = self._named(reference, request)
        body = json_body(request)
        sid, action = str(body.get("StatementId") or ""), str(body.get("Action") or "")
        principal = str(body.get("Principal") or "")
        if _SID.fullmatch(sid) is None:
            raise validation("statementId", sid, f"Member must satisfy regular expression pattern: {_SID.pattern}")
        if _ACTION.fullmatch(action) is None:
            raise validation("action", action, f"Member must satisfy regular expression pattern: {_ACTION.pattern}")
        check_revision(body.get("RevisionId"), function.policy_revision)
        statements = function.policies.setdefault(qualifier or "", [])
        if any(statement["Sid"] == sid for statement in statements):
            raise conflict(
                f"The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the "
                "existing statement."
            )
        statement: dict[str, Any] = {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": self._principal(principal),
            "Action": action,
            "Resource": self._naming.function_arn(function.name, qualifier),
        }
        conditions: dict[str, dict[str, str]] = {}
        for member, (operator, key) in _CONDITIONS.items():
            if body.get(member):
                conditions.setdefault(operator, {})[key] = str(body[member])
        if conditions:
            statement["Condition"] = conditions
        if len(json.dumps([*statements, statement])) > _MAX_BYTES:
            raise ApiError("PolicyLengthExceededException", "The final policy size is bigger than the limit (20480).")
        statements.append(statement)
        function.policy_revision = str(uuid.uuid4())
        return Reply(201, {"Statement": json.dumps(statement, separators=(",", ":"))})

    async def get(self, reference: str, request: Request) -> Reply:
        """GetPolicy."""
        function, qualifier = self._named(reference, request)
        statements = function.policies.get(qualifier or "")
        if not statements:
            raise not_found("The resource you requested does not exist.")
        document = {"Version": "2012-10-17", "Id": "default", "Statement": statements}
        policy = json.dumps(document, separators=(",", ":"))
        return Reply(200, {"Policy": policy, "RevisionId": function.policy_revision})

    async def remove(self, reference: str, request: Request, sid: str) -> Reply:
        """RemovePermission."""
        function, qualifier = self._named(reference, request)
        check_revision(request.query.get("RevisionId"), function.policy_revision)
        statements = function.policies.get(qualifier or "", [])
        kept = [statement for statement in statements if statement["Sid"] != sid]
        if len(kept) == len(statements):
            raise not_found(f"Statement {sid} is not found in resource policy.")
        function.policies[qualifier or ""] = kept
        function.policy_revision = str(uuid.uuid4())
        return Reply(204)

    def _named(self, reference: str, request: Request) -> tuple[Function, str | None]:
        name, qualifier = parse_reference(reference, request.query.get("Qualifier"))
        if qualifier == LATEST:
            raise invalid("We currently do not support adding policies for $LATEST.")
        function, _ = self._functions.version(name, qualifier)
        return function, qualifier

    def _principal(self, text: str) -> Any:
        if text == "*":
            return "*"
        if _ACCOUNT.fullmatch(text) is not None:
            return {"AWS": f"arn:aws:iam::{text}:root"}
        if text.startswith("arn:"):
            return {"AWS": text}
        if not text.endswith((".amazonaws.com", ".amazon.com")):
            raise invalid("The provided principal was invalid. Please check the principal and try again.")
        return {"Service": text}
