"""Application Load Balancers with functions as targets (API reference, Elastic Load Balancing 2015-12-01)."""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError, not_implemented
from lambdatune.local.events import query
from lambdatune.local.gateways.calling import function_of
from lambdatune.local.gateways.load_balancer_records import (
    Listener,
    LoadBalancer,
    TargetGroup,
    balancer_view,
    group_view,
    listener_view,
)
from lambdatune.local.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.local.gateways.calling import Caller
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming

NAMESPACE = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"
MULTI_VALUE = "lambda.multi_value_headers.enabled"
_NAME = re.compile(r"(?!internal-)[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?")


class LoadBalancers:
    """Keeps load balancers, target groups and listeners.

    Args:
        naming: makes ARNs.
        caller: says whether a target group may call a function.
        settle_s: how long a load balancer is provisioned.
    """

    def __init__(self, naming: Naming, caller: Caller, settle_s: float) -> None:
        self._naming = naming
        self._base = f"arn:aws:elasticloadbalancing:{naming.region}:{naming.account_id}"
        self._caller = caller
        self._settle_s = settle_s
        self.balancers: dict[str, LoadBalancer] = {}
        self.groups: dict[str, TargetGroup] = {}
        self._actions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "CreateLoadBalancer": self._create_balancer,
            "DescribeLoadBalancers": self._describe_balancers,
            "DeleteLoadBalancer": self._delete_balancer,
            "CreateTargetGroup": self._create_group,
            "DescribeTargetGroups": self._describe_groups,
            "DeleteTargetGroup": self._delete_group,
            "ModifyTargetGroupAttributes": self._modify_attributes,
            "DescribeTargetGroupAttributes": self._describe_attributes,
            "RegisterTargets": self._register,
            "DeregisterTargets": self._deregister,
            "DescribeTargetHealth": self._health,
            "CreateListener": self._create_listener,
            "DescribeListeners": self._describe_listeners,
            "DeleteListener": self._delete_listener,
            "AddTags": self._add_tags,
            "RemoveTags": self._remove_tags,
            "DescribeTags": self._describe_tags,
        }

    async def serve(self, request: Request, request_id: str) -> Reply:
        """Serve one action.

        Raises:
            ApiError: as Elastic Load Balancing does.
        """
        form = query.decode(request)
        action = str(form.get("Action", ""))
        handler = self._actions.get(action)
        if handler is None:
            raise not_implemented(f"Elastic Load Balancing {action}")
        body = query.render(action, handler(form), NAMESPACE, request_id)
        return Reply(200, body=body, content_type="text/xml")

    # Load balancers.

    def _create_balancer(self, form: dict[str, Any]) -> dict[str, Any]:
        _check_members(
            form,
            {"Name", "Type", "Scheme", "Subnets", "SubnetMappings", "SecurityGroups", "IpAddressType", "Tags"},
        )
        name = _name(form)
        if form.get("Type", "application") != "application":
            raise _invalid("the embedded lambdatune endpoint implements load balancers of type application only")
        if form.get("Scheme", "internet-facing") not in ("internet-facing", "internal"):
            raise _invalid("Scheme: expected internet-facing or internal")
        if form.get("IpAddressType", "ipv4") != "ipv4":
            raise _invalid("the embedded lambdatune endpoint implements the IpAddressType ipv4 only")
        subnets = [str(each) for each in query.items(form, "Subnets")]
        subnets += [str(each.get("SubnetId")) for each in query.structures(form, "SubnetMappings")]
        if len(subnets) < 2:
            raise _invalid("At least two subnets in two different Availability Zones must be specified")
        if any(balancer.name == name for balancer in self.balancers.values()):
            raise ApiError(
                "DuplicateLoadBalancerName",
                f"A load balancer with the same name '{name}' exists, but with other settings",
            )
        identity = secrets.token_hex(8)
        balancer = LoadBalancer(
            name,
            f"{self._base}:loadbalancer/app/{name}/{identity}",
            f"{name}-{secrets.randbelow(10**10):010d}.{self._naming.region}.elb.localhost".lower(),
            str(form.get("Scheme", "internet-facing")),
            subnets,
            [str(each) for each in query.items(form, "SecurityGroups")],
            _tags(form),
            time.monotonic() + self._settle_s,
        )
        self.balancers[balancer.arn] = balancer
        return {"LoadBalancers": [balancer_view(balancer)]}

    def _describe_balancers(self, form: dict[str, Any]) -> dict[str, Any]:
        chosen = _chosen(form, "LoadBalancerArns", self.balancers, "LoadBalancerNotFound", "Load balancers")
        return {"LoadBalancers": [balancer_view(each) for each in chosen]}

    def _delete_balancer(self, form: dict[str, Any]) -> dict[str, Any]:
        self.balancers.pop(str(form.get("LoadBalancerArn")), None)
        return {}

    # Target groups.

    def _create_group(self, form: dict[str, Any]) -> dict[str, Any]:
        _check_members(form, {"Name", "TargetType", "Tags", "HealthCheckEnabled"})
        name = _name(form)
        if form.get("TargetType") != "lambda":
            raise _invalid("the embedded lambdatune endpoint implements target groups of the TargetType lambda only")
        if form.get("HealthCheckEnabled", "false") != "false":
            raise _invalid("the embedded lambdatune endpoint does not implement health checks of functions")
        if any(group.name == name for group in self.groups.values()):
            raise ApiError("DuplicateTargetGroupName", f"A target group with the same name '{name}' exists")
        arn = f"{self._base}:targetgroup/{name}/{secrets.token_hex(8)}"
        group = self.groups[arn] = TargetGroup(name, arn, _tags(form))
        return {"TargetGroups": [group_view(group, self._users(group.arn))]}

    def _describe_groups(self, form: dict[str, Any]) -> dict[str, Any]:
        chosen = _chosen(form, "TargetGroupArns", self.groups, "TargetGroupNotFound", "Target groups")
        if form.get("LoadBalancerArn"):
            balancer = self._balancer(form)
            used = {listener.group_arn for listener in balancer.listeners.values()}
            chosen = [group for group in chosen if group.arn in used]
        return {"TargetGroups": [group_view(each, self._users(each.arn)) for each in chosen]}

    def _delete_group(self, form: dict[str, Any]) -> dict[str, Any]:
        arn = str(form.get("TargetGroupArn"))
        if self._users(arn):
            sentence = f"Target group '{arn}' is currently in use by a listener or a rule"
            raise ApiError("ResourceInUse", sentence)
        self.groups.pop(arn, None)
        return {}

    def _modify_attributes(self, form: dict[str, Any]) -> dict[str, Any]:
        group = self._group(form)
        for each in query.structures(form, "Attributes"):
            if each.get("Key") != MULTI_VALUE or each.get("Value") not in ("true", "false"):
                raise _invalid(
                    f"the embedded lambdatune endpoint implements the attribute {MULTI_VALUE} only: true or false"
                )
            group.multi_value = each["Value"] == "true"
        return self._describe_attributes(form)

    def _describe_attributes(self, form: dict[str, Any]) -> dict[str, Any]:
        return {"Attributes": [{"Key": MULTI_VALUE, "Value": _text(value=self._group(form).multi_value)}]}

    def _register(self, form: dict[str, Any]) -> dict[str, Any]:
        group = self._group(form)
        for target in query.structures(form, "Targets"):
            arn = str(target.get("Id") or "")
            if function_of(arn) != arn:
                raise ApiError("InvalidTarget", f"The target '{arn}' is not the ARN of a Lambda function")
            if group.function_arn not in {None, arn}:
                raise ApiError("TooManyTargets", "A target group of type lambda has one target", 400)
            try:
                self._caller.check(arn, group.arn)
            except ApiError as error:
                if error.status == 404:
                    raise ApiError("InvalidTarget", error.message) from error
                sentence = f"elasticloadbalancing principal does not have permission to invoke {arn} from target group"
                raise ApiError("AccessDenied", f"{sentence} {group.arn}", 403) from error
            group.function_arn = arn
        return {}

    def _deregister(self, form: dict[str, Any]) -> dict[str, Any]:
        group = self._group(form)
        if any(target.get("Id") == group.function_arn for target in query.structures(form, "Targets")):
            group.function_arn = None
        return {}

    def _health(self, form: dict[str, Any]) -> dict[str, Any]:
        group = self._group(form)
        if group.function_arn is None:
            return {"TargetHealthDescriptions": []}
        health = {
            "State": "unavailable",
            "Reason": "Target.HealthCheckDisabled",
            "Description": "Health checks are not enabled for this target",
        }
        if not self._users(group.arn):
            health = {
                "State": "unused",
                "Reason": "Target.NotInUse",
                "Description": "Target group is not configured to receive traffic from the load balancer",
            }
        target = {"Id": group.function_arn, "AvailabilityZone": "all"}
        return {"TargetHealthDescriptions": [{"Target": target, "TargetHealth": health}]}

    # Listeners.

    def _create_listener(self, form: dict[str, Any]) -> dict[str, Any]:
        _check_members(form, {"LoadBalancerArn", "Protocol", "Port", "DefaultActions", "Tags"})
        balancer = self._balancer(form)
        if form.get("Protocol") != "HTTP":
            raise _invalid("the embedded lambdatune endpoint implements listeners of the Protocol HTTP only")
        text = str(form.get("Port") or "")
        if not text.isdecimal() or not 1 <= int(text) <= 65_535:
            raise _invalid("Port: expected a number from 1 to 65535")
        port = int(text)
        if any(listener.port == port for listener in balancer.listeners.values()):
            raise ApiError("DuplicateListener", "A listener already exists on this port for this load balancer")
        group_arn = self._forwarded(query.structures(form, "DefaultActions"))
        place = balancer.arn.partition(":loadbalancer/")[2]
        arn = f"{self._base}:listener/{place}/{secrets.token_hex(8)}"
        listener = balancer.listeners[arn] = Listener(arn, port, group_arn, _tags(form))
        return {"Listeners": [listener_view(balancer, listener)]}

    def _forwarded(self, actions: list[dict[str, Any]]) -> str:
        """Return the target group of the one action that a listener has."""
        action = actions[0] if len(actions) == 1 else {}
        if action.get("Type") != "forward":
            raise _invalid("the embedded lambdatune endpoint implements one default action, of the Type forward")
        arns = [str(action["TargetGroupArn"])] if action.get("TargetGroupArn") else []
        config = action.get("ForwardConfig")
        if isinstance(config, dict):
            arns += [str(each.get("TargetGroupArn")) for each in query.structures(config, "TargetGroups")]
        if len(set(arns)) != 1:
            raise _invalid("the embedded lambdatune endpoint forwards to one target group")
        if arns[0] not in self.groups:
            raise ApiError("TargetGroupNotFound", f"Target groups '{arns[0]}' not found")
        return str(arns[0])

    def _describe_listeners(self, form: dict[str, Any]) -> dict[str, Any]:
        every = {arn: (b, each) for b in self.balancers.values() for arn, each in b.listeners.items()}
        if form.get("LoadBalancerArn"):
            balancer = self._balancer(form)
            return {"Listeners": [listener_view(balancer, each) for each in balancer.listeners.values()]}
        chosen = _chosen(form, "ListenerArns", every, "ListenerNotFound", "One or more listeners", by_name=False)
        return {"Listeners": [listener_view(*each) for each in chosen]}

    def _delete_listener(self, form: dict[str, Any]) -> dict[str, Any]:
        arn = str(form.get("ListenerArn"))
        for balancer in self.balancers.values():
            if balancer.listeners.pop(arn, None) is not None:
                return {}
        raise ApiError("ListenerNotFound", f"Listener '{arn}' not found")

    # Tags.

    def _tagged(self, arn: str) -> dict[str, str]:
        every: dict[str, Any] = {**self.balancers, **self.groups}
        for balancer in self.balancers.values():
            every |= balancer.listeners
        if arn not in every:
            kind = {"loadbalancer": "LoadBalancer", "targetgroup": "TargetGroup"}.get(
                arn.rpartition(":")[2].partition("/")[0], "Listener"
            )
            raise ApiError(f"{kind}NotFound", f"The resource '{arn}' does not exist")
        tags: dict[str, str] = every[arn].tags
        return tags

    def _add_tags(self, form: dict[str, Any]) -> dict[str, Any]:
        for arn in query.items(form, "ResourceArns"):
            self._tagged(str(arn)).update(_tags(form))
        return {}

    def _remove_tags(self, form: dict[str, Any]) -> dict[str, Any]:
        for arn in query.items(form, "ResourceArns"):
            for key in query.items(form, "TagKeys"):
                self._tagged(str(arn)).pop(str(key), None)
        return {}

    def _describe_tags(self, form: dict[str, Any]) -> dict[str, Any]:
        told = []
        for arn in query.items(form, "ResourceArns"):
            tags = [{"Key": key, "Value": value} for key, value in self._tagged(str(arn)).items()]
            told.append({"ResourceArn": arn, "Tags": tags})
        return {"TagDescriptions": told}

    def _balancer(self, form: dict[str, Any]) -> LoadBalancer:
        arn = str(form.get("LoadBalancerArn"))
        if arn not in self.balancers:
            raise ApiError("LoadBalancerNotFound", f"Load balancer '{arn}' not found")
        return self.balancers[arn]

    def _group(self, form: dict[str, Any]) -> TargetGroup:
        arn = str(form.get("TargetGroupArn"))
        if arn not in self.groups:
            raise ApiError("TargetGroupNotFound", f"Target group '{arn}' not found")
        return self.groups[arn]

    def _users(self, group_arn: str) -> list[str]:
        """Return the ARNs of the load balancers that forward to a target group."""
        every = self.balancers.values()
        return [b.arn for b in every if any(each.group_arn == group_arn for each in b.listeners.values())]


def _chosen(
    form: dict[str, Any], member: str, kept: dict[str, Any], code: str, what: str, *, by_name: bool = True
) -> list[Any]:
    """Return those that a request names by ARN or by name; without either all of them.

    Raises:
        ApiError: `code`, when one of them does not exist.
    """
    arns = [str(arn) for arn in query.items(form, member)]
    names = [str(name) for name in query.items(form, "Names")] if by_name else []
    by = {each.name: each for each in kept.values()} if by_name else {}
    absent = [arn for arn in arns if arn not in kept] + [name for name in names if name not in by]
    if absent:
        raise ApiError(code, f"{what} '{absent}' not found")
    return [kept[arn] for arn in arns] + [by[name] for name in names] if arns or names else list(kept.values())


def _check_members(form: dict[str, Any], known: set[str]) -> None:
    further = sorted(form.keys() - known - {"Action", "Version"})
    if further:
        raise _invalid(f"the embedded lambdatune endpoint does not implement {further[0]} of {form['Action']}")


def _name(form: dict[str, Any]) -> str:
    name = str(form.get("Name") or "")
    if _NAME.fullmatch(name) is None:
        raise _invalid(f"The name '{name}' is not valid: expected 1 to 32 letters, digits and hyphens")
    return name


def _tags(form: dict[str, Any]) -> dict[str, str]:
    return {str(tag.get("Key")): str(tag.get("Value") or "") for tag in query.structures(form, "Tags")}


def _text(*, value: bool) -> str:
    return "true" if value else "false"


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationError", message)
