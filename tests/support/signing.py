"""Requests signed by botocore's own signer, which is what the AWS CLI and every Python SDK use."""

from __future__ import annotations

from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY = "x"
_BY_TARGET = {
    "AmazonSQS": "sqs",
    "AWSEvents": "events",
    "Kinesis_20131202": "kinesis",
    "DynamoDB_20120810": "dynamodb",
    "DynamoDBStreams_20120810": "dynamodb",
}


def signed(
    method: str,
    url: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    credentials: Credentials | None = None,
    region: str = "us-east-1",
    service: str | None = None,
) -> dict[str, str]:
    """Return `headers` with those that sign the request; the service is the one that the path belongs to."""
    given = {"Host": urlsplit(url).netloc, **(headers or {})}
    if service is None:
        at_root = urlsplit(url).path in {"", "/"}
        target = given.get("X-Amz-Target", "").partition(".")[0]
        service = _BY_TARGET.get(target, "logs") if target else "sts" if at_root else "lambda"
    request = AWSRequest(method=method, url=url, data=body, headers=given)
    SigV4Auth(credentials or Credentials(KEY, KEY), service, region).add_auth(request)
    return dict(request.headers.items())
