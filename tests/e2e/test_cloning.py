"""What a clone is made of, and what cannot be cloned or tuned, for functions that no emulator serves.

The account is an independent program that answers GetFunction as AWS does (API reference, GetFunction) and keeps what
CreateFunction is asked for.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parents[1] / "support" / "canned_lambda.py"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:shop"
CONFIGURATION = {
    "FunctionName": "shop", "FunctionArn": ARN, "Runtime": "python3.12", "Role": "arn:aws:iam::123456789012:role/shop",
    "Handler": "app.handler", "CodeSize": 22, "Timeout": 7, "MemorySize": 512, "Version": "$LATEST",
    "PackageType": "Zip", "Architectures": ["arm64"], "State": "Active", "LastUpdateStatus": "Successful",
    "RevisionId": "r", "Environment": {"Variables": {"A": "b"}}, "CodeSha256": "x",
}  # fmt: skip
FILES = [{"Arn": "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/a", "LocalMountPath": "/mnt/x"}]
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop"


@pytest.fixture
def account(tmp_path) -> Iterator[Callable[..., tuple[str, Path]]]:
    """Start an account with one function; return (its URL, the file with what was to be created)."""
    started = []

    def begin(configuration: dict[str, Any], code: dict[str, Any] | None = None, **rest: Any) -> tuple[str, Path]:
        said, asked = tmp_path / "function.json", tmp_path / "asked.json"
        said.write_text("{}")
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(said), str(asked)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        answer = {"Configuration": CONFIGURATION | configuration, "Code": {"Location": f"{url}/code.zip"}, **rest}
        said.write_text(json.dumps(answer if code is None else answer | {"Code": code}))
        return url, asked

    yield begin
    for process in started:
        process.communicate(timeout=10)


def create(account, lambdatune, configuration: dict[str, Any], code: dict[str, Any] | None = None, **rest: Any) -> Any:
    """Run, and return what was asked to be created, which the account then refuses."""
    url, asked = account(configuration, code, **rest)
    done = lambdatune("run", "--endpoint-url", url, "--function", "shop", "--memory", "256", "--yes")
    assert done.code == 7, done.err
    assert "creating the clone `lambdatune-shop-" in done.err
    assert "left something behind" not in done.err
    return json.loads(asked.read_text())


def test_a_zip_function_is_copied_whole_but_for_what_would_call_or_be_called(account, lambdatune) -> None:
    asked = create(
        account, lambdatune,
        {
            "Layers": [{"Arn": "arn:aws:lambda:us-east-1:123456789012:layer:libs:3", "CodeSize": 9}],
            "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"], "VpcId": "vpc-1"},
            "KMSKeyArn": "arn:aws:kms:us-east-1:123456789012:key/k", "TracingConfig": {"Mode": "Active"},
            "FileSystemConfigs": FILES,
            "SnapStart": {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"},
            "EphemeralStorage": {"Size": 2048},
            "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:123456789012:dead"},
            "LoggingConfig": {"LogFormat": "JSON", "SystemLogLevel": "INFO", "LogGroup": "/shared/logs"},
        },
        Tags={"team": "web", "aws:cloudformation:stack-name": "shop", "lambdatune:run": "another"},
        Concurrency={"ReservedConcurrentExecutions": 0},
    )  # fmt: skip
    tags = asked.pop("Tags")
    assert tags.pop("lambdatune:run") in asked.pop("FunctionName")
    assert tags.pop("lambdatune:owner")
    assert tags == {"team": "web", "lambdatune:source": "shop"}
    assert base64.b64decode(asked.pop("Code")["ZipFile"]).startswith(b"PK")
    assert asked == {
        "Runtime": "python3.12", "Role": "arn:aws:iam::123456789012:role/shop", "Handler": "app.handler", "Timeout": 7,
        "MemorySize": 512, "PackageType": "Zip", "Architectures": ["arm64"],
        "Environment": {"Variables": {"A": "b", "LAMBDATUNE_NONCE": "0"}},
        "Layers": ["arn:aws:lambda:us-east-1:123456789012:layer:libs:3"],
        "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        "KMSKeyArn": "arn:aws:kms:us-east-1:123456789012:key/k", "TracingConfig": {"Mode": "Active"},
        "FileSystemConfigs": FILES,
        "SnapStart": {"ApplyOn": "PublishedVersions"}, "EphemeralStorage": {"Size": 2048},
        "LoggingConfig": {"LogFormat": "JSON", "SystemLogLevel": "INFO"},
    }  # fmt: skip


def test_a_container_image_is_copied_by_its_digest(account, lambdatune) -> None:
    image = {"Command": ["app.handler"], "WorkingDirectory": "/srv"}
    asked = create(
        account, lambdatune,
        {"PackageType": "Image", "Runtime": None, "Handler": None, "ImageConfigResponse": {"ImageConfig": image}},
        {"ImageUri": f"{IMAGE}:latest", "ResolvedImageUri": f"{IMAGE}@sha256:abc"},
    )  # fmt: skip
    assert asked["PackageType"] == "Image"
    assert asked["Code"] == {"ImageUri": f"{IMAGE}@sha256:abc"}
    assert asked["ImageConfig"] == image
    assert not {"Runtime", "Handler", "Layers"} & set(asked)


@pytest.mark.parametrize(
    ("configuration", "arguments", "said", "hint"),
    [
        ({"CapacityProviderConfig": {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": "a"}}}, (),
         "runs on managed instances", "without a capacity provider"),
        ({"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}}, (), "isolates tenants", "without tenant isolation"),
        ({"DurableConfig": {"ExecutionTimeout": 60}}, (), "is a durable function", "functions of their own"),
        ({"RuntimeConfig": {"RuntimeArn": "a", "RuntimeAlias": "b"}}, (),
         "has settings that a clone would not get: RuntimeConfig", "--isolation version"),
        ({"State": "Failed", "StateReason": "the image is gone"}, (), "is in state Failed: the image is gone", "mend"),
        ({"State": "Pending"}, (), "is still being created (state Pending)", "wait function-active-v2"),
        ({"State": "Inactive"}, ("--isolation", "current"), "is Inactive", "--isolation clone"),
        ({"CodeSize": 60 << 20}, (), "the package of function `shop` has 60 MB", "--isolation version"),
        ({"Environment": {"Error": {"ErrorCode": "AccessDenied", "Message": "no kms:Decrypt"}}}, (),
         "the environment variables of `shop` cannot be read: no kms:Decrypt", "kms:Decrypt"),
        ({"MasterArn": f"{ARN}:3"}, (), "is a replica that CloudFront made", ARN),
    ],
    ids=["managed instances", "tenants", "durable", "unknown settings", "failed", "pending", "inactive", "large",
         "variables", "replica"],
)  # fmt: skip
def test_what_cannot_be_tuned_is_a_sentence_before_anything_is_changed(
    account, lambdatune, own_data_directory, configuration, arguments, said, hint
) -> None:
    url, asked = account(configuration)
    done = lambdatune("run", "--endpoint-url", url, "--function", "shop", "--yes", *arguments)
    assert done.code == 7, done.err
    error, _, hinted = done.err.partition("hint: ")
    assert said in error
    assert hint in hinted
    assert "Traceback" not in done.err
    assert not asked.exists()
    assert not own_data_directory.exists()


def test_code_that_aws_does_not_give_is_a_sentence(account, lambdatune) -> None:
    url, asked = account({}, {"Error": {"ErrorCode": "AccessDenied"}})
    done = lambdatune("run", "--endpoint-url", url, "--function", "shop", "--yes")
    assert done.code == 7
    assert "AWS gives no location for the code of `shop`" in done.err
    assert not asked.exists()
