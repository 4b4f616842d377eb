"""Provisioned concurrency: environments that are there before the call, and what AWS tells of them."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

import psutil
import pytest

pytestmark = pytest.mark.alone

SLOW_INIT = """
import os, time
time.sleep(0.4)
def handler(event, context):
    time.sleep(event.get("sleep", 0))
    if event.get("exit"):
        os._exit(1)
    return [os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], context.function_version, os.getpid()]
"""
FAILING_INIT = "raise RuntimeError('no')"


def path(name: str, qualifier: str | None = None) -> str:
    query = f"?Qualifier={quote(qualifier)}" if qualifier else ""
    return f"/2019-09-30/functions/{name}/provisioned-concurrency{query}"


def put(endpoint: Any, name: str, qualifier: str | None, count: Any = 1) -> Any:
    return endpoint.call("PUT", path(name, qualifier), {"ProvisionedConcurrentExecutions": count})


def publish(endpoint: Any, name: str) -> str:
    answer = endpoint.call("POST", f"/2015-03-31/functions/{name}/versions", {})
    assert answer.status == 201, answer.body
    return str(answer.json["Version"])


def wait_until(endpoint: Any, name: str, qualifier: str, **members: Any) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    config: dict[str, Any] = {}
    while time.monotonic() < deadline:
        config = endpoint.call("GET", path(name, qualifier)).json
        if all(config.get(key) == value for key, value in members.items()):
            return config
        time.sleep(0.02)
    raise AssertionError(config)


def ready(endpoint: Any, name: str, qualifier: str, count: int) -> dict[str, Any]:
    return wait_until(endpoint, name, qualifier, Status="READY", AvailableProvisionedConcurrentExecutions=count)


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not psutil.pid_exists(pid)


def test_the_init_is_over_before_the_call_and_is_in_its_report(endpoint: Any) -> None:
    name = endpoint.create(SLOW_INIT)
    version = publish(endpoint, name)
    before = endpoint.host()["environments_alive"]
    answer = put(endpoint, name, version)
    assert answer.status == 202
    assert (answer.json["Status"], answer.json["AvailableProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 0)
    config = ready(endpoint, name, version, 1)
    assert config["RequestedProvisionedConcurrentExecutions"] == config["AllocatedProvisionedConcurrentExecutions"] == 1
    assert endpoint.host()["environments_alive"] == before + 1

    began = time.monotonic()
    first = endpoint.invoke(f"{name}:{version}")
    took_ms = (time.monotonic() - began) * 1e3
    report = first.report
    assert first.json[:2] == ["provisioned-concurrency", version]
    assert report.init_ms > 400
    assert took_ms < report.init_ms
    # The init was paid for when the concurrency was allocated.
    assert report.billed_ms < report.duration_ms + 1
    second = endpoint.invoke(f"{name}:{version}")
    assert second.report.init_ms is None
    assert second.json == first.json


def test_calls_that_find_all_busy_spill_over_to_environments_on_demand(endpoint: Any) -> None:
    name = endpoint.create(SLOW_INIT)
    version = publish(endpoint, name)
    put(endpoint, name, version)
    ready(endpoint, name, version, 1)
    answers, _ = endpoint.invoke_many(f"{name}:{version}", 2, {"sleep": 1})
    assert sorted(answer.json[0] for answer in answers) == ["on-demand", "provisioned-concurrency"]


def test_an_alias_has_its_own_and_takes_it_along(endpoint: Any) -> None:
    name = endpoint.create(SLOW_INIT)
    one = publish(endpoint, name)
    endpoint.update(name, Environment={"Variables": {"CHANGED": "1"}})
    two = publish(endpoint, name)
    aliases = f"/2015-03-31/functions/{name}/aliases"
    endpoint.call("POST", aliases, {"Name": "live", "FunctionVersion": one})
    put(endpoint, name, "live")
    ready(endpoint, name, "live", 1)
    was = endpoint.invoke(f"{name}:live").json
    assert was[:2] == ["provisioned-concurrency", one]
    assert endpoint.invoke(f"{name}:{one}").json[0] == "on-demand"
    assert put(endpoint, name, one).error == "InvalidParameterValueException"
    (listed,) = endpoint.call("GET", f"{path(name)}?List=ALL").json["ProvisionedConcurrencyConfigs"]
    assert listed["FunctionArn"].endswith(f":function:{name}:live")

    moved = endpoint.call("PUT", f"{aliases}/live", {"FunctionVersion": two})
    assert moved.json["FunctionVersion"] == two
    ready(endpoint, name, "live", 1)
    assert endpoint.invoke(f"{name}:live").json[:2] == ["provisioned-concurrency", two]
    assert gone(was[2])
    unpublished = endpoint.call("PUT", f"{aliases}/live", {"FunctionVersion": "$LATEST"})
    assert unpublished.error == "InvalidParameterValueException"
    endpoint.call("DELETE", f"{aliases}/live")
    assert endpoint.call("GET", f"{path(name)}?List=ALL").json["ProvisionedConcurrencyConfigs"] == []


def test_a_larger_and_a_smaller_number_keep_what_is_there(endpoint: Any) -> None:
    name = endpoint.create(SLOW_INIT)
    version = publish(endpoint, name)
    put(endpoint, name, version, 1)
    ready(endpoint, name, version, 1)
    pid = endpoint.invoke(f"{name}:{version}").json[2]
    put(endpoint, name, version, 2)
    ready(endpoint, name, version, 2)
    assert psutil.pid_exists(pid)
    put(endpoint, name, version, 1)
    ready(endpoint, name, version, 1)


def test_deleting_it_ends_the_environments(endpoint: Any) -> None:
    name = endpoint.create(SLOW_INIT)
    version = publish(endpoint, name)
    put(endpoint, name, version)
    ready(endpoint, name, version, 1)
    pid = endpoint.invoke(f"{name}:{version}").json[2]
    assert endpoint.call("DELETE", path(name, version)).status == 204
    assert gone(pid)
    missing = endpoint.call("GET", path(name, version))
    assert (missing.status, missing.error) == (404, "ProvisionedConcurrencyConfigNotFoundException")
    assert endpoint.invoke(f"{name}:{version}").json[0] == "on-demand"


def test_deleting_the_function_ends_them_too_also_in_the_middle_of_their_start(endpoint: Any) -> None:
    name = endpoint.create(SLOW_INIT)
    version = publish(endpoint, name)
    before = endpoint.host()["environments_alive"]
    put(endpoint, name, version, 3)
    assert endpoint.call("DELETE", f"/2015-03-31/functions/{name}").status == 204
    deadline = time.monotonic() + 15
    while endpoint.host()["environments_alive"] > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert endpoint.host()["environments_alive"] == before


def test_an_endpoint_that_ends_leaves_none(start_endpoint: Any) -> None:
    endpoint = start_endpoint()
    name = endpoint.create(SLOW_INIT)
    version = publish(endpoint, name)
    put(endpoint, name, version, 2)
    ready(endpoint, name, version, 2)
    pid = endpoint.invoke(f"{name}:{version}").json[2]
    put(endpoint, name, version, 6)
    log = endpoint.end()
    assert endpoint.process.returncode == 0
    assert "Traceback" not in log, log
    assert not psutil.pid_exists(pid)


def test_an_init_that_fails_is_told(endpoint: Any) -> None:
    name = endpoint.create(FAILING_INIT)
    version = publish(endpoint, name)
    put(endpoint, name, version)
    config = wait_until(endpoint, name, version, Status="FAILED")
    assert config["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
    assert endpoint.invoke(f"{name}:{version}").function_error == "Unhandled"


def test_an_environment_that_ends_is_replaced(endpoint: Any) -> None:
    name = endpoint.create(SLOW_INIT)
    version = publish(endpoint, name)
    put(endpoint, name, version)
    ready(endpoint, name, version, 1)
    assert endpoint.invoke(f"{name}:{version}", {"exit": True}).function_error == "Unhandled"
    ready(endpoint, name, version, 1)
    after = endpoint.invoke(f"{name}:{version}")
    assert after.json[0] == "provisioned-concurrency"
    assert after.report.init_ms is not None


def test_it_is_taken_from_the_concurrency_of_the_account_and_of_the_function(start_endpoint: Any) -> None:
    endpoint = start_endpoint("--account-concurrency", "102")

    def unreserved() -> int:
        limit: int = endpoint.call("GET", "/2016-08-19/account-settings").json["AccountLimit"][
            "UnreservedConcurrentExecutions"
        ]
        return limit

    name = endpoint.create(SLOW_INIT)
    version = publish(endpoint, name)
    assert unreserved() == 102
    refused = put(endpoint, name, version, 3)
    assert refused.error == "InvalidParameterValueException"
    assert "below its minimum value of [100]" in json.loads(refused.body)["message"]
    put(endpoint, name, version, 1)
    assert unreserved() == 101
    ready(endpoint, name, version, 1)
    concurrency = f"/2017-10-31/functions/{name}/concurrency"
    assert endpoint.call("PUT", concurrency, {"ReservedConcurrentExecutions": 0}).error is not None
    endpoint.call("PUT", concurrency, {"ReservedConcurrentExecutions": 1})
    assert put(endpoint, name, version, 2).error == "InvalidParameterValueException"
    assert endpoint.invoke(f"{name}:{version}").json[0] == "provisioned-concurrency"
    # All that is reserved is provisioned: nothing is left for $LATEST.
    throttled = endpoint.invoke(name)
    assert throttled.status == 429
    assert throttled.json["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_what_aws_refuses(endpoint: Any) -> None:
    name = endpoint.create(SLOW_INIT)
    version = publish(endpoint, name)
    latest = put(endpoint, name, "$LATEST")
    assert (latest.status, latest.error) == (400, "InvalidParameterValueException")
    assert "unpublished function versions" in latest.json["message"]
    assert put(endpoint, name, version, 0).error == "ValidationException"
    assert put(endpoint, name, version, "2").error == "ValidationException"
    assert put(endpoint, name, None).error == "ValidationException"
    assert put(endpoint, name, "99").error == "ResourceNotFoundException"
    assert put(endpoint, "nobody", "1").error == "ResourceNotFoundException"
    assert endpoint.call("GET", path(name, version)).error == "ProvisionedConcurrencyConfigNotFoundException"
    assert endpoint.call("DELETE", path(name, version)).status == 204
