"""Input files of aws-lambda-power-tuning become plans."""

from __future__ import annotations

import json

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
        return read_power_tuning(str(path), "--power-tuning-input")

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


DOCUMENTED = {
    "lambdaARN": ARN, "num": 7, "powerValues": [256], "payload": {"a": 1}, "payloadS3": "s3://bucket/key",
    "parallelInvocation": True, "strategy": "speed", "balancedWeight": 0.25, "autoOptimize": True,
    "autoOptimizeAlias": "prod", "dryRun": True, "preProcessorARN": ARN, "postProcessorARN": ARN,
    "discardTopBottom": 0.1, "sleepBetweenRunsMs": 100, "disablePayloadLogs": True, "includeOutputResults": True,
    "onlyColdStarts": True, "allowedExceptions": ["HandledError"],
}  # fmt: skip
"""Every key of "State machine input (at execution time)" in that tool's README-EXECUTE.md (commit 262ecc2)."""
REFUSED = {"dryRun", "preProcessorARN", "postProcessorARN"}
NO_DIFFERENCE = {"disablePayloadLogs", "includeOutputResults"}
"""Payloads are in no log, and figures of every size in the output, whatever these say."""


@pytest.mark.parametrize("key", DOCUMENTED)
def test_every_documented_key_changes_the_plan_or_is_named_in_a_sentence(read, key) -> None:
    plain = {"lambdaARN": ARN + "-other", "num": 5, "strategy": "balanced"}
    # Without these two no num is asked for, and no number of cold starts.
    plain |= {"parallelInvocation": True} if key == "num" else {}
    with_it = plain | {key: DOCUMENTED[key]}
    if key in REFUSED:
        with pytest.raises(UsageError, match=f"key `{key}`"):
            read(with_it)
        return
    before, after = read(plain), read(with_it)
    told = {note.partition(":")[0] for note in after.notes} - {note.partition(":")[0] for note in before.notes}
    is_followed = build_plan(after.given) != build_plan(before.given)
    assert is_followed or key in told or key in NO_DIFFERENCE
    assert "is not known" not in "".join(after.notes)


@pytest.mark.parametrize(
    ("weight", "strategy", "is_told"),
    [(0, "fastest", False), (-1, "fastest", False), (1, "cheapest", False), (10**400, "cheapest", False),
     (0.5, "balanced", False), (0.7, "balanced", True), ("much", "balanced", False)],
)  # fmt: skip
def test_a_balance_with_all_of_its_weight_on_one_side_is_that_sides_strategy(read, weight, strategy, is_told) -> None:
    asked = read({**SAMPLE, "strategy": "balanced", "balancedWeight": weight})
    assert build_plan(asked.given).strategy == strategy
    assert any(note.startswith("balancedWeight") for note in asked.notes) == is_told
    assert build_plan(read({**SAMPLE, "balancedWeight": 0}).given).strategy == "cheapest"


URL = "https://lambda-power-tuning.show/#AAQABgAI;3t2NQUREREFERExB;ilmiNADhrzRWgeo0"


@pytest.mark.parametrize("around", [lambda output: output, lambda output: {"results": output}])
def test_a_visualization_url_and_an_output_with_one_give_sizes_and_figures(read, around) -> None:
    asked = read_power_tuning(URL, "--power-tuning-input")
    assert list(asked.given) == ["memory"]
    assert asked.given["memory"].value == "1024,1536,2048"
    assert asked.figures[0].durations_ms[1] == pytest.approx(12.2667, abs=1e-4)
    assert "function, payload and strategy are those of the options" in asked.notes[0]
    output = {"power": 1536, "cost": 3.2e-7, "duration": 12.3, "stateMachine": {"visualization": URL}}
    assert read(around(output)).figures == asked.figures


def test_a_url_that_is_none_is_refused_by_where_it_stands(read) -> None:
    with pytest.raises(UsageError, match=r"^--power-tuning-input: `https://x/#ab` is no visualization URL"):
        read_power_tuning("https://x/#ab", "--power-tuning-input")
    with pytest.raises(UsageError, match=r"input\.json`, key `stateMachine\.visualization`: `nothing` is no"):
        read({"stateMachine": {"visualization": "nothing"}})


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
        read_power_tuning(str(tmp_path / "nowhere.json"), "--power-tuning-input")
    with pytest.raises(UsageError, match="is not JSON"):
        read_power_tuning("a\0b", "--power-tuning-input")
