"""S3 through the SDK: objects, and the functions that they notify."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdatune.local.errors import ApiError
from lambdatune.local.events.s3.bodies import body_of, parse_xml
from lambdatune.local.httpd import Request

from .conftest import Endpoint
from .event_support import ECHO, Clients, allow, arn_of, logged, rows, served


@pytest.fixture(scope="module")
def server() -> Iterator[Endpoint]:
    with served("--settle-ms", "1", "--async-wait-scale", "0.001") as endpoint:
        yield endpoint


@pytest.fixture
async def s3(server: Endpoint) -> AsyncIterator[Any]:
    async with Clients(server.url, "s3") as client:
        yield client


@pytest.fixture
async def bucket(s3: Any) -> str:
    name = f"b-{uuid.uuid4().hex[:12]}"
    await s3.create_bucket(Bucket=name)
    return name


def config(arn: str, *, events: tuple[str, ...] = ("s3:ObjectCreated:*",), **rules: str) -> dict[str, Any]:
    """Return a notification configuration of one function."""
    one: dict[str, Any] = {"Id": "one", "LambdaFunctionArn": arn, "Events": list(events)}
    if rules:
        one["Filter"] = {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in rules.items()]}}
    return {"LambdaFunctionConfigurations": [one]}


async def refused(call: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        await call
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


async def test_objects_are_put_read_listed_and_deleted(s3: Any, bucket: str) -> None:
    key, body = "a folder/ü+&.txt", b"hello"
    put = await s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="text/plain", Metadata={"who": "me"})
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = await s3.get_object(Bucket=bucket, Key=key)
    assert (await got["Body"].read(), got["ContentType"], got["Metadata"]) == (body, "text/plain", {"who": "me"})
    head = await s3.head_object(Bucket=bucket, Key=key)
    assert (head["ContentLength"], head["ETag"]) == (5, put["ETag"])
    assert await refused(s3.head_object(Bucket=bucket, Key="none")) == ("404", "Not Found")
    with pytest.raises(s3.exceptions.NoSuchKey):
        await s3.get_object(Bucket=bucket, Key="none")
    for n in range(3):
        await s3.put_object(Bucket=bucket, Key=f"many/{n}", Body=b"")
    first = await s3.list_objects_v2(Bucket=bucket, MaxKeys=2)
    second = await s3.list_objects_v2(Bucket=bucket, ContinuationToken=first["NextContinuationToken"])
    assert [o["Key"] for o in first["Contents"] + second["Contents"]] == [key, "many/0", "many/1", "many/2"]
    folders = await s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [each["Prefix"] for each in folders["CommonPrefixes"]] == ["a folder/", "many/"]
    assert (await refused(s3.delete_bucket(Bucket=bucket)))[0] == "BucketNotEmpty"
    await s3.delete_object(Bucket=bucket, Key=key)
    await s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": f"many/{n}"} for n in range(3)]})
    assert (await s3.list_objects_v2(Bucket=bucket))["KeyCount"] == 0
    await s3.delete_bucket(Bucket=bucket)
    with pytest.raises(s3.exceptions.NoSuchBucket):
        await s3.list_objects_v2(Bucket=bucket)


async def test_a_function_gets_aws_s_event(server: Endpoint, s3: Any, bucket: str) -> None:
    name = server.create(ECHO)
    allow(server, name, "s3", f"arn:aws:s3:::{bucket}")
    wanted = config(arn_of(server, name), prefix="in/", suffix=".jpg")
    await s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)
    kept = await s3.get_bucket_notification_configuration(Bucket=bucket)
    (one,) = kept["LambdaFunctionConfigurations"]
    assert one["LambdaFunctionArn"] == arn_of(server, name)
    assert sorted((rule["Name"], rule["Value"]) for rule in one["Filter"]["Key"]["FilterRules"]) == [
        ("Prefix", "in/"), ("Suffix", ".jpg"),
    ]  # fmt: skip
    await s3.put_object(Bucket=bucket, Key="out/a.jpg", Body=b"x")
    await s3.put_object(Bucket=bucket, Key="in/a.png", Body=b"x")
    put = await s3.put_object(Bucket=bucket, Key="in/my photo+ü.jpg", Body=b"abc")
    await s3.delete_object(Bucket=bucket, Key="in/my photo+ü.jpg")
    (row,) = await asyncio.to_thread(rows, server, name, 1)
    assert (row["source"], row["outcome"]) == ("s3", "executed")
    assert row["message_id"] == put["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    (event,) = logged(server, name)
    (record,) = event["Records"]
    assert (record["eventSource"], record["eventName"], record["awsRegion"]) == (
        "aws:s3", "ObjectCreated:Put", "us-east-1",
    )  # fmt: skip
    assert record["s3"]["bucket"]["arn"] == f"arn:aws:s3:::{bucket}"
    about = record["s3"]["object"]
    assert (about["key"], about["size"]) == ("in/my+photo%2B%C3%BC.jpg", 3)
    assert about["eTag"] == put["ETag"].strip('"')
    assert record["s3"]["configurationId"] == "one"


async def test_a_notification_needs_a_function_and_its_permission(server: Endpoint, s3: Any, bucket: str) -> None:
    name = server.create(ECHO)
    arn = arn_of(server, name)

    async def put(wanted: dict[str, Any]) -> Any:
        await s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)

    code, sentence = await refused(put(config(arn)))
    assert (code, "Unable to validate" in sentence) == ("InvalidArgument", True)
    assert (await refused(put(config(arn + "-none"))))[0] == "InvalidArgument"
    allow(server, name, "s3", f"arn:aws:s3:::{bucket}")
    await put(config(arn))
    two = config(arn, prefix="a")
    two["LambdaFunctionConfigurations"].append(config(arn, prefix="ab")["LambdaFunctionConfigurations"][0])
    assert "overlap" in (await refused(put(two)))[1]
    topic = {"TopicConfigurations": [{"TopicArn": "arn:aws:sns:us-east-1:1:x", "Events": ["s3:ObjectCreated:*"]}]}
    assert "does not implement TopicConfiguration" in (await refused(put(topic)))[1]
    kept = await s3.get_bucket_notification_configuration(Bucket=bucket)
    assert len(kept["LambdaFunctionConfigurations"]) == 1
    await put({})
    await s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert rows(server, name, 0) == []


async def test_a_handler_that_fails_is_tried_three_times(server: Endpoint, s3: Any, bucket: str) -> None:
    name = server.create("def handler(event, context):\n    raise ValueError\n")
    allow(server, name, "s3", f"arn:aws:s3:::{bucket}")
    await s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration=config(arn_of(server, name), events=("s3:ObjectRemoved:Delete",))
    )
    await s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    await s3.delete_object(Bucket=bucket, Key="k")
    found = await asyncio.to_thread(rows, server, name, 3)
    assert [row["outcome"] for row in found] == ["failed", "failed", "dropped"]


async def test_refusals(server: Endpoint, s3: Any, bucket: str) -> None:
    assert (await refused(s3.put_object(Bucket="no-such-bucket", Key="k", Body=b"")))[0] == "NoSuchBucket"
    assert (await refused(s3.create_bucket(Bucket="UPPER")))[0] == "InvalidBucketName"
    code, sentence = await refused(s3.get_bucket_acl(Bucket=bucket))
    assert (code, "does not implement" in sentence) == ("NotImplemented", True)
    copy = s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "j"})
    assert (await refused(copy))[0] == "NotImplemented"
    wrong = s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    assert (await refused(wrong))[0] == "BadDigest"
    headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20261125/us-east-1/s3/aws4_request, SignedHeaders=host, "
               "Signature=0", "X-Amz-Date": "20261125T000000Z"}  # fmt: skip
    forged = server.call("PUT", f"/{bucket}/k", b"x", headers)
    assert forged.status in {400, 403}
    assert (await s3.list_objects_v2(Bucket=bucket))["KeyCount"] == 0


def request_with(body: bytes, **headers: str) -> Request:
    request = Request("PUT", "/b/k", {name.replace("_", "-"): value for name, value in headers.items()})
    request.body = body
    return request


def test_chunks_are_taken_together() -> None:
    streaming = {"x_amz_content_sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}
    body = b"5;chunk-signature=00\r\nhello\r\n6;chunk-signature=00\r\n world\r\n0;chunk-signature=00\r\n\r\n"
    assert body_of(request_with(body, **streaming)) == b"hello world"
    trailer = b"2\r\nhi\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
    assert body_of(request_with(trailer, **streaming)) == b"hi"
    assert body_of(request_with(b"5\r\nhello")) == b"5\r\nhello"
    for broken in (b"", b"x\r\n", b"9\r\nhello", b"5\r\nhello\r\n"):
        with pytest.raises(ApiError, match="IncompleteBody"):
            body_of(request_with(broken, **streaming))


def test_checksums_are_checked() -> None:
    assert body_of(request_with(b"hello", x_amz_checksum_crc32="NhCmhg==")) == b"hello"
    with pytest.raises(ApiError, match="BadDigest"):
        body_of(request_with(b"hallo", x_amz_checksum_crc32="NhCmhg=="))
    with pytest.raises(ApiError, match="InvalidDigest"):
        body_of(request_with(b"hello", x_amz_checksum_crc32="?"))


@pytest.mark.parametrize("body", [b"", b"<a>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"\xff"])
def test_xml_that_cannot_be(body: bytes) -> None:
    with pytest.raises(ApiError, match="MalformedXML"):
        parse_xml(body)
