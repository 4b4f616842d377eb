"""Objects in S3: payloads that are kept there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdatune.aws.refusals import error_code, refused
from lambdatune.model.errors import AwsRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.aws.access import AwsAccess

_ABSENT = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})
_FORBIDDEN = "403"
"""An answer to HEAD has no body, so that S3's code is the status alone."""


async def read_object(access: AwsAccess, bucket: str, key: str, *, check_size: Callable[[int], None]) -> bytes:
    """Return the bytes of an object.

    Args:
        access: credentials and region.
        bucket: name of the bucket.
        key: key of the object.
        check_size: is told the size in bytes before anything is downloaded, and raises when it is too much.

    Raises:
        AwsRefused: when it does not exist or may not be read.
    """
    name = f"s3://{bucket}/{key}"
    client = await access.service("s3")
    with refused(f"reading {name}"):
        try:
            head = await client.head_object(Bucket=bucket, Key=key)
            check_size(head["ContentLength"])
            # The version that was looked at, also when another is written in between.
            answer = await client.get_object(Bucket=bucket, Key=key, IfMatch=head["ETag"])
            body: bytes = await answer["Body"].read()
        except ClientError as error:
            if error_code(error) in _ABSENT:
                raise AwsRefused(
                    f"{name} does not exist", hint=f"`aws s3 ls s3://{bucket}/` lists what is there"
                ) from error
            if error_code(error) == _FORBIDDEN:
                raise AwsRefused(
                    f"reading {name} was denied", hint="the payload needs the permission s3:GetObject on it",
                    code="AccessDenied",
                ) from error  # fmt: skip
            raise
    return body
