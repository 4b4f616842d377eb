"""AWS's price list, asked for: the Price List API, which is in a few regions only.

Needs ``pricing:GetProducts``. Source of the regions: botocore's endpoints, service ``api.pricing``.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from lambdatune.aws.access import AwsAccess
from lambdatune.aws.refusals import refused
from lambdatune.model.errors import AwsRefused, LambdatuneError

PATIENCE_S = 15.0
"""A run does not wait longer for prices that it also has in its own table."""

_DOING = "reading AWS's price list"


def pricing_endpoint() -> str | None:
    """Return the address that the price list is read at when it is not AWS's (``AWS_ENDPOINT_URL_PRICING``)."""
    return os.environ.get("AWS_ENDPOINT_URL_PRICING") or None


def pricing_region(region: str) -> str | None:
    """Return the region whose price list knows `region`; None where there is none (AWS GovCloud)."""
    if region.startswith("cn-"):
        return "cn-northwest-1"
    if region.startswith("us-gov-"):
        return None
    return {"eu": "eu-central-1", "ap": "ap-south-1"}.get(region.partition("-")[0], "us-east-1")


async def fetch_products(region: str, aws_profile: str | None) -> list[dict[str, Any]]:
    """Return the documents of everything that Lambda charges for in `region`.

    Raises:
        AwsRefused: when the caller may not, AWS does not answer in time, or has no price list for the region.
    """
    asked = pricing_region(region)
    if asked is None:
        raise AwsRefused(f"{_DOING}: there is none that knows {region}")
    try:
        async with asyncio.timeout(PATIENCE_S), AwsAccess(region=asked, aws_profile=aws_profile) as access:
            return await _all_pages(access, region)
    except TimeoutError as error:
        raise AwsRefused(f"{_DOING}: no answer within {PATIENCE_S:.0f} s") from error


async def _all_pages(access: AwsAccess, region: str) -> list[dict[str, Any]]:
    client = await access.service("pricing")
    pages = client.get_paginator("get_products").paginate(
        ServiceCode="AWSLambda",
        FormatVersion="aws_v1",
        Filters=[{"Type": "TERM_MATCH", "Field": "regionCode", "Value": region}],
    )
    with refused(_DOING):
        texts = [text async for page in pages for text in page["PriceList"]]
    try:
        return [json.loads(text) for text in texts]
    except ValueError as error:
        raise LambdatuneError(f"{_DOING}: a product is not JSON: {error}") from error
