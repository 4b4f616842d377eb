"""Handlers that crash, hang, flood, fork, exit or return nonsense get what AWS gives."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.alone

HANDLER = """
import datetime, decimal, os, signal, subprocess, sys, threading, time

def handler(event, context):
    do = event.get("do")
    if do == "raise":
        raise KeyError("nothing")
    if do == "exit":
        sys.exit(event["code"])
    if do == "_exit":
        os._exit(event["code"])
    if do == "signal":
        os.kill(os.getpid(), event["number"])
    if do == "hang":
        time.sleep(60)
    if do == "flood":
        for number in range(event["lines"]):
            print(number, "x" * 100)
    if do == "large":
        return "x" * event["bytes"]
    if do == "datetime":
        return datetime.datetime.now()
    if do == "decimal":
        return {"value": decimal.Decimal("1.5")}
    if do == "set":
        return {1, 2}
    if do == "fork":
        child = os.fork()
        if not child:
            time.sleep(60)
        return child
    if do == "daemon":
        return subprocess.Popen(["sleep", "60"], start_new_session=True).pid
    if do == "partial":
        sys.stdout.write("no line feed")
    return "fine"
"""


@pytest.fixture(scope="module")
def name(endpoint: Any) -> str:
    """A function that does what the event says."""
    function: str = endpoint.create(HANDLER, Timeout=2, MemorySize=1024)
    return function


def test_exception(endpoint: Any, name: str) -> None:
    answer = endpoint.invoke(name, {"do": "raise"})
    assert answer.status == 200
    assert answer.function_error == "Unhandled"
    assert answer.json["errorType"] == "KeyError"
    assert answer.json["errorMessage"] == "'nothing'"
    assert answer.json["requestId"] == answer.headers["x-amzn-requestid"]
    assert len(answer.json["stackTrace"]) == 1
    assert re.search(r"\[ERROR\] KeyError: 'nothing'\nTraceback \(most recent call last\):\n  File", answer.tail)


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        ({"do": "exit", "code": 3}, "Runtime exited with error: exit status 3"),
        ({"do": "exit", "code": 0}, "Runtime exited without providing a reason"),
        ({"do": "_exit", "code": 1}, "Runtime exited with error: exit status 1"),
        ({"do": "signal", "number": 9}, "Runtime exited with error: signal: killed"),
        ({"do": "signal", "number": 11}, "Runtime exited with error: signal: segmentation fault"),
    ],
)
def test_exit(endpoint: Any, name: str, event: dict[str, Any], sentence: str) -> None:
    answer = endpoint.invoke(name, event)
    request_id = answer.headers["x-amzn-requestid"]
    assert answer.function_error == "Unhandled"
    assert answer.json == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {request_id} Error: {sentence}",
    }
    assert f"RequestId: {request_id} Error: {sentence}\nRuntime.ExitError\nEND RequestId: {request_id}" in answer.tail
    assert (answer.report.status, answer.report.error_type) == ("error", "Runtime.ExitError")
    after = endpoint.invoke(name)
    assert after.json == "fine"
    # AWS runs the init again inside the next call ("suppressed init"): part of Duration, and no Init Duration.
    assert after.report.init_ms is None
    assert after.report.duration_ms > 5


def test_timeout(endpoint: Any, name: str) -> None:
    began = time.monotonic()
    answer = endpoint.invoke(name, {"do": "hang"})
    assert 2 <= time.monotonic() - began < 3
    request_id = answer.headers["x-amzn-requestid"]
    assert answer.function_error == "Unhandled"
    assert answer.json == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after 2.00 seconds",
    }
    assert re.search(rf"^\S+Z {request_id} Task timed out after 2.00 seconds$", answer.tail, re.MULTILINE)
    assert answer.report.duration_ms == 2000
    assert answer.report.status == "timeout"


def test_megabytes_of_output_leave_the_report_last(endpoint: Any, name: str) -> None:
    answer = endpoint.invoke(name, {"do": "flood", "lines": 30_000})
    assert answer.json == "fine"
    assert len(answer.tail) == 4096
    assert "29999 xxx" in answer.tail
    assert answer.report.request_id == answer.headers["x-amzn-requestid"]


def test_output_without_line_feed_is_ended_before_the_report(endpoint: Any, name: str) -> None:
    assert "\nno line feed\nEND RequestId" in endpoint.invoke(name, {"do": "partial"}).tail


def test_response_over_six_megabytes(endpoint: Any, name: str) -> None:
    just_fits = endpoint.invoke(name, {"do": "large", "bytes": 6 * 1024 * 1024 - 2})
    assert just_fits.function_error is None
    assert len(just_fits.body) == 6 * 1024 * 1024
    answer = endpoint.invoke(name, {"do": "large", "bytes": 7_000_000})
    assert answer.status == 200
    assert answer.function_error == "Unhandled"
    assert answer.json == {
        "errorMessage": "Response payload size (7000002 bytes) exceeded maximum allowed payload size (6291556 bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    }
    assert endpoint.invoke(name).json == "fine"


@pytest.mark.parametrize(("do", "kind"), [("datetime", "datetime"), ("decimal", "Decimal"), ("set", "set")])
def test_not_serialisable(endpoint: Any, name: str, do: str, kind: str) -> None:
    answer = endpoint.invoke(name, {"do": do})
    assert answer.function_error == "Unhandled"
    assert answer.json["errorType"] == "Runtime.MarshalError"
    expected = f"Unable to marshal response: Object of type {kind} is not JSON serializable"
    assert answer.json["errorMessage"] == expected


@pytest.mark.parametrize("do", ["fork", "daemon"])
def test_children_end_with_the_environment(endpoint: Any, do: str) -> None:
    name = endpoint.create(HANDLER)
    child = endpoint.invoke(name, {"do": do}).json
    assert Path(f"/proc/{child}").exists()
    assert endpoint.call("DELETE", f"/2015-03-31/functions/{name}").status == 204
    deadline = time.monotonic() + 5
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(child)


@pytest.mark.parametrize(
    ("source", "handler", "error_type", "message"),
    [
        ("import nothing_like_this", "app.handler", "Runtime.ImportModuleError", "Unable to import module 'app'"),
        ("x = 1", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("def (", "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("x = 1", "app", "Runtime.MalformedHandlerName", "Bad handler 'app'"),
    ],
)
def test_init_error(endpoint: Any, source: str, handler: str, error_type: str, message: str) -> None:
    name = endpoint.create(source, Handler=handler)
    answer = endpoint.invoke(name)
    assert answer.function_error == "Unhandled"
    assert answer.json["errorType"] == error_type
    assert answer.json["errorMessage"].startswith(message)
    phases = re.findall(
        r"INIT_REPORT Init Duration: [\d.]+ ms\tPhase: (\w+)\tStatus: error\tError Type: (\S+)", answer.tail
    )
    assert phases == [("init", error_type), ("invoke", error_type)]
    assert (answer.report.status, answer.report.error_type) == ("error", error_type)
    assert answer.report.init_ms is None


def test_exit_during_init(endpoint: Any) -> None:
    answer = endpoint.invoke(endpoint.create("import os\nos._exit(7)"))
    assert answer.json["errorType"] == "Runtime.ExitError"
    assert answer.json["errorMessage"].endswith("Error: Runtime exited with error: exit status 7")
    assert "Phase: init\tStatus: error\tError Type: Runtime.ExitError" in answer.tail


def test_init_over_its_limit_runs_again_inside_the_call(endpoint: Any) -> None:
    source = """
        import os, time
        marker = os.path.join(os.path.dirname(__file__), "seen")
        if not os.path.exists(marker):
            open(marker, "w").close()
            time.sleep(60)
        time.sleep(0.2)
        def handler(event, context):
            return context.get_remaining_time_in_millis()
    """
    answer = endpoint.invoke(endpoint.create(source, Timeout=5))
    assert re.search(r"INIT_REPORT Init Duration: 20\d\d\.\d\d ms\tPhase: init\tStatus: timeout\n", answer.tail)
    assert answer.function_error is None
    assert 4000 < answer.json < 4800
    assert answer.report.init_ms is None
    assert 200 < answer.report.duration_ms < 1000


def test_init_that_never_ends_times_out_the_call(endpoint: Any) -> None:
    answer = endpoint.invoke(endpoint.create("import time\ntime.sleep(60)", Timeout=1))
    assert answer.json["errorType"] == "Sandbox.Timedout"
    assert answer.report.duration_ms == 1000
    assert "Phase: invoke\tStatus: timeout" in answer.tail


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
