"""What is known of load balancers, target groups and listeners, and how the API tells it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

_ZONE = "Z35SXDOTRQ7X7K"


@dataclass(slots=True)
class TargetGroup:
    """A target group of type lambda, with at most one function in it, as on AWS."""

    name: str
    arn: str
    tags: dict[str, str]
    function_arn: str | None = None
    multi_value: bool = False


@dataclass(slots=True)
class Listener:
    """A port of a load balancer, and the target group that it forwards to."""

    arn: str
    port: int
    group_arn: str
    tags: dict[str, str]


@dataclass(slots=True)
class LoadBalancer:
    """An Application Load Balancer."""

    name: str
    arn: str
    domain: str
    scheme: str
    subnets: list[str]
    security_groups: list[str]
    tags: dict[str, str]
    active_at: float
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    listeners: dict[str, Listener] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether it serves requests."""
        return time.monotonic() >= self.active_at


def balancer_view(balancer: LoadBalancer) -> dict[str, Any]:
    """Return a load balancer as the API tells it."""
    return {
        "LoadBalancerArn": balancer.arn,
        "DNSName": balancer.domain,
        "CanonicalHostedZoneId": _ZONE,
        "CreatedTime": balancer.created,
        "LoadBalancerName": balancer.name,
        "Scheme": balancer.scheme,
        "VpcId": "vpc-00000000000000000",
        "State": {"Code": "active" if balancer.active else "provisioning"},
        "Type": "application",
        "AvailabilityZones": [{"ZoneName": "", "SubnetId": subnet} for subnet in balancer.subnets],
        "SecurityGroups": balancer.security_groups,
        "IpAddressType": "ipv4",
    }


def listener_view(balancer: LoadBalancer, listener: Listener) -> dict[str, Any]:
    """Return a listener as the API tells it."""
    target = {"TargetGroupArn": listener.group_arn, "Weight": "1"}
    action = {
        "Type": "forward",
        "TargetGroupArn": listener.group_arn,
        "ForwardConfig": {"TargetGroups": [target], "TargetGroupStickinessConfig": {"Enabled": "false"}},
    }
    return {
        "ListenerArn": listener.arn,
        "LoadBalancerArn": balancer.arn,
        "Port": listener.port,
        "Protocol": "HTTP",
        "DefaultActions": [action],
    }


def group_view(group: TargetGroup, balancer_arns: list[str]) -> dict[str, Any]:
    """Return a target group as the API tells it, with the load balancers that forward to it."""
    return {
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "TargetType": "lambda",
        "HealthCheckEnabled": "false",
        "HealthCheckPath": "/",
        "HealthCheckIntervalSeconds": "35",
        "HealthCheckTimeoutSeconds": "30",
        "HealthyThresholdCount": "5",
        "UnhealthyThresholdCount": "2",
        "Matcher": {"HttpCode": "200"},
        "IpAddressType": "ipv4",
        "LoadBalancerArns": balancer_arns,
    }
