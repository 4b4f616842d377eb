"""What links a message to its execution: the identifiers that its sender gets, in the records that are written."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from .event_support import Clients, rows

HANDLER = """
def handler(event, context):
    if event.get("fail"):
        raise ValueError("as asked")
    return {"done": True}
"""


def _permit(endpoint: Any, function: str, service: str, source_arn: str) -> None:
    body = {
        "StatementId": service,
        "Action": "lambda:InvokeFunction",
        "Principal": f"{service}.amazonaws.com",
        "SourceArn": source_arn,
    }
    assert endpoint.call("POST", f"/2015-03-31/functions/{function}/policy?Qualifier=live", body).status == 201


def _function(endpoint: Any, queue_arn: str) -> tuple[str, str]:
    """Return a function and the ARN of an alias of it, all whose asynchronous calls tell the queue how they ended."""
    function = endpoint.create(HANDLER)
    base = f"/2015-03-31/functions/{function}"
    version = endpoint.call("POST", f"{base}/versions", {}).json["Version"]
    alias = endpoint.call("POST", f"{base}/aliases", {"Name": "live", "FunctionVersion": version}).json["AliasArn"]
    destinations = {"OnSuccess": {"Destination": queue_arn}, "OnFailure": {"Destination": queue_arn}}
    config = {"MaximumRetryAttempts": 0, "DestinationConfig": destinations}
    put = endpoint.call("PUT", f"/2019-09-25/functions/{function}/event-invoke-config?Qualifier=live", config)
    assert put.status == 200, put.body
    return function, alias


async def _records(sqs: Any, url: str, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(15):
        while len(found) < count:
            answer = await sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            found += [json.loads(message["Body"]) for message in answer.get("Messages", [])]
    return found


def _reported(endpoint: Any, function: str) -> set[str]:
    """Return the request ids of the REPORT lines of a function."""
    group = {"logGroupName": f"/aws/lambda/{function}", "filterPattern": '"REPORT RequestId"'}
    events = endpoint.target("FilterLogEvents", group).json["events"]
    return {re.search(r"RequestId: (\S+)", event["message"])[1] for event in events}


async def test_destination_records_join_messages_to_reports(endpoint: Any) -> None:
    async with Clients(endpoint.url, "sqs", "sns", "s3", "events", "lambda") as (sqs, sns, s3, events, client):
        url = (await sqs.create_queue(QueueName="identifiers"))["QueueUrl"]
        attributes = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        function, alias = _function(endpoint, attributes["Attributes"]["QueueArn"])

        topic = (await sns.create_topic(Name="identifiers"))["TopicArn"]
        _permit(endpoint, function, "sns", topic)
        await sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=alias)
        await s3.create_bucket(Bucket="identifiers")
        _permit(endpoint, function, "s3", "arn:aws:s3:::identifiers")
        wanted = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": alias, "Events": ["s3:ObjectCreated:*"]}]}
        await s3.put_bucket_notification_configuration(Bucket="identifiers", NotificationConfiguration=wanted)
        rule = (await events.put_rule(Name="identifiers", EventPattern='{"source": ["own"]}'))["RuleArn"]
        _permit(endpoint, function, "events", rule)
        await events.put_targets(Rule="identifiers", Targets=[{"Id": "f", "Arn": alias}])

        message_id = (await sns.publish(TopicArn=topic, Message="m"))["MessageId"]
        put = (await s3.put_object(Bucket="identifiers", Key="k", Body=b"x"))["ResponseMetadata"]
        entry = {"Source": "own", "DetailType": "d", "Detail": "{}"}
        event_id = (await events.put_events(Entries=[entry]))["Entries"][0]["EventId"]
        call = {"FunctionName": alias, "InvocationType": "Event"}
        good = (await client.invoke(**call, Payload=b"{}"))["ResponseMetadata"]["RequestId"]
        bad = (await client.invoke(**call, Payload=b'{"fail": true}'))["ResponseMetadata"]["RequestId"]

        records = await _records(sqs, url, 5)
        await asyncio.to_thread(rows, endpoint, function, 5)
        contexts = [record["requestContext"] for record in records]
        assert {context["requestId"] for context in contexts} == _reported(endpoint, function)
        assert {context["functionArn"] for context in contexts} == {alias}
        assert {context["approximateInvokeCount"] for context in contexts} == {1}
        by_id = {record["requestContext"]["requestId"]: record for record in records}
        assert by_id[good]["requestContext"]["condition"] == "Success"
        assert by_id[good]["responseContext"] == {"statusCode": 200, "executedVersion": "1"}
        assert by_id[bad]["requestContext"]["condition"] == "RetriesExhausted"
        assert by_id[bad]["responseContext"]["functionError"] == "Unhandled"
        payloads = [record["requestPayload"] for record in records]
        sources = [each["Records"][0] for each in payloads if "Records" in each]
        assert [each["Sns"]["MessageId"] for each in sources if "Sns" in each] == [message_id]
        (stored,) = [each for each in sources if "s3" in each]
        headers = put["HTTPHeaders"]
        assert stored["responseElements"] == {name: headers[name] for name in ("x-amz-request-id", "x-amz-id-2")}
        assert re.fullmatch(r"[0-9A-Z]{16}", headers["x-amz-request-id"])
        assert stored["s3"]["object"]["key"] == "k"
        assert [each["id"] for each in payloads if "id" in each] == [event_id]


def test_the_answer_of_a_function_url_names_the_request_of_its_report(endpoint: Any) -> None:
    function = endpoint.create(HANDLER)
    made = endpoint.call("POST", f"/2021-10-31/functions/{function}/url", {"AuthType": "AWS_IAM"})
    answer = endpoint.call("GET", made.json["FunctionUrl"].removeprefix(endpoint.url))
    assert answer.json == {"done": True}
    assert _reported(endpoint, function) == {answer.headers["x-amzn-requestid"]}
