from __future__ import annotations

import base64
import json

import hypothesis.strategies as st
import pytest
from hypothesis import given

from lambdatune.load.classify import classify
from lambdatune.load.lags import LagHistogram
from lambdatune.load.log_tail import read_log_tail
from lambdatune.model.invocation import Start, Status
from lambdatune.model.report_line import parse_report

ID = "8f5ee2c4-5c5e-4b0c-9c1e-0123456789ab"


def log(before: str = "", fields: str = "") -> bytes:
    return (
        f"{before}START RequestId: {ID} Version: $LATEST\nhello\nEND RequestId: {ID}\n"
        f"REPORT RequestId: {ID}\tDuration: 3.10 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\t"
        f"Max Memory Used: 128 MB\t{fields}\n"
    ).encode()


def function_error(payload: object, report_fields: str = "") -> tuple[Status, str, str]:
    head = b"HTTP/1.1 200 OK\r\nX-Amz-Function-Error: Unhandled\r\n"
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return classify(200, head, head.lower(), body, parse_report(log(fields=report_fields), ID))


@pytest.mark.parametrize(
    ("payload", "fields", "status", "error"),
    [
        ({"errorType": "KeyError", "errorMessage": "'x'"}, "", Status.FUNCTION_ERROR, "KeyError"),
        ({"errorType": "KeyError", "errorMessage": "Task timed out after 3"}, "", Status.FUNCTION_ERROR, "KeyError"),
        ({"errorMessage": f"2023-01-01T00:00:00Z {ID} Task timed out after 3.00 seconds"}, "", Status.TIMEOUT,
         "Sandbox.Timedout"),
        ({"errorType": "Sandbox.Timedout", "errorMessage": "RequestId"}, "", Status.TIMEOUT, "Sandbox.Timedout"),
        ({}, "Status: timeout", Status.TIMEOUT, "Sandbox.Timedout"),
        ({"errorType": "Runtime.OutOfMemory"}, "", Status.OUT_OF_MEMORY, "Runtime.OutOfMemory"),
        ({"errorType": "Runtime.ExitError", "errorMessage": "exit status 1"}, "", Status.OUT_OF_MEMORY,
         "Runtime.ExitError"),
        ({"errorType": "MemoryError"}, "", Status.FUNCTION_ERROR, "MemoryError"),
        (b"not json", "", Status.FUNCTION_ERROR, "Unhandled"),
        (b"[" * 100_000, "", Status.FUNCTION_ERROR, "Unhandled"),
        (b'"\xff"', "", Status.FUNCTION_ERROR, "Unhandled"),
        (b"[1]", "Status: error\tError Type: Runtime.Unknown", Status.FUNCTION_ERROR, "Runtime.Unknown"),
    ],
)  # fmt: skip
def test_function_errors(payload, fields, status, error):
    assert function_error(payload, fields)[:2] == (status, error)


def test_an_exit_below_the_limit_is_not_out_of_memory():
    head = b"HTTP/1.1 200 OK\r\nX-Amz-Function-Error: Unhandled\r\n"
    body = b'{"errorType":"Runtime.ExitError","errorMessage":"RequestId: x Error: exit status 1"}'
    assert classify(200, head, head.lower(), body, None)[0] == Status.FUNCTION_ERROR


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (429, b"", b'{"Reason":"ConcurrentInvocationLimitExceeded","message":"Rate Exceeded."}',
         (Status.THROTTLED, "ConcurrentInvocationLimitExceeded", "Rate Exceeded.")),
        (429, b"x-amzn-ErrorType: TooManyRequestsException:http://x/\r\n", b"{}",
         (Status.THROTTLED, "TooManyRequestsException", "{}")),
        (403, b"", b'{"__type":"com.amazon.coral#AccessDeniedException","Message":"no"}',
         (Status.REFUSED, "AccessDeniedException", "no")),
        (413, b"", b"<html>", (Status.REFUSED, "HTTP 413", "<html>")),
        (302, b"", b"", (Status.REFUSED, "HTTP 302", "")),
        (503, b"", b"", (Status.SERVICE_ERROR, "HTTP 503", "")),
    ],
)  # fmt: skip
def test_refusals(status, headers, body, expected):
    head = b"HTTP/1.1 000 X\r\n" + headers
    assert classify(status, head, head.lower(), body, None) == expected


@given(noise=st.text(max_size=4000), fields=st.sampled_from(["", "Init Duration: 10.00 ms\t"]))
def test_reading_the_end_of_a_tail_equals_reading_all_of_it(noise, fields):
    text = log(before="", fields=fields).replace(b"hello", noise.encode())[-4096:]
    report, start = read_log_tail(base64.b64encode(text), ID)
    assert report == parse_report(text, ID)
    if report is not None:
        assert start == (Start.COLD if fields else Start.WARM)


@pytest.mark.parametrize("shift", range(3))
def test_an_init_that_ran_again_is_found_far_before_the_report(shift):
    line = "x" * shift + "\nINIT_REPORT Init Duration: 10007.33 ms\tPhase: init\tStatus: timeout\n"
    report, start = read_log_tail(base64.b64encode(log(before=line).replace(b"hello", b"y" * 3000)), ID)
    assert report is not None
    assert start == Start.COLD


def test_what_is_not_a_log_is_unknown():
    assert read_log_tail(b"!!!", ID) == (None, Start.UNKNOWN)
    assert read_log_tail(b"", None) == (None, Start.UNKNOWN)
    assert read_log_tail(base64.b64encode(log()), "another")[0] is None


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=200), st.floats(0, 100))
def test_lag_percentiles_are_upper_bounds_within_a_bucket(values, percentile):
    histogram = LagHistogram()
    for value in values[::2]:
        histogram.record(value)
    other = LagHistogram()
    for value in values[1::2]:
        other.record(value)
    histogram.add(other.counts)
    assert histogram.total == len(values)
    rank = max(-(-percentile * len(values) // 100), 1)
    exact = sorted(values)[min(int(rank), len(values)) - 1]
    found = round(histogram.percentile_ms(percentile) * 1e6)
    assert exact <= found + 1
    assert found <= exact * 1.04 + 1
