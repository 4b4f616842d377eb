"""The Python runtime client: runs in the function's own interpreter, speaks the Lambda Runtime API, imports little.

Started by the endpoint as ``python -S bootstrap PATH...``; the arguments are the interpreter's site-packages, which
AWS's runtime has on its path too (boto3). ``-S`` keeps the host's .pth files out of Init Duration. The sockets are
raw because http.client alone takes 20 ms to import. Works with Python 3.8 and later.
"""

from __future__ import annotations

import _socket
import builtins
import importlib
import importlib.machinery
import json
import os
import sys
import time

TYPE_CHECKING = False  # typing itself costs milliseconds of Init Duration
if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from typing import Any

_NEXT = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: lambda\r\n\r\n"
_JSON_LOGS = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"


class _Current:
    """The call that is running, for log lines."""

    request_id: str | None = None


class LambdaContext:
    """The second argument of a handler."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers["lambda-runtime-invoked-function-arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.client_context = _client_context(headers.get("lambda-runtime-client-context"))
        self.identity = None
        self.tenant_id = None
        self._deadline_ms = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self) -> int:
        return max(self._deadline_ms - int(time.time() * 1000), 0)

    def log(self, message: object) -> None:
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        return f"LambdaContext([aws_request_id={self.aws_request_id}, function_name={self.function_name}])"


class _Members:
    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)


def _client_context(text: str | None) -> _Members | None:
    if not text:
        return None
    values = json.loads(text)
    client = _Members(values["client"]) if values.get("client") else None
    return _Members({"custom": values.get("custom"), "env": values.get("env"), "client": client})


class FaultError(Exception):
    """An error that AWS's runtime names itself."""

    def __init__(self, kind: str, message: str, stack: Iterable[str] = ()) -> None:
        Exception.__init__(self, message)
        self.kind = kind
        self.stack = list(stack)


class _LoggingHook:
    """Gives the root logger AWS's handler when, and only when, somebody imports logging."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,  # noqa: ARG002  the protocol of finders
    ) -> ModuleSpec | None:
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        assert spec is not None
        loader: Any = spec.loader
        run = loader.exec_module

        def run_and_set_up(module: types.ModuleType) -> None:
            run(module)
            _set_up_logging(module)

        loader.exec_module = run_and_set_up
        return spec


def _set_up_logging(logging: Any) -> None:
    class TextFormatter(logging.Formatter):  # type: ignore[misc]  # logging is not imported here
        converter = time.gmtime

        def format(self, record: Any) -> str:
            record.aws_request_id = _Current.request_id or ""
            return str(logging.Formatter.format(self, record))

    class JsonFormatter(logging.Formatter):  # type: ignore[misc]
        converter = time.gmtime

        def format(self, record: Any) -> str:
            line = {
                "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
                "level": record.levelname,
                "message": record.getMessage(),
                "logger": record.name,
                "requestId": _Current.request_id,
            }
            if record.exc_info:
                line["errorType"] = record.exc_info[0].__name__
                line["errorMessage"] = str(record.exc_info[1])
                line["stackTrace"] = self.formatException(record.exc_info).splitlines()
            return json.dumps(line, default=str)

    handler = logging.StreamHandler(sys.stdout)
    if _JSON_LOGS:
        handler.setFormatter(JsonFormatter())
        level = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}
        name = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO")
        logging.getLogger().setLevel(level.get(name, name))
    else:
        layout = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
        handler.setFormatter(TextFormatter(layout, "%Y-%m-%dT%H:%M:%S"))
    logging.getLogger().addHandler(handler)


class RuntimeApi:
    """One keep-alive connection to the Runtime API; ends the process when it breaks."""

    def __init__(self, address: str) -> None:
        host, port = address.split(":")
        self.socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self.socket.connect((host, int(port)))
        self.socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[self.socket.send(view) :]
        except OSError:
            os._exit(1)

    def receive(self) -> tuple[dict[str, str], bytes]:
        """Return the headers and the body of the next answer."""
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end >= 0:
                break
            self._more()
        headers = {}
        for line in self.buffer[:end].decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        size = end + 4 + int(headers.get("content-length", 0))
        parts = [self.buffer]
        have = len(self.buffer)
        while have < size:
            self.buffer = b""
            self._more()
            parts.append(self.buffer)
            have += len(self.buffer)
        whole = b"".join(parts) if len(parts) > 1 else parts[0]
        self.buffer = whole[size:]
        return headers, whole[end + 4 : size]

    def _more(self) -> None:
        try:
            data = self.socket.recv(262144)
        except OSError:
            data = b""
        if not data:
            os._exit(1)
        self.buffer += data

    def post(self, path: str, body: bytes, kind: str | None = None, then: str = "") -> None:
        """Post `body`; `then` is a request that goes out in the same packet."""
        error = f"Lambda-Runtime-Function-Error-Type: {kind}\r\n" if kind else ""
        start = f"POST /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: lambda\r\n"
        head = f"{start}{error}Content-Length: {len(body)}\r\n\r\n"
        self.send(head.encode("latin-1", "replace") + body + then.encode())


def _load(name: str) -> Callable[[Any, LambdaContext], Any]:
    """Return the handler function; raises FaultError as AWS's runtime words it."""
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        message = f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)"
        raise FaultError("Runtime.MalformedHandlerName", message)
    module_name = module_name.replace("/", ".")
    if module_name.split(".")[0] in sys.builtin_module_names:
        message = f"Cannot use built-in module {module_name} as a handler module"
        raise FaultError("Runtime.BuiltInModuleConflict", message)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise FaultError("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        text = error.text or ""
        stack = [f'  File "{error.filename}" Line {error.lineno}\n    ' + text.strip("\n")]
        message = f"Syntax error in module '{module_name}': {error}"
        raise FaultError("Runtime.UserCodeSyntaxError", message, stack) from error
    try:
        handler: Callable[[Any, LambdaContext], Any] = getattr(module, function_name)
    except AttributeError as error:
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise FaultError("Runtime.HandlerNotFound", message) from error
    return handler


def _stack(error: BaseException) -> list[str]:
    """Return the frames of user code, formatted as AWS does."""
    import traceback  # noqa: PLC0415  only when something failed: it is slow to import

    own = _stack.__code__.co_filename
    frames = traceback.extract_tb(error.__traceback__)
    kept = [f for f in frames if f.filename not in (own, importlib.__file__) and not f.filename.startswith("<frozen ")]
    return traceback.format_list(kept)


def _describe(error: BaseException, request_id: str | None) -> tuple[str, dict[str, Any]]:
    """Return (error type, members of the error document) and log the error as AWS does."""
    if isinstance(error, FaultError):
        kind, stack = error.kind, error.stack
    else:
        kind, stack = type(error).__name__, _stack(error)
    members = {"errorMessage": str(error), "errorType": kind, "requestId": request_id or "", "stackTrace": stack}
    if _JSON_LOGS:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        sys.stdout.write(json.dumps({"timestamp": stamp, "log_level": "ERROR", **members}) + "\n")
    else:
        text = f"[ERROR] {kind}: {error}"
        if stack:
            text += "\nTraceback (most recent call last):\n" + "".join(stack).rstrip("\n")
        sys.stdout.write(text + "\n")
    return kind, members


def _answer(
    handler: Callable[[Any, LambdaContext], Any], event_body: bytes, context: LambdaContext
) -> tuple[str, bytes, str | None]:
    """Return (last part of the path, body, error type or None)."""
    try:
        try:
            event = json.loads(event_body)
        except ValueError as error:
            raise FaultError("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from error
        result = handler(event, context)
        try:
            return "response", json.dumps(result, ensure_ascii=False).encode("utf-8"), None
        except Exception as error:
            raise FaultError("Runtime.MarshalError", f"Unable to marshal response: {error}") from error
    except Exception as error:
        _, members = _describe(error, context.aws_request_id)
        return "error", json.dumps(members).encode(), "Unhandled"


def _prepare() -> None:
    """Make path, standard streams and builtins what handlers find on AWS."""
    root = os.environ["LAMBDA_TASK_ROOT"]
    sys.path[0] = root
    sys.path.extend(path for path in sys.argv[1:] if path not in sys.path)
    sys.argv = [root]
    stdout: Any = sys.stdout
    stdout.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.stderr = sys.stdout
    for name in ("exit", "quit"):  # what the site module would have defined
        setattr(builtins, name, sys.exit)
    finders: list[Any] = sys.meta_path
    finders.insert(0, _LoggingHook())


def _initialised(api: RuntimeApi) -> Callable[[Any, LambdaContext], Any]:
    """Return the handler; an init that fails is reported and ends the process."""
    try:
        return _load(os.environ["_HANDLER"])
    except Exception as error:
        error_type, members = _describe(error, None)
        api.post("init/error", json.dumps(members).encode(), error_type)
        api.receive()
        sys.exit(1)


def _restored(fd: str, code: str) -> tuple[Callable[[Any, LambdaContext], Any], RuntimeApi]:
    """Run the init once, then return in each restored child, with the Runtime API of its own environment."""
    loader = importlib.machinery.SourcelessFileLoader("lambdatune_snapshot", code)
    module: Any = type(sys)("lambdatune_snapshot")
    loader.exec_module(module)
    handler, api = module.restored(int(fd), _load, _describe, RuntimeApi)
    return handler, api


def main() -> None:
    _prepare()
    snapshot = os.environ.pop("_LAMBDATUNE_SNAPSHOT", None)
    if snapshot is None:
        api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
        handler = _initialised(api)
    else:
        fd, _, code = snapshot.partition(":")
        handler, api = _restored(fd, code)
    api.send(_NEXT.encode())
    while True:
        headers, body = api.receive()
        if "lambda-runtime-aws-request-id" not in headers:
            continue  # the receipt of our last answer
        context = LambdaContext(headers)
        _Current.request_id = context.aws_request_id
        if "lambda-runtime-trace-id" in headers:
            os.environ["_X_AMZN_TRACE_ID"] = headers["lambda-runtime-trace-id"]
        path, answer, kind = _answer(handler, body, context)
        sys.stdout.flush()
        api.post(f"invocation/{context.aws_request_id}/{path}", answer, kind, _NEXT)
        _Current.request_id = None


if __name__ == "__main__":
    main()
