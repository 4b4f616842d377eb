"""What answers of every kind say."""

from __future__ import annotations

import base64
import json

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from lambdatune.load.answers import Answer, AnswerReader, Reading, find_value
from lambdatune.load.response import ResponseParser
from lambdatune.model.invocation import Start, Status
from lambdatune.model.request_form import RequestForm

from .test_event_stream import event, header, message

ID = "8f5ee2c4-5c5e-4b0c-9c1e-0123456789ab"
JSON = b"Content-Type: application/x-amz-json-1.0\r\n"
XML = b"Content-Type: text/xml\r\n"


def read(form: RequestForm, status: int, body: object, headers: bytes = b"") -> Reading:
    """Read an answer as the shard does, the body in pieces."""
    reader = AnswerReader(form)
    parser = ResponseParser()
    parser.kept_bytes, parser.has_events = reader.kept_bytes, reader.has_events
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    wire = b"HTTP/1.1 %d X\r\nx-amzn-RequestId: %s\r\n%sContent-Length: %d\r\n\r\n" % (
        status, ID.encode(), headers, len(text),
    ) + text  # fmt: skip
    middle = len(wire) - (len(text) + 1) // 2
    assert not parser.feed(wire[:middle]) or not text
    if text:
        assert parser.feed(wire[middle:])
    found = Answer(parser.status, parser.head, parser.lower_head, parser.body, parser.is_error, parser.events)
    return reader.read(found)


def outcome(reading: Reading) -> tuple[Status, str]:
    return reading.status, reading.error


ACCEPT = RequestForm("/", answer="accept")


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (200, {"MessageId": "x"}, b"", (Status.OK, "")),
        (202, b"", b"", (Status.OK, "")),
        (204, b"", b"", (Status.OK, "")),
        (400, {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no"}, b"",
         (Status.REFUSED, "QueueDoesNotExist")),
        (400, {"__type": "com.amazonaws.sqs#OverLimit"}, b"", (Status.THROTTLED, "OverLimit")),
        (403, {"__type": "com.amazonaws.sqs#RequestThrottled"}, b"", (Status.THROTTLED, "RequestThrottled")),
        (400, {"__type": "ProvisionedThroughputExceededException"}, JSON,
         (Status.THROTTLED, "ProvisionedThroughputExceededException")),
        (400, {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException"}, b"",
         (Status.THROTTLED, "ThrottlingException")),
        (400, {"__type": "RequestLimitExceeded"}, b"", (Status.THROTTLED, "RequestLimitExceeded")),
        (503, b"<?xml version='1.0'?>\n<Error><Code>SlowDown</Code><Message>Reduce &amp; wait</Message></Error>", XML,
         (Status.THROTTLED, "SlowDown")),
        (503, b"<Error><Code>ServiceUnavailable</Code></Error>", XML, (Status.SERVICE_ERROR, "ServiceUnavailable")),
        (404, b"<Error><Code>NoSuchBucket</Code><Message>no</Message></Error>", XML, (Status.REFUSED, "NoSuchBucket")),
        (301, b"<Error><Code>PermanentRedirect</Code></Error>", XML, (Status.REFUSED, "PermanentRedirect")),
        (400, b"<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code></Error></ErrorResponse>", XML,
         (Status.THROTTLED, "Throttling")),
        (404, b"<ErrorResponse><Error><Code>NotFound</Code></Error></ErrorResponse>", XML,
         (Status.REFUSED, "NotFound")),
        (429, {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"}, b"",
         (Status.THROTTLED, "ReservedFunctionConcurrentInvocationLimitExceeded")),
        (429, b"", b"", (Status.THROTTLED, "HTTP 429")),
        (500, {"__type": "InternalFailure"}, b"", (Status.SERVICE_ERROR, "InternalFailure")),
        (502, b"<html>", b"", (Status.SERVICE_ERROR, "HTTP 502")),
        (403, {"message": "x"}, b"X-Amzn-ErrorType: AccessDeniedException:http://x/\r\n",
         (Status.REFUSED, "AccessDeniedException")),
        (200, {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}, b"", (Status.OK, "")),
        (200, {"FailedEntryCount": 1, "Entries": [{"EventId": "e"}, {"ErrorCode": "NotAuthorizedForSourceException"}]},
         b"", (Status.REFUSED, "NotAuthorizedForSourceException")),
        (200, {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}, b"",
         (Status.THROTTLED, "ThrottlingException")),
        (200, {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}, b"",
         (Status.SERVICE_ERROR, "InternalFailure")),
        (200, {"FailedEntryCount": 1}, b"", (Status.REFUSED, "entry was not taken")),
        (200, {"FailedRecordCount": 1, "Records": [{"ErrorCode": "ProvisionedThroughputExceededException"}]}, b"",
         (Status.THROTTLED, "ProvisionedThroughputExceededException")),
        (200, {"Successful": [], "Failed": [{"Code": "InvalidMessageContents", "SenderFault": True}]}, b"",
         (Status.REFUSED, "InvalidMessageContents")),
        (200, {"Successful": [{}], "Failed": []}, b"", (Status.OK, "")),
    ],
)  # fmt: skip
def test_a_service_that_takes_messages(status, body, headers, expected):
    assert outcome(read(ACCEPT, status, body, headers)) == expected


def test_messages_of_errors_in_xml_are_for_people():
    found = read(ACCEPT, 503, b"<Error><Code>SlowDown</Code><Message>Reduce &amp; wait</Message></Error>")
    assert found.message == "Reduce & wait"


@pytest.mark.parametrize(
    ("form", "body", "headers", "expected"),
    [
        (ACCEPT, b"", b"", ID),
        (RequestForm("/", answer="accept", id_header="x-amz-request-id"), b"", b"X-Amz-Request-Id: 0A\r\n", "0A"),
        (RequestForm("/", answer="accept", id_header="x-amz-request-id"), b"", b"", ""),
        (RequestForm("/", answer="accept", id_key="MessageId"), {"MD5": 1, "MessageId": ID}, b"", ID),
        (RequestForm("/", answer="accept", id_key="MessageId"),
         f"<R xmlns='x'>\n<P><MessageId>{ID}</MessageId><RequestId>no</RequestId></P></R>".encode(), b"", ID),
        (RequestForm("/", answer="accept", id_key="EventId"),
         {"FailedEntryCount": 0, "Entries": [{"EventId": ID}]}, b"", ID),
        (RequestForm("/", answer="accept", id_key="SequenceNumber"), {"SequenceNumber": "1" * 20 + "2" * 36}, b"",
         "2" * 36),
        (RequestForm("/", answer="accept", id_key="n"), b'{"o":{"n" : 12}}', b"", "12"),
        (RequestForm("/", answer="accept", id_key="MessageId"), {"x": 'a "MessageId": "no"', "MessageId": "yes"}, b"",
         "yes"),
        (RequestForm("/", answer="accept", id_key="MessageId"), {"x": "MessageId", "y": 1}, b"", ""),
    ],
)  # fmt: skip
def test_what_identifies_a_message(form, body, headers, expected):
    assert read(form, 200, body, headers).request_id == expected.encode()


@settings(max_examples=200, deadline=None)
@given(
    before=st.dictionaries(st.text(max_size=8).filter(lambda name: name != "key"), st.text(max_size=20), max_size=4),
    value=st.text("abc-0123", max_size=40),
    indent=st.sampled_from([None, 1]),
)
def test_a_value_is_found_whatever_stands_before_it(before, value, indent):
    body = json.dumps({**before, "key": value}, indent=indent).encode()
    assert find_value(body, b"key") == value.encode()


REPORT = (
    f"START RequestId: {ID} Version: 1\nEND RequestId: {ID}\nREPORT RequestId: {ID}\tDuration: 3.10 ms\t"
    "Billed Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 128 MB\tInit Duration: 50.00 ms\t\n"
)
TAIL = base64.b64encode(REPORT.encode()).decode()
STREAM = RequestForm("/", answer="stream")
EVENTS = b"Content-Type: application/vnd.amazon.eventstream\r\n"
CHUNK = event("PayloadChunk", b"x")


def complete(**members: str) -> bytes:
    return event("InvokeComplete", json.dumps(members).encode())


def details(kind: str, text: str = "") -> str:
    return json.dumps({"errorType": kind, "errorMessage": text})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (CHUNK + complete(LogResult=TAIL), (Status.OK, "")),
        (complete(), (Status.OK, "")),
        (CHUNK + complete(ErrorCode="KeyError", ErrorDetails=details("KeyError"), LogResult=TAIL),
         (Status.FUNCTION_ERROR, "KeyError")),
        (complete(ErrorCode="Unhandled", ErrorDetails=details("Sandbox.Timedout")),
         (Status.TIMEOUT, "Sandbox.Timedout")),
        (complete(ErrorCode="Sandbox.Timedout", ErrorDetails="RequestId: x Error: Task timed out after 1.00 seconds"),
         (Status.TIMEOUT, "Sandbox.Timedout")),
        (complete(ErrorCode="Runtime.ExitError", ErrorDetails=details("Runtime.ExitError", "signal: killed")),
         (Status.OUT_OF_MEMORY, "Runtime.ExitError")),
        (complete(ErrorCode="Runtime.ExitError", ErrorDetails="", LogResult=TAIL),
         (Status.OUT_OF_MEMORY, "Runtime.ExitError")),
        (complete(ErrorCode="Unhandled", ErrorDetails="oh"), (Status.FUNCTION_ERROR, "Unhandled")),
        (CHUNK, (Status.TRUNCATED, "stream ended without InvokeComplete")),
        (b"", (Status.TRUNCATED, "stream ended without InvokeComplete")),
        (CHUNK + complete()[:-1], (Status.TRUNCATED, "stream ended without InvokeComplete")),
        (CHUNK[:-1] + b"?" + complete(), (Status.TRUNCATED, "checksum of an event is wrong")),
        (CHUNK + message(header(":message-type", "exception") + header(":exception-type", "ServiceException"),
                         b'{"Message": "sorry"}'), (Status.SERVICE_ERROR, "ServiceException")),
    ],
)  # fmt: skip
def test_a_stream(body, expected):
    found = read(STREAM, 200, body, EVENTS)
    assert outcome(found) == expected
    assert found.request_id == ID.encode()


def test_a_stream_s_report_is_in_its_last_event():
    found = read(STREAM, 200, CHUNK * 3 + complete(LogResult=TAIL), EVENTS)
    assert found.report is not None
    assert (found.report.duration_ms, found.report.init_ms, found.start) == (3.1, 50.0, Start.COLD)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (429, {"Reason": "CallerRateLimitExceeded"}, (Status.THROTTLED, "CallerRateLimitExceeded")),
        (404, {"Type": "User"}, (Status.REFUSED, "HTTP 404")),
        (500, b"", (Status.SERVICE_ERROR, "HTTP 500")),
        (200, b"{}", (Status.SERVICE_ERROR, "answer is no event stream")),
    ],
)
def test_a_stream_that_did_not_begin(status, body, expected):
    assert outcome(read(STREAM, status, body)) == expected


HTTP = RequestForm("/", answer="http")
ERROR_TYPE = b"x-amzn-ErrorType: %s\r\n"


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (200, b"hello", b"", (Status.OK, "")),
        (302, b"", b"Location: /x\r\n", (Status.OK, "")),
        (404, {"error": "no such thing"}, b"", (Status.FUNCTION_ERROR, "HTTP 404")),
        (404, {"message": "no such thing"}, b"", (Status.FUNCTION_ERROR, "HTTP 404")),
        (403, b"<html>mine</html>", b"", (Status.FUNCTION_ERROR, "HTTP 403")),
        (418, b"", b"", (Status.FUNCTION_ERROR, "HTTP 418")),
        (500, {"message": "Internal Server Error"}, b"", (Status.FUNCTION_ERROR, "HTTP 500")),
        (502, {"Message": "Internal Server Error"}, b"", (Status.FUNCTION_ERROR, "HTTP 502")),
        (502, {"message": "Internal server error"}, ERROR_TYPE % b"InternalServerErrorException",
         (Status.FUNCTION_ERROR, "HTTP 502")),
        (504, {"message": "Endpoint request timed out"}, b"", (Status.TIMEOUT, "HTTP 504")),
        (503, {"message": "Service Unavailable"}, b"", (Status.SERVICE_ERROR, "HTTP 503")),
        (429, {"message": "Too Many Requests"}, b"", (Status.THROTTLED, "HTTP 429")),
        (429, {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "message": "Rate Exceeded."}, b"",
         (Status.THROTTLED, "ReservedFunctionConcurrentInvocationLimitExceeded")),
        (403, {"Message": "Forbidden"}, b"", (Status.REFUSED, "HTTP 403")),
        (403, {"Message": None}, b"", (Status.REFUSED, "HTTP 403")),
        (403, {"message": "Forbidden"}, b"", (Status.REFUSED, "HTTP 403")),
        (404, {"message": "Not Found"}, b"", (Status.REFUSED, "HTTP 404")),
        (403, {"message": "Missing Authentication Token"}, ERROR_TYPE % b"MissingAuthenticationTokenException",
         (Status.REFUSED, "MissingAuthenticationTokenException")),
        (404, b"<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1>",
         b"Server: awselb/2.0\r\n", (Status.REFUSED, "HTTP 404")),
    ],
)  # fmt: skip
def test_what_a_function_answered_and_what_was_answered_in_its_place(status, body, headers, expected):
    assert outcome(read(HTTP, status, body, headers)) == expected


WORKFLOW = RequestForm("/", answer="workflow")
TASK = {
    "ExecutedVersion": "1",
    "Payload": {"say": '"RequestId": "no"'},
    "SdkHttpMetadata": {"HttpHeaders": {"X-Amz-Executed-Version": "1"}},
    "SdkResponseMetadata": {"RequestId": ID},
    "StatusCode": 200,
}


@pytest.mark.parametrize(
    ("body", "expected", "request_id"),
    [
        ({"status": "SUCCEEDED", "output": json.dumps(TASK)}, (Status.OK, ""), ID),
        ({"output": json.dumps({"a": TASK}, indent=2), "status": "SUCCEEDED"}, (Status.OK, ""), ID),
        ({"status": "SUCCEEDED", "output": '{"got": 1}', "name": ID}, (Status.OK, ""), ""),
        ({"status": "SUCCEEDED"}, (Status.OK, ""), ""),
        ({"status": "SUCCEEDED", "output": json.dumps({"x": "y" * 200_000, **TASK})}, (Status.OK, ""), ID),
        ({"status": "FAILED", "error": "KeyError", "cause": json.dumps({"errorType": "KeyError", "requestId": ID})},
         (Status.FUNCTION_ERROR, "KeyError"), ID),
        ({"status": "FAILED", "error": "States.Timeout"}, (Status.TIMEOUT, "States.Timeout"), ""),
        ({"status": "FAILED", "error": "Sandbox.Timedout",
          "cause": json.dumps({"errorMessage": f"RequestId: {ID} Error: Task timed out after 1.00 seconds"})},
         (Status.TIMEOUT, "Sandbox.Timedout"), ID),
        ({"status": "FAILED", "error": "Lambda.Unknown", "cause": "... Task timed out after 1.00 seconds"},
         (Status.TIMEOUT, "Sandbox.Timedout"), ""),
        ({"status": "FAILED", "error": "Lambda.Unknown", "cause": "no idea"},
         (Status.FUNCTION_ERROR, "Lambda.Unknown"), ""),
        ({"status": "FAILED", "error": "Runtime.ExitError", "cause": '{"errorMessage": "signal: killed"}'},
         (Status.OUT_OF_MEMORY, "Runtime.ExitError"), ""),
        ({"status": "FAILED", "error": "Lambda.TooManyRequestsException"},
         (Status.THROTTLED, "Lambda.TooManyRequestsException"), ""),
        ({"status": "FAILED", "error": "Lambda.ServiceException"},
         (Status.SERVICE_ERROR, "Lambda.ServiceException"), ""),
        ({"status": "FAILED"}, (Status.FUNCTION_ERROR, "States.TaskFailed"), ""),
        ({"status": "TIMED_OUT", "error": "States.Timeout"}, (Status.TIMEOUT, "States.Timeout"), ""),
        ({"status": "TIMED_OUT"}, (Status.TIMEOUT, "States.Timeout"), ""),
        ({"status": "ABORTED"}, (Status.SERVICE_ERROR, "ABORTED"), ""),
        ({"state": 1}, (Status.SERVICE_ERROR, "answer is no execution"), ""),
        (b"\xff", (Status.SERVICE_ERROR, "answer is no execution"), ""),
    ],
)  # fmt: skip
def test_a_workflow(body, expected, request_id):
    found = read(WORKFLOW, 200, body)
    assert outcome(found) == expected
    assert found.request_id == request_id.encode()


def test_a_workflow_that_was_not_started():
    found = read(WORKFLOW, 400, {"__type": "ThrottlingException"})
    assert outcome(found) == (Status.THROTTLED, "ThrottlingException")
    found = read(WORKFLOW, 400, {"__type": "com.amazonaws#StateMachineDoesNotExist", "message": "no"})
    assert outcome(found) == (Status.REFUSED, "StateMachineDoesNotExist")


@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from(["invoke", "stream", "accept", "http", "workflow"]),
    status=st.sampled_from([200, 202, 400, 403, 429, 500, 502]),
    body=st.one_of(
        st.binary(max_size=100),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["Failed", "FailedEntryCount", "Entries", "status", "error", "cause", "Message"]),
                    inner,
                )
            ),
            max_leaves=8,
        ),
    ),
    events=st.booleans(),
)
def test_no_answer_breaks_a_reader(kind, status, body, events):
    found = read(RequestForm("/", answer=kind), status, body, EVENTS if events else b"")
    assert found.status in set(Status)
    assert (found.status is Status.OK) is (found.error == "")
