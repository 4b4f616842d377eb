"""STS GetCallerIdentity, which clients ask before anything else (AWS API reference, STS)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from lambdatune.local.errors import not_implemented
from lambdatune.local.reply import Reply

if TYPE_CHECKING:
    from lambdatune.local.errors import ApiError
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming

_IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws:iam::{account}:user/embedded-endpoint</Arn><UserId>AIDAEMBEDDEDENDPOINT</UserId>"
    "<Account>{account}</Account></GetCallerIdentityResult>"
    "<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
)

_REFUSAL = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{code}</Code>'
    "<Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
)
_CODES = {"InvalidSignatureException": "SignatureDoesNotMatch"}


def refusal(error: ApiError, request_id: str) -> bytes:
    """Return the body of an error as STS writes it: XML, and the common codes without ``Exception``."""
    code = _CODES.get(error.code, error.code.removesuffix("Exception"))
    return _REFUSAL.format(code=code, message=escape(error.message), request_id=request_id).encode()


def serve(request: Request, naming: Naming, request_id: str) -> Reply:
    """Serve a request of AWS's query protocol.

    Raises:
        ApiError: for any action but GetCallerIdentity.
    """
    action = parse_qs(request.body.decode("utf-8", "replace")).get("Action", [""])[0]
    if action != "GetCallerIdentity":
        raise not_implemented(f"the action {action}")
    body = _IDENTITY.format(account=naming.account_id, request_id=request_id)
    return Reply(200, body=body.encode(), content_type="text/xml")
