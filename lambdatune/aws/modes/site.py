"""Where a mode sets up what it needs, and how that is named and marked."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lambdatune.aws.access import is_loopback
from lambdatune.aws.marks import CLONE_PREFIX, OWNER_TAG, RUN_TAG, SOURCE_TAG
from lambdatune.aws.modes.protocol import ALIAS
from lambdatune.aws.refusals import statement
from lambdatune.model.errors import AwsRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdatune.aws.access import AwsAccess
    from lambdatune.aws.functions import FunctionDescription
    from lambdatune.aws.marks import Maker
    from lambdatune.model.change import Place
    from lambdatune.model.modes import ModeOptions

_MAX_BUCKET = 63
_HASH_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Site:
    """What every mode has to know of the run.

    Attributes:
        access: the account.
        clone: name of the clone.
        source: the function that it is a copy of.
        maker: the run, with which everything is marked.
        place: where changes are made, for the journal.
        options: how the mode is set up.
        provisioned_concurrency: environments of the alias that are initialised ahead of calls; 0 for none.
    """

    access: AwsAccess
    clone: str
    source: FunctionDescription
    maker: Maker
    place: Place
    options: ModeOptions
    provisioned_concurrency: int = 0

    @property
    def is_aws(self) -> bool:
        """Whether this is AWS itself, where a change takes its time to be known everywhere."""
        return self.access.endpoint_url is None

    @property
    def account(self) -> str:
        """The account's twelve digits."""
        return self.source.arn.split(":")[4]

    @property
    def region(self) -> str:
        """The region's name."""
        return self.source.arn.split(":")[3]

    @property
    def role(self) -> str:
        """ARN of the role that the clone runs with, which is the function's."""
        return str(self.source.configuration.get("Role", ""))

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource here, as AWS makes it."""
        return f"arn:{self.source.arn.split(':')[1]}:{service}:{self.region}:{self.account}:{resource}"

    def function_arn(self, qualifier: str = ALIAS) -> str:
        """Return the ARN of a version or alias of the clone."""
        return self.arn("lambda", f"function:{self.clone}:{qualifier}")

    @property
    def tags(self) -> dict[str, str]:
        """The marks of the run, as the clone has them."""
        return {RUN_TAG: self.maker.run, SOURCE_TAG: self.source.name, OWNER_TAG: self.maker.owner}

    def tag_list(self, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
        """Return the tags as those services take them that want a list."""
        return [{key: name, value: text} for name, text in self.tags.items()]

    @property
    def bucket(self) -> str:
        """Name of the run's bucket: 63 characters at the most, small letters, and no other account has it."""
        readable = re.sub(r"[^a-z0-9]+", "-", self.clone.lower())
        room = _MAX_BUCKET - _HASH_DIGITS - 1
        # The run's id is the end of the clone's name: what is cut is in the middle.
        run = f"-{self.maker.run}"
        stem = readable.removesuffix(run)[: room - len(run)].strip("-")
        return f"{stem}{run}-{self._hash()}"

    @property
    def balancer(self) -> str:
        """Name of the run's load balancer and target group: 32 characters at the most, letters, digits and hyphens."""
        return f"lt-{self.maker.run}-{self._hash()}"[:32]

    def role_hint(self, actions: Sequence[str], arn: str) -> str:
        """Return what to do when AWS does not go by the policy of the thing that `arn` names."""
        every = arn.replace(self.clone, f"{CLONE_PREFIX}*")
        return f"run it again, or add this statement to the function's role: {statement(list(actions), [every])}"

    def base_url_of(self, client: Any) -> str | None:
        """Return the URL at which a service is reached; None where that is the endpoint that the load goes to."""
        return self.base_url(str(client.meta.endpoint_url))

    def reached(self, url: str, what: str) -> str:
        """Return `url`, at which an answer says that `what` is reached; what is on this machine is not elsewhere.

        Raises:
            AwsRefused: when an endpoint on loopback names another host: load for it never goes there.
        """
        host = urlsplit(url).hostname or ""
        if is_loopback(self.access.endpoint_url) and not (is_loopback(url) or host.endswith(".localhost")):
            raise AwsRefused(
                f"the endpoint says that {what} is reached at `{host}`, which is not on this machine as the endpoint "
                "is: nothing is sent there",
                hint="this endpoint does not serve this mode; `lambdatune local` does",
            )
        return url

    def base_url(self, url: str) -> str | None:
        """Return scheme, host and port of `url`; None where that is the endpoint that the load goes to."""
        parts = urlsplit(url)
        own = urlsplit(self.access.endpoint_url or "")
        if (parts.scheme, parts.netloc) == (own.scheme, own.netloc):
            return None
        return f"{parts.scheme}://{parts.netloc}"

    def _hash(self) -> str:
        return hashlib.sha256(f"{self.account}/{self.region}/{self.clone}".encode()).hexdigest()[:_HASH_DIGITS]
