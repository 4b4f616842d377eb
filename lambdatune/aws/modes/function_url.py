"""`function-url`: the clone's alias has a function URL of its own (AWS docs, "Lambda function URLs")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdatune.aws.modes.base import GATEWAY_IN_FORCE_S, Base
from lambdatune.aws.modes.http_payload import http_request
from lambdatune.aws.modes.protocol import ALIAS
from lambdatune.aws.modes.waiting import let_settle
from lambdatune.aws.refusals import error_code, refused

if TYPE_CHECKING:
    from lambdatune.aws.isolation import Ledger, Version, Watcher
    from lambdatune.aws.modes.site import Site
    from lambdatune.model.request_form import RequestForm

ANYONE = "anyone who learns the address can call the clone until it is deleted"


class FunctionUrl(Base):
    """A function URL.

    Args:
        site: the run.
    """

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._url = ""

    @property
    def changes(self) -> tuple[str, ...]:
        """What is made, and that it is deleted."""
        who = "whoever may invoke the clone" if self._site.options.auth == "iam" else "anyone"
        return (*super().changes, f"create a function URL of the clone for {who}; it goes with the clone")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is public meanwhile."""
        return (ANYONE,) if self._site.options.auth == "none" else ()

    async def prepare(self, ledger: Ledger, watcher: Watcher) -> None:
        """Make alias and URL; both go with the clone.

        Raises:
            AwsRefused: when AWS refuses.
        """
        await super().prepare(ledger, watcher)
        is_public = self._site.options.auth == "none"
        client: Any = await self._site.access.functions()
        named = {"FunctionName": self._site.clone, "Qualifier": ALIAS}
        with refused(f"creating a function URL of `{self._site.clone}`"):
            try:
                made = await client.create_function_url_config(**named, AuthType="NONE" if is_public else "AWS_IAM")
            except ClientError as error:
                if error_code(error) != "ResourceConflictException":
                    raise
                made = await client.get_function_url_config(**named)
        self._url = self._site.reached(made["FunctionUrl"], "the function URL")
        if is_public:
            # AWS asks for both since October 2025.
            await self._alias.permit(
                "public-url", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE"
            )
            await self._alias.permit(
                "public-invoke", Action="lambda:InvokeFunction", Principal="*", InvokedViaFunctionUrl=True
            )
        if self._site.is_aws:
            await let_settle(GATEWAY_IN_FORCE_S, "waiting for the function URL to be in force", watcher)

    def request(self, version: Version, payload: bytes, *, tokens: bool) -> RequestForm:  # noqa: ARG002  by the alias
        """Return the request that a payload stands for.

        Raises:
            UsageError: when it stands for none.
        """
        service = "lambda" if self._site.options.auth == "iam" else None
        base_url = self._site.base_url(self._url)
        return http_request(
            "function-url", payload, url=self._url, base_url=base_url, service=service, tokens=tokens
        )  # fmt: skip
