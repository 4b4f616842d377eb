"""Requests of every form: signed as botocore signs them, with tokens replaced wherever they may stand."""

from __future__ import annotations

import base64
import datetime as dt
import uuid
from unittest import mock

import botocore.auth
import hypothesis.strategies as st
import msgspec
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given, settings

from lambdatune.load.endpoint import Credentials, endpoint_from_url
from lambdatune.load.messages import FrameReader, Prepare, decode_to_shard, message_frame
from lambdatune.load.order import ClosedLoop, ConstantRate, Order, WeightedPayload, check_order, split_order
from lambdatune.load.request import PreparedRequests
from lambdatune.model.errors import UsageError
from lambdatune.model.request_form import BodyPart, RequestForm

AT_S = 1_700_000_000
ENDPOINT = endpoint_from_url("http://127.0.0.1:4566", "eu-central-1")
CREDENTIALS = Credentials("AKIDEXAMPLE", "secret+/key", "token+/=")
JSON_1_0, JSON_1_1 = "application/x-amz-json-1.0", "application/x-amz-json-1.1"
TOKENS = b'{"id": "{{uuid}}", "n": {{sequence}}, "at": {{timestamp}}}'


def by_target(service: str, action: str, content_type: str, body: tuple[BodyPart, ...]) -> RequestForm:
    headers = (("X-Amz-Target", action), ("Content-Type", content_type))
    return RequestForm("/", headers=headers, body=body, service=service, answer="accept")


FORMS = {
    "sqs": by_target("sqs", "AmazonSQS.SendMessage", JSON_1_0, (
        BodyPart(b'{"QueueUrl":"q","MessageBody":"'), BodyPart(b"{{uuid}} {{sequence}}", tokens=True), BodyPart(b'"}'),
    )),
    "sns": RequestForm(
        "/", headers=(("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),),
        body=(BodyPart(b"Action=Publish&Version=2010-03-31&Message="), BodyPart(b"{{uuid}}", tokens=True)),
        service="sns", answer="accept", id_key="MessageId",
    ),
    "s3": RequestForm(
        "/bucket/a%20b//../{{sequence}}-{{uuid}}~.json?x-id=PutObject", method="PUT", service="s3", answer="accept",
        headers=(("Content-Type", "application/json"), ("x-amz-meta-a", "b  c")), body=(BodyPart(TOKENS, tokens=True),),
        id_header="x-amz-request-id",
    ),
    "s3-static": RequestForm("/bucket/key", method="PUT", service="s3", answer="accept", body=(BodyPart(b"x"),)),
    "events": by_target("events", "AWSEvents.PutEvents", JSON_1_1, (BodyPart(b'{"Entries":[]}'),)),
    "kinesis": by_target("kinesis", "Kinesis_20131202.PutRecord", JSON_1_1, (
        BodyPart(b'{"StreamName":"s","PartitionKey":"'), BodyPart(b"{{uuid}}", tokens=True), BodyPart(b'","Data":"'),
        BodyPart(TOKENS, tokens=True, encoding="base64"), BodyPart(b'"}'),
    )),
    "dynamodb": by_target("dynamodb", "DynamoDB_20120810.PutItem", JSON_1_0, (
        BodyPart(b'{"TableName":"t","Item":{"id":{"S":"{{uuid}}"},"data":{"B":"', tokens=True),
        BodyPart(b"\x00\xff", encoding="base64"), BodyPart(b'"}}}'),
    )),
    "states": by_target("states", "AWSStepFunctions.StartSyncExecution", JSON_1_0, (BodyPart(TOKENS, tokens=True),)),
    "execute-api": RequestForm(
        "/prod/./things%2Fa/{{uuid}}/?b=2&a=%20&a=&flag&B=1", method="GET", service="execute-api", answer="http",
        headers=(("Accept", "application/json"), ("X-Amzn-Trace-Id", "Root=1-2-3")),
    ),
    "stream": RequestForm(
        "/2021-11-15/functions/fn/response-streaming-invocations?Qualifier=%24LATEST", body=(BodyPart(b"{}"),),
        headers=(("X-Amz-Log-Type", "Tail"),), answer="stream",
    ),
}  # fmt: skip


def order_of(*forms: RequestForm, **fields) -> Order:
    payloads = tuple(WeightedPayload(b"ignored", form=form) for form in forms)
    return Order(0, 0, "fn", ClosedLoop(1), 1, payloads=payloads, **fields)


def parts_of(request: bytes) -> tuple[str, str, dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, target, version = first.split(" ")
    assert version == "HTTP/1.1"
    headers = [line.partition(": ") for line in lines]
    assert len({name.lower() for name, _, _ in headers}) == len(headers)
    return method, target, {name: value for name, _, value in headers}, body


def assert_signed_as_botocore_does(request: bytes, form: RequestForm, credentials: Credentials = CREDENTIALS) -> None:
    method, target, headers, body = parts_of(request)
    given = {name: headers[name] for name, _ in form.headers}
    theirs = AWSRequest(method=method, url=ENDPOINT.url + target, data=body, headers=given)
    boto = BotoCredentials(credentials.access_key_id, credentials.secret_access_key, credentials.session_token)
    at = dt.datetime.fromtimestamp(AT_S, dt.UTC)
    signer = botocore.auth.S3SigV4Auth if form.service == "s3" else botocore.auth.SigV4Auth
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=at, create=True), \
            mock.patch.object(botocore.auth, "datetime", wraps=dt) as clock:  # fmt: skip
        clock.datetime = mock.Mock(wraps=dt.datetime)
        clock.datetime.utcnow.return_value = at.replace(tzinfo=None)
        clock.datetime.now.return_value = at
        signer(boto, form.service, ENDPOINT.region).add_auth(theirs)
    assert headers["Authorization"] == theirs.headers["Authorization"]
    for name in ("X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-SHA256"):
        assert headers.get(name) == theirs.headers.get(name)


@pytest.mark.parametrize("name", FORMS)
def test_every_service_s_signature_equals_botocore_s(name):
    form = FORMS[name]
    requests = PreparedRequests(ENDPOINT, CREDENTIALS, order_of(form))
    first = requests.next(AT_S * 10**9)
    for request in (first, requests.next(AT_S * 10**9 + 5)):
        assert_signed_as_botocore_does(request, form)
        method, target, headers, body = parts_of(request)
        assert method == form.method
        assert "{{" not in target
        assert b"{{" not in body
        assert headers["Host"] == "127.0.0.1:4566"
        assert headers.get("Content-Length") == (None if method == "GET" else str(len(body)))
    has_tokens = "{{" in form.target or any(part.tokens for part in form.body)
    assert (request != first) is has_tokens
    fresh = Credentials("B", "t")
    requests.use(fresh)
    assert_signed_as_botocore_does(requests.next(AT_S * 10**9), form, fresh)


segment = st.text("abz019-_.~%2F", min_size=0, max_size=8)
value = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@settings(max_examples=200, deadline=None)
@given(
    service=st.sampled_from(["sqs", "s3", "events", "kinesis", "dynamodb", "states", "execute-api", "lambda"]),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]),
    segments=st.lists(segment, max_size=5),
    query=st.lists(st.tuples(segment, st.one_of(st.none(), segment)), max_size=4),
    headers=st.dictionaries(
        st.sampled_from(["Content-Type", "X-Amz-Meta-B", "x-amz-a", "User-Agent", "X-Amzn-Trace-Id"]), value, max_size=4
    ),
    space=st.sampled_from([" ", "   ", "\t"]),
    body=st.lists(st.binary(max_size=30), max_size=3),
    token=st.one_of(st.none(), st.text("abc+/=", min_size=1, max_size=50)),
)
def test_any_request_s_signature_equals_botocore_s(
    service, method, segments, query, headers, space, body, token
):  # fmt: skip
    target = "/" + "/".join(segments)
    if query:
        target += "?" + "&".join(name if given is None else f"{name}={given}" for name, given in query)
    given = tuple((name, f"{text}{space}x") for name, text in headers.items())
    parts = tuple(BodyPart(part) for part in body)
    form = RequestForm(target, method=method, headers=given, body=parts, service=service, answer="accept")
    order = order_of(form)
    check_order(order)
    credentials = Credentials("AKIDEXAMPLE", "secret+/key", token)
    request = PreparedRequests(ENDPOINT, credentials, order).next(AT_S * 10**9)
    assert_signed_as_botocore_does(request, form, credentials)
    assert parts_of(request)[1] == target
    assert request.endswith(b"\r\n\r\n" + b"".join(body))


def test_a_token_is_the_same_wherever_it_stands_in_a_message_and_another_in_the_next():
    text = b"{{uuid}}/{{sequence}}/{{timestamp}}"
    form = RequestForm(
        f"/b/{text.decode()}?u={{{{uuid}}}}", service="s3", answer="accept",
        body=(
            BodyPart(b"{{uuid}}|"), BodyPart(text, tokens=True), BodyPart(b"|"),
            BodyPart(text, tokens=True, encoding="base64"), BodyPart(b"|"), BodyPart(b"\xff", encoding="base64"),
        ),
    )  # fmt: skip
    requests = PreparedRequests(ENDPOINT, CREDENTIALS, order_of(form, first_sequence=3, sequence_step=2))
    found = set()
    for number in range(5):
        _, target, headers, body = parts_of(requests.next(AT_S * 10**9 + number))
        literal, plain, encoded, last = body.split(b"|")
        assert literal == b"{{uuid}}"
        assert last == base64.b64encode(b"\xff")
        assert base64.b64decode(encoded) == plain
        identity, sequence, stamp = plain.decode().split("/")
        assert uuid.UUID(identity).version == 4
        assert (sequence, stamp) == (str(3 + 2 * number), str(AT_S * 1000))
        assert target == f"/b/{plain.decode()}?u={identity}"
        assert headers["Content-Length"] == str(len(body))
        found.add(identity)
    assert len(found) == 5


def test_a_request_of_no_service_is_not_signed():
    form = RequestForm("/path", method="GET", service=None, base_url="http://localhost:8080", answer="http")
    requests = PreparedRequests(ENDPOINT, CREDENTIALS, order_of(form))
    _, _, headers, body = parts_of(requests.next(AT_S * 10**9))
    assert headers.keys() == {"Host", "User-Agent"}
    assert headers["Host"] == "localhost:8080"
    assert body == b""
    assert requests.next(AT_S * 10**9 + 1) is requests.only


def test_a_request_of_no_service_may_say_itself_who_sends_it():
    given = (("Authorization", "Bearer x"), ("User-Agent", "mine"))
    form = RequestForm("/", headers=given, service=None, answer="http")
    check_order(order_of(form))
    _, _, headers, _ = parts_of(PreparedRequests(ENDPOINT, CREDENTIALS, order_of(form)).next(AT_S * 10**9))
    assert headers == {
        "Host": "127.0.0.1:4566",
        "Authorization": "Bearer x",
        "User-Agent": "mine",
        "Content-Length": "0",
    }


def test_another_host_is_signed_for_and_named():
    there = msgspec.structs.replace(ENDPOINT, port=80)
    away = RequestForm("/", base_url=there.url, service="execute-api", answer="http")
    _, _, headers, _ = parts_of(PreparedRequests(ENDPOINT, CREDENTIALS, order_of(away)).next(AT_S * 10**9))
    assert headers["Host"] == "127.0.0.1"
    assert "/eu-central-1/execute-api/aws4_request" in headers["Authorization"]


def test_an_order_with_forms_reaches_a_shard_as_it_was():
    order = order_of(*FORMS.values())
    (payload,) = FrameReader().feed(message_frame(Prepare(order)))
    assert decode_to_shard(payload) == Prepare(order)


@pytest.mark.parametrize("shards", [2, 3])
def test_sequences_of_shards_do_not_meet_in_forms(shards):
    form = RequestForm("/b/{{sequence}}", method="PUT", service="s3", answer="accept")
    payloads = (WeightedPayload(b"", form=form),)
    found = []
    for part in split_order(Order(0, 0, "fn", ConstantRate(10, 3), 20, payloads=payloads), shards):
        requests = PreparedRequests(ENDPOINT, CREDENTIALS, part)
        found += [int(parts_of(requests.next(AT_S * 10**9))[1].removeprefix("/b/")) for _ in range(part.calls)]
    assert sorted(found) == list(range(20))


ACCEPT = RequestForm("/", answer="accept")


@pytest.mark.parametrize(
    ("forms", "told"),
    [
        ([RequestForm("no-slash")], "target `no-slash` is not a path from the root"),
        ([RequestForm("/a b")], "target `/a b` is not a path"),
        ([RequestForm("/a#b")], "target `/a#b` is not a path"),
        ([RequestForm("/\r\nX: y")], "is not a path"),
        ([RequestForm("/", method="HEAD")], "its method is HEAD, expected one like GET or POST, but neither"),
        ([RequestForm("/", method="Get")], "its method is Get, expected one like GET or POST"),
        ([RequestForm("/", service="a/b")], "signed for `a/b`, expected a service such as"),
        ([RequestForm("/", headers=(("Host", "x"),))], "the header Host is set by lambdatune itself"),
        ([RequestForm("/", headers=(("authorization", "x"),))], "the header authorization is set by lambdatune itself"),
        ([RequestForm("/", headers=(("A", "1"), ("a", "2")))], "the header A is there more than once"),
        ([RequestForm("/", headers=(("A", "1\r\nB: 2"),))], "the value of the header A is not printable ASCII"),
        ([RequestForm("/", headers=(("A b", "1"),))], "`A b` is no name of a header"),
        ([RequestForm("/", base_url="ftp://x")], "endpoint URL `ftp://x` is not an http or https URL"),
        ([ACCEPT, RequestForm("/", answer="accept", base_url="http://x")], "its messages go to more than one endpoint"),
        ([ACCEPT, RequestForm("/")], "its messages are answered in more than one way"),
        ([ACCEPT, RequestForm("/", answer="accept", id_key="MessageId")], "its messages are answered in more than one"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused_before_anything_is(forms, told):
    with pytest.raises(UsageError) as caught:
        check_order(order_of(*forms))
    assert told in str(caught.value)


def test_a_form_beside_a_plain_payload_is_refused():
    payloads = (WeightedPayload(b"{}"), WeightedPayload(b"{}", form=ACCEPT))
    with pytest.raises(UsageError, match="answered in more than one way"):
        check_order(Order(0, 0, "fn", ClosedLoop(1), 1, payloads=payloads))
