"""What modes say without an account: names, sentences, requests, and payloads that cannot be sent."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from lambdatune.aws.access import AwsAccess
from lambdatune.aws.functions import FunctionDescription
from lambdatune.aws.isolation import Version
from lambdatune.aws.marks import Maker, clone_name
from lambdatune.aws.modes.registry import make_mode
from lambdatune.aws.modes.site import Site
from lambdatune.aws.modes.waiting import let_settle, until
from lambdatune.model.change import Place
from lambdatune.model.errors import AwsRefused, UsageError
from lambdatune.model.modes import MODES, Mode, ModeOptions

from .conftest import Book

RUN = "20261125-154931-e934"
ROLE = "arn:aws:iam::123456789012:role/shop"


def site_of(name: str = "shop", **options: Any) -> Site:
    source = FunctionDescription(
        name, f"arn:aws:lambda:eu-west-1:123456789012:function:{name}", "python3.12", "arm64", 512, 30, 512,
        {"Role": ROLE}, {}, {},
    )  # fmt: skip
    access = AwsAccess(region="eu-west-1")
    place = Place("eu-west-1")
    return Site(access, clone_name(name, RUN), source, Maker(RUN, "host:1:1"), place, ModeOptions(**options))


def mode_of(mode: Mode, **options: Any) -> Any:
    site = site_of(**options)
    return make_mode(
        mode, site.options, access=site.access, clone_name=site.clone, source=site.source, maker=site.maker,
        place=site.place,
    )  # fmt: skip


def request(mode: Mode, payload: bytes, *, tokens: bool = False, **options: Any) -> Any:
    made = mode_of(mode, **options)
    return made.request(Version(site_of().clone, "1", 128), payload, tokens=tokens)


def body_of(form: Any) -> Any:
    return json.loads(b"".join(part.data for part in form.body))


@pytest.mark.parametrize("name", ["shop", "Shop_Orders-v2", "a" * 64, "___", "x-" * 32])
def test_names_are_within_the_limits_of_aws(name) -> None:
    site = site_of(name)
    assert re.fullmatch(r"[a-z0-9](?:[a-z0-9]|-(?!-)){1,61}[a-z0-9]", site.bucket), site.bucket
    assert RUN in site.bucket
    assert re.fullmatch(r"(?!internal-)[A-Za-z0-9][A-Za-z0-9-]{0,30}[A-Za-z0-9]", site.balancer), site.balancer
    assert len(f"{site.clone}-ended.fifo") <= 80
    assert site.bucket != site_of(f"z{name[1:]}").bucket


def test_two_accounts_have_buckets_of_different_names() -> None:
    one, other = site_of(), site_of()
    object.__setattr__(other.source, "arn", other.source.arn.replace("123456789012", "210987654321"))
    assert one.bucket != other.bucket


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_says_what_it_makes_and_that_it_is_deleted(mode) -> None:
    made = mode_of(mode, alb_subnets=("subnet-1", "subnet-2"))
    for sentence in made.changes:
        assert "deleted at the end" in sentence or "goes with the clone" in sentence
    assert bool(made.changes) == (mode not in {"invoke", "stream"})
    assert made.patience_s >= 30
    assert (made.retry_after_s is None) == (MODES[mode].family != "polling")


@pytest.mark.parametrize(
    ("mode", "size", "options"),
    [
        ("event", 1024, {}), ("sns", 256, {}), ("eventbridge", 1024, {}), ("sqs", 1024, {}), ("kinesis", 1024, {}),
        ("dynamodb-streams", 400, {}), ("step-functions", 256, {}), ("function-url", 6144, {}), ("http", 6144, {}),
        ("http", 1024, {"http_kind": "alb", "alb_subnets": ("subnet-1",)}), ("invoke", 6144, {}), ("s3", 6144, {}),
    ],
)  # fmt: skip
def test_a_payload_that_is_too_large_is_refused_with_mode_and_limit(mode, size, options) -> None:
    def payload(kib: int) -> bytes:
        return json.dumps({"x": "a" * (kib * 1024 - 10)}).encode()

    assert request(mode, payload(size - 17), **options).body
    with pytest.raises(UsageError, match=rf"too large for mode {mode}: .*(MB|KB)"):
        request(mode, payload(size + 1), **options)


@pytest.mark.parametrize("mode", ["eventbridge", "dynamodb-streams"])
def test_a_payload_that_has_to_be_an_object_and_is_none_is_refused(mode) -> None:
    for payload in (b"[1]", b'"text"', b"7"):
        with pytest.raises(UsageError, match=f"mode {mode} is a JSON object"):
            request(mode, payload)


def test_an_item_has_the_types_of_dynamodb_and_a_key_of_its_own() -> None:
    form = request("dynamodb-streams", b'{"id": 1, "a": {"b": [1.5, true, null, "{{uuid}}"]}, "c": 7}', tokens=True)
    item = body_of(form)["Item"]
    assert item == {
        "id": {"S": "{{uuid}}"},
        "a": {"M": {"b": {"L": [{"N": "1.5"}, {"BOOL": True}, {"NULL": True}, {"S": "{{uuid}}"}]}}},
        "c": {"N": "7"},
    }
    assert body_of(request("dynamodb-streams", b"{}"))["Item"] == {"id": {"S": "{{uuid}}"}}


def test_tokens_of_a_payload_stay_where_they_are_to_stay() -> None:
    for mode in ("sqs", "sns", "kinesis", "eventbridge", "step-functions"):
        for tokens in (True, False):
            form = request(mode, b'{"mark": "{{uuid}}"}', tokens=tokens)
            (part,) = [part for part in form.body if b"mark" in part.data]
            assert part.tokens == tokens
            assert (b"{{uuid}}" in part.data) == (tokens or mode != "sns")
    assert "{{uuid}}" in request("function-url", b'{"path": "/{{uuid}}"}', tokens=True).target
    assert "{{" not in request("function-url", b'{"path": "/{{uuid}}"}').target


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"method": 7}, "`method` is 7"), ({"path": "items"}, "`path` is"), ({"path": "/a?b"}, "`path` is"),
        ({"query": "a=1"}, "`query` is"), ({"query": {"a": {}}}, "`query` is"), ({"headers": {"a": 1}}, "`headers` is"),
        ({"headers": {"X": "a\r\nHost: b"}}, "`headers` is"), ({"headers": {"a b": "x"}}, "`headers` is"),
        ({"headers": {"Host": "elsewhere"}}, "header Host"),
    ],
)  # fmt: skip
def test_a_payload_that_is_no_http_request_is_refused(payload, said) -> None:
    for mode in ("function-url", "http"):
        with pytest.raises(UsageError, match=said):
            request(mode, json.dumps(payload).encode())


@pytest.mark.parametrize("payload", [b'{"path": "/a", "sku": 1}', b"{}", b"[1]", b'{"n": {{sequence}}}'])
def test_what_has_other_members_is_the_body_of_a_post(payload) -> None:
    form = request("function-url", payload, tokens=True)
    assert (form.method, form.target, form.body[0].data) == ("POST", "/", payload)
    assert form.headers == (("Content-Type", "application/json"),)


def test_a_request_without_a_body_is_a_get() -> None:
    form = request("http", b'{"path": "/items"}')
    assert (form.method, form.target, form.body, form.headers) == ("GET", "/items", (), ())


def test_a_load_balancer_on_aws_needs_subnets() -> None:
    with pytest.raises(UsageError, match="--alb-subnets"):
        mode_of("http", http_kind="alb")


async def test_services_are_reached_where_aws_has_them() -> None:
    site = site_of()
    for service in ("sqs", "sns", "kinesis", "dynamodb", "events", "states"):
        name = {"states": "stepfunctions"}.get(service, service)
        client = await site.access.service(name)
        assert site.base_url_of(client) == f"https://{service}.eu-west-1.amazonaws.com"
    await site.access.__aexit__(None, None, None)


def test_load_for_an_endpoint_on_this_machine_never_leaves_it() -> None:
    site = site_of()
    site.access.endpoint_url = "http://127.0.0.1:4566"
    for url in ("https://abc.lambda-url.eu-west-1.on.aws/", "http://10.0.0.7/x", "http://localhost.example.com/"):
        with pytest.raises(AwsRefused, match="not on this machine"):
            site.reached(url, "the function URL")
    for url in ("http://127.0.0.1:4566/_lambdatune/url/x/", "http://x.execute-api.localhost:4566"):
        assert site.reached(url, "the HTTP API") == url
    site.access.endpoint_url = None
    assert site.reached("https://abc.lambda-url.eu-west-1.on.aws/", "the function URL")


async def test_an_endpoint_whose_rest_apis_cannot_be_found_is_refused_before_anything_is_made() -> None:
    site = site_of(http_kind="rest")
    site.access.endpoint_url = "http://127.0.0.1:9"  # nothing answers there
    book = Book()
    mode = make_mode(
        "http", site.options, access=site.access, clone_name=site.clone, source=site.source, maker=site.maker,
        place=site.place,
    )  # fmt: skip
    with pytest.raises(AwsRefused, match="REST APIs of the endpoint"):
        await mode.prepare(book, book)
    assert book.intents == []


async def test_a_wait_is_told_and_ends_with_the_run() -> None:
    book = Book()
    await let_settle(0.01, "not told", book)
    assert book.said == []
    book.stopped = True
    await let_settle(300.0, "waiting for S3", book)
    await until("Enabled", _creating, "the mapping", book, patience_s=300.0)
    assert book.said == ["waiting for S3"]
    book.stopped = False
    with pytest.raises(AwsRefused, match="the mapping was given up after 0 s: it is Creating"):
        await until("Enabled", _creating, "the mapping", book, patience_s=0.05)


async def _creating() -> str:
    return "Creating"
