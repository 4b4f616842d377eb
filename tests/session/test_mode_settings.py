"""Which settings a mode takes, and which load means something in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdatune.model.errors import UsageError
from lambdatune.model.modes import MODES
from lambdatune.session.mode_settings import DEFAULT_RATE_PER_S
from lambdatune.session.setting_table import Given
from lambdatune.session.settings import build_plan, faults_of


def plan_of(**settings):
    given = {"function": "shop", **{name.replace("_", "-"): value for name, value in settings.items()}}
    return build_plan({name: Given(value, f"--{name}", Path()) for name, value in given.items()})


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_can_be_asked_for(mode) -> None:
    assert plan_of(mode=mode).mode == mode


def test_a_wrong_mode_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="there is no mode `kinisis`") as refused:
        plan_of(mode="kinisis")
    assert refused.value.hint == "did you mean kinesis?"
    assert refused.value.setting == "mode"


def test_messages_come_at_a_rate_unless_another_load_is_given() -> None:
    assert plan_of(mode="sqs").rate_per_s == DEFAULT_RATE_PER_S
    assert plan_of(mode="sqs", rate="200/s").rate_per_s == 200
    assert plan_of(mode="sqs", burst="20/1s").rate_per_s is None
    assert plan_of(mode="function-url").rate_per_s is None


def test_messages_at_a_rate_come_in_stretches_that_let_a_backlog_show() -> None:
    assert plan_of(mode="sqs", rate="200/s").whole_block == 2_000
    assert plan_of(mode="sqs", burst="20/1s").whole_block == 20
    assert plan_of(mode="invoke", rate="200/s").whole_block == 1


def test_calls_in_flight_are_no_load_where_a_message_is_only_accepted() -> None:
    with pytest.raises(UsageError, match="mode event accepts a message at once") as refused:
        plan_of(mode="event", concurrency=4)
    assert refused.value.setting == "concurrency"
    assert plan_of(mode="function-url", concurrency=4).concurrency == 4


@pytest.mark.parametrize(
    ("settings", "wrong", "said"),
    [
        ({"mode": "event", "batch-size": 5}, "batch-size", "mode event does not take it"),
        ({"mode": "sqs", "stream-shards": 2}, "stream-shards", "mode sqs does not take it"),
        ({"mode": "sqs", "batch-size": 50}, "batch-size", "without a batch window"),
        ({"mode": "sqs", "fifo": True, "batch-window": 5, "batch-size": 5}, "batch-window", "no batch window"),
        ({"mode": "http", "http-kind": "htp"}, "http-kind", "expected http, rest, alb"),
        ({"mode": "http", "alb-subnets": ["subnet-1"]}, "alb-subnets", "only a load balancer"),
        ({"mode": "sns", "isolation": "current"}, "isolation", "only a clone"),
        ({"fifo": True}, "fifo", "mode invoke does not take it"),
    ],
)
def test_what_does_not_go_together_is_refused_where_it_was_given(settings, wrong, said) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        plan_of(**settings)
    assert refused.value.setting == wrong
    assert f"--{wrong}" in refused.value.message


def test_a_large_batch_may_be_gathered_over_a_window() -> None:
    options = plan_of(mode="sqs", batch_size=500, batch_window=2).mode_options
    assert (options.batch_size, options.batch_window_s) == (500, 2)


def test_a_wrong_mode_hides_no_other_fault() -> None:
    given = {"function": "shop", "mode": "sq", "fifo": True, "memory": "1"}
    plan, faults = faults_of({name: Given(value, f"--{name}", Path()) for name, value in given.items()})
    assert plan is None
    assert set(faults) == {"mode", "memory"}
