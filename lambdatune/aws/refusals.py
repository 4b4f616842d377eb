"""What AWS says when it refuses, as sentences with a hint."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NoReturn

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import ConnectionError as NoConnection
from botocore.parsers import ResponseParserError

from lambdatune.model.errors import AwsRefused

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

UNREACHABLE = "Unreachable"
"""Code of a refusal that is none: nothing answered."""

_ACTION = re.compile(r"not authorized to perform:? (?P<action>[\w:-]+)(?: on resource: (?P<resource>arn:\S+))?")
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_UNKNOWN_KEY = frozenset({"UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException"})
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"})
"""Error codes with which services say that the caller's policies do not allow an action."""


def error_code(error: ClientError) -> str:
    """Return AWS's error code, ``ResourceNotFoundException``."""
    return error.response.get("Error", {}).get("Code", "Unknown")


def is_about_credentials(error: ClientError) -> bool:
    """Return whether AWS refused the credentials themselves, so that no other call would fare better."""
    return error_code(error) in _EXPIRED | _UNKNOWN_KEY


def denied_action(error: ClientError) -> tuple[str | None, str | None]:
    """Return the action and the resource that AWS's sentence of a denial names, None where it names none."""
    message = error.response.get("Error", {}).get("Message") or ""
    found = _ACTION.search(message)
    return (found["action"], found["resource"]) if found else (None, None)


def statement(actions: list[str], resources: list[str], condition: dict[str, object] | None = None) -> str:
    """Return an IAM policy statement that allows `actions` on `resources`, as JSON on one line."""
    document: dict[str, object] = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return json.dumps(document | ({"Condition": condition} if condition else {}))


def no_credentials() -> AwsRefused:
    """Return the refusal for an empty credential chain."""
    return AwsRefused(
        "no AWS credentials were found: expected them in the environment, the AWS configuration, SSO or a role",
        hint="run `aws configure` or `aws sso login`, or try `lambdatune demo`, which needs no account",
    )


def translated(error: BotoCoreError | ClientError | ResponseParserError, doing: str) -> AwsRefused:
    """Return `error` as a sentence that says what was being done (`doing`: "reading function `x`")."""
    if isinstance(error, ClientError):
        return _client_error(error, doing)
    if isinstance(error, ResponseParserError):
        # Its text holds the whole answer, which may be a page of HTML.
        return AwsRefused(
            f"{doing}: the answer is not what this service of AWS answers",
            hint="check --endpoint-url: does that endpoint have this service?",
        )
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return no_credentials()
    if isinstance(error, (HTTPClientError, NoConnection)):
        hint = "check --endpoint-url, --region and the network, then run it again"
        return AwsRefused(f"{doing}: {error}", hint=hint, code=UNREACHABLE)
    return AwsRefused(f"{doing}: {error}")


def _client_error(error: ClientError, doing: str) -> AwsRefused:
    code = error_code(error)
    message = error.response.get("Error", {}).get("Message") or str(error)
    if code in DENIED:
        action, resource = denied_action(error)
        hint = "ask for the permission to do it; `lambdatune doctor --policy` prints the whole policy"
        if action is not None:
            hint = f"add this statement to the caller's policy: {statement([action], [resource or '*'])}"
        return AwsRefused(f"{doing} was denied: {message}", hint=hint, code=code)
    if code in _EXPIRED:
        return AwsRefused(
            f"{doing} was refused: the credentials have expired",
            hint="renew them, e.g. `aws sso login`",
            code=code,
        )
    if code in _UNKNOWN_KEY:
        return AwsRefused(
            f"{doing} was refused: AWS does not accept the credentials ({code})",
            hint="`aws sts get-caller-identity` shows which credentials are in use",
            code=code,
        )
    return AwsRefused(f"{doing} was refused: {code}: {message}", code=code)


class refused:  # noqa: N801  reads as a statement: with refused("reading function `x`"):
    """Turn what botocore raises inside the block into AwsRefused; `doing` says what was being done."""

    def __init__(self, doing: str) -> None:
        self.doing = doing

    def __enter__(self) -> Self:
        """Begin the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Translate what was raised, if it is botocore's."""
        if isinstance(error, (BotoCoreError, ClientError, ResponseParserError)):
            self._raise(error)

    def _raise(self, error: BotoCoreError | ClientError | ResponseParserError) -> NoReturn:
        raise translated(error, self.doing) from error
