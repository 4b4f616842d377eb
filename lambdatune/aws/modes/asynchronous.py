"""The asynchronous family: Lambda takes an event, runs it later, and tells a destination what became of it.

Source: AWS docs, "How Lambda handles errors and retries with asynchronous invocation", "Capturing records of Lambda
asynchronous invocations".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdatune.aws.modes import records
from lambdatune.aws.modes.base import SLACK_S, Base
from lambdatune.aws.modes.forms import check_bytes
from lambdatune.aws.modes.own_queue import OwnQueue
from lambdatune.aws.modes.protocol import ALIAS
from lambdatune.aws.modes.waiting import once_known
from lambdatune.aws.refusals import DENIED, error_code, refused
from lambdatune.model.request_form import BodyPart, RequestForm

if TYPE_CHECKING:
    from lambdatune.aws.isolation import Ledger, Version, Watcher
    from lambdatune.aws.modes.protocol import Ending
    from lambdatune.aws.modes.site import Site
    from lambdatune.model.modes import Mode

_RETRIES = 2
_RETRY_WAITS_S = (60.0, 120.0)
"""What AWS does unless told otherwise, and how long it waits before each retry."""

_TELLING = ("sqs:SendMessage",)
_MAX_BYTES = 1024 * 1024
_KNOWN_LATER = frozenset({"InvalidParameterValueException"})
_LATER_WORDS = "permission"
"""Lambda tries whether the role may send to a destination; a new queue's policy takes a while to be in force."""


class Asynchronous(Base, ABC):
    """A mode whose events are run later.

    Subclasses make what sends events to the alias, and find the message in a record.

    Args:
        site: the run.
    """

    mode: Mode

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._queue = OwnQueue(site, f"{site.clone}-ended", self._read)
        self._retries = _RETRIES

    @property
    def changes(self) -> tuple[str, ...]:
        """What is made, and that it is deleted."""
        return (
            *super().changes,
            f"create queue {self._queue.name}, to which Lambda sends a record of every message; deleted at the end",
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """That destinations differ from the function's own."""
        return ("the function's own destinations and dead-letter queue get nothing: the clone's are the run's queue",)

    @property
    def patience_s(self) -> float:
        """Seconds of all tries and of the waits between them."""
        return sum(_RETRY_WAITS_S[: self._retries]) + (self._retries + 1) * self._site.source.timeout_s + SLACK_S

    async def prepare(self, ledger: Ledger, watcher: Watcher) -> None:
        """Make queue and alias, let the one tell of the other, and make what sends.

        Raises:
            AwsRefused: when AWS refuses.
        """
        await super().prepare(ledger, watcher)
        await self._queue.create(ledger, actions=_TELLING)
        await self._set_destinations(await self._tries(watcher), watcher)
        await self._provide(ledger, watcher)

    async def _provide(self, ledger: Ledger, watcher: Watcher) -> None:
        """Make what sends events to the alias."""

    @abstractmethod
    def _message_id(self, record: dict[str, Any]) -> object:
        """Return the message's identifier in a record."""

    async def endings(self) -> list[Ending]:
        """Return what the records tell that came since the last time.

        Raises:
            AwsRefused: when AWS refuses.
        """
        return await self._queue.drain()

    def _read(self, _message_id: str, body: str) -> Ending | None:
        return records.of_event(body, self._message_id)

    async def _tries(self, watcher: Watcher) -> dict[str, int]:
        """Return how often and how long the function's own events are tried, where that is not AWS's default."""
        source = self._site.source
        named = {"FunctionName": source.name} | ({"Qualifier": source.qualifier} if source.qualifier else {})
        client: Any = await self._site.access.functions()
        with refused(f"reading how `{source.name}` handles asynchronous invocations"):
            try:
                own = await client.get_function_event_invoke_config(**named)
            except ClientError as error:
                if error_code(error) == "ResourceNotFoundException":
                    return {}
                if error_code(error) not in DENIED:
                    raise
                watcher.narrate(
                    f"how often events of {source.name} are tried may not be read: the clone's are tried as AWS does"
                )
                return {}
        kept = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds")
        return {name: own[name] for name in kept if own.get(name) is not None}

    async def _set_destinations(self, tries: dict[str, int], watcher: Watcher) -> None:
        self._retries = tries.get("MaximumRetryAttempts", _RETRIES)
        here = {"Destination": self._queue.arn}
        # Of success too: the log of many runtimes does not tell whether the handler failed.
        destinations = {"OnFailure": here, "OnSuccess": here}
        client: Any = await self._site.access.functions()
        with refused(f"setting the destinations of `{self._site.clone}`"):
            await once_known(
                lambda: client.put_function_event_invoke_config(
                    FunctionName=self._site.clone, Qualifier=ALIAS, DestinationConfig=destinations, **tries
                ),
                _KNOWN_LATER, "the policy of the run's queue to be in force", watcher, words=_LATER_WORDS,
                hint=self._site.role_hint(_TELLING, self._queue.arn),
            )  # fmt: skip


class Event(Asynchronous):
    """Invoke with InvocationType Event."""

    mode: Mode = "event"

    def request(self, version: Version, payload: bytes, *, tokens: bool) -> RequestForm:  # noqa: ARG002  by the alias
        """Return a call of the alias.

        Raises:
            UsageError: when the payload is too large.
        """
        check_bytes(self.mode, payload, _MAX_BYTES, "an asynchronous call takes 1 MB", tokens=tokens)
        target = f"/2015-03-31/functions/{self._site.clone}/invocations?Qualifier={ALIAS}"
        headers = (("X-Amz-Invocation-Type", "Event"),)
        return RequestForm(target, headers=headers, body=(BodyPart(payload, tokens),), answer="accept")

    def _message_id(self, record: dict[str, Any]) -> object:
        return record["requestContext"]["requestId"]
