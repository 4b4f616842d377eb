"""The AWS CLI and the SDK work against the endpoint."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import aioboto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lambdatune.model.report_line import parse_report

from .event_support import allow, rows

SOURCE = "def handler(event, context):\n    return {'version': context.function_version, 'event': event}\n"
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}


def _aws(endpoint: Any, directory: Path, *arguments: str) -> Any:
    """Run the AWS CLI of this environment, or the one on the PATH."""
    own = Path(sys.executable).with_name("aws")
    program = str(own) if own.exists() else shutil.which("aws")
    assert program is not None, "the test extra installs awscli"
    environment = {**os.environ, **KEYS, "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(directory), "AWS_PAGER": ""}
    command = [program, "--endpoint-url", endpoint.url, "--output", "json", *arguments]
    done = subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


def test_life_of_a_function(endpoint: Any, tmp_path: Path, make_zip: Any) -> None:
    (tmp_path / "function.zip").write_bytes(base64.b64decode(make_zip({"app.py": SOURCE})))
    create = ["--runtime", "python3.11", "--handler", "app.handler", "--role", "arn:aws:iam::123456789012:role/r"]
    name = ["--function-name", "cli-life"]
    created = _aws(
        endpoint, tmp_path, "lambda", "create-function", *name, *create, "--zip-file", "fileb://function.zip"
    )
    assert created["State"] in {"Pending", "Active"}
    reports = []
    for _ in range(2):
        answer = _aws(endpoint, tmp_path, "lambda", "invoke", *name, "--log-type", "Tail", "out.json")
        reports.append(parse_report(base64.b64decode(answer["LogResult"])))
    assert [report is not None and report.init_ms is not None for report in reports] == [True, False]
    _aws(endpoint, tmp_path, "lambda", "update-function-configuration", *name, "--memory-size", "256")
    _aws(endpoint, tmp_path, "lambda", "wait", "function-updated-v2", *name)
    version = _aws(endpoint, tmp_path, "lambda", "publish-version", *name)["Version"]
    assert version == "1"
    answer = _aws(endpoint, tmp_path, "lambda", "invoke", "--function-name", f"cli-life:{version}", "out.json")
    assert answer["ExecutedVersion"] == "1"
    assert json.loads((tmp_path / "out.json").read_text())["version"] == "1"
    versions = _aws(endpoint, tmp_path, "lambda", "list-versions-by-function", *name)["Versions"]
    assert [(v["Version"], v["MemorySize"]) for v in versions] == [("$LATEST", 256), ("1", 256)]
    _aws(endpoint, tmp_path, "lambda", "delete-function", *name)
    assert endpoint.call("GET", "/2015-03-31/functions/cli-life").status == 404


async def test_sdk_reads_every_answer(endpoint: Any, make_zip: Any) -> None:
    session = aioboto3.Session("x", "x", region_name="us-east-1")
    config = Config(retries={"total_max_attempts": 1})
    async with (
        session.client("lambda", endpoint_url=endpoint.url, config=config) as functions,
        session.client("logs", endpoint_url=endpoint.url, config=config) as logs,
        session.client("sts", endpoint_url=endpoint.url, config=config) as sts,
    ):
        assert (await sts.get_caller_identity())["Account"] == "123456789012"
        created = await functions.create_function(
            FunctionName="sdk",
            Runtime="python3.11",
            Role="arn:aws:iam::123456789012:role/r",
            Handler="app.handler",
            Code={"ZipFile": base64.b64decode(make_zip({"app.py": SOURCE}))},
            Tags={"made-by": "test"},
        )
        await functions.get_waiter("function_active_v2").wait(FunctionName="sdk", WaiterConfig={"Delay": 0.05})
        arn = created["FunctionArn"]
        answer = await functions.invoke(FunctionName=arn, Payload=b'{"a": 1}', LogType="Tail")
        assert json.loads(await answer["Payload"].read())["event"] == {"a": 1}
        dry = await functions.invoke(FunctionName="sdk", InvocationType="DryRun")
        assert dry["StatusCode"] == 204
        assert (await functions.list_tags(Resource=arn))["Tags"] == {"made-by": "test"}
        settings = await functions.get_account_settings()
        assert settings["AccountLimit"]["ConcurrentExecutions"] == 1000
        found = await logs.filter_log_events(logGroupName="/aws/lambda/sdk", filterPattern='"REPORT RequestId"')
        assert len(found["events"]) == 1
        with pytest.raises(ClientError) as refused:
            await functions.list_layers()
        assert refused.value.response["Error"]["Code"] == "UnknownOperationException"
        assert "does not implement" in refused.value.response["Error"]["Message"]
        with pytest.raises(functions.exceptions.ResourceNotFoundException):
            await functions.invoke(FunctionName="nothing-like-this")
        await functions.put_function_concurrency(FunctionName="sdk", ReservedConcurrentExecutions=0)
        with pytest.raises(functions.exceptions.TooManyRequestsException) as throttle:
            await functions.invoke(FunctionName="sdk")
        assert throttle.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        pages = functions.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 1})
        names = [function["FunctionName"] async for page in pages for function in page["Functions"]]
        assert "sdk" in names
        await functions.delete_function(FunctionName="sdk")


@pytest.mark.slow
def test_event_sources(start_endpoint: Any, tmp_path: Path, make_zip: Any) -> None:
    """A queue, a topic, a bucket and a rule invoke one function."""
    endpoint = start_endpoint("--settle-ms", "1")
    name = endpoint.create("def handler(event, context):\n    return len(str(event))\n")
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"

    def aws(*arguments: str) -> Any:
        return _aws(endpoint, tmp_path, *arguments)

    url = aws("sqs", "create-queue", "--queue-name", "cli")["QueueUrl"]
    queue = "arn:aws:sqs:us-east-1:123456789012:cli"
    aws("lambda", "create-event-source-mapping", "--function-name", name, "--event-source-arn", queue)
    topic = aws("sns", "create-topic", "--name", "cli")["TopicArn"]
    aws("sns", "subscribe", "--topic-arn", topic, "--protocol", "lambda", "--notification-endpoint", arn)
    rule = aws("events", "put-rule", "--name", "cli", "--event-pattern", '{"source": ["cli"]}')["RuleArn"]
    aws("events", "put-targets", "--rule", "cli", "--targets", f"Id=f,Arn={arn}")
    aws("s3api", "create-bucket", "--bucket", "cli-bucket")
    for service, source in (("sns", topic), ("events", rule), ("s3", "arn:aws:s3:::cli-bucket")):
        allow(endpoint, name, service, source)
    notify = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    aws("s3api", "put-bucket-notification-configuration", "--bucket", "cli-bucket",
        "--notification-configuration", json.dumps(notify))  # fmt: skip

    sent = {aws("sqs", "send-message", "--queue-url", url, "--message-body", "hello")["MessageId"]}
    sent.add(aws("sns", "publish", "--topic-arn", topic, "--message", "hello")["MessageId"])
    entry = json.dumps([{"Source": "cli", "DetailType": "t", "Detail": "{}"}])
    sent.add(aws("events", "put-events", "--entries", entry)["Entries"][0]["EventId"])
    (tmp_path / "hello.txt").write_text("hello")
    _aws_s3(endpoint, tmp_path, "cp", "hello.txt", "s3://cli-bucket/hello.txt")
    found = rows(endpoint, name, 4)
    assert {row["source"] for row in found} == {"sqs", "sns", "eventbridge", "s3"}
    assert sent <= {row["message_id"] for row in found}
    assert {row["outcome"] for row in found} == {"executed"}


def _aws_s3(endpoint: Any, directory: Path, *arguments: str) -> None:
    """Run ``aws s3``, which narrates in place of JSON."""
    program = Path(sys.executable).with_name("aws")
    environment = {**os.environ, **KEYS, "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(directory)}
    command = [str(program), "--endpoint-url", endpoint.url, "s3", *arguments]
    done = subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
