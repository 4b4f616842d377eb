from __future__ import annotations

import datetime as dt
import uuid
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
from lambdatune.load.order import ClosedLoop, ConstantRate, Order, WeightedPayload, split_order
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


def test_tokens_make_every_request_unique_and_signed_for_itself():
    body = b"\x00\xff{{sequence}}|{{uuid}}|{{uuid}}|{{timestamp}}|{{other}}|{{ uuid }}|\r\n{{sequence}}"
    order = Order(0, 0, "fn", ClosedLoop(1), 1, payloads=(WeightedPayload(body, tokens=True),))
    credentials = Credentials("AKIDEXAMPLE", "secret", "token")
    requests = PreparedRequests(ENDPOINT, credentials, order)
    uuids = set()
    for number in range(50):
        at_ns = AT_S * 10**9 + number * 1_000_000
        request = requests.next(at_ns)
        sent = request.partition(b"\r\n\r\n")[2]
        sequence, one, other, stamp, *rest = sent.split(b"|")
        assert sequence == b"\x00\xff%d" % number
        assert one == other
        assert uuid.UUID(one.decode()).version == 4
        assert stamp == b"%d" % (AT_S * 1000 + number)
        assert rest == [b"{{other}}", b"{{ uuid }}", b"\r\n%d" % number]
        uuids.add(one)
        headers = headers_of(request)
        assert headers["authorization"] == botocore_authorization(order, credentials, sent)
        assert headers["content-length"] == str(len(sent))
    assert len(uuids) == 50
    assert requests.only_until_ns == 0


@settings(max_examples=100, deadline=None)
@given(parts=st.lists(st.one_of(st.binary(max_size=20), st.sampled_from([b"{{sequence}}", b"{{", b"}}"])), max_size=8))
def test_nothing_but_tokens_is_replaced(parts):
    body = b"".join(parts)
    order = Order(0, 0, "fn", ClosedLoop(1), 1, payloads=(WeightedPayload(body, tokens=True),), first_sequence=7)
    request = PreparedRequests(ENDPOINT, Credentials("A", "s"), order).next(AT_S * 10**9)
    assert request.partition(b"\r\n\r\n")[2] == body.replace(b"{{sequence}}", b"7")


def test_tokens_are_left_alone_unless_they_are_asked_for():
    order = Order(0, 0, "fn", ClosedLoop(1), 1, payloads=(WeightedPayload(b"{{uuid}}"),))
    assert PreparedRequests(ENDPOINT, Credentials("A", "s"), order).next(AT_S * 10**9).endswith(b"\r\n\r\n{{uuid}}")


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_sequences_of_shards_do_not_meet(shards):
    payloads = (WeightedPayload(b"{{sequence}}", tokens=True),)
    found = []
    for part in split_order(Order(0, 0, "fn", ConstantRate(10, 3), 20, payloads=payloads), shards):
        requests = PreparedRequests(ENDPOINT, Credentials("A", "s"), part)
        found += [int(requests.next(AT_S * 10**9).partition(b"\r\n\r\n")[2]) for _ in range(part.calls)]
    assert sorted(found) == list(range(20))


def test_other_credentials_sign_right_in_the_same_second():
    order = Order(0, 0, "fn", ClosedLoop(1), 1)
    requests = PreparedRequests(ENDPOINT, Credentials("A", "s", "old"), order)
    requests.next(AT_S * 10**9)
    for fresh in (Credentials("B", "t", "new"), Credentials("C", "u")):
        requests.use(fresh)
        assert requests.only_until_ns == 0
        headers = headers_of(requests.next(AT_S * 10**9 + 1))
        assert headers["authorization"] == botocore_authorization(order, fresh, b"{}")
        assert headers.get("x-amz-security-token") == fresh.session_token


def test_secrets_are_not_shown():
    credentials = Credentials("AKID", "very-secret", "token-secret")
    out = StringIO()
    Console(file=out).print(credentials)
    for shown in (repr(credentials), str(credentials), f"{[credentials]}", out.getvalue()):
        assert "AKID" in shown
        assert "secret-" not in shown
        assert "very-secret" not in shown
        assert "token-secret" not in shown
