"""What is taken for an event and what is refused, as Lambda would."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdatune.model.errors import UsageError
from lambdatune.session.payloads import MAX_PAYLOAD_BYTES, read_payloads
from lambdatune.session.setting_table import Given


def read(tmp_path: Path, *texts: str, tokens: bool = False):
    return read_payloads(Given(list(texts), "--payload", tmp_path), tokens=tokens)


@pytest.mark.parametrize(
    ("text", "body", "weight"),
    [
        ('{"id": 1}', b'{"id": 1}', 1.0),
        ('{"id": 1}:0.25', b'{"id": 1}', 0.25),
        ('"text:5"', b'"text:5"', 1.0),
        ("null", b"null", 1.0),
        ('{"\u00fc": "\u4e2d"}', '{"\u00fc": "\u4e2d"}'.encode(), 1.0),
    ],
)
def test_an_inline_event_is_sent_as_it_stands(tmp_path, text, body, weight) -> None:
    (payload,) = read(tmp_path, text)
    assert (payload.body, payload.weight) == (body, weight)


def test_a_file_is_read_byte_by_byte(tmp_path) -> None:
    body = b'{"a":\r\n\t"\xc3\xbc\xe4\xb8\xad\\u0000"}\r\n'
    (tmp_path / "event.json").write_bytes(body)
    (tmp_path / "event.json:2").write_bytes(b"2")
    first, second = read(tmp_path, "@event.json:0.5", "@event.json:2")
    assert (first.body, first.weight) == (body, 0.5)
    assert (second.body, second.weight) == (b"2", 1.0)  # a file of that name is that file


@pytest.mark.parametrize(
    ("body", "said", "hint"),
    [
        (b"\xef\xbb\xbf{}", "it begins with a UTF-8 byte order mark", "without a byte order mark"),
        (b"\xff\xfe{\x00}\x00", "it is not UTF-8 text (byte 0 is 0xff)", "for example as base64"),
        (b"\x89PNG\r\n\x1a\n", "it is not UTF-8 text (byte 0 is 0x89)", "for example as base64"),
        (b"", "Expecting value", "--payload '{"),
        (b"{", "Expecting property name", "--payload '{"),
        (b'{"a": NaN}', "NaN is no JSON number", "--payload '{"),
        (b"[-Infinity]", "-Infinity is no JSON number", "--payload '{"),
    ],
)
def test_what_lambda_would_refuse_is_refused_with_the_reason(tmp_path, body, said, hint) -> None:
    (tmp_path / "event.bin").write_bytes(body)
    with pytest.raises(UsageError) as refused:
        read(tmp_path, "@event.bin")
    assert f"payload file `{tmp_path / 'event.bin'}` is not JSON: " in refused.value.message
    assert said in refused.value.message
    assert hint in (refused.value.hint or "")


@pytest.mark.parametrize(("extra", "fits"), [(0, True), (1, False)])
def test_the_limit_is_six_megabytes_and_is_named(tmp_path, extra, fits) -> None:
    (tmp_path / "event.json").write_bytes(b'"' + b"x" * (MAX_PAYLOAD_BYTES - 2 + extra) + b'"')
    if fits:
        assert len(read(tmp_path, "@event.json")[0].body) == MAX_PAYLOAD_BYTES
        return
    with pytest.raises(UsageError, match="has 6291457 bytes: a synchronous call takes 6291456 at the most"):
        read(tmp_path, "@event.json")


@pytest.mark.parametrize(
    ("text", "place", "weight"),
    [
        ("s3://events/order.json", ("events", "order.json"), 1.0),
        ("s3://events/a/b c.json:0.5", ("events", "a/b c.json"), 0.5),
    ],
)
def test_an_object_in_s3_is_named_and_read_later(tmp_path, text, place, weight) -> None:
    (payload,) = read(tmp_path, text)
    assert (payload.s3, payload.weight, payload.body) == (place, weight, b"")


@pytest.mark.parametrize("text", ["s3://", "s3://events", "s3://events/", "s3:///key"])
def test_what_is_no_object_in_s3_is_refused(tmp_path, text) -> None:
    with pytest.raises(UsageError, match="expected s3://BUCKET/KEY"):
        read(tmp_path, text)


@pytest.mark.parametrize("text", ["{}:0", "s3://events/order.json:0"])
def test_a_payload_of_no_weight_is_refused(tmp_path, text) -> None:
    with pytest.raises(UsageError, match="weight 0 is not above zero"):
        read(tmp_path, text)
