"""The faulty proxy (`faulty_proxy.py`) as a child process, and all that an account holds, to be compared."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import botocore.config

from support.program import sdk
from support.signing import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).with_name("faulty_proxy.py")


class FaultyProxy:
    """A running faulty proxy; `plan` is that of the program."""

    def __init__(self, target: str, **plan: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), target, json.dumps(plan)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.operations: list[str] = []
        """Those of the control plane, in order; `all` has the invokes, too."""
        self.all: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            number, operation = line.split()
            self.all.append(operation)
            if number != "0":
                self.operations.append(operation)

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(10)
        self._reader.join(10)
        self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def client(service: str, url: str) -> Iterator[Any]:
    """Return botocore's client of an endpoint, independent of the program's."""
    made = sdk().create_client(
        service, "us-east-1", endpoint_url=url, aws_access_key_id=KEY, aws_secret_access_key=KEY,
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip
    yield made
    made.close()


def zipped(source: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("app.py", source)
    return archive.getvalue()


_PASSING = ("RevisionId", "LastModified", "ResponseMetadata", "Location")


def everything(url: str, *, passing: tuple[str, ...] = _PASSING) -> dict[str, Any]:
    """Return all that an endpoint holds: functions, versions, configurations, aliases, tags, log groups."""
    with client("lambda", url) as functions, client("logs", url) as logs:
        found: dict[str, Any] = {
            "log groups": [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]],
        }
        for entry in functions.list_functions()["Functions"]:
            name = entry["FunctionName"]
            found[name] = {
                "function": functions.get_function(FunctionName=name),
                "versions": functions.list_versions_by_function(FunctionName=name)["Versions"],
                "aliases": functions.list_aliases(FunctionName=name)["Aliases"],
                "tags": functions.list_tags(Resource=entry["FunctionArn"])["Tags"],
            }
        return _without(found, passing)


def _without(value: Any, names: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {key: _without(item, names) for key, item in value.items() if key not in names}
    return [_without(item, names) for item in value] if isinstance(value, list) else value


def users_function(url: str, name: str = "shop") -> None:
    """Create a function as a user has one: a version, aliases (one that is named like ours), a secret, tags, a log."""
    with client("lambda", url) as functions:
        functions.create_function(
            FunctionName=name, Runtime="python3.12", Role="arn:aws:iam::000000000000:role/any", Handler="app.handler",
            Code={"ZipFile": zipped("def handler(event, context):\n    return 1\n")}, MemorySize=512, Timeout=20,
            Environment={"Variables": {"PASSWORD": "hunter2-secret"}}, Tags={"team": "web"}, Description="The shop",
        )  # fmt: skip
        functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})
        functions.publish_version(FunctionName=name, Description="first")
        functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        functions.create_alias(FunctionName=name, Name="lambdatune-1024", FunctionVersion="1")
        functions.invoke(FunctionName=name, Payload=b"{}")


def namesake(url: str, name: str) -> None:
    """Create a function, and its log group, that are named like a clone's and are none."""
    with client("lambda", url) as functions:
        functions.create_function(
            FunctionName=name, Runtime="python3.12", Role="arn:aws:iam::000000000000:role/any", Handler="app.handler",
            Code={"ZipFile": zipped("def handler(event, context):\n    return 1\n")}, Tags={"lambdatune": "no"},
        )  # fmt: skip
        functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})
        functions.invoke(FunctionName=name, Payload=b"{}")
