"""Who signed a request, and that nothing of it was changed since: against botocore's signer and our own."""

from __future__ import annotations

import datetime as dt
import re
import time
from typing import Any
from unittest import mock
from urllib.parse import quote

import aioboto3
import botocore.auth
import hypothesis.strategies as st
import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from hypothesis import given, settings
from support.signing import signed

from lambdatune.load.endpoint import Credentials as LoadCredentials
from lambdatune.load.endpoint import endpoint_from_url
from lambdatune.load.order import ClosedLoop, Order, WeightedPayload
from lambdatune.load.request import PreparedRequests
from lambdatune.local.errors import ApiError
from lambdatune.local.httpd import Request
from lambdatune.local.options import parse_options
from lambdatune.local.signatures import SignatureVerifier

BASE = "http://127.0.0.1:4566"
INVOKE = "/2015-03-31/functions/fn/invocations?Qualifier=live&Zero=&a=%2B%20"


def request_of(method: str, target: str, headers: dict[str, str], body: bytes = b"") -> Request:
    """Return a request as the server reads it from the wire."""
    wire = {name.lower(): value.encode().decode("latin-1").strip() for name, value in headers.items()}
    request = Request(method, target.encode().decode("latin-1"), wire)
    request.body = body
    return request


def refused(request: Request, service: str = "lambda", secrets: dict[str, str] | None = None) -> ApiError | None:
    try:
        SignatureVerifier(secrets or {}).verify(request, service)
    except ApiError as error:
        return error
    return None


def signed_request(**changes: Any) -> Request:
    """Return a request that botocore signed, changed afterwards."""
    fields = {"method": "POST", "target": INVOKE, "body": b'{"a": 1}', "headers": {}, **changes}
    headers = signed("POST", BASE + INVOKE, b'{"a": 1}', {"X-Amz-Log-Type": "Tail"})
    return request_of(fields["method"], fields["target"], {**headers, **fields["headers"]}, fields["body"])


text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)


@settings(max_examples=150, deadline=None)
@given(
    function=st.one_of(
        st.sampled_from(["fn:live", "fn:$LATEST", "arn:aws:lambda:eu-central-1:123456789012:function:fn:live"]), text
    ).filter(lambda name: name not in {".", ".."}),
    qualifier=st.one_of(st.none(), st.sampled_from(["$LATEST", "a b/c~d", "1+1&x=y"]), text),
    token=st.one_of(st.none(), st.text("abcDEF123+/=", min_size=1, max_size=300)),
    body=st.binary(max_size=200),
    at=st.integers(0, 30),
)
def test_what_our_signer_signs_is_accepted(function, qualifier, token, body, at) -> None:
    payloads = (WeightedPayload(body),)
    order = Order(0, 0, function, ClosedLoop(1), 1, qualifier, payloads)
    credentials = LoadCredentials("AKIDEXAMPLE", "AKIDEXAMPLE", token)
    requests = PreparedRequests(endpoint_from_url(BASE, "eu-central-1"), credentials, order)
    now_ns = int(time.time() - at) * 10**9
    head, _, sent = requests.next(now_ns).partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    request = Request(
        method, target, {name.lower(): value for name, _, value in (x.partition(": ") for x in lines[1:])}
    )
    request.body = sent
    assert refused(request) is None
    request.body = sent + b" "
    assert refused(request).code == "InvalidSignatureException"


@settings(max_examples=150, deadline=None)
@given(
    path=st.lists(text, min_size=1, max_size=4),
    query=st.dictionaries(text, st.one_of(st.just(""), text), max_size=4),
    headers=st.dictionaries(
        st.sampled_from(["X-Amz-Client-Context", "Content-Type", "X-Amz-Security-Token"]),
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1),
    ),
    body=st.binary(max_size=100),
    secret=st.text("abcDEF123+/=", min_size=1, max_size=40),
)
def test_what_botocore_signs_is_accepted(path, query, headers, body, secret) -> None:
    target = "/" + "/".join(quote(part, safe="-._~") for part in path)
    if query:
        target += "?" + "&".join(f"{quote(k, safe='-._~')}={quote(v, safe='-._~')}" for k, v in query.items())
    lines = signed("PUT", BASE + target, body, headers, credentials=Credentials("AKID", secret), service="lambda")
    assert refused(request_of("PUT", target, lines, body), secrets={"AKID": secret}) is None
    assert refused(request_of("PUT", target, lines, body), secrets={"AKID": secret + "x"}) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"body": b'{"a": 2}'},
        {"body": b""},
        {"method": "PUT"},
        {"target": INVOKE.replace("live", "dead")},
        {"target": INVOKE + "&b=1"},
        {"target": INVOKE.replace("/fn/", "/fm/")},
        {"headers": {"X-Amz-Log-Type": "None"}},
        {"headers": {"X-Amz-Invocation-Type": "DryRun"}},
        {"headers": {"X-Amz-Security-Token": "stolen"}},
        {"headers": {"Host": "127.0.0.1:9"}},
    ],
    ids=str,
)
def test_a_request_that_was_changed_is_refused(changes) -> None:
    assert refused(signed_request()) is None
    error = refused(signed_request(**changes))
    assert (error.code, error.status) == ("InvalidSignatureException", 403)
    assert error.message.startswith("The request signature we calculated does not match")


def test_what_was_accepted_before_does_not_vouch_for_a_change() -> None:
    verifier = SignatureVerifier({})
    for _ in range(3):
        verifier.verify(signed_request(), "lambda")
    for changes in ({"body": b"{}"}, {"headers": {"X-Amz-Log-Type": "None"}}, {"target": INVOKE + "&b=1"}):
        with pytest.raises(ApiError):
            verifier.verify(signed_request(**changes), "lambda")
    with pytest.raises(ApiError, match="correct service"):
        verifier.verify(signed_request(), "logs")


@pytest.mark.parametrize(
    ("minutes", "sentence"),
    [(-4.9, None), (4.9, None), (-5.1, "Signature expired: 2"), (5.1, "Signature not yet current: 2")],
)
def test_a_date_is_good_for_five_minutes(minutes, sentence) -> None:
    at = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
    # botocore's clock, not ours.
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=at, create=True), \
            mock.patch.object(botocore.auth, "datetime", wraps=dt) as clock:  # fmt: skip
        clock.datetime = mock.Mock(wraps=dt.datetime)
        clock.datetime.utcnow.return_value = at.replace(tzinfo=None)
        clock.datetime.now.return_value = at
        error = refused(signed_request())
    if sentence is None:
        assert error is None
    else:
        assert error.code == "InvalidSignatureException"
        assert error.message.startswith(sentence)


@pytest.mark.parametrize(
    ("pattern", "replacement", "code", "sentence"),
    [
        ("^.*$", "", "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ("^.*$", "Bearer x", "IncompleteSignatureException", "Unsupported AWS 'algorithm': 'Bearer'"),
        (r", Signature=\w+", "", "IncompleteSignatureException", "requires 'Signature' parameter"),
        (r"SignedHeaders=[^,]+, ", "", "IncompleteSignatureException", "requires 'SignedHeaders' parameter"),
        ("/aws4_request", "", "IncompleteSignatureException", "exactly 5 slash-delimited elements"),
        ("Credential=x/20..", "Credential=x/1999", "InvalidSignatureException", "Date in Credential scope"),
        ("/lambda/", "/s3/", "InvalidSignatureException", "scoped to correct service: 'lambda'"),
        ("us-east-1", "us-east-2", "InvalidSignatureException", "does not match"),
        ("=host;", "=", "InvalidSignatureException", "'Host' or ':authority' must be"),
        ("Credential=x/", "Credential=y/", "InvalidSignatureException", "does not match"),
    ],
)
def test_an_authorization_that_is_wrong(pattern, replacement, code, sentence) -> None:
    request = signed_request()
    request.headers["authorization"] = re.sub(pattern, replacement, request.headers["authorization"])
    error = refused(request)
    assert error.code == code
    assert sentence in error.message


@pytest.mark.parametrize("stamp", ["", "yesterday"])
def test_a_request_without_a_date_is_incomplete(stamp) -> None:
    request = signed_request(headers={"X-Amz-Date": stamp})
    assert refused(request).code == "IncompleteSignatureException"


def test_the_endpoint_refuses_in_each_protocols_shape(start_endpoint: Any) -> None:
    endpoint = start_endpoint("--credentials", "AKIDGIVEN:its/own:secret")
    path = "/2015-03-31/functions/"
    own = signed("GET", endpoint.url + path, credentials=Credentials("AKIDGIVEN", "its/own:secret", "token"))
    assert endpoint.call("GET", path, headers=own).status == 200
    wrong = signed("GET", endpoint.url + path, credentials=Credentials("AKIDGIVEN", "AKIDGIVEN"))
    answer = endpoint.call("GET", path, headers=wrong)
    assert (answer.status, answer.error) == (403, "InvalidSignatureException")
    assert "those given by --credentials" in answer.json["message"]
    unsigned = endpoint.call("GET", path, headers={"Authorization": ""})
    assert (unsigned.status, unsigned.error) == (403, "MissingAuthenticationTokenException")
    logs = endpoint.call("POST", "/", {}, {"X-Amz-Target": "Logs_20140328.DescribeLogGroups", "Authorization": "no"})
    assert logs.json["__type"] == "IncompleteSignatureException"
    assert endpoint.call("GET", "/_lambdatune/host", headers={"Authorization": ""}).status == 200


async def test_the_sdk_understands_every_refusal(endpoint: Any) -> None:
    session = aioboto3.Session("x", "y", region_name="eu-west-1")
    for service, action, code in (
        ("lambda", "list_functions", "InvalidSignatureException"),
        ("logs", "describe_log_groups", "InvalidSignatureException"),
        ("sts", "get_caller_identity", "SignatureDoesNotMatch"),
    ):
        async with session.client(service, endpoint_url=endpoint.url) as client:
            with pytest.raises(ClientError) as told:
                await getattr(client, action)()
        assert told.value.response["Error"]["Code"] == code
        assert "whose secret is the access key id itself" in told.value.response["Error"]["Message"]


def test_credentials_of_another_form_are_refused(capsys) -> None:
    with pytest.raises(SystemExit):
        parse_options(["--credentials", "no-colon"])
    said = capsys.readouterr().err
    assert "expected KEY:SECRET" in said
    assert "no-colon" not in said
