"""Where the calls go: the control plane and the load to one and the same place."""

from __future__ import annotations

import asyncio

import pytest

from lambdatune.aws.access import AwsAccess
from lambdatune.model.errors import UsageError


@pytest.fixture
def configured(monkeypatch, tmp_path):
    """Have an AWS configuration of nobody, and return what sets more of it."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_LAMBDA", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    def configure(text: str = "", **environment: str) -> None:
        (tmp_path / "config").write_text(text)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

    return configure


def look(**options: str | None) -> None:
    async def looked() -> None:
        async with AwsAccess(**options) as access:  # type: ignore[arg-type]
            await access.refuse_configured_endpoint()

    asyncio.run(looked())


@pytest.mark.parametrize("region", ["us-east-1", "cn-north-1", "us-gov-west-1"])
def test_aws_itself_is_what_is_meant_without_an_endpoint(configured, region) -> None:
    configured()
    look(region=region)


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ("", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}),
        ("", {"AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:9"}),
        ("[default]\nendpoint_url = http://127.0.0.1:9\n", {}),
        ("", {"AWS_ENDPOINT_URL": "https://lambda.amazonaws.com.example"}),
    ],
)
def test_an_endpoint_that_only_the_configuration_names_is_refused_before_load_goes_elsewhere(
    configured, text, environment
) -> None:
    configured(text, **environment)
    with pytest.raises(UsageError, match="the load would go to AWS itself") as refused:
        look(region="us-east-1")
    assert refused.value.hint is not None
    assert "--endpoint-url http" in refused.value.hint
    look(region="us-east-1", endpoint_url="http://127.0.0.1:9")
