"""`eventbridge`: events are put on a bus of the run's own, whose only rule has the clone as its target."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdatune.aws.modes.asynchronous import Asynchronous
from lambdatune.aws.modes.forms import check_bytes, json_request, parsed
from lambdatune.aws.modes.waiting import let_settle
from lambdatune.aws.refusals import error_code, refused
from lambdatune.model.change import Change
from lambdatune.model.errors import AwsRefused, UsageError
from lambdatune.model.request_form import BodyPart

if TYPE_CHECKING:
    from lambdatune.aws.isolation import Ledger, Version, Watcher
    from lambdatune.aws.modes.site import Site
    from lambdatune.model.modes import Mode
    from lambdatune.model.request_form import RequestForm

_MAX_BYTES = 1024 * 1024 - 16 * 1024
"""An event may have 1 MB, and so may the record in the queue, which holds the event and the answer."""

_PRINCIPAL = "events.amazonaws.com"
_SOURCE = "lambdatune"
_TARGET = "clone"
_IN_FORCE_S = 15.0
"""AWS API reference, PutRule: events might not match a new rule at once; "allow a short period of time"."""


class EventBridge(Asynchronous):
    """An event bus.

    Args:
        site: the run.
    """

    mode: Mode = "eventbridge"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._bus = self._rule = site.clone
        self._base_url: str | None = None

    @property
    def changes(self) -> tuple[str, ...]:
        """What is made, and that it is deleted."""
        return (
            *super().changes,
            f"create event bus {self._bus} with a rule whose target is the clone; deleted at the end",
        )

    async def _provide(self, ledger: Ledger, watcher: Watcher) -> None:
        ledger.intend(Change("create-event-bus", self._bus, self._site.place))
        client = await self._site.access.service("events")
        tags = self._site.tag_list()
        with refused(f"creating event bus `{self._bus}`"):
            try:
                await client.create_event_bus(Name=self._bus, Tags=tags)
            except ClientError as error:
                if error_code(error) != "ResourceAlreadyExistsException":
                    raise
            pattern = json.dumps({"source": [_SOURCE]})
            made = await client.put_rule(Name=self._rule, EventBusName=self._bus, EventPattern=pattern, Tags=tags)
        await self._alias.allow(_PRINCIPAL, made["RuleArn"])
        with refused(f"making the clone the target of rule `{self._rule}`"):
            answer = await client.put_targets(
                Rule=self._rule, EventBusName=self._bus, Targets=[{"Id": _TARGET, "Arn": self._site.function_arn()}]
            )
        for failed in answer.get("FailedEntries", []):
            raise AwsRefused(
                f"making the clone the target of rule `{self._rule}` was refused: {failed.get('ErrorCode')}: "
                f"{failed.get('ErrorMessage')}"
            )
        self._base_url = self._site.base_url_of(client)
        if self._site.is_aws:
            await let_settle(_IN_FORCE_S, "waiting for EventBridge's new rule to be in force", watcher)

    def request(self, version: Version, payload: bytes, *, tokens: bool) -> RequestForm:  # noqa: ARG002  by the alias
        """Return a PutEvents of one event, whose detail is the payload.

        Raises:
            UsageError: when the payload is too large, or is no JSON object.
        """
        check_bytes(self.mode, payload, _MAX_BYTES, "an event of EventBridge has 1 MB at the most", tokens=tokens)
        document = parsed(payload, tokens=tokens)
        if document is not None and not isinstance(document, dict):
            raise UsageError(
                "a payload for mode eventbridge is a JSON object, since it is the event's detail: "
                f"{payload[:20].decode('utf-8', 'replace')!r} is none",
                hint="for example --payload '{\"id\": 1}'",
            )
        entry = json.dumps({"EventBusName": self._bus, "Source": _SOURCE, "DetailType": _SOURCE})[:-1]
        escaped = json.dumps(payload.decode(), ensure_ascii=False)[1:-1]
        body = (
            BodyPart(f'{{"Entries": [{entry}, "Detail": "'.encode()),
            BodyPart(escaped.encode(), tokens),
            BodyPart(b'"}]}'),
        )
        return json_request(
            "AWSEvents.PutEvents", "events", body, version="1.1", base_url=self._base_url, id_key="EventId"
        )

    def _message_id(self, record: dict[str, Any]) -> object:
        return record["requestPayload"]["id"]
