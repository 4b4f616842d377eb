"""Payloads in S3, read when a session starts and before anything is changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lambdatune.aws.access import AwsAccess
from lambdatune.aws.account import region_of
from lambdatune.aws.objects import read_object
from lambdatune.session.payloads import check_body, check_size

if TYPE_CHECKING:
    from lambdatune.model.plan import Payload, Plan


async def fetch_payloads(plan: Plan) -> Plan:
    """Return `plan` with the bytes of its payloads in S3, read with the plan's own credentials.

    Raises:
        UsageError: naming the object that is too large or is not JSON.
        AwsRefused: when an object does not exist or may not be read.
    """
    if all(payload.s3 is None for payload in plan.payloads):
        return plan
    source = plan.function
    region = (plan.region or "us-east-1") if source.is_path else region_of(source.name, plan.region)
    async with AwsAccess(region=region, aws_profile=plan.aws_profile, endpoint_url=plan.endpoint_url) as access:
        payloads = [await _fetched(payload, access) for payload in plan.payloads]
    return replace(plan, payloads=tuple(payloads))


async def _fetched(payload: Payload, access: AwsAccess) -> Payload:
    if payload.s3 is None:
        return payload
    bucket, key = payload.s3
    name = f"payload s3://{bucket}/{key}"
    body = await read_object(access, bucket, key, check_size=lambda size: check_size(size, name))
    check_body(body, name, tokens=payload.tokens)
    return replace(payload, body=body)
