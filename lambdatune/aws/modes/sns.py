"""`sns`: messages are published to a topic of the run's own, to which the clone is subscribed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lambdatune.aws.modes.asynchronous import Asynchronous
from lambdatune.aws.modes.forms import check_bytes, form_text
from lambdatune.aws.refusals import refused
from lambdatune.model.change import Change
from lambdatune.model.request_form import BodyPart, RequestForm

if TYPE_CHECKING:
    from lambdatune.aws.isolation import Ledger, Version, Watcher
    from lambdatune.aws.modes.site import Site
    from lambdatune.model.modes import Mode

_MAX_BYTES = 256 * 1024
_PRINCIPAL = "sns.amazonaws.com"


class Sns(Asynchronous):
    """A topic.

    Args:
        site: the run.
    """

    mode: Mode = "sns"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._topic = site.arn("sns", site.clone)
        self._base_url: str | None = None

    @property
    def changes(self) -> tuple[str, ...]:
        """What is made, and that it is deleted."""
        return (*super().changes, f"create topic {self._site.clone} and subscribe the clone; deleted at the end")

    async def _provide(self, ledger: Ledger, watcher: Watcher) -> None:  # noqa: ARG002  live at once
        ledger.intend(Change("create-topic", self._topic, self._site.place))
        client = await self._site.access.service("sns")
        with refused(f"creating topic `{self._site.clone}`"):
            self._topic = (await client.create_topic(Name=self._site.clone, Tags=self._site.tag_list()))["TopicArn"]
        self._base_url = self._site.base_url_of(client)
        # SNS asks at once whether it may.
        await self._alias.allow(_PRINCIPAL, self._topic)
        with refused(f"subscribing `{self._site.clone}` to its topic"):
            await client.subscribe(TopicArn=self._topic, Protocol="lambda", Endpoint=self._site.function_arn())

    def request(self, version: Version, payload: bytes, *, tokens: bool) -> RequestForm:  # noqa: ARG002  by the alias
        """Return a Publish.

        Raises:
            UsageError: when the payload is too large.
        """
        check_bytes(self.mode, payload, _MAX_BYTES, "a message of SNS has 256 KB at the most", tokens=tokens)
        head = f"Action=Publish&Version=2010-03-31&TopicArn={quote(self._topic, safe='')}&Message="
        message = form_text(payload.decode(), tokens=tokens)
        return RequestForm(
            "/",
            headers=(("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),),
            body=(BodyPart(head.encode()), BodyPart(message.encode(), tokens)),
            service="sns",
            base_url=self._base_url,
            answer="accept",
            id_key="MessageId",
        )

    def _message_id(self, record: dict[str, Any]) -> object:
        return record["requestPayload"]["Records"][0]["Sns"]["MessageId"]
