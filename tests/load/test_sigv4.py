from __future__ import annotations

import datetime as dt
from io import StringIO
from unittest import mock

import botocore.auth
import hypothesis.strategies as st
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given, settings
from rich.console import Console

from lambdatune.load.endpoint import Credentials, endpoint_from_url
from lambdatune.load.order import ClosedLoop, Order, WeightedPayload
from lambdatune.load.request import PreparedRequests
from lambdatune.load.sigv4 import invoke_path

AT_S = 1_700_000_000
ENDPOINT = endpoint_from_url("http://127.0.0.1:4566", "eu-central-1")


def headers_of(request: bytes) -> dict[str, str]:
    head = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}


def botocore_authorization(order: Order, credentials: Credentials, body: bytes) -> str:
    path, query = invoke_path(order.function, order.qualifier)
    request = AWSRequest(method="POST", url=f"{ENDPOINT.url}{path}" + (f"?{query}" if query else ""), data=body)
    if order.log_tail:
        request.headers["X-Amz-Log-Type"] = "Tail"
    boto = BotoCredentials(credentials.access_key_id, credentials.secret_access_key, credentials.session_token)
    at = dt.datetime.fromtimestamp(AT_S, dt.UTC)
    # The clock is botocore's, not ours: one signs a second ago as the other does.
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=at, create=True), \
            mock.patch.object(botocore.auth, "datetime", wraps=dt) as clock:  # fmt: skip
        clock.datetime = mock.Mock(wraps=dt.datetime)
        clock.datetime.utcnow.return_value = at.replace(tzinfo=None)
        clock.datetime.now.return_value = at
        botocore.auth.SigV4Auth(boto, "lambda", ENDPOINT.region).add_auth(request)
    assert request.headers["X-Amz-Date"] == "20231114T221320Z"
    return request.headers["Authorization"]


text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)


@settings(max_examples=150, deadline=None)
@given(
    function=st.one_of(
        st.sampled_from(["fn", "fn:live", "arn:aws:lambda:eu-central-1:123456789012:function:fn:live"]), text
    ).filter(lambda name: name not in {".", ".."}),
    qualifier=st.one_of(st.none(), st.sampled_from(["$LATEST", "12", "a b/c~d"]), text),
    token=st.one_of(st.none(), st.text("abcDEF123+/=", min_size=1, max_size=400)),
    body=st.binary(max_size=200),
    log_tail=st.booleans(),
)
def test_signature_equals_botocores(function, qualifier, token, body, log_tail):
    credentials = Credentials("AKIDEXAMPLE", "secret+/key", token)
    order = Order(0, 0, function, ClosedLoop(1), 1, qualifier, (WeightedPayload(body),), log_tail=log_tail)
    request = PreparedRequests(ENDPOINT, credentials, order).next(AT_S * 10**9)
    headers = headers_of(request)
    assert headers["authorization"] == botocore_authorization(order, credentials, body)
    assert headers["content-length"] == str(len(body))
    assert headers.get("x-amz-security-token") == token
    assert request.endswith(b"\r\n\r\n" + body)


def test_path_is_what_botocore_sends():
    arn = "arn:aws:lambda:us-east-1:123456789012:function:fn:live"
    assert invoke_path(arn, "a b/$LATEST") == (
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Afn%3Alive/invocations",
        "Qualifier=a%20b%2F%24LATEST",
    )


def test_a_request_is_signed_once_a_second_and_again_with_other_credentials():
    order = Order(0, 0, "fn", ClosedLoop(1), 1)
    requests = PreparedRequests(ENDPOINT, Credentials("A", "s"), order)
    first = requests.next(AT_S * 10**9)
    assert requests.next(AT_S * 10**9 + 999_999_999) is first
    assert requests.next((AT_S + 1) * 10**9) != first
    requests.use(Credentials("B", "s", "token"))
    assert b"Credential=B/" in requests.next((AT_S + 1) * 10**9)


def test_payloads_are_drawn_by_weight_and_repeat_with_the_seed():
    payloads = (WeightedPayload(b"{1}", 3.0), WeightedPayload(b"{2}", 1.0))

    def draw(seed: int) -> list[bytes]:
        order = Order(0, 0, "fn", ClosedLoop(1), 1, payloads=payloads, seed=seed)
        requests = PreparedRequests(ENDPOINT, Credentials("A", "s"), order)
        return [requests.next(AT_S * 10**9)[-3:] for _ in range(4000)]

    assert draw(1) == draw(1) != draw(2)
    assert draw(1).count(b"{1}") / 4000 == pytest.approx(0.75, abs=0.04)


def test_secrets_are_not_shown():
    credentials = Credentials("AKID", "very-secret", "token-secret")
    out = StringIO()
    Console(file=out).print(credentials)
    for shown in (repr(credentials), str(credentials), f"{[credentials]}", out.getvalue()):
        assert "AKID" in shown
        assert "secret-" not in shown
        assert "very-secret" not in shown
        assert "token-secret" not in shown
