"""Resource policies: whether a service may act on a function or a queue (AWS docs, "Policy evaluation logic")."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any


def allows(policy: str | None, principal: str, action: str, resource: str, source_arn: str) -> bool:
    """Whether a resource policy lets a service act.

    Args:
        policy: the JSON document, or None.
        principal: the service, for example sns.amazonaws.com.
        action: for example sqs:SendMessage.
        resource: ARN of what is acted on.
        source_arn: for which resource the service acts; also answers conditions on its account.
    """
    if not policy:
        return False
    statements = _list(json.loads(policy).get("Statement"))
    return statements_allow(statements, principal, action, resource, source_arn)


def statements_allow(statements: list[Any], principal: str, action: str, resource: str, source_arn: str) -> bool:
    """Whether the statements of a policy let a service act; the arguments are those of `allows`."""
    hits = [s for s in statements if isinstance(s, dict) and _matches(s, principal, action, resource, source_arn)]
    return bool(hits) and not any(statement.get("Effect") == "Deny" for statement in hits)


def _matches(statement: dict[str, Any], principal: str, action: str, resource: str, source_arn: str) -> bool:
    who = statement.get("Principal")
    services = (
        ["*"] if who == "*" else [*_list(who.get("Service")), *_list(who.get("AWS"))] if isinstance(who, dict) else []
    )
    if "*" not in services and principal not in services:
        return False
    if not any(fnmatchcase(action.lower(), str(a).lower()) for a in _list(statement.get("Action"))):
        return False
    if not any(fnmatchcase(resource, str(r)) for r in _list(statement.get("Resource", "*"))):
        return False
    conditions = statement.get("Condition") or {}
    if not isinstance(conditions, dict):
        return False
    account = (source_arn.split(":") + [""] * 5)[4]
    facts = {"aws:sourcearn": source_arn, "aws:sourceaccount": account}
    return all(_holds(operator, tests, facts) for operator, tests in conditions.items())


def _holds(operator: str, tests: Any, facts: dict[str, str]) -> bool:
    """Whether one condition block holds; an operator or a key that is not known here never does."""
    is_like = operator in {"ArnLike", "StringLike", "ArnEquals"}
    if not isinstance(tests, dict) or not (is_like or operator in {"StringEquals", "StringEqualsIgnoreCase"}):
        return False
    for key, wanted in tests.items():
        fact = facts.get(key.lower())
        if not fact:
            # S3 bucket ARNs name no account: the bucket is this account's own.
            if fact == "" and key.lower() == "aws:sourceaccount":
                continue
            return False
        if not any(fnmatchcase(fact, str(w)) if is_like else fact == str(w) for w in _list(wanted)):
            return False
    return True


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
