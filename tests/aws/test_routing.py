"""An alias that shares its calls between two versions, as an independent program tells of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lambdatune.aws.access import AwsAccess
from lambdatune.aws.functions import describe_function
from lambdatune.aws.routing import check_routing, is_alias
from lambdatune.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).parents[1] / "support" / "canned_lambda.py"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:shop:live"


@pytest.fixture
def said(tmp_path) -> Path:
    return tmp_path / "said.json"


@pytest.fixture
def url(said, tmp_path, monkeypatch) -> Iterator[str]:
    """Return an account that answers every question about the function with what it was told to say."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "key")
    said.write_text("{}")
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(said), str(tmp_path / "asked.json")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.communicate(timeout=10)


def tell(said: Path, weights: dict[str, float]) -> None:
    """Say that the alias is of version 7, and which versions get a share of its calls."""
    configuration = {"FunctionName": "shop", "FunctionArn": ARN, "MemorySize": 512, "Timeout": 3, "Version": "7"}
    alias = {"Name": "live", "FunctionVersion": "7", "RoutingConfig": {"AdditionalVersionWeights": weights}}
    said.write_text(json.dumps({"Configuration": configuration, "Code": {}, **alias}))


async def test_a_shared_alias_is_told_for_a_clone_and_refused_when_it_would_be_called(url, said) -> None:
    async with AwsAccess(region="us-east-1", endpoint_url=url) as access:
        tell(said, {"8": 0.1})
        found = await describe_function(access, "shop:live")
        sentence = await check_routing(access, found, "clone")
        assert sentence == (
            "alias `shop:live` sends 10% of its calls to version 8: the clone is of version 7, which gets the others"
        )
        with pytest.raises(UsageError, match="two versions would be measured as one") as caught:
            await check_routing(access, found, "current")
        assert caught.value.hint == "name the versions: --function shop:7, or --function shop:8"
        tell(said, {})
        assert await check_routing(access, found, "current") is None


def test_versions_and_latest_are_no_aliases() -> None:
    assert [is_alias(name) for name in ("live", "v7", "7", "$LATEST", None)] == [True, True, False, False, False]
