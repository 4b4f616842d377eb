"""Create, update, publish, alias, tag, delete; and AWS's refusals."""

from __future__ import annotations

import base64
import hashlib
import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

SOURCE = "import os\ndef handler(event, context):\n    return [os.environ.get('SIZE'), context.memory_limit_in_mb]\n"
BASE = "/2015-03-31/functions"
ROLE = "arn:aws:iam::123456789012:role/lambda"


def test_states_pass_through_pending_and_in_progress(start_endpoint: Any) -> None:
    endpoint = start_endpoint("--settle-ms", "400")
    name = endpoint.create(SOURCE, wait=False)
    early = endpoint.invoke(name)
    assert (early.status, early.error) == (409, "ResourceConflictException")
    assert "Pending" in early.json["message"]
    endpoint.wait(name)
    updated = endpoint.call("PUT", f"{BASE}/{name}/configuration", {"MemorySize": 256})
    assert (updated.json["LastUpdateStatus"], updated.json["MemorySize"]) == ("InProgress", 256)
    assert endpoint.invoke(name).json == [None, "128"]  # still the old one, as on AWS
    for method, path, body in [
        ("PUT", "configuration", {"MemorySize": 512}),
        ("PUT", "code", {"ZipFile": ""}),
        ("POST", "versions", {}),
    ]:
        refused = endpoint.call(method, f"{BASE}/{name}/{path}", body)
        assert (refused.status, refused.error) == (409, "ResourceConflictException")
        assert "An update is in progress for resource: arn:aws:lambda:" in refused.json["message"]
    endpoint.wait(name)
    assert endpoint.invoke(name).json == [None, "256"]


def test_environment_update_starts_cold(endpoint: Any) -> None:
    name = endpoint.create(SOURCE)
    endpoint.invoke(name)
    endpoint.update(name, Environment={"Variables": {"SIZE": "large"}})
    answer = endpoint.invoke(name)
    assert answer.json == ["large", "128"]
    assert answer.report.init_ms is not None


def test_publish_makes_a_version_only_after_a_change(endpoint: Any) -> None:
    name = endpoint.create(SOURCE)
    first = endpoint.call("POST", f"{BASE}/{name}/versions", {"Description": "one"})
    assert (first.status, first.json["Version"], first.json["Description"]) == (201, "1", "one")
    assert first.json["FunctionArn"].endswith(f":{name}:1")
    assert endpoint.call("POST", f"{BASE}/{name}/versions", {}).json["Version"] == "1"
    endpoint.update(name, MemorySize=256)
    assert endpoint.call("POST", f"{BASE}/{name}/versions", {}).json["Version"] == "2"
    assert endpoint.invoke(f"{name}:1").json == [None, "128"]
    assert endpoint.invoke(f"{name}:2").json == [None, "256"]
    assert endpoint.call("DELETE", f"{BASE}/{name}?Qualifier=1").status == 204
    assert endpoint.invoke(f"{name}:1").status == 404
    assert endpoint.call("POST", f"{BASE}/{name}/versions", {"CodeSha256": "other"}).status == 400


def test_revision_guards(endpoint: Any) -> None:
    name = endpoint.create(SOURCE)
    stale = endpoint.call("PUT", f"{BASE}/{name}/configuration", {"MemorySize": 256, "RevisionId": "stale"})
    assert (stale.status, stale.error) == (412, "PreconditionFailedException")
    current = endpoint.call("GET", f"{BASE}/{name}/configuration").json["RevisionId"]
    assert endpoint.update(name, MemorySize=256, RevisionId=current).status == 200
    assert endpoint.call("GET", f"{BASE}/{name}/configuration").json["RevisionId"] != current


def test_a_stale_revision_neither_replaces_code_nor_publishes(endpoint: Any, make_zip: Any) -> None:
    name = endpoint.create(SOURCE)
    stale = {"RevisionId": endpoint.call("GET", f"{BASE}/{name}/configuration").json["RevisionId"]}
    endpoint.update(name, MemorySize=256)
    before = endpoint.call("GET", f"{BASE}/{name}/configuration").json
    code = endpoint.call("PUT", f"{BASE}/{name}/code", {"ZipFile": make_zip({"app.py": "x = 1"}), **stale})
    version = endpoint.call("POST", f"{BASE}/{name}/versions", stale)
    for refused in (code, version):
        assert (refused.status, refused.error) == (412, "PreconditionFailedException")
    assert endpoint.call("GET", f"{BASE}/{name}/configuration").json == before
    current = {"RevisionId": before["RevisionId"], "CodeSha256": before["CodeSha256"]}
    assert endpoint.call("POST", f"{BASE}/{name}/versions", current).status == 201


def test_what_has_no_effect_is_given_back(endpoint: Any) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/1"
    name = endpoint.create(SOURCE, KMSKeyArn=key, TracingConfig={"Mode": "Active"}, Architectures=["arm64"])
    config = endpoint.call("GET", f"{BASE}/{name}/configuration").json
    assert (config["KMSKeyArn"], config["TracingConfig"], config["Architectures"]) == (
        key,
        {"Mode": "Active"},
        ["arm64"],
    )
    assert endpoint.update(name, KMSKeyArn="mine").error == "ValidationException"
    assert "KMSKeyArn" not in endpoint.update(name, KMSKeyArn="").json


def test_settings_that_can_only_be_read(endpoint: Any) -> None:
    name = endpoint.create(SOURCE)
    signing = endpoint.call("GET", f"/2020-06-30/functions/{name}/code-signing-config")
    assert signing.json == {"FunctionName": name}
    runtime = endpoint.call("GET", f"/2021-07-20/functions/{name}/runtime-management-config").json
    assert (runtime["UpdateRuntimeOn"], runtime["FunctionArn"].endswith(f":{name}")) == ("Auto", True)
    assert endpoint.call("GET", "/2020-06-30/functions/nobody/code-signing-config").status == 404


def test_code_can_be_downloaded_and_replaced(endpoint: Any, make_zip: Any) -> None:
    name = endpoint.create(SOURCE)
    function = endpoint.call("GET", f"{BASE}/{name}").json
    location = function["Code"]["Location"]
    assert location.startswith(endpoint.url)
    content = endpoint.call("GET", location.removeprefix(endpoint.url)).body
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert function["Configuration"]["CodeSha256"] == digest
    assert function["Configuration"]["CodeSize"] == len(content)
    new = make_zip({"app.py": "def handler(event, context):\n    return 'new'\n"})
    assert endpoint.call("PUT", f"{BASE}/{name}/code", {"ZipFile": new}).status == 200
    endpoint.wait(name)
    assert endpoint.invoke(name).json == "new"


@pytest.mark.parametrize(
    "form", ["{name}", "{name}:live", "function:{name}", "123456789012:function:{name}:live", "{arn}"]
)
def test_every_form_of_name(endpoint: Any, form: str) -> None:
    name = endpoint.create(SOURCE)
    endpoint.call("POST", f"{BASE}/{name}/versions", {})
    endpoint.call("POST", f"{BASE}/{name}/aliases", {"Name": "live", "FunctionVersion": "1"})
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    reference = quote(form.format(name=name, arn=arn), safe="")
    answer = endpoint.invoke(reference)
    assert answer.status == 200
    assert answer.headers["x-amz-executed-version"] == ("1" if "live" in form else "$LATEST")


def test_aliases(endpoint: Any) -> None:
    name = endpoint.create(SOURCE)
    endpoint.call("POST", f"{BASE}/{name}/versions", {})
    path = f"{BASE}/{name}/aliases"
    made = endpoint.call("POST", path, {"Name": "live", "FunctionVersion": "1"})
    assert (made.status, made.json["FunctionVersion"]) == (201, "1")
    assert endpoint.call("POST", path, {"Name": "live", "FunctionVersion": "1"}).status == 409
    assert endpoint.call("POST", path, {"Name": "next", "FunctionVersion": "7"}).status == 404
    in_use = endpoint.call("DELETE", f"{BASE}/{name}?Qualifier=1")
    assert (in_use.status, in_use.error) == (409, "ResourceConflictException")
    moved = endpoint.call("PUT", f"{path}/live", {"FunctionVersion": "$LATEST", "RevisionId": made.json["RevisionId"]})
    assert moved.json["FunctionVersion"] == "$LATEST"
    stale = endpoint.call("PUT", f"{path}/live", {"Description": "x", "RevisionId": made.json["RevisionId"]})
    assert stale.status == 412
    assert [alias["Name"] for alias in endpoint.call("GET", path).json["Aliases"]] == ["live"]
    assert endpoint.call("GET", f"{path}/live").json["AliasArn"].endswith(f"{name}:live")
    assert endpoint.call("DELETE", f"{path}/live").status == 204
    assert endpoint.call("GET", f"{path}/live").error == "ResourceNotFoundException"


def test_lists_are_paginated(endpoint: Any) -> None:
    name = endpoint.create(SOURCE)
    for size in (256, 512):
        endpoint.update(name, MemorySize=size)
        endpoint.call("POST", f"{BASE}/{name}/versions", {})
    first = endpoint.call("GET", f"{BASE}/{name}/versions?MaxItems=2").json
    assert [version["Version"] for version in first["Versions"]] == ["$LATEST", "1"]
    rest = endpoint.call("GET", f"{BASE}/{name}/versions?Marker={quote(first['NextMarker'])}").json
    assert [version["Version"] for version in rest["Versions"]] == ["2"]
    assert "NextMarker" not in rest


def test_all_functions_are_found_page_by_page(start_endpoint: Any) -> None:
    endpoint = start_endpoint()
    names = sorted(endpoint.create(SOURCE, wait=False) for _ in range(5))
    found: list[str] = []
    query = "?MaxItems=2"
    while True:
        answer = endpoint.call("GET", f"{BASE}/{query}").json
        found += [function["FunctionName"] for function in answer["Functions"]]
        if "NextMarker" not in answer:
            break
        query = f"?MaxItems=2&Marker={quote(answer['NextMarker'])}"
    assert found == names


def test_tags(endpoint: Any) -> None:
    name = endpoint.create(SOURCE, Tags={"a": "1"})
    path = "/2017-03-31/tags/" + quote(f"arn:aws:lambda:us-east-1:123456789012:function:{name}", safe="")
    assert endpoint.call("POST", path, {"Tags": {"b": "2", "c": "3"}}).status == 204
    assert endpoint.call("DELETE", f"{path}?tagKeys=a&tagKeys=c").status == 204
    assert endpoint.call("GET", path).json == {"Tags": {"b": "2"}}
    assert endpoint.call("GET", f"{BASE}/{name}").json["Tags"] == {"b": "2"}


def test_reserved_concurrency_throttles_with_its_reason(endpoint: Any) -> None:
    name = endpoint.create("import time\ndef handler(event, context):\n    time.sleep(0.4)\n")
    path = f"/2017-10-31/functions/{name}/concurrency"
    assert endpoint.call("PUT", path, {"ReservedConcurrentExecutions": 2}).status == 200
    answers, _ = endpoint.invoke_many(name, 5)
    throttled = [answer for answer in answers if answer.status == 429]
    assert len(throttled) == 3
    assert {answer.error for answer in throttled} == {"TooManyRequestsException"}
    reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert {answer.json["Reason"] for answer in throttled} == {reason}
    settings = endpoint.call("GET", "/2016-08-19/account-settings").json["AccountLimit"]
    assert settings["UnreservedConcurrentExecutions"] <= 998
    assert endpoint.call("GET", f"/2019-09-30/functions/{name}/concurrency").json == {"ReservedConcurrentExecutions": 2}
    assert endpoint.call("DELETE", path).status == 204
    assert endpoint.call("PUT", path, {"ReservedConcurrentExecutions": 950}).error == "InvalidParameterValueException"


def test_account_concurrency_throttles_with_its_reason(start_endpoint: Any) -> None:
    endpoint = start_endpoint("--account-concurrency", "2")
    name = endpoint.create("import time\ndef handler(event, context):\n    time.sleep(0.4)\n")
    answers, _ = endpoint.invoke_many(name, 4)
    throttled = [answer for answer in answers if answer.status == 429]
    assert len(throttled) == 2
    assert throttled[0].json["Reason"] == "ConcurrentInvocationLimitExceeded"


@pytest.mark.parametrize(
    ("members", "error", "sentence"),
    [
        ({"MemorySize": 127}, "ValidationException", "greater than or equal to 128"),
        ({"MemorySize": 10_241}, "ValidationException", "less than or equal to 10240"),
        ({"Timeout": 901}, "ValidationException", "less than or equal to 900"),
        ({"Runtime": "ruby2.7"}, "InvalidParameterValueException", "Supported runtimes: python3.8"),
        (
            {"Layers": ["arn:aws:lambda:us-east-1:1:layer:x:1"]},
            "InvalidParameterValueException",
            "does not implement Layers",
        ),
        ({"Role": "nobody"}, "ValidationException", "at 'role'"),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException", "reserved keys"),
        ({"Environment": {"Variables": {"A": "x" * 5000}}}, "InvalidParameterValueException", "4KB limit"),
        ({"LoggingConfig": {"LogFormat": "XML"}}, "ValidationException", "logFormat"),
        ({"Architectures": ["mips"]}, "ValidationException", "[x86_64, arm64]"),
        ({"FunctionName": "no spaces please"}, "ValidationException", "functionName"),
        (
            {"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:123456789012:q.fifo"}},
            "InvalidParameterValueException",
            "FIFO queue",
        ),
        ({"VpcConfig": {"SubnetIds": ["s"]}}, "InvalidParameterValueException", "does not implement VpcConfig"),
        (
            {"Code": {"S3Bucket": "b", "S3Key": "k"}},
            "UnknownOperationException",
            "does not implement code from S3Bucket",
        ),
    ],
)
def test_create_refuses(endpoint: Any, make_zip: Any, members: dict[str, Any], error: str, sentence: str) -> None:
    body = {
        "FunctionName": "refused",
        "Runtime": "python3.11",
        "Handler": "app.handler",
        "Role": ROLE,
        "Code": {"ZipFile": make_zip({"app.py": SOURCE})},
        **members,
    }
    answer = endpoint.call("POST", BASE, body)
    assert answer.error == error
    assert answer.status in {400, 404}
    assert sentence in answer.json["message"]


def test_taken_name(endpoint: Any, make_zip: Any) -> None:
    name = endpoint.create(SOURCE)
    body = {
        "FunctionName": name,
        "Runtime": "python3.11",
        "Handler": "app.handler",
        "Role": ROLE,
        "Code": {"ZipFile": make_zip({"app.py": SOURCE})},
    }
    answer = endpoint.call("POST", BASE, body)
    assert (answer.status, answer.error) == (409, "ResourceConflictException")
    assert answer.json["message"] == f"Function already exist: {name}"


def test_unknown_function(endpoint: Any) -> None:
    answer = endpoint.invoke("nothing-like-this")
    assert (answer.status, answer.error) == (404, "ResourceNotFoundException")
    arn = "arn:aws:lambda:us-east-1:123456789012:function:nothing-like-this"
    assert answer.json == {"Type": "User", "Message": f"Function not found: {arn}"}
    assert answer.headers["x-amzn-requestid"]


def test_requests_that_aws_refuses(endpoint: Any) -> None:
    name = endpoint.create(SOURCE)
    assert endpoint.invoke(name, X_Amz_Invocation_Type="Sometimes").error == "ValidationException"
    assert endpoint.invoke(name, b"{not json").error == "InvalidRequestContentException"
    large = endpoint.invoke(name, b'"' + b"x" * 6_291_456 + b'"')
    assert (large.status, large.error) == (413, "RequestTooLargeException")
    assert endpoint.invoke(name, b"").status == 200
    assert endpoint.call("PATCH", BASE).error == "UnknownOperationException"
    assert endpoint.call("GET", "/2018-10-31/layers").error == "UnknownOperationException"


def test_other_host_names_are_refused(endpoint: Any) -> None:
    answer = endpoint.call("GET", BASE, headers={"Host": "rebound.example:80"})
    assert (answer.status, answer.error) == (403, "InvalidSignatureException")
    assert endpoint.call("GET", BASE, headers={"Host": f"localhost:{endpoint.port}"}).status == 200


def test_missing_authorization(endpoint: Any) -> None:

    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port)
    connection.request("GET", BASE)
    response = connection.getresponse()
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (403, "MissingAuthenticationTokenException")
    response.read()
    connection.close()


def test_deleted_function_is_gone_while_its_call_ends(endpoint: Any) -> None:

    name = endpoint.create("import time\ndef handler(event, context):\n    time.sleep(0.4)\n    return 'finished'\n")
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(endpoint.invoke, name)
        time.sleep(0.2)
        assert endpoint.call("DELETE", f"{BASE}/{name}").status == 204
        assert call.result().json == "finished"
    assert endpoint.invoke(name).status == 404
