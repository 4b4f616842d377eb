"""`invoke` and `stream`: Lambda is called, and nothing is set up."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from lambdatune.aws.modes.base import SLACK_S
from lambdatune.aws.modes.forms import check_bytes
from lambdatune.model.request_form import BodyPart, RequestForm

if TYPE_CHECKING:
    from lambdatune.aws.isolation import Ledger, Version, Watcher
    from lambdatune.aws.modes.protocol import Ending
    from lambdatune.aws.modes.site import Site

_MAX_BYTES = 6 * 1024 * 1024
_LIMIT = "a synchronous call takes 6 MB"


class Invoke:
    """Invoke with InvocationType RequestResponse.

    Args:
        site: the run.
    """

    changes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    batch_size: int = 1
    lanes: int = 0
    retry_after_s: float | None = None
    most_attempts: int | None = None

    def __init__(self, site: Site) -> None:
        self._site = site

    @property
    def patience_s(self) -> float:
        """Seconds that a call can take."""
        return self._site.source.timeout_s + SLACK_S

    async def prepare(self, ledger: Ledger, watcher: Watcher) -> None:
        """Make nothing."""

    async def point_to(self, version: Version) -> None:
        """Do nothing: each call names its version."""

    def request(self, version: Version, payload: bytes, *, tokens: bool) -> RequestForm:
        """Return a call of `version`.

        Raises:
            UsageError: when the payload is too large.
        """
        check_bytes("invoke", payload, _MAX_BYTES, _LIMIT, tokens=tokens)
        target = f"/2015-03-31/functions/{version.function}/invocations{_qualifier(version)}"
        headers = (("X-Amz-Log-Type", "Tail"),)
        return RequestForm(target, headers=headers, body=(BodyPart(payload, tokens),))

    async def endings(self) -> list[Ending]:
        """Return nothing: whoever sends is told."""
        return []

    async def backlog(self) -> int | None:
        """Return None: AWS does not tell."""
        return None


class Stream(Invoke):
    """InvokeWithResponseStream."""

    def request(self, version: Version, payload: bytes, *, tokens: bool) -> RequestForm:
        """Return a call of `version` whose answer is a stream.

        Raises:
            UsageError: when the payload is too large.
        """
        check_bytes("stream", payload, _MAX_BYTES, _LIMIT, tokens=tokens)
        target = f"/2021-11-15/functions/{version.function}/response-streaming-invocations{_qualifier(version)}"
        headers = (("X-Amz-Invocation-Type", "RequestResponse"), ("X-Amz-Log-Type", "Tail"))
        return RequestForm(target, headers=headers, body=(BodyPart(payload, tokens),), answer="stream")


def _qualifier(version: Version) -> str:
    return f"?Qualifier={quote(version.version, safe='')}" if version.version else ""
