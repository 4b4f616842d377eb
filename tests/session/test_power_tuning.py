"""Input files of aws-lambda-power-tuning become plans."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lambdatune.model.errors import UsageError
from lambdatune.session.power_tuning import PowerTuningInput, read_power_tuning
from lambdatune.session.settings import build_plan

ARN = "arn:aws:lambda:eu-central-1:111122223333:function:shop"
SAMPLE = {
    "lambdaARN": ARN, "powerValues": [128, 256, 512, 3008], "num": 5, "payload": {}, "parallelInvocation": True,
    "strategy": "cost",
}  # fmt: skip
"""As scripts/sample-execution-input.json of that tool."""


@pytest.fixture
def read(tmp_path):
    """Write an input file and read it."""

    def given(document: object, text: str | None = None) -> PowerTuningInput:
        path = tmp_path / "input.json"
        path.write_text(json.dumps(document) if text is None else text)
        return read_power_tuning(path, "--power-tuning-input")

    return given


def test_that_tools_own_sample_is_a_plan(read) -> None:
    asked = read(SAMPLE)
    plan = build_plan(asked.given)
    assert plan.function.name == ARN
    assert (str(plan.memory), plan.concurrency, plan.strategy) == ("128,256,512,3008", 5, "cheapest")
    assert [payload.body for payload in plan.payloads] == [b"{}"]
    assert asked.notes == (
        "num: the run makes as many calls as its answer takes; --max-invocations and --max-usd limit them",
    )


@pytest.mark.parametrize(
    ("more", "bodies", "weights"),
    [
        ({"payload": {"id": "a:0.5"}}, ['{"id": "a:0.5"}'], [1]),
        ({"payload": '{"id": 1}'}, ['{"id": 1}'], [1]),
        ({"payload": "just a string"}, ['"just a string"'], [1]),
        ({"payload": "@file.json"}, ['"@file.json"'], [1]),
        ({"payload": "s3://not/read"}, ['"s3://not/read"'], [1]),
        ({"payload": [1, 2]}, ["[1, 2]"], [1]),
        ({"payload": None}, ["null"], [1]),
        (
            {"payload": [{"payload": {"a": 1}, "weight": 30}, {"payload": "x:9", "weight": 0.5}]},
            ['{"a": 1}', '"x:9"'], [30, 0.5],
        ),
    ],
)  # fmt: skip
def test_payloads_are_sent_as_that_tool_sends_them(read, more, bodies, weights) -> None:
    payloads = build_plan(read({**SAMPLE, **more}).given).payloads
    assert [payload.body.decode() for payload in payloads] == bodies
    assert [payload.weight for payload in payloads] == weights


def test_the_other_keys_have_their_settings_or_are_told_of(read) -> None:
    asked = read({
        "lambdaARN": ARN, "num": "20", "powerValues": "ALL", "strategy": "speed", "payloadS3": "s3://bucket/key.json",
        "onlyColdStarts": True, "autoOptimize": True, "discardTopBottom": 0.2, "includeOutputResults": True,
        "autoOptimizeAlias": "", "colour": "red",
    })  # fmt: skip
    plan = build_plan(asked.given)
    assert (str(plan.memory), plan.strategy, plan.cold_starts, plan.concurrency) == ("128-3008", "fastest", 20, 1)
    assert plan.payloads[0].s3 == ("bucket", "key.json")
    assert [note.partition(":")[0] for note in asked.notes] == [
        "num", "powerValues", "onlyColdStarts", "autoOptimize", "discardTopBottom", "colour",
    ]  # fmt: skip


def test_without_sizes_they_are_that_tools_own(read) -> None:
    plan = build_plan(read({"lambdaARN": ARN, "num": 5}).given)
    assert str(plan.memory) == "128,256,512,1024,1536,3008"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "is no input of aws-lambda-power-tuning"),
        ({"num": 5}, "expected an object with a text `lambdaARN`"),
        ({**SAMPLE, "strategy": "best"}, "key `strategy`: expected cost, speed or balanced, not `best`"),
        ({**SAMPLE, "strategy": []}, "key `strategy`: expected cost"),
        ({**SAMPLE, "powerValues": 128}, "key `powerValues`: expected a list"),
        ({**SAMPLE, "num": "many"}, "key `num`: expected a whole number, not `many`"),
        ({**SAMPLE, "num": 20_000}, "key `num`: 20000 is out of range"),
        ({**SAMPLE, "preProcessorARN": ARN}, "key `preProcessorARN`: a function before each call"),
        ({**SAMPLE, "dryRun": True}, "key `dryRun`"),
    ],
)
def test_what_is_no_plan_is_refused_by_file_and_key(read, document, said) -> None:
    with pytest.raises(UsageError, match=r"--power-tuning-input: `.*input\.json`") as caught:
        read(document)
    assert said in caught.value.message


def test_a_size_that_is_none_is_refused_by_its_key(read) -> None:
    with pytest.raises(UsageError, match="key `powerValues`: memory size 64 MB"):
        build_plan(read({**SAMPLE, "powerValues": [64]}).given)


def test_what_is_no_json_or_not_there_is_a_sentence(read, tmp_path) -> None:
    with pytest.raises(UsageError, match="is not JSON"):
        read(None, text="{")
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_power_tuning(tmp_path / "nowhere.json", "--power-tuning-input")
    with pytest.raises(UsageError, match="is not JSON"):
        read_power_tuning(Path("a\0b"), "--power-tuning-input")
