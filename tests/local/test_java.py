"""Java handlers: on streams and on values, from classes and from jars, with the Context of their own library."""

from __future__ import annotations

import io
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lambdatune.local import runtime_java
from lambdatune.local.errors import ApiError
from lambdatune.local.runtimes import Runtimes

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCES = {
    # What aws-lambda-java-core brings in a user's own package, as far as the handlers below need it.
    "com/amazonaws/services/lambda/runtime/LambdaLogger.java": """
        package com.amazonaws.services.lambda.runtime;
        public interface LambdaLogger { void log(String message); void log(byte[] message); }
    """,
    "com/amazonaws/services/lambda/runtime/Context.java": """
        package com.amazonaws.services.lambda.runtime;
        public interface Context {
            String getAwsRequestId(); String getLogGroupName(); String getLogStreamName(); String getFunctionName();
            String getFunctionVersion(); String getInvokedFunctionArn(); int getRemainingTimeInMillis();
            int getMemoryLimitInMB(); LambdaLogger getLogger();
        }
    """,
    "com/amazonaws/services/lambda/runtime/RequestHandler.java": """
        package com.amazonaws.services.lambda.runtime;
        public interface RequestHandler<I, O> { O handleRequest(I input, Context context); }
    """,
    "shop/App.java": """
        package shop;
        import com.amazonaws.services.lambda.runtime.*;
        import java.io.*;
        import java.util.*;
        public class App implements RequestHandler<Map<String, Object>, Map<String, Object>> {
            @Override public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
                Map<String, Object> found = new LinkedHashMap<>();
                found.put("event", event);
                found.put("id", context.getAwsRequestId());
                found.put("name", context.getFunctionName());
                found.put("arn", context.getInvokedFunctionArn());
                found.put("group", context.getLogGroupName());
                found.put("remaining", context.getRemainingTimeInMillis());
                found.put("memory", context.getMemoryLimitInMB());
                found.put("heap", Runtime.getRuntime().maxMemory() >> 20);
                found.put("cwd", new File("").getAbsolutePath());
                found.put("root", System.getenv("LAMBDA_TASK_ROOT"));
                found.put("java", System.getProperty("java.version"));
                context.getLogger().log("logged \\u00fc");
                System.out.println("printed");
                return found;
            }
            public void copy(InputStream in, OutputStream out) throws IOException { in.transferTo(out); }
            public static String upper(String text) { return text.toUpperCase(Locale.ROOT); }
            public int sum(List<Integer> values) { int sum = 0; for (int each : values) sum += each; return sum; }
            public String texts(Map<String, String> values) { return String.join("+", values.values()); }
            public double half(double value) { return value / 2; }
            public String library() { return outer.Library.word(); }
            public void fails(Map<String, Object> event) {
                try { deep(); }
                catch (IllegalArgumentException error) { throw new IllegalStateException("outer", error); }
            }
            private void deep() { throw new IllegalArgumentException("inner"); }
            public Object unknown() { return new Object(); }
            public void pojo(App app) {}
        }
    """,
    "shop/Broken.java": """
        package shop;
        public class Broken {
            public Broken() { throw new UnsupportedOperationException("at start"); }
            public String handleRequest(String text) { return text; }
        }
    """,
    "outer/Library.java": """
        package outer;
        public class Library { public static String word() { return "from the jar"; } }
    """,
}


@pytest.fixture(scope="module")
def java() -> str:
    """The host's oldest Java, whose classes run on all."""
    _, path, _ = min(runtime_java._installed())
    return path


@pytest.fixture(scope="module")
def package(java: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A deployment package: classes, and one of them in a jar below lib."""
    sources, classes = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("classes")
    for name, text in SOURCES.items():
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        (sources / name).write_text(text, encoding="utf-8")
    files = [str(sources / name) for name in SOURCES]
    compiler = [java, "-m", "jdk.compiler/com.sun.tools.javac.Main", "-encoding", "UTF-8", "-d", str(classes)]
    subprocess.run([*compiler, *files], check=True, capture_output=True)
    found = {str(path.relative_to(classes)): path.read_bytes() for path in classes.rglob("*.class")}
    library = _zip({"outer/Library.class": found.pop("outer/Library.class")})
    return {**found, "lib/library.jar": library}


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def call(endpoint: Any, package: dict[str, bytes]) -> Callable[..., Any]:
    """Invoke a handler of the package, in a function that is made with its first call."""
    names: dict[str, str] = {}

    def call(handler: str, event: Any = None) -> Any:
        if handler not in names:
            names[handler] = endpoint.create(
                files=package, Runtime="java17", Handler=handler, MemorySize=512, Timeout=10
            )
        return endpoint.invoke(names[handler], event)

    return call


def test_context_and_log(call: Callable[..., Any], endpoint: Any) -> None:
    answer = call("shop.App", {"a": [1, -2.5, True, None, 'ü\n"\\', 12345678901, 1e3], "e": {}, "l": []})
    found = answer.json
    assert found["event"] == {"a": [1, -2.5, True, None, 'ü\n"\\', 12345678901, 1000.0], "e": {}, "l": []}
    assert found["id"] == answer.report.request_id
    assert found["arn"].endswith(f":function:{found['name']}")
    assert found["group"] == f"/aws/lambda/{found['name']}"
    assert 5_000 < found["remaining"] <= 10_000
    assert found["memory"] == 512
    assert 400 <= found["heap"] <= 435
    assert found["cwd"] == found["root"]
    assert {"logged ü", "printed"} <= set(answer.tail.splitlines())
    assert answer.report.init_ms is not None
    assert f"INIT_START Runtime Version: java:{found['java']}" in answer.tail
    assert call("shop.App", {}).report.init_ms is None
    assert f"(Java {found['java']}" in endpoint.host()["runtimes"]["java17"]


@pytest.mark.parametrize(
    ("handler", "event", "result"),
    [
        ("shop.App::copy", {"any": ["thing"]}, {"any": ["thing"]}),
        ("shop.App::upper", "words ü", "WORDS Ü"),
        ("shop.App::sum", [1, 2, 39], 42),
        ("shop.App::texts", {"a": "x", "b": 2}, "x+2"),
        ("shop.App::half", 3, 1.5),
        ("shop.App::library", {}, "from the jar"),
    ],
)
def test_forms_of_handlers(call: Callable[..., Any], handler: str, event: Any, result: Any) -> None:
    answer = call(handler, event)
    assert (answer.function_error, answer.json) == (None, result)


def test_errors_have_the_shape_of_aws(call: Callable[..., Any]) -> None:
    answer = call("shop.App::fails", {})
    assert answer.function_error == "Unhandled"
    assert (answer.json["errorType"], answer.json["errorMessage"]) == ("java.lang.IllegalStateException", "outer")
    assert [frame.partition("(")[0] for frame in answer.json["stackTrace"]] == ["shop.App.fails"]
    assert answer.json["cause"]["errorMessage"] == "inner"
    assert "outer: java.lang.IllegalStateException\n" in answer.tail
    assert call("shop.App::fails", {}).report.init_ms is None
    assert call("shop.App::unknown", {}).json["errorMessage"].startswith("cannot write a java.lang.Object as JSON here")
    assert call("shop.App::sum", {"no": "list"}).json["errorType"] == "java.lang.IllegalArgumentException"


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [
        ("shop.Nobody::handle", "java.lang.ClassNotFoundException", "Class not found: shop.Nobody"),
        ("shop.App::nothing", "java.lang.NoSuchMethodException", "No public method named nothing"),
        ("shop.App::pojo", "java.lang.NoSuchMethodException", "No public method named pojo"),
        ("shop.Broken", "java.lang.UnsupportedOperationException", "at start"),
    ],
)
def test_an_init_that_fails_is_told(call: Callable[..., Any], handler: str, kind: str, message: str) -> None:
    answer = call(handler, {})
    assert answer.function_error == "Unhandled"
    assert answer.json["errorType"] == kind
    assert answer.json["errorMessage"].startswith(message)
    assert "INIT_REPORT" in answer.tail


def test_snap_start_is_refused_with_the_reason(endpoint: Any, package: dict[str, bytes], make_zip: Any) -> None:
    body = {
        "FunctionName": "restored", "Runtime": "java21", "Handler": "shop.App",
        "SnapStart": {"ApplyOn": "PublishedVersions"},
        "Role": "arn:aws:iam::123456789012:role/lambda", "Code": {"ZipFile": make_zip(package)},
    }  # fmt: skip
    answer = endpoint.call("POST", "/2015-03-31/functions", body)
    assert answer.error == "InvalidParameterValueException"
    assert "implements SnapStart for Python" in answer.json["message"]


def test_large_events(call: Callable[..., Any]) -> None:
    text = "x" * 3_000_000
    assert call("shop.App::copy", text).json == text
    assert call("shop.App::upper", text).json == text.upper()


def test_the_java_of_the_version_then_a_later_one_then_the_latest() -> None:
    installed = [25, 11, 17, 8]
    order = sorted(installed, key=lambda major: runtime_java._preference(major, 17))
    assert order == [17, 25, 11, 8]
    assert sorted(installed, key=lambda major: runtime_java._preference(major, 21)) == [25, 17, 11, 8]


def test_a_host_without_java_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_java, "_HOMES", tmp_path / "empty")
    monkeypatch.setenv("PATH", "/nowhere")
    home = tmp_path / "jre"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text("#!/bin/sh\nexit 1\n")
    (home / "bin" / "java").chmod(0o755)
    (home / "release").write_text('JAVA_VERSION="21.0.1"\n')
    for java_home, told in (("", "on this host."), (str(home), f"({home}/bin/java is 21.0.1)")):
        monkeypatch.setenv("JAVA_HOME", java_home)
        with pytest.raises(ApiError) as caught:
            Runtimes(tmp_path / "bootstraps").program("java21")
        assert caught.value.code == "InvalidParameterValueException"
        assert "Install a JDK 21" in str(caught.value)
        assert told in str(caught.value)
