"""In what a clone may differ from its function, and what AWS has no such thing of."""

from __future__ import annotations

from typing import Any

import pytest

from lambdatune.aws.clone_settings import CloneSettings
from lambdatune.aws.functions import FunctionDescription
from lambdatune.model.errors import LambdatuneError

SNAP_START = {"SnapStart": {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}}


def function(runtime: str = "python3.12", storage_mb: int = 512, **configuration: Any) -> FunctionDescription:
    return FunctionDescription(
        name="shop", arn="arn:aws:lambda:us-east-1:123456789012:function:shop:live", runtime=runtime,
        architecture="x86_64", memory_mb=512, timeout_s=3, ephemeral_storage_mb=storage_mb,
        configuration=configuration, code={}, tags={}, qualifier="live",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "found", "said", "setting"),
    [
        ({"architecture": "arm64"}, function(PackageType="Image"), "for one architecture: x86_64", "architecture"),
        ({"architecture": "arm64"}, function("python3.7"), "is there for x86_64 only", "architecture"),
        ({"snap_start": "on"}, function("nodejs22.x"), "no SnapStart for runtime nodejs22.x of function `shop:live`",
         "snap-start"),
        ({"snap_start": "on"}, function(FileSystemConfigs=[{"Arn": "a"}]), "with a file system", "snap-start"),
        ({"snap_start": "on"}, function(storage_mb=1024), "more than 512 MB of /tmp", "snap-start"),
        ({"provisioned_concurrency": 2}, function(**SNAP_START), "for a function with SnapStart, which `shop:live` has",
         "provisioned-concurrency"),
    ],
)  # fmt: skip
def test_what_aws_has_not_is_refused_with_the_setting(settings, found, said, setting) -> None:
    with pytest.raises(LambdatuneError) as caught:
        CloneSettings(**settings).refuse_unfit(found)
    assert said in caught.value.message
    assert caught.value.hint
    assert caught.value.setting == setting


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, function(**SNAP_START)),
        ({"architecture": "x86_64"}, function("python3.7", PackageType="Image")),
        ({"architecture": "arm64", "snap_start": "on"}, function()),
        # Whether AWS takes a container image is AWS's to say: its runtime is not told.
        ({"snap_start": "on"}, function("", PackageType="Image")),
        ({"snap_start": "off", "provisioned_concurrency": 2}, function(**SNAP_START)),
        ({"provisioned_concurrency": 2}, function("nodejs22.x", storage_mb=4096)),
    ],
)
def test_what_aws_has_is_not(settings, found) -> None:
    CloneSettings(**settings).refuse_unfit(found)


def test_the_clone_is_as_it_is_told_and_says_in_what_it_differs() -> None:
    found = function(Architectures=["x86_64"], Layers=[{"Arn": "layer"}])
    settings = CloneSettings("arm64", "on", 3)
    made = settings.applied_to(found)
    assert (made.architecture, made.configuration["Architectures"]) == ("arm64", ["arm64"])
    assert made.configuration["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert found.architecture == "x86_64"
    assert "SnapStart" not in found.configuration
    assert settings.overridden(found) == {"Architecture": "x86_64", "SnapStart": "None"}
    said = " | ".join((*settings.changes(found), *settings.warnings(found)))
    assert "runs on arm64, where the function is on x86_64" in said
    assert "must be built for arm64, or the clone's calls fail; it has 1 layer(s)" in said
    assert "has SnapStart, which the function has not" in said
    assert "provisioned concurrency 3 for each version" in said
    same = CloneSettings("x86_64", "off")
    assert same.overridden(found) == {}
    assert [*same.changes(found), *same.warnings(found)] == []
