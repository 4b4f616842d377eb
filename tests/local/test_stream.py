"""Responses that a runtime streams, and InvokeWithResponseStream as the SDK reads it."""

from __future__ import annotations

import base64
import http.client
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import aioboto3
import pytest
from support.signing import signed

from lambdatune.model.report_line import parse_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOURCE = """
def handler(event, context):
    if event.get("fail"):
        raise ValueError("as asked")
    return {"ok": event}
"""


@pytest.fixture(scope="module")
def name(endpoint: Any) -> str:
    return endpoint.create(SOURCE)


async def _events(endpoint: Any, name: str, event: Any) -> list[dict[str, Any]]:
    session = aioboto3.Session("x", "x", region_name="us-east-1")
    async with session.client("lambda", endpoint_url=endpoint.url) as client:
        answer = await client.invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
        return [event async for event in answer["EventStream"]]


async def test_one_chunk_then_the_end_with_the_report(endpoint: Any, name: str) -> None:
    chunk, complete = await _events(endpoint, name, {"a": "ü"})
    assert json.loads(chunk["PayloadChunk"]["Payload"]) == {"ok": {"a": "ü"}}
    assert "ErrorCode" not in complete["InvokeComplete"]
    assert parse_report(base64.b64decode(complete["InvokeComplete"]["LogResult"])) is not None


async def test_a_handler_that_raises_ends_the_stream_with_its_error(endpoint: Any, name: str) -> None:
    (complete,) = await _events(endpoint, name, {"fail": True})
    assert complete["InvokeComplete"]["ErrorCode"] == "ValueError"
    assert json.loads(complete["InvokeComplete"]["ErrorDetails"])["errorMessage"] == "as asked"


def test_what_is_refused_is_refused_before_the_stream(endpoint: Any, name: str) -> None:
    path = "/2021-11-15/functions/{}/response-streaming-invocations"
    assert endpoint.call("POST", path.format("absent"), {}).error == "ResourceNotFoundException"
    asked = {"X-Amz-Invocation-Type": "Event"}
    assert endpoint.call("POST", path.format(name), {}, asked).error == "ValidationException"


BOOTSTRAP = f"""\
#!{sys.executable} -S
import base64, json, os, socket, time, urllib.request
host = os.environ["AWS_LAMBDA_RUNTIME_API"]
api = "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen("http://" + host + api + "next") as answer:
        event, request_id = json.load(answer), answer.headers["Lambda-Runtime-Aws-Request-Id"]
    if "rawPath" in event:
        event = json.loads(event["body"])
    name, port = host.split(":")
    client = socket.create_connection((name, int(port)))
    def chunk(data):
        client.sendall(b"%x\\r\\n%b\\r\\n" % (len(data), data))
    client.sendall((
        "POST " + api + request_id + "/response HTTP/1.1\\r\\nHost: " + host + "\\r\\nTransfer-Encoding: chunked\\r\\n"
        "Lambda-Runtime-Function-Response-Mode: streaming\\r\\n"
        "Content-Type: " + event.get("type", "text/plain") + "\\r\\n"
        "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\\r\\n\\r\\n").encode())
    if "type" in event:
        chunk(b'{{"statusCode": 201, "headers": {{"X-Own": "1"}}, "cookies": ["a=1"]}}' + b"\\0" * 8 + b"early ")
    for index in range(event.get("count", 2)):
        chunk(b"part%d " % index + b"x" * event.get("bytes", 0))
        if not index:
            while "file" in event and not os.path.exists(event["file"]):
                time.sleep(0.005)
            if event.get("exit"):
                os._exit(3)
            if event.get("cut"):
                break
    if event.get("cut"):
        client.close()
        continue
    trailers = ""
    if event.get("fail"):
        body = base64.b64encode(b'{{"errorType": "Own.Error", "errorMessage": "half way"}}').decode()
        trailers = ("Lambda-Runtime-Function-Error-Type: Own.Error\\r\\n"
                    "Lambda-Runtime-Function-Error-Body: " + body + "\\r\\n")
    client.sendall(("0\\r\\n" + trailers + "\\r\\n").encode())
    client.recv(1000)
    client.close()
"""


@pytest.fixture(scope="module")
def streaming(endpoint: Any) -> tuple[str, str, str]:
    """A function whose runtime streams, and the paths of a streaming and a buffered URL of it."""
    function = endpoint.create(
        files={"bootstrap": BOOTSTRAP}, modes={"bootstrap": 0o100755}, Runtime="provided.al2023", Timeout=10
    )
    base = f"/2015-03-31/functions/{function}"
    version = endpoint.call("POST", f"{base}/versions", {}).json["Version"]
    assert endpoint.call("POST", f"{base}/aliases", {"Name": "live", "FunctionVersion": version}).status == 201
    paths = []
    for mode, qualifier in (("RESPONSE_STREAM", ""), ("BUFFERED", "?Qualifier=live")):
        body = {"AuthType": "NONE", "InvokeMode": mode}
        made = endpoint.call("POST", f"/2021-10-31/functions/{function}/url{qualifier}", body)
        assert (made.status, made.json["InvokeMode"]) == (201, mode)
        permission = {
            "StatementId": "url",
            "Action": "lambda:InvokeFunctionUrl",
            "Principal": "*",
            "FunctionUrlAuthType": "NONE",
        }
        assert endpoint.call("POST", f"{base}/policy{qualifier}", permission).status == 201
        paths.append(made.json["FunctionUrl"].removeprefix(endpoint.url))
    return function, paths[0], paths[1]


async def test_chunks_come_while_the_runtime_still_streams(endpoint: Any, streaming: Any, tmp_path: Path) -> None:
    go = tmp_path / "go"
    session = aioboto3.Session("x", "x", region_name="us-east-1")
    async with session.client("lambda", endpoint_url=endpoint.url) as client:
        event = json.dumps({"file": str(go)})
        answer = await client.invoke_with_response_stream(FunctionName=streaming[0], Payload=event, LogType="Tail")
        events = aiter(answer["EventStream"])
        first = await anext(events)
        assert first["PayloadChunk"]["Payload"] == b"part0 "
        began = time.monotonic()
        while time.monotonic() < began + 0.05:  # so much more than nothing that Duration shows it
            pass
        go.touch()
        assert (await anext(events))["PayloadChunk"]["Payload"] == b"part1 "
        report = parse_report(base64.b64decode((await anext(events))["InvokeComplete"]["LogResult"]))
        assert report is not None
        assert report.duration_ms >= 50
        assert answer["ResponseMetadata"]["RequestId"] == report.request_id
        answer["EventStream"].close()  # it was not read to its end


def test_a_url_streams_a_body_with_the_head_of_its_prelude(endpoint: Any, streaming: Any, tmp_path: Path) -> None:
    go = tmp_path / "go"
    event = {"type": "application/vnd.awslambda.http-integration-response", "file": str(go)}
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    connection.request("POST", streaming[1], json.dumps(event), {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert (response.status, response.headers["X-Own"], response.headers["Set-Cookie"]) == (201, "1", "a=1")
    assert response.headers["Transfer-Encoding"] == "chunked"
    early = b""
    while early != b"early part0 ":
        early += response.read1(100)
        assert b"early part0 ".startswith(early)
    go.touch()
    assert response.read() == b"part1 "
    buffered = endpoint.call("POST", streaming[2], event, {"Authorization": "", "Content-Type": "application/json"})
    assert (buffered.status, buffered.body) == (201, b"early part0 part1 ")
    connection.close()


def test_invoke_collects_a_stream(endpoint: Any, streaming: Any) -> None:
    answer = endpoint.invoke(streaming[0], {})
    assert (answer.body, answer.function_error) == (b"part0 part1 ", None)
    failed = endpoint.invoke(streaming[0], {"fail": True})
    assert (failed.json["errorMessage"], failed.function_error) == ("half way", "Unhandled")


async def test_errors_in_the_middle_of_a_stream(endpoint: Any, streaming: Any) -> None:
    *chunks, complete = await _events(endpoint, streaming[0], {"fail": True})
    assert b"".join(chunk["PayloadChunk"]["Payload"] for chunk in chunks) == b"part0 part1 "
    assert complete["InvokeComplete"]["ErrorCode"] == "Own.Error"
    assert json.loads(complete["InvokeComplete"]["ErrorDetails"])["errorMessage"] == "half way"
    *chunks, complete = await _events(endpoint, streaming[0], {"exit": True})
    assert [chunk["PayloadChunk"]["Payload"] for chunk in chunks] == [b"part0 "]
    assert complete["InvokeComplete"]["ErrorCode"] == "Runtime.ExitError"
    *chunks, complete = await _events(endpoint, streaming[0], {"cut": True})
    assert [chunk["PayloadChunk"]["Payload"] for chunk in chunks] == [b"part0 "]
    assert complete["InvokeComplete"]["ErrorCode"] == "Runtime.TruncatedResponse"
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    connection.request("POST", streaming[1], json.dumps({"fail": True}), {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200
    with pytest.raises(http.client.IncompleteRead):
        response.read()
    connection.close()


async def test_a_timeout_in_the_middle_of_a_stream(endpoint: Any, tmp_path: Path) -> None:
    files = {"files": {"bootstrap": BOOTSTRAP}, "modes": {"bootstrap": 0o100755}}
    function = endpoint.create(**files, Runtime="provided.al2023", Timeout=1)
    chunk, complete = await _events(endpoint, function, {"file": str(tmp_path / "never")})
    assert chunk["PayloadChunk"]["Payload"] == b"part0 "
    assert complete["InvokeComplete"]["ErrorCode"] == "Sandbox.Timedout"
    assert "Task timed out after 1.00 seconds" in complete["InvokeComplete"]["ErrorDetails"]


def test_a_client_that_goes_away_does_not_end_the_call(endpoint: Any, streaming: Any, tmp_path: Path) -> None:
    go = tmp_path / "go"
    event = {"file": str(go), "count": 40, "bytes": 1_000_000}
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    connection.request("POST", streaming[1], json.dumps(event), {"Content-Type": "application/json"})
    response = connection.getresponse()
    request_id = response.headers["x-amzn-RequestId"]
    response.close()
    connection.close()
    go.touch()
    group = {"logGroupName": f"/aws/lambda/{streaming[0]}", "filterPattern": f'"REPORT RequestId: {request_id}"'}
    deadline = time.monotonic() + 10
    while not (found := endpoint.target("FilterLogEvents", group).json["events"]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(found) == 1
    assert "Status" not in found[0]["message"]


def test_a_slow_client_gets_a_long_stream_whole(endpoint: Any, streaming: Any) -> None:
    count, size = 24, 1_000_000
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    event = {"count": count, "bytes": size}
    connection.request("POST", streaming[1], json.dumps(event), {"Content-Type": "application/json"})
    response = connection.getresponse()
    time.sleep(0.1)  # what was sent meanwhile fills the buffers of both connections
    expected = sum(len(f"part{index} ") + size for index in range(count))
    assert sum(iter(lambda: len(response.read1(1_000_000)), 0)) == expected
    connection.close()


@pytest.mark.slow
async def test_a_stream_over_200_mb_ends_with_aws_error(endpoint: Any, streaming: Any) -> None:
    *chunks, complete = await _events(endpoint, streaming[0], {"count": 211, "bytes": 1_000_000})
    assert complete["InvokeComplete"]["ErrorCode"] == "Function.ResponseSizeTooLarge"
    assert sum(len(chunk["PayloadChunk"]["Payload"]) for chunk in chunks) <= 200 * 1024 * 1024


def test_the_end_of_the_endpoint_waits_for_no_client_that_does_not_read(start_endpoint: Callable[..., Any]) -> None:
    own = start_endpoint()
    function = own.create(files={"bootstrap": BOOTSTRAP}, modes={"bootstrap": 0o100755}, Runtime="provided.al2023")
    connection = http.client.HTTPConnection("127.0.0.1", own.port, timeout=10)
    path = f"/2021-11-15/functions/{function}/response-streaming-invocations"
    body = json.dumps({"count": 100, "bytes": 1_000_000}).encode()
    connection.request("POST", path, body, signed("POST", f"{own.url}{path}", body))
    response = connection.getresponse()
    assert "Traceback" not in own.end()  # within its 15 s
    response.close()
    connection.close()
