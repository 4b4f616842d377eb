"""STS GetCallerIdentity, which clients ask before anything else (AWS API reference, STS)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from lambdatune.local.errors import not_implemented
from lambdatune.local.reply import Reply

if TYPE_CHECKING:
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming

_IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws:iam::{account}:user/embedded-endpoint</Arn><UserId>AIDAEMBEDDEDENDPOINT</UserId>"
    "<Account>{account}</Account></GetCallerIdentityResult>"
    "<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
)


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
