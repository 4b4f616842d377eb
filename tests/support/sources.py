"""What invokes functions on an account: everything that a mode sets up, to be compared before and after."""

from __future__ import annotations

import json
import urllib.request
from contextlib import closing
from typing import Any

from support.program import sdk
from support.signing import KEY


def _client(service: str, url: str) -> Any:
    keys = {"aws_access_key_id": KEY, "aws_secret_access_key": KEY}
    return closing(sdk().create_client(service, "us-east-1", endpoint_url=url, **keys))


_LISTS = (
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("sqs", "list_queues", "QueueUrls", None),
    ("sns", "list_topics", "Topics", "TopicArn"),
    ("s3", "list_buckets", "Buckets", "Name"),
    ("events", "list_event_buses", "EventBuses", "Name"),
    ("events", "list_rules", "Rules", "Name"),
    ("kinesis", "list_streams", "StreamNames", None),
    ("dynamodb", "list_tables", "TableNames", None),
    ("stepfunctions", "list_state_machines", "stateMachines", "name"),
    ("apigatewayv2", "get_apis", "Items", "Name"),
    ("apigateway", "get_rest_apis", "items", "name"),
    ("elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerName"),
    ("elbv2", "describe_target_groups", "TargetGroups", "TargetGroupName"),
)


def all_sources(url: str, services: tuple[str, ...] | None = None) -> dict[str, list[str]]:
    """Return the names of all that an endpoint holds, by the call that lists it; None: of all services."""
    found: dict[str, list[str]] = {}
    for service, call, key, name in _LISTS:
        if services is not None and service not in services:
            continue
        with _client(service, url) as client:
            items = getattr(client, call)().get(key, [])
        found[f"{service} {call}"] = sorted(item if name is None else item[name] for item in items)
    return found


def recorded_messages(url: str, *, function: str) -> list[dict[str, Any]]:
    """Return the endpoint's own record of every attempt at a message of the functions whose names begin so."""
    rows: list[dict[str, Any]] = []
    while True:
        after = rows[-1]["sequence"] if rows else 0
        with urllib.request.urlopen(f"{url}/_lambdatune/messages?after={after}") as answer:
            page = [json.loads(line) for line in answer.read().splitlines() if line.strip()]
        if not page:
            return [row for row in rows if row["function"].startswith(function)]
        rows += page
