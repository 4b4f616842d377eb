"""`http` with an Application Load Balancer of the run's own (AWS docs, "Lambda functions as targets")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdatune.aws.modes.base import Base
from lambdatune.aws.modes.http_payload import ALB_MAX_BYTES, http_request
from lambdatune.aws.modes.waiting import until
from lambdatune.aws.refusals import refused
from lambdatune.model.change import Change
from lambdatune.model.errors import UsageError

if TYPE_CHECKING:
    from lambdatune.aws.isolation import Ledger, Version, Watcher
    from lambdatune.aws.modes.site import Site
    from lambdatune.model.request_form import RequestForm

_PRINCIPAL = "elasticloadbalancing.amazonaws.com"
_PORT = 80
_BECOMES_ACTIVE_S = 600.0
_PATH_HERE = "/_lambdatune/alb"
_SUBNETS_ANYWHERE = ("subnet-00000000", "subnet-00000001")
"""On an endpoint that has no networks: AWS asks for subnets in two zones."""


class LoadBalancer(Base):
    """A load balancer whose only target is the clone.

    Args:
        site: the run.

    Raises:
        UsageError: when on AWS no subnets are named.
    """

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        if site.is_aws and not site.options.alb_subnets:
            raise UsageError(
                "a load balancer on AWS stands in subnets of yours: expected --alb-subnets with two or more, in "
                "different zones",
                hint="for example --alb-subnets subnet-0a1b,subnet-2c3d; or --http-kind http, which needs none",
                setting="alb-subnets",
            )
        self._url = ""

    @property
    def changes(self) -> tuple[str, ...]:
        """What is made, and that it is deleted."""
        name = self._site.balancer
        return (
            *super().changes,
            f"create load balancer {name} with listener and target group of the same name; deleted at the end",
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is public meanwhile, and what it costs."""
        return (
            "the load balancer is public, without TLS, for whom its security groups let in, until it is deleted",
            "a load balancer is billed by the hour on top of Lambda: the plan's price has not that",
        )

    async def prepare(self, ledger: Ledger, watcher: Watcher) -> None:
        """Make alias, target group, load balancer and listener, and wait until it answers.

        Raises:
            AwsRefused: when AWS refuses, or it is not active after minutes.
        """
        await super().prepare(ledger, watcher)
        site, name = self._site, self._site.balancer
        client: Any = await site.access.service("elbv2")
        ledger.intend(Change("create-target-group", name, site.place))
        with refused(f"creating target group `{name}`"):
            made = await client.create_target_group(Name=name, TargetType="lambda", Tags=site.tag_list())
        group: str = made["TargetGroups"][0]["TargetGroupArn"]
        await self._alias.allow(_PRINCIPAL, group)
        with refused(f"making the clone the target of `{name}`"):
            await client.register_targets(TargetGroupArn=group, Targets=[{"Id": site.function_arn()}])
        ledger.intend(Change("create-load-balancer", name, site.place))
        with refused(f"creating load balancer `{name}`"):
            groups = list(site.options.alb_security_groups)
            answer = await client.create_load_balancer(
                Name=name, Type="application", Scheme="internet-facing", Tags=site.tag_list(),
                Subnets=list(site.options.alb_subnets or _SUBNETS_ANYWHERE),
                **({"SecurityGroups": groups} if groups else {}),
            )  # fmt: skip
            balancer = answer["LoadBalancers"][0]
            await client.create_listener(
                LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=_PORT,
                DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
            )  # fmt: skip
        await self._wait(client, balancer["LoadBalancerArn"], watcher)
        self._url = self._url_of(balancer["DNSName"])

    async def _wait(self, client: Any, arn: str, watcher: Watcher) -> None:
        async def state() -> str:
            with refused(f"reading load balancer `{self._site.balancer}`"):
                found = await client.describe_load_balancers(LoadBalancerArns=[arn])
            return str(found["LoadBalancers"][0]["State"]["Code"])

        what = f"load balancer {self._site.balancer}, which takes AWS some minutes"
        await until("active", state, what, watcher, patience_s=_BECOMES_ACTIVE_S)

    def _url_of(self, host: str) -> str:
        """Return where the load balancer is reached; an embedded endpoint serves it on a path of its own."""
        endpoint_url = self._site.access.endpoint_url
        if endpoint_url is not None and host.endswith(".localhost"):
            return f"{endpoint_url.rstrip('/')}{_PATH_HERE}/{self._site.balancer}"
        return self._site.reached(f"http://{host}", "the load balancer")

    def request(self, version: Version, payload: bytes, *, tokens: bool) -> RequestForm:  # noqa: ARG002  by the alias
        """Return the request that a payload stands for.

        Raises:
            UsageError: when it stands for none.
        """
        return http_request(
            "http", payload, url=self._url, base_url=self._site.base_url(self._url), service=None, tokens=tokens,
            id_header="x-amzn-trace-id", most=ALB_MAX_BYTES, limit="a load balancer passes 1 MB on to a function",
        )  # fmt: skip
