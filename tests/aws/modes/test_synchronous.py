"""Modes whose answer is the function's: set up, called, taken away, on the embedded endpoint."""

from __future__ import annotations

import dataclasses
import json

import pytest

from .conftest import send


@pytest.mark.parametrize("auth", ["iam", "none"])
async def test_a_function_url_passes_a_request_on(auth, rig_of) -> None:
    async with rig_of("function-url", auth=auth) as rig:
        sent = await rig.send({"sku": 7})
        assert (sent.status, json.loads(sent.body)) == (201, ["/", '{"sku": 7}'])
        whole = {
            "method": "put", "path": "/items/\u00fc {{uuid}}", "query": {"a": ["1", 2], "b c": "&"},
            "headers": {"X-Mine": "yes"}, "body": {"sku": "{{uuid}}"},
        }  # fmt: skip
        sent = await rig.send(whole, tokens=True)
        assert sent.status == 201, sent.body
        event = (await rig.got())[-1]
        assert event["requestContext"]["http"]["method"] == "PUT"
        assert event["rawPath"].startswith("/items/")
        assert "{{" not in event["rawPath"] + event["body"]
        assert event["rawQueryString"] == "a=1&a=2&b%20c=%26"
        assert (event["headers"]["x-mine"], event["headers"]["content-type"]) == ("yes", "application/json")
        assert sent.message_id == event["requestContext"]["requestId"]


async def test_a_workflow_calls_the_version_that_a_request_names(rig_of) -> None:
    async with rig_of("step-functions") as rig:
        sent = await rig.send({"sku": '7 \u00fc&"\\', "id": "{{uuid}}"}, tokens=True)
        answer = json.loads(sent.body)
        assert (sent.status, answer["status"]) == (200, "SUCCEEDED"), answer
        (event,) = await rig.got()
        assert event["sku"] == '7 \u00fc&"\\'
        assert len(event["id"]) == 36
        output = json.loads(answer["output"])
        assert output["ExecutedVersion"] == rig.version.version
        other = await rig.clone.version(256)
        form = rig.mode.request(other, b"{}", tokens=False)
        assert f":{other.version}".encode() in b"".join(part.data for part in form.body)


@pytest.mark.parametrize("mode", ["invoke", "stream"])
async def test_direct_calls_need_nothing_set_up(mode, rig_of) -> None:
    async with rig_of(mode) as rig:
        assert {change.kind for change in rig.book.intents} == {"create-function", "create-log-group"}
        assert not rig.mode.changes
        sent = await rig.send({"body": "x"})
        assert sent.status == 200
        assert b"201" in sent.body
        form = rig.mode.request(rig.version, b"{}", tokens=False)
        assert form.answer == mode
        assert form.target.endswith(f"?Qualifier={rig.version.version}")


@pytest.mark.parametrize("auth", ["iam", "none"])
@pytest.mark.parametrize("kind", ["http", "rest", "alb"])
async def test_gateways_pass_a_request_on(kind, auth, rig_of) -> None:
    async with rig_of("http", http_kind=kind, auth=auth) as rig:
        sent = await rig.send({"sku": 7})
        assert sent.status == 201, sent.body
        sent = await rig.send({"method": "GET", "path": "/items/7", "query": {"a": [1, "b c"]}})
        assert sent.status == 201, sent.body
        first, second = await rig.got()
        assert json.loads(first["body"]) == {"sku": 7}
        assert (second.get("rawPath") or second["path"]) == "/items/7"
        query = second.get("queryStringParameters")
        assert query["a"] in {"1,b c", "b c", "b%20c"}
        form = rig.mode.request(rig.version, b"{}", tokens=False)
        assert form.service == (None if auth == "none" or kind == "alb" else "execute-api")
        if kind != "alb":
            assert sent.message_id == second["requestContext"]["requestId"]
            unsigned = dataclasses.replace(form, service=None)
            assert (await send(rig.url, unsigned)).status == (201 if auth == "none" else 403)
