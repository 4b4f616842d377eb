"""The Python runtime client: runs in the function's own interpreter, speaks the Lambda Runtime API, imports little.

Started by the endpoint as ``python -S bootstrap PATH...``; the arguments are the interpreter's site-packages, which
AWS's runtime has on its path too (boto3). ``-S`` keeps the host's .pth files out of Init Duration. The sockets are
raw because http.client alone takes 20 ms to import. Works with Python 3.8 and later.
"""

import _socket
import builtins
import importlib
import importlib.machinery
import json
import os
import sys
import time

_NEXT = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: lambda\r\n\r\n"
_JSON_LOGS = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"
_request_id = None


class LambdaContext:
    """The second argument of a handler."""

    def __init__(self, headers):
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

    def get_remaining_time_in_millis(self):
        return max(self._deadline_ms - int(time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        return "LambdaContext([aws_request_id=%s, function_name=%s])" % (self.aws_request_id, self.function_name)


class _Members:
    def __init__(self, values):
        self.__dict__.update(values)


def _client_context(text):
    if not text:
        return None
    values = json.loads(text)
    context = _Members({"custom": values.get("custom"), "env": values.get("env"), "client": None})
    if values.get("client"):
        context.client = _Members(values["client"])
    return context


class Fault(Exception):
    """An error that AWS's runtime names itself."""

    def __init__(self, kind, message, stack=()):
        Exception.__init__(self, message)
        self.kind = kind
        self.stack = list(stack)


class _LoggingHook:
    """Gives the root logger AWS's handler when, and only when, somebody imports logging."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        run = spec.loader.exec_module

        def run_and_set_up(module):
            run(module)
            _set_up_logging(module)

        spec.loader.exec_module = run_and_set_up
        return spec


def _set_up_logging(logging):
    class TextFormatter(logging.Formatter):
        converter = time.gmtime

        def format(self, record):
            record.aws_request_id = _request_id or ""
            return logging.Formatter.format(self, record)

    class JsonFormatter(logging.Formatter):
        converter = time.gmtime

        def format(self, record):
            line = {
                "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
                "level": record.levelname,
                "message": record.getMessage(),
                "logger": record.name,
                "requestId": _request_id,
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

    def __init__(self, address):
        host, port = address.split(":")
        self.socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self.socket.connect((host, int(port)))
        self.socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, data):
        view = memoryview(data)
        try:
            while view:
                view = view[self.socket.send(view) :]
        except OSError:
            os._exit(1)

    def receive(self):
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

    def _more(self):
        try:
            data = self.socket.recv(262144)
        except OSError:
            data = b""
        if not data:
            os._exit(1)
        self.buffer += data

    def post(self, path, body, kind=None, then=""):
        """Post `body`; `then` is a request that goes out in the same packet."""
        error = "Lambda-Runtime-Function-Error-Type: %s\r\n" % kind if kind else ""
        head = "POST /2018-06-01/runtime/%s HTTP/1.1\r\nHost: lambda\r\n%sContent-Length: %d\r\n\r\n"
        self.send((head % (path, error, len(body))).encode("latin-1", "replace") + body + then.encode())


def _load(name):
    """Return the handler function; raises Fault as AWS's runtime words it."""
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        message = "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % name
        raise Fault("Runtime.MalformedHandlerName", message)
    module_name = module_name.replace("/", ".")
    if module_name.split(".")[0] in sys.builtin_module_names:
        message = "Cannot use built-in module %s as a handler module" % module_name
        raise Fault("Runtime.BuiltInModuleConflict", message)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        message = "Unable to import module '%s': %s" % (module_name, error)
        raise Fault("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        text = error.text or ""
        stack = ['  File "%s" Line %s\n    %s' % (error.filename, error.lineno, text.strip("\n"))]
        message = "Syntax error in module '%s': %s" % (module_name, error)
        raise Fault("Runtime.UserCodeSyntaxError", message, stack) from error
    try:
        return getattr(module, function_name)
    except AttributeError as error:
        message = "Handler '%s' missing on module '%s'" % (function_name, module_name)
        raise Fault("Runtime.HandlerNotFound", message) from error


def _stack(error):
    """Return the frames of user code, formatted as AWS does."""
    import traceback

    own = _stack.__code__.co_filename
    frames = traceback.extract_tb(error.__traceback__)
    kept = [f for f in frames if f.filename not in (own, importlib.__file__) and not f.filename.startswith("<frozen ")]
    return traceback.format_list(kept)


def _describe(error, request_id):
    """Return (error type, members of the error document) and log the error as AWS does."""
    if isinstance(error, Fault):
        kind, stack = error.kind, error.stack
    else:
        kind, stack = type(error).__name__, _stack(error)
    members = {"errorMessage": str(error), "errorType": kind, "requestId": request_id or "", "stackTrace": stack}
    if _JSON_LOGS:
        line = {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "log_level": "ERROR"}
        line.update(members)
        sys.stdout.write(json.dumps(line) + "\n")
    else:
        text = "[ERROR] %s: %s" % (kind, error)
        if stack:
            text += "\nTraceback (most recent call last):\n" + "".join(stack).rstrip("\n")
        sys.stdout.write(text + "\n")
    return kind, members


def _answer(handler, event_body, context):
    """Return (last part of the path, body, error type or None)."""
    try:
        try:
            event = json.loads(event_body)
        except ValueError as error:
            raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error) from error
        result = handler(event, context)
        try:
            return "response", json.dumps(result, ensure_ascii=False).encode("utf-8"), None
        except Exception as error:
            raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % error) from error
    except Exception as error:
        _, members = _describe(error, context.aws_request_id)
        return "error", json.dumps(members).encode(), "Unhandled"


def main():
    global _request_id
    root = os.environ["LAMBDA_TASK_ROOT"]
    sys.path[0] = root
    sys.path.extend(path for path in sys.argv[1:] if path not in sys.path)
    sys.argv = [root]
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.stderr = sys.stdout
    builtins.exit = builtins.quit = sys.exit  # what the site module would have defined
    sys.meta_path.insert(0, _LoggingHook())
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = _load(os.environ["_HANDLER"])
    except Exception as error:
        kind, members = _describe(error, None)
        api.post("init/error", json.dumps(members).encode(), kind)
        api.receive()
        sys.exit(1)
    api.send(_NEXT.encode())
    while True:
        headers, body = api.receive()
        if "lambda-runtime-aws-request-id" not in headers:
            continue  # the receipt of our last answer
        context = LambdaContext(headers)
        _request_id = context.aws_request_id
        if "lambda-runtime-trace-id" in headers:
            os.environ["_X_AMZN_TRACE_ID"] = headers["lambda-runtime-trace-id"]
        path, answer, kind = _answer(handler, body, context)
        sys.stdout.flush()
        api.post("invocation/%s/%s" % (_request_id, path), answer, kind, _NEXT)
        _request_id = None


if __name__ == "__main__":
    main()
