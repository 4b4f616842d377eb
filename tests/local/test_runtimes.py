"""What a handler finds: variables, context, logging; and the real Runtime API for `provided`."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ECHO = """
import os, sys, time
def handler(event, context):
    return {
        "event": event,
        "environment": dict(os.environ),
        "path": sys.path,
        "cwd": os.getcwd(),
        "version": list(sys.version_info[:2]),
        "context": {
            "request_id": context.aws_request_id,
            "name": context.function_name,
            "version": context.function_version,
            "arn": context.invoked_function_arn,
            "memory": context.memory_limit_in_mb,
            "group": context.log_group_name,
            "stream": context.log_stream_name,
            "remaining": context.get_remaining_time_in_millis(),
            "client": context.client_context and context.client_context.custom,
        },
    }
"""

BOOTSTRAP = f"""\
#!{sys.executable} -S
import json, os, sys, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime"
while True:
    with urllib.request.urlopen(api + "/invocation/next") as answer:
        event, request_id = answer.read(), answer.headers["Lambda-Runtime-Aws-Request-Id"]
    headers, path, body = {{}}, "response", b"[" + event + b"]"
    if b"fail" in event:
        headers, path = {{"Lambda-Runtime-Function-Error-Type": "Handled"}}, "error"
        body = b'{{"errorType": "Own.Error", "errorMessage": "as asked"}}'
    else:
        print("handling", os.environ["_HANDLER"], flush=True)
    url = api + "/invocation/" + request_id + "/" + path
    urllib.request.urlopen(urllib.request.Request(url, body, headers)).close()
"""


def test_context_and_clean_environment(endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name = endpoint.create(ECHO, Timeout=7, MemorySize=256, Environment={"Variables": {"OWN": "value"}})
    custom = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()
    answer = endpoint.invoke(name, {"a": [1, "ü"]}, X_Amz_Client_Context=custom)
    found, context = answer.json, answer.json["context"]
    assert found["event"] == {"a": [1, "ü"]}
    assert context["request_id"] == answer.headers["x-amzn-requestid"] == answer.report.request_id
    assert (context["name"], context["version"], context["memory"]) == (name, "$LATEST", "256")
    assert context["arn"] == f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    assert context["group"] == f"/aws/lambda/{name}"
    assert "[$LATEST]" in context["stream"]
    assert 6000 < context["remaining"] <= 7000
    assert context["client"] == {"k": "v"}
    variables = found["environment"]
    assert variables["OWN"] == "value"
    assert variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert found["cwd"] == variables["LAMBDA_TASK_ROOT"] == found["path"][0]
    assert not variables.keys() & {"HOME", "USER", "VIRTUAL_ENV", "PYTHONPATH", "SSH_AUTH_SOCK"}


def test_host_says_which_interpreter_serves(endpoint: Any) -> None:
    name = endpoint.create(ECHO)
    major, minor = endpoint.invoke(name).json["version"]
    assert f"Python {major}.{minor}" in endpoint.host()["runtimes"]["python3.11"]


def test_runtime_without_its_interpreter_runs_on_our_own(endpoint: Any) -> None:
    name = endpoint.create(ECHO, Runtime="python3.14")
    answer = endpoint.invoke(name)
    served_by = endpoint.host()["runtimes"]["python3.14"]
    assert f"Python {'.'.join(map(str, answer.json['version']))}" in served_by
    assert f"INIT_START Runtime Version: python:{'.'.join(map(str, answer.json['version']))}" in answer.tail
    assert answer.json["version"] in ([3, 14], list(sys.version_info[:2]))


def test_logging_is_set_up_as_on_aws(endpoint: Any) -> None:
    source = """
        import logging
        log = logging.getLogger(__name__)
        log.warning("at import")
        def handler(event, context):
            logging.getLogger().setLevel("INFO")
            log.info("a %s", "message")
    """
    answer = endpoint.invoke(endpoint.create(source))
    request_id = answer.headers["x-amzn-requestid"]
    lines = answer.tail.splitlines()
    assert any(line.startswith("[WARNING]\t") and line.endswith("Z\t\tat import") for line in lines)
    assert any(line.startswith("[INFO]\t") and line.endswith(f"Z\t{request_id}\ta message") for line in lines)


def test_json_logs(endpoint: Any) -> None:
    source = """
        import logging
        def handler(event, context):
            logging.getLogger().info("shown")
            logging.getLogger().debug("hidden")
            if event.get("fail"):
                raise ValueError("bad")
    """
    name = endpoint.create(source, LoggingConfig={"LogFormat": "JSON"})
    answer = endpoint.invoke(name)
    lines = [json.loads(line) for line in answer.tail.splitlines()]
    kinds = [line.get("type", line.get("message")) for line in lines]
    assert kinds == ["platform.initStart", "platform.start", "shown", "platform.report"]
    metrics = lines[-1]["record"]["metrics"]
    assert metrics["billedDurationMs"] >= metrics["durationMs"] + metrics["initDurationMs"]
    assert answer.report.init_ms == metrics["initDurationMs"]
    failed = endpoint.invoke(name, {"fail": True})
    assert '"log_level": "ERROR", "errorMessage": "bad", "errorType": "ValueError"' in failed.tail
    endpoint.update(name, LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "WARN"})
    assert "platform.report" not in endpoint.invoke(name).tail


def test_provided_bootstrap(endpoint: Any) -> None:
    name = endpoint.create(
        files={"bootstrap": BOOTSTRAP}, modes={"bootstrap": 0o100755}, Runtime="provided.al2023", Handler="own.handler"
    )
    answer = endpoint.invoke(name, {"x": 1})
    assert answer.json == [{"x": 1}]
    assert "handling own.handler\n" in answer.tail
    assert answer.report.init_ms is not None
    failed = endpoint.invoke(name, {"do": "fail"})
    assert failed.function_error == "Handled"
    assert failed.json == {"errorType": "Own.Error", "errorMessage": "as asked"}
    assert endpoint.invoke(name, {"x": 2}).report.init_ms is None


def test_the_bootstrap_in_shell_that_the_docs_show(endpoint: Any) -> None:
    docs = (Path(__file__).parents[2] / "docs" / "embedded-endpoint.md").read_text(encoding="utf-8")
    script = docs.partition("```sh\n")[2].partition("```")[0]
    name = endpoint.create(
        files={"bootstrap": script},
        modes={"bootstrap": 0o100755},
        Runtime="provided.al2023",
        Handler="any",
        MemorySize=1769,
    )
    assert endpoint.invoke(name, {"name": "you"}).json == {"greeting": "hello, you"}
    failed = endpoint.invoke(name, {"nobody": 1})
    assert (failed.function_error, failed.json["errorType"]) == ("Unhandled", "NoName")
    assert 'no name in: {"nobody": 1}' in failed.tail


@pytest.mark.parametrize(
    ("file", "mode", "sentence"),
    [
        ("bootstrap", 0o100644, "fork/exec /var/task/bootstrap: permission denied"),
        ("other", 0o100755, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
    ],
)
def test_bootstrap_that_cannot_run(endpoint: Any, file: str, mode: int, sentence: str) -> None:
    name = endpoint.create(files={file: BOOTSTRAP}, modes={file: mode}, Runtime="provided.al2023")
    answer = endpoint.invoke(name)
    assert answer.json["errorType"] == "Runtime.InvalidEntrypoint"
    assert answer.json["errorMessage"].endswith(f"Error: {sentence}")


def test_unknown_runtime_api_calls_are_refused(endpoint: Any) -> None:
    source = """
        import http.client, os
        def ask(method, path):
            connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
            connection.request(method, path, b"{}")
            response = connection.getresponse()
            return [response.status, response.read().decode()]
        def handler(event, context):
            return [
                ask("POST", "/2018-06-01/runtime/invocation/nobody/response"),
                ask("POST", "/2020-01-01/extension/register"),
            ]
    """
    wrong_id, extension = endpoint.invoke(endpoint.create(source)).json
    assert wrong_id[0] == 400
    assert "InvalidRequestID" in wrong_id[1]
    assert extension[0] == 404
    assert "not implemented" in extension[1]
