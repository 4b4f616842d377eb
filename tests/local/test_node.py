"""Node.js handlers: what they find, how they answer, fail, log and stream; as AWS's own runtime client does."""

from __future__ import annotations

import base64
import json
import re
import time
from typing import TYPE_CHECKING, Any

import aioboto3
import psutil
import pytest

from lambdatune.local.errors import ApiError
from lambdatune.local.runtimes import Runtimes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUNTIME = "nodejs20.x"


def create(endpoint: Any, source: str = "", name: str = "index.js", **members: Any) -> str:
    """Create a Node.js function of one file."""
    files = members.pop("files", {name: source})
    function: str = endpoint.create(
        files=files, **{"Runtime": RUNTIME, "Handler": "index.handler", "MemorySize": 1769, **members}
    )
    return function


def test_context_and_environment(endpoint: Any) -> None:
    source = """
        exports.handler = async (event, context) => ({
            event, remaining: context.getRemainingTimeInMillis(), context, environment: process.env,
            cwd: process.cwd(), options: process.execArgv, waits: context.callbackWaitsForEmptyEventLoop,
        });
    """
    name = create(endpoint, source, Timeout=7, MemorySize=256, Environment={"Variables": {"OWN": "value"}})
    custom = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()
    answer = endpoint.invoke(name, {"a": [1, "ü"]}, X_Amz_Client_Context=custom)
    found, context = answer.json, answer.json["context"]
    assert found["event"] == {"a": [1, "ü"]}
    assert context["awsRequestId"] == answer.report.request_id
    assert (context["functionName"], context["functionVersion"], context["memoryLimitInMB"]) == (name, "$LATEST", "256")
    assert context["invokedFunctionArn"].endswith(f":function:{name}")
    assert context["logGroupName"] == f"/aws/lambda/{name}"
    assert "[$LATEST]" in context["logStreamName"]
    assert context["clientContext"] == {"custom": {"k": "v"}}
    assert 6000 < found["remaining"] <= 7000
    assert found["waits"] is True
    assert found["cwd"] == found["environment"]["LAMBDA_TASK_ROOT"]
    assert found["environment"]["OWN"] == "value"
    assert found["environment"]["AWS_EXECUTION_ENV"] == "AWS_Lambda_nodejs20.x"
    assert not found["environment"].keys() & {"HOME", "USER", "VIRTUAL_ENV"}
    assert {"--max-semi-space-size=12", "--max-old-space-size=230"} <= set(found["options"])
    assert answer.report.init_ms is not None
    assert endpoint.invoke(name).report.init_ms is None
    assert re.search(r"INIT_START Runtime Version: nodejs:\d+\.\d+\.\d+", answer.tail)


def test_host_says_which_node_serves(endpoint: Any) -> None:
    source = "exports.handler = async () => process.versions.node"
    for runtime, major in (("nodejs18.x", 18), ("nodejs24.x", 24)):
        version = endpoint.invoke(create(endpoint, source, Runtime=runtime)).json
        note = endpoint.host()["runtimes"][runtime]
        assert f"(Node.js {version}" in note
        assert note.endswith(f", not {major}: this host has none)") == (not version.startswith(f"{major}."))


@pytest.mark.parametrize(
    ("handler", "files"),
    [
        ("index.handler", {"index.js": "exports.handler = async () => 'here'"}),
        ("index.handler", {"index.mjs": "export const handler = async () => await Promise.resolve('here')"}),
        ("index.handler", {"index.cjs": "exports.handler = async () => 'here'"}),
        (
            "src/app.nested.handler",
            {
                "package.json": '{"type": "module"}',
                "src/app.js": "import { word } from './word.js'; export const nested = { handler: async () => word };",
                "src/word.js": "const word = await Promise.resolve('here'); export { word };",
            },
        ),
        (
            "index.handler",
            {
                "index.js": "exports.handler = async () => require('own').word",
                "node_modules/own/index.js": "exports.word = 'here'",
            },
        ),
        ("index.handler", {"index.js": "exports.handler = (event, context, callback) => callback(null, 'here')"}),
        ("index.handler", {"index.js": "exports.handler = (event, context) => context.succeed('here')"}),
        ("index.handler", {"index.js": "exports.handler = () => new Promise(done => setTimeout(done, 1, 'here'))"}),
    ],
)
def test_forms_of_handlers(endpoint: Any, handler: str, files: dict[str, str]) -> None:
    answer = endpoint.invoke(create(endpoint, files=files, Handler=handler))
    assert (answer.function_error, answer.json) == (None, "here")


def test_a_callback_waits_until_nothing_is_left_to_run(endpoint: Any) -> None:
    source = """
        exports.handler = (event, context, callback) => {
            context.callbackWaitsForEmptyEventLoop = event.waits;
            setTimeout(() => console.log("later"), 300);
            callback(null, "called");
        };
    """
    name = create(endpoint, source)
    waited = endpoint.invoke(name, {"waits": True})
    assert waited.json == "called"
    assert "INFO\tlater" in waited.tail
    assert waited.report.duration_ms >= 300
    at_once = endpoint.invoke(name, {"waits": False})
    assert at_once.json == "called"
    assert at_once.report.duration_ms < 300


def test_a_handler_that_never_answers(endpoint: Any) -> None:
    assert endpoint.invoke(create(endpoint, "exports.handler = () => {}")).json is None
    name = create(endpoint, "exports.handler = async (event) => event.ok ? 'ok' : new Promise(() => {})")
    answer = endpoint.invoke(name)
    assert answer.function_error == "Unhandled"
    assert answer.json["errorType"] == "Runtime.NodeJsExit"
    assert endpoint.invoke(name, {"ok": 1}).json == "ok"


def test_node_24_takes_what_is_returned_and_has_no_callbacks(endpoint: Any) -> None:
    assert endpoint.invoke(create(endpoint, "exports.handler = () => 7", Runtime="nodejs24.x")).json == 7
    source = "exports.handler = (event, context, callback) => callback(null, 1)"
    answer = endpoint.invoke(create(endpoint, source, Runtime="nodejs24.x"))
    assert answer.json["errorType"] == "Runtime.CallbackHandlerDeprecated"


def test_errors_have_the_shape_of_aws(endpoint: Any) -> None:
    source = """
        class OwnError extends Error { constructor(text) { super(text); this.name = "OwnError"; this.code = "E1"; } }
        exports.handler = (event, context, callback) => {
            if (event.how === "throw") throw new OwnError("thrown\\nin two lines");
            if (event.how === "callback") return callback("a text");
            if (event.how === "circular") { const a = {}; a.a = a; return Promise.resolve(a); }
            return Promise.reject(new OwnError("rejected"));
        };
    """
    name = create(endpoint, source)
    thrown = endpoint.invoke(name, {"how": "throw"})
    assert thrown.function_error == "Unhandled"
    assert (thrown.json["errorType"], thrown.json["errorMessage"]) == ("OwnError", "thrown\nin two lines")
    assert any("index.js" in line for line in thrown.json["trace"])
    (line,) = [line for line in thrown.tail.splitlines() if "Invoke Error" in line]
    head, _, document = line.partition("\t{")
    assert re.fullmatch(rf"\d{{4}}-\S+Z\t{thrown.report.request_id}\tERROR\tInvoke Error ", head)
    logged = json.loads("{" + document)
    assert (logged["errorType"], logged["code"], logged["stack"][0]) == ("OwnError", "E1", "OwnError: thrown")
    assert endpoint.invoke(name, {"how": "reject"}).json["errorMessage"] == "rejected"
    assert endpoint.invoke(name, {"how": "callback"}).json == {
        "errorType": "string", "errorMessage": "a text", "trace": [],
    }  # fmt: skip
    assert endpoint.invoke(name, {"how": "circular"}).json["errorMessage"] == "Unable to stringify response body"
    assert endpoint.invoke(name, {"how": "throw"}).report.init_ms is None


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("setTimeout(() => { throw new TypeError('late') })", "TypeError", "late"),
        ("Promise.reject(new Error('lost'))", "Runtime.UnhandledPromiseRejection", "Error: lost"),
    ],
)
def test_what_nobody_catches_ends_the_process(endpoint: Any, source: str, kind: str, message: str) -> None:
    pending = f"exports.handler = (event) => {{ {source}; return new Promise((done) => setTimeout(done, 5000)); }}"
    name = create(endpoint, pending)
    answer = endpoint.invoke(name)
    assert answer.function_error == "Unhandled"
    assert (answer.json["errorType"], answer.json["errorMessage"]) == (kind, message)
    again = endpoint.invoke(name)
    assert (again.json["errorType"], again.json["errorMessage"]) == (kind, message)


@pytest.mark.parametrize(
    ("handler", "source", "kind", "message"),
    [
        ("other.handler", "", "Runtime.ImportModuleError", "Error: Cannot find module 'other'"),
        ("index.handler", "require('nothing')", "Runtime.ImportModuleError", "Error: Cannot find module 'nothing'"),
        ("index.handler", "exports.handler = (", "Runtime.UserCodeSyntaxError", "SyntaxError: "),
        ("index.nobody", "exports.handler = 1", "Runtime.HandlerNotFound", "index.nobody is undefined or not exported"),
        ("index.handler", "exports.handler = 1", "Runtime.HandlerNotFound", "index.handler is not a function"),
        ("index", "", "Runtime.MalformedHandlerName", "Bad handler"),
        ("../index.handler", "", "Runtime.MalformedHandlerName", "'../index.handler' is not a valid handler name."),
        ("index.handler", "throw new RangeError('at start')", "RangeError", "at start"),
        ("index.handler", "throw Object.assign(new Error('named'), { name: 'A\\r\\nB: ü' })", "A\r\nB: ü", "named"),
    ],
)
def test_an_init_that_fails_is_told(endpoint: Any, handler: str, source: str, kind: str, message: str) -> None:
    answer = endpoint.invoke(create(endpoint, source, Handler=handler))
    assert answer.function_error == "Unhandled"
    assert answer.json["errorType"] == kind
    assert answer.json["errorMessage"].startswith(message)
    assert "INIT_REPORT" in answer.tail
    assert "Uncaught Exception" in answer.tail


def test_a_module_that_never_settles(endpoint: Any) -> None:
    answer = endpoint.invoke(create(endpoint, "await new Promise(() => {}); export const handler = 1", "index.mjs"))
    assert answer.json["errorMessage"].endswith("Runtime exited with error: exit status 13")


def test_console_lines(endpoint: Any) -> None:
    source = """
        console.log("at start");
        exports.handler = async () => {
            console.log("%s and %j", "text", { a: 1 });
            console.warn("two\\nlines");
            console.debug({ b: 2 });
            process.stdout.write("raw\\n");
            console.error("last");
        };
    """
    answer = endpoint.invoke(create(endpoint, source))
    lines = answer.tail.replace("\r", "<CR>").split("\n")
    request_id = answer.report.request_id
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t"
    wanted = [
        rf"{stamp}undefined\tINFO\tat start",
        rf'{stamp}{request_id}\tINFO\ttext and {{"a":1}}',
        rf"{stamp}{request_id}\tWARN\ttwo<CR>lines",
        rf"{stamp}{request_id}\tDEBUG\t{{ b: 2 }}",
        "raw",
        rf"{stamp}{request_id}\tERROR\tlast",
    ]
    for pattern in wanted:
        assert any(re.fullmatch(pattern, line) for line in lines), (pattern, lines)


def test_json_logs(endpoint: Any) -> None:
    source = """
        exports.handler = async (event) => {
            console.info("shown", { a: 1 });
            console.debug("hidden");
            console.log({ member: 1 });
            if (event.fail) throw new RangeError("bad");
        };
    """
    name = create(endpoint, source, LoggingConfig={"LogFormat": "JSON"})
    answer = endpoint.invoke(name, {"fail": True})
    lines = [json.loads(line) for line in answer.tail.splitlines()]
    own = [line for line in lines if "level" in line]
    assert [line["level"] for line in own] == ["INFO", "INFO", "ERROR"]
    assert {line["requestId"] for line in own} == {answer.headers["x-amzn-requestid"]}
    assert own[0]["message"] == "shown { a: 1 }"
    assert own[1]["message"] == {"member": 1}
    assert (own[2]["message"]["errorType"], own[2]["message"]["errorMessage"]) == ("RangeError", "bad")


def test_a_runtime_that_ends_between_two_calls_is_started_again_by_the_next(endpoint: Any) -> None:
    source = (
        "exports.handler = (event, context) => { setTimeout(() => process.exit(3), 30); context.succeed(process.pid) }"
    )
    name = create(endpoint, source)
    first = endpoint.invoke(name).json
    while psutil.pid_exists(first):
        time.sleep(0.005)
    again = endpoint.invoke(name)
    assert (again.function_error, again.json == first) == (None, False)


STREAM = """
    const { pipeline } = require("node:stream/promises");
    const { Readable } = require("node:stream");
    const { writeFileSync, existsSync } = require("node:fs");
    exports.handler = awslambda.streamifyResponse(async (request, stream, context) => {
        const event = request.rawPath ? JSON.parse(Buffer.from(request.body, "base64")) : request;
        if (event.how === "head") {
            const head = { statusCode: 201, headers: { "x-own": context.awsRequestId }, cookies: ["a=b"] };
            stream = awslambda.HttpResponseStream.from(stream, head);
        }
        if (event.how === "early") throw new RangeError("before");
        if (event.how === "never") return;
        stream.setContentType && event.type && stream.setContentType(event.type);
        stream.write("one,");
        if (event.how === "wait") while (!existsSync(event.path)) await new Promise((done) => setTimeout(done, 5));
        if (event.how === "late") throw new RangeError("in the middle");
        if (event.how === "lost") { setTimeout(() => { throw new RangeError("lost") }); await new Promise(() => {}); }
        if (event.how === "large") await pipeline(Readable.from((function* () {
            for (let n = 0; n < 320; n++) yield Buffer.alloc(65536, 97);
        })()), stream);
        else { stream.write({ a: 1 }); stream.end(Buffer.from("end")); }
    });
"""


@pytest.fixture(scope="module")
def streaming(endpoint: Any) -> str:
    return create(endpoint, STREAM, Timeout=10, MemorySize=512)


async def _stream(endpoint: Any, name: str, event: Any, at_first: Callable[[], object] | None = None) -> Any:
    """Return the chunks of InvokeWithResponseStream, and its end; `at_first` is called with the first chunk."""
    session = aioboto3.Session("x", "x", region_name="us-east-1")
    async with session.client("lambda", endpoint_url=endpoint.url) as client:
        answer = await client.invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
        chunks, complete = [], None
        async for item in answer["EventStream"]:
            if "PayloadChunk" not in item:
                complete = item["InvokeComplete"]
                continue
            chunks.append(item["PayloadChunk"]["Payload"])
            if at_first is not None:
                at_first()
                at_first = None
        return chunks, complete


async def test_a_stream_comes_as_it_is_written(endpoint: Any, streaming: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    chunks, complete = await _stream(endpoint, streaming, {"how": "wait", "path": str(gate)}, gate.touch)
    assert chunks[0] == b"one,"
    assert b"".join(chunks) == b'one,{"a":1}end'
    assert "ErrorCode" not in complete
    chunks, complete = await _stream(endpoint, streaming, {"how": "large"})
    assert b"".join(chunks) == b"one," + b"a" * 320 * 65536
    assert "ErrorCode" not in complete
    assert endpoint.invoke(streaming, {}).body == b'one,{"a":1}end'


@pytest.mark.parametrize(
    ("how", "before", "kind", "message"),
    [
        ("early", b"", "RangeError", "before"),
        ("late", b"one,", "RangeError", "in the middle"),
        ("lost", b"one,", "RangeError", "lost"),
        ("never", b"", "Error", "Response stream is not finished."),
    ],
)
async def test_a_stream_that_fails(
    endpoint: Any, streaming: str, how: str, before: bytes, kind: str, message: str
) -> None:
    chunks, complete = await _stream(endpoint, streaming, {"how": how})
    assert b"".join(chunks) == before
    assert complete["ErrorCode"] == kind
    assert json.loads(complete["ErrorDetails"])["errorMessage"] == message
    assert endpoint.invoke(streaming, {}).body == b'one,{"a":1}end'


def test_a_url_gets_the_head_that_the_handler_writes(endpoint: Any, streaming: str) -> None:
    path = f"/2021-10-31/functions/{streaming}/url"
    url = endpoint.call("POST", path, {"AuthType": "NONE", "InvokeMode": "RESPONSE_STREAM"}).json["FunctionUrl"]
    allowed = {
        "StatementId": "all", "Action": "lambda:InvokeFunctionUrl", "Principal": "*", "FunctionUrlAuthType": "NONE",
    }  # fmt: skip
    assert endpoint.call("POST", f"/2015-03-31/functions/{streaming}/policy", allowed).status == 201
    answer = endpoint.call("POST", url.removeprefix(endpoint.url), {"how": "head"})
    assert (answer.status, answer.body) == (201, b'one,{"a":1}end')
    assert answer.headers["x-own"] == answer.headers["x-amzn-requestid"]
    assert answer.headers["set-cookie"] == "a=b"


def test_large_events_and_responses(endpoint: Any) -> None:
    name = create(endpoint, "exports.handler = async (event) => event", MemorySize=512)
    text = "ü" * 1_000_000
    assert endpoint.invoke(name, text).json == text
    assert endpoint.invoke(name, {"small": 1}).json == {"small": 1}


def test_a_host_without_node_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "bin" / "node"
    old.parent.mkdir()
    old.write_text('#!/bin/sh\necho \'["/opt/node16/bin/node", "16.20.2"]\'\n')
    runtimes = Runtimes(tmp_path / "bootstraps")
    for path, told in (
        ("/nowhere", "on the PATH of this host. "),
        (str(old.parent), "(/opt/node16/bin/node is 16.20.2)"),
    ):
        old.chmod(0o755)
        monkeypatch.setenv("PATH", path)
        with pytest.raises(ApiError) as caught:
            runtimes.program("nodejs22.x")
        assert caught.value.code == "InvalidParameterValueException"
        assert "Install Node.js 22" in str(caught.value)
        assert told in str(caught.value)


@pytest.mark.slow
def test_more_memory_than_there_is_ends_the_process_as_on_aws(endpoint: Any) -> None:
    source = "exports.handler = async () => Buffer.alloc(900e6, 1).length"
    answer = endpoint.invoke(create(endpoint, source, MemorySize=512, Timeout=20))
    assert answer.json["errorType"] == "Runtime.ExitError"
    assert answer.json["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert answer.report.max_memory_used_mb == 512
