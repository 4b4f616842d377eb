"""Payloads of a run: from S3, and kept only when asked."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from support.program import Finished, only_run, result_of

pytestmark = pytest.mark.slow

STORE = Path(__file__).parents[1] / "support" / "object_store.py"
SECRET = "a-customer-called-\u00dcmit"


@pytest.fixture
def objects(tmp_path, monkeypatch) -> Iterator[tuple[Path, str]]:
    """Serve a directory as S3; return (the bucket's directory, the URL)."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    bucket = tmp_path / "s3" / "events"
    bucket.mkdir(parents=True)
    process = subprocess.Popen(
        [sys.executable, str(STORE), str(bucket.parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
    yield bucket, url
    process.kill()
    process.communicate()


@pytest.fixture
def tune(lambdatune, tmp_path) -> Callable[..., Finished]:
    """Run a handler that ends in an error unless it gets its event."""
    code = tmp_path / "picky"
    code.mkdir()
    (code / "app.py").write_text("def handler(event, context):\n    return event['customer'][:1]\n")

    def run(*arguments: str) -> Finished:
        return lambdatune(
            "run", "--function", str(code), "--runtime", "python3.12", "--handler", "app.handler",
            "--memory", "512", "--cold-starts", "1", "--max-invocations", "4", "--output", str(tmp_path / "runs"),
            *arguments,
        )  # fmt: skip

    return run


def hash_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]


def event(number: int) -> bytes:
    return json.dumps({"customer": SECRET, "number": number}, ensure_ascii=False).encode()


def test_events_in_s3_reach_the_function_and_are_not_kept(objects, tune, tmp_path) -> None:
    bucket, url = objects
    (bucket / "order.json").write_bytes(event(1))
    (bucket / "rare.json").write_bytes(event(2))
    done = tune("--payload", "s3://events/order.json:0.75", "--payload", "s3://events/rare.json:0.25")
    assert done.code in {0, 5}, done.err
    result = result_of(only_run(tmp_path / "runs"))
    assert [cell["errors"] for cell in result["cells"]] == [{}]
    assert result["plan"]["payloads"] == [
        {"bytes": len(event(1)), "weight": 0.75, "tokens": False, "sha256": hash_of(event(1))},
        {"bytes": len(event(2)), "weight": 0.25, "tokens": False, "sha256": hash_of(event(2))},
    ]
    with urlopen(f"{url}/requests") as answer:
        seen = json.load(answer)
    assert seen == [
        "HEAD /events/order.json", "GET /events/order.json", "HEAD /events/rare.json", "GET /events/rare.json"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (None, 7, "s3://events/order.json does not exist"),
        (b"\x89PNG", 2, "payload s3://events/order.json is not JSON: it is not UTF-8 text"),
        (b'"' + b"x" * 6291456 + b'"', 2, "payload s3://events/order.json has 6291458 bytes: a synchronous call takes"),
    ],
    ids=["absent", "binary", "too large"],
)
def test_an_object_that_cannot_be_an_event_ends_the_run_before_it_begins(
    objects, tune, tmp_path, body, code, said
) -> None:
    bucket, url = objects
    if body is not None:
        (bucket / "order.json").write_bytes(body)
    done = tune("--payload", "s3://events/order.json")
    assert done.code == code, done.err
    assert said in done.err
    assert not (tmp_path / "runs").exists()
    if body is not None and len(body) > 100:
        with urlopen(f"{url}/requests") as answer:
            assert json.load(answer) == ["HEAD /events/order.json"]  # its size alone was asked for


def test_an_object_that_may_not_be_read_names_the_permission(objects, tune) -> None:
    done = tune("--payload", "s3://private/order.json")
    assert done.code == 7
    assert "reading s3://private/order.json was denied" in done.err
    assert "s3:GetObject" in done.err


@pytest.mark.parametrize("keep", [False, True], ids=["as it is", "--record-payloads"])
def test_no_byte_of_a_payload_is_in_the_run_directory_unless_asked(tune, tmp_path, keep) -> None:
    (tmp_path / "event.json").write_bytes(event(1))
    inline = json.dumps({"customer": SECRET, "number": 2})
    done = tune(
        "--payload", f"@{tmp_path / 'event.json'}", "--payload", inline, *(["--record-payloads"] if keep else [])
    )
    assert done.code in {0, 5}, done.err
    run = only_run(tmp_path / "runs")
    found = [path.name for path in run.iterdir() if b"a-customer-called" in path.read_bytes()]
    if not keep:
        assert found == []
        return
    assert found == ["run.json"]
    bodies = [payload["body"] for payload in result_of(run)["plan"]["payloads"]]
    assert bodies == [event(1).decode(), inline]
