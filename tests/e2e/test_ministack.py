"""The tool against ministack, a public emulator: a complete run, or a sentence about what the emulator lacks.

What ministack 1.5.33 has: the functions, versions, states, tags and log groups that a clone needs, and calls. What it
has not: a REPORT line in the log tail of a call (its log groups have one, under another request id).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from support.ministack import running_ministack
from support.program import make_function, only_run, result_of
from support.signing import KEY
from support.sources import all_sources

from lambdatune.model.modes import MODES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.program import Finished

pytestmark = pytest.mark.slow

HANDLERS = {
    "quiet": "def handler(event, context):\n    return {'ok': True}\n",
    # Of what a handler prints ministack makes the log tail: one that prints has a tail, but no REPORT line in it.
    "chatty": "def handler(event, context):\n    print('hello')\n    return {'ok': True}\n",
    "failing": "def handler(event, context):\n    raise ValueError('no')\n",
}


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run ministack with the functions of `HANDLERS`."""
    with running_ministack(tmp_path_factory.mktemp("ministack")) as url:
        for name, source in HANDLERS.items():
            make_function(url, name, source)
        yield url


@pytest.fixture
def tune(lambdatune: Callable[..., Finished], ministack: str, tmp_path: Path) -> Callable[..., Finished]:
    """Run a plan against ministack."""

    def run(function: str, *options: str) -> Finished:
        return lambdatune(
            "run", "--endpoint-url", ministack, "--function", function, "--memory", "128,512",
            "--target", "p95<=2s", "--cold-starts", "2", "--max-invocations", "200",
            "--yes", "--output", str(tmp_path / "runs"), *options,
        )  # fmt: skip

    return run


_SERVED = ("lambda", "logs", "sqs", "sns", "s3", "events", "stepfunctions")


def snapshot(url: str) -> dict[str, Any]:
    """Return what is on the emulator: configurations, versions, tags and log groups."""
    session = botocore.session.get_session()
    keys = {"aws_access_key_id": KEY, "aws_secret_access_key": KEY}
    functions = session.create_client("lambda", "us-east-1", endpoint_url=url, **keys)
    logs = session.create_client("logs", "us-east-1", endpoint_url=url, **keys)
    try:
        return {
            "functions": functions.list_functions(FunctionVersion="ALL")["Functions"],
            "groups": [
                group["logGroupName"]
                for group in logs.describe_log_groups()["logGroups"]
                if not group["logGroupName"].endswith(tuple(HANDLERS))
            ],
        }
    finally:
        functions.close()
        logs.close()


@pytest.mark.parametrize("function", ["quiet", "chatty"])
def test_answers_without_a_report_line_end_the_run_with_a_sentence(
    tune: Callable[..., Finished], ministack: str, tmp_path: Path, function: str
) -> None:
    before = snapshot(ministack)
    done = tune(function)
    assert done.code == 6, done.err
    assert "No advice: none of 2 successful calls brought a REPORT line in its log tail" in done.out
    assert "note: the lack of REPORT lines ended the run" in done.out
    assert "Traceback" not in done.err
    result = result_of(only_run(tmp_path / "runs"))
    assert result["validity"]["valid"] is False
    # It was known after the first order: nothing more was called.
    assert result["spend"]["invocations"] == 2
    # The clone, its versions and its log group came, and are gone; the function is as it was.
    assert f"function `lambdatune-{function}-" in done.err
    assert f"log group `/aws/lambda/lambdatune-{function}-" in done.err
    assert snapshot(ministack) == before


def test_the_same_plan_is_complete_on_the_embedded_endpoint(
    lambdatune: Callable[..., Finished], endpoint: Callable[..., Any], tmp_path: Path
) -> None:
    local = endpoint()
    make_function(local.url, "quiet", HANDLERS["quiet"])
    done = lambdatune(
        "run", "--endpoint-url", local.url, "--function", "quiet", "--memory", "128,512", "--target", "p95<=2s",
        "--cold-starts", "2", "--max-invocations", "200", "--output", str(tmp_path / "runs"),
    )  # fmt: skip
    assert done.code == 0, done.err


def test_a_function_that_only_fails_is_told_as_that(tune: Callable[..., Finished], tmp_path: Path) -> None:
    done = tune("failing")
    assert done.code == 6, done.out + done.err
    assert "128 MB failed: all" in done.out
    assert "ended as function error" in done.out


def test_an_unknown_function_names_the_nearest(tune: Callable[..., Finished]) -> None:
    done = tune("quite")
    assert done.code == 7
    assert "function `quite` was not found" in done.err
    assert "did you mean quiet?" in done.err


def test_after_a_run_nothing_is_owed(tune: Callable[..., Finished], lambdatune: Callable[..., Finished]) -> None:
    tune("quiet")
    done = lambdatune("restore", "--all")
    assert done.code == 0, done.err


LACKING = {
    "stream": "brought a REPORT line",
    "step-functions": "brought a REPORT line",
    "function-url": "which is not on this machine",
    "event": "no record of them came to the clone's destination",  # sns, s3 and eventbridge alike, after 15 s each
}


@pytest.mark.parametrize("mode", ["sqs", *LACKING])
def test_a_mode_is_tuned_or_a_sentence_says_what_the_emulator_lacks(mode, tune, ministack) -> None:
    before = all_sources(ministack, _SERVED)
    load = ("--burst", "4/100ms") if MODES[mode].is_delivered else ()
    done = tune("quiet", "--mode", mode, *load)
    if mode in LACKING:
        assert done.code in {6, 7}
        assert LACKING[mode] in done.err + done.out
    else:
        assert done.code == 0, done.err
        assert "by sqs" in done.out
    assert all_sources(ministack, _SERVED) == before
