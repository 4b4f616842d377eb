"""What the screens work out without a screen: what-if steps, keys of the user, exports, figures."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from support.recorded_runs import FAILING, MET, MISSED, UNPROVEN

from lambdatune.model.errors import UsageError
from lambdatune.model.target import parse_target
from lambdatune.reports.formats import FORMATS, ROW_FORMATS, render_recorded
from lambdatune.session.replay import RecordedRun
from lambdatune.tui import figures
from lambdatune.tui.app import actions
from lambdatune.tui.exports import ENDINGS, export
from lambdatune.tui.keymap import read_keymap
from lambdatune.tui.phrases import evidence_line, spoken_of
from lambdatune.tui.what_if import Question, percent

START = parse_target("p95<=100ms")


@pytest.fixture
def run(run_of) -> RecordedRun:
    return RecordedRun(run_of(MET))


def question(target: str | None = "p95<=60ms", **rest) -> Question:
    parsed = parse_target(target) if target else None
    return Question(parsed, (), **{"confidence": 0.95, "cold_rate": 0.01, "strategy": "cheapest", **rest})


def test_a_step_there_and_back_is_where_one_was_even_from_an_odd_threshold() -> None:
    own = question("p95<=61.3ms")
    there = own.moved(1, own=own, start=START)
    assert there.target.threshold_ms == 65
    assert there.moved(-1, own=own, start=START) == own


def test_steps_go_on_from_microseconds_to_minutes_and_never_to_zero() -> None:
    own = question()
    asked = own
    for _ in range(300):
        asked = asked.moved(-1, own=own, start=START)
    assert asked.target.threshold_ms == 0.01
    for _ in range(700):
        asked = asked.moved(1, own=own, start=START)
    assert asked.target.threshold_ms == 900_000
    assert parse_target(str(asked.target)) == asked.target


def test_each_step_is_about_five_per_cent() -> None:
    own = question("p95<=10ms")
    asked = own
    for _ in range(100):
        further = asked.moved(1, own=own, start=START)
        assert 1.02 < further.target.threshold_ms / asked.target.threshold_ms < 1.12
        asked = further


def test_a_run_without_a_target_gets_one_from_where_it_starts() -> None:
    own = question(None)
    assert own.as_what_if().targets == ()
    assert own.moved(1, own=own, start=START).target == START
    assert own.next_percentile(START).target.percentile == 99
    assert own.next_clock(START, ("duration", "response", "service")).target.clock == "response"
    assert own.next_population(START).target.population == "cold"


def test_choices_go_round_and_pass_what_the_run_had() -> None:
    own = question(confidence=0.93, cold_rate=0.02)
    seen = [own]
    while (after := seen[-1].next_confidence(own)) != own:
        seen.append(after)
    assert {each.confidence for each in seen} == {0.8, 0.9, 0.93, 0.95, 0.99}
    seen = [own]
    while (after := seen[-1].next_cold_rate(own)) != own:
        seen.append(after)
    assert 0.02 in {each.cold_rate for each in seen}
    assert own.next_strategy().next_strategy().next_strategy() == own


def test_the_question_of_a_run_is_what_it_was_made_for(run) -> None:
    own = Question.of(run.plan)
    assert str(own.target) == "warm.duration.p95<=60ms"
    assert run.decide(own.as_what_if()).recommendation == run.record.recommendation


def test_shares_are_written_as_a_person_does() -> None:
    assert [percent(share) for share in (0.95, 0.001, 0.0, 0.1)] == ["95 %", "0.1 %", "0 %", "10 %"]


def test_the_evidence_names_interval_calls_cost_and_what_the_function_has_now(run) -> None:
    result = run.decide(replace(Question.of(run.plan), target=parse_target("p95<=50ms")).as_what_if())
    line = evidence_line(result, parse_target("p95<=50ms"))
    assert line.startswith("768 MB: warm p95 40.4 ms (95% interval ")
    for part in ("of 600 calls", "cold p99", "per million", "12 environments", "now 512 MB: p95 56.6 ms"):
        assert part in line
    for target in ("p97.5<=50ms", "all.response.p95<=50ms", "cold.p99<=1s"):
        assert "768 MB: " in evidence_line(result, parse_target(target))


def test_the_evidence_of_a_run_without_advice_is_that_of_the_size_that_comes_nearest(run_of) -> None:
    unproven = RecordedRun(run_of(UNPROVEN)).record
    assert spoken_of(unproven).memory_mb == unproven.recommendation.to_be_sure.memory_mb
    missed = RecordedRun(run_of(MISSED)).record
    assert spoken_of(missed).memory_mb in {1769, 3008}
    nothing = RecordedRun(run_of(replace(FAILING, failing=FAILING.sizes))).record
    assert spoken_of(nothing) is None
    assert evidence_line(nothing, START) == "no size has a warm call that succeeded"


def test_a_percentile_of_any_target_is_read_from_the_histograms(run) -> None:
    cell = next(cell for cell in run.record.cells if cell.memory_mb == 512)
    assert figures.percentile_ms(cell, parse_target("p95<=1s")) == cell.warm.duration_ms.p95
    assert figures.percentile_ms(cell, parse_target("cold.response.p50<=1s")) == cell.cold.response_ms.p50
    both = figures.percentile_ms(cell, parse_target("all.duration.p99.9<=1s"))
    assert cell.warm.duration_ms.p50 < both <= max(cell.warm.duration_ms.max, cell.cold.total_ms.max)


def test_every_state_of_a_size_has_a_glyph_and_a_word_of_its_own() -> None:
    said = [(glyph, word) for glyph, word, _ in [*figures.VERDICTS.values(), ("★", "best", "best")]]
    assert len({glyph for glyph, _ in said}) == len({word for _, word in said}) == len(said)
    said = [(glyph, word) for glyph, word, _ in figures.ADVICE.values()]
    assert len({glyph for glyph, _ in said}) == len({word for _, word in said}) == len(said)


def test_an_export_is_what_the_command_prints_in_every_format(run, tmp_path) -> None:
    assert set(ENDINGS.values()) == {*FORMATS, *ROW_FORMATS}
    for ending, format_name in ENDINGS.items():
        path = export(run, run.record, str(tmp_path / f"report.{ending}"))
        assert path.read_text() == render_recorded(run.record, format_name, lambda: run)
    assert json.loads((tmp_path / "report.json").read_text())["id"] == MET.id
    assert "stateMachine" in json.loads((tmp_path / "report.power-tuning.json").read_text())


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("report.jsn", "`report.jsn` does not end in a known format", "did you mean json?"),
        ("report.htm", "`report.htm` does not end in a known format", "did you mean html?"),
        ("", "does not end in a known format", "choose one of"),
        ("there.txt", "exists already", "another name"),
        ("nowhere/report.txt", "cannot be written: No such file or directory", "another path"),
    ],
)
def test_an_export_that_cannot_be_is_a_sentence_and_overwrites_nothing(run, tmp_path, name, message, hint) -> None:
    (tmp_path / "there.txt").write_text("mine")
    with pytest.raises(UsageError) as refused:
        export(run, run.record, str(tmp_path / name) if name else name)
    assert message in refused.value.message
    assert hint in refused.value.hint
    assert (tmp_path / "there.txt").read_text() == "mine"


def test_keys_of_the_user_are_read_by_name(tmp_path) -> None:
    path = tmp_path / "keymap.toml"
    assert read_keymap(path, actions()) == {}
    path.write_text('"what-if.percentile" = "n"\nquit = "ctrl+x"\n')
    assert read_keymap(path, actions()) == {"what-if.percentile": "n", "quit": "ctrl+x"}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('"what-if.percentil" = "n"', "no action `what-if.percentil`", "did you mean what-if.percentile?"),
        ("quit = 3", "the key of `quit` is 3: expected text", "ctrl+n"),
        ("quit", "cannot be read", "a line is"),
    ],
)
def test_a_keymap_that_cannot_be_right_is_a_sentence_with_the_nearest(tmp_path, text, message, hint) -> None:
    path = tmp_path / "keymap.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_keymap(path, actions())
    assert message in refused.value.message
    assert hint in refused.value.hint
