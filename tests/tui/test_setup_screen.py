"""The Setup screen: fields, what is wrong with them in words, the newest question's card, and no start unasked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.screens import assert_golden, text_of
from support.setup_app import FUNCTIONS, NO_CREDENTIALS, SAMPLE, SHOP, ScriptedEngine, rested, setup
from textual.widgets import Footer, Input

from lambdatune.model.errors import UsageError
from lambdatune.session.live.messages import ListFunctions, LookUp, Refused
from lambdatune.session.mode_settings import MODE_SETTINGS
from lambdatune.session.profile import read_profile
from lambdatune.session.setting_table import SETTINGS
from lambdatune.tui.app import actions
from lambdatune.tui.screens.setup import SetupScreen
from lambdatune.tui.setup_fields import FIELDS, LOAD, fault_words, faults_of_values, help_of, value_of
from lambdatune.tui.setup_fields import text_of as field_text
from lambdatune.tui.widgets.plan_card import duration_words

GOLDEN = Path(__file__).parent / "golden"
SIZES = ((120, 36), (80, 24), (60, 20))

PLAN = {
    "function": "sample:checkout",
    "memory": "128,256,512,768,1024,1769",
    "target": ["p95<=60ms"],
    "payload": ['{"items": 20000}'],
}
ON_AWS = {"function": "shop", "target": ["p95<=200ms", "cold.p90<=1s"], "rate": "50/s", "region": "eu-central-1"}
SQS = {"function": "shop", "mode": "sqs", "target": ["e2e.p95<=1s"], "batch-size": 10, "fifo": True, "rate": "20/s"}
WRONG = {"function": "shop", "memory": "128,lots", "target": ["p95<60"], "cold-starts": 3}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(SetupScreen, "LOOK_UP_AFTER_S", 0.001)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def code() -> None:
    Path("code").mkdir()


@pytest.fixture
def profiles() -> None:
    Path("two.toml").write_text('rate = "5/s"\nburst = "5"\n')
    Path("bad.toml").write_text('mamory = "128"\n')


def engine_of(answer=SAMPLE, functions=FUNCTIONS) -> ScriptedEngine:
    return ScriptedEngine(lambda _: answer, functions)


def card_of(question: LookUp):
    return replace(SAMPLE, function=question.settings.values["function"])


async def press(pilot, *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
    await rested(pilot)


async def write(pilot, name: str, text: str) -> None:
    screen = pilot.app.screen
    screen._row(name).set_text(name, text)
    await rested(pilot)


async def write_path(pilot, text: str) -> None:
    pilot.app.screen.query_one(Input).value = text
    await press(pilot, "enter")


def notices(pilot) -> str:
    return "\n".join(notification.message for notification in pilot.app._notifications)


STATES = {
    "setup-empty": ({}, SAMPLE, ()),
    "setup-sample": (PLAN, SAMPLE, ()),
    "setup-invalid": (WRONG, SAMPLE, ()),
    "setup-refused": ({"function": "shop"}, NO_CREDENTIALS, ()),
    "setup-refused-card": ({"function": "shop"}, NO_CREDENTIALS, ("ctrl+t",)),
    "setup-costs-money": (ON_AWS, SHOP, ("ctrl+r",)),
    "setup-card": (ON_AWS, SHOP, ("ctrl+t",)),
    "setup-functions": ({"function": "shop"}, SHOP, ("ctrl+f", "s", "h", "o", "p", "down")),
    "setup-sqs": (SQS, SAMPLE, ()),
    "setup-path": ({"function": "./code"}, SAMPLE, ()),
}


async def compare(pilot, name: str) -> None:
    """Compare the screen at each size with its golden file: it is resized while it stands."""
    for width, height in SIZES:
        await pilot.resize_terminal(width, height)
        await rested(pilot)
        assert_golden(text_of(pilot), GOLDEN / f"{name}-{width}x{height}.txt")


@pytest.mark.parametrize("name", STATES)
async def test_state(name, code) -> None:
    values, answer, keys = STATES[name]
    async with setup(values, engine_of(answer)) as pilot:
        if name == "setup-path":
            await write(pilot, "function", "./code")  # as it is typed, and not as the path of this directory
        await press(pilot, *keys)
        await compare(pilot, name)


@pytest.mark.parametrize("name", ["setup-looking", "setup-looking-card"])
async def test_while_it_looks_it_says_so_and_that_the_card_is_older(name) -> None:
    engine = engine_of()
    async with setup(PLAN, engine) as pilot:
        engine.free.clear()
        await write(pilot, "memory", "128,256")
        if name == "setup-looking-card":
            await press(pilot, "ctrl+t")
        await compare(pilot, name)
        await press(pilot, "ctrl+r")
        assert pilot.app.told == []
        assert "the card is not there yet" in notices(pilot)
        engine.free.set()
        await rested(pilot)
        assert "looking" not in text_of(pilot)


# --- the card ------------------------------------------------------------------------------------------------------


async def test_letters_typed_in_a_hurry_ask_once(monkeypatch) -> None:
    engine = engine_of()
    async with setup({}, engine) as pilot:
        screen = pilot.app.screen
        monkeypatch.setattr(SetupScreen, "LOOK_UP_AFTER_S", 600.0)
        await pilot.press(*"shop")
        assert not screen.is_resting
        assert engine.asked == []
        screen._timer.stop()
        screen._rested()
        await rested(pilot)
        assert [question.settings.values for question in engine.asked] == [{"function": "shop"}]


async def test_only_the_answer_to_the_newest_question_is_shown() -> None:
    held: list[tuple[LookUp, asyncio.Future]] = []

    class Slow(ScriptedEngine):
        async def ask(self, question):
            held.append((question, asyncio.get_running_loop().create_future()))
            return await held[-1][1]

    engine = Slow(card_of)
    engine.free.clear()
    async with setup({"function": "first"}, engine) as pilot:
        await write(pilot, "function", "second")
        assert [question.settings.values["function"] for question, _ in held] == ["first", "second"]
        held[1][1].set_result(card_of(held[1][0]))
        await pilot.pause()
        assert "second on the embedded endpoint" in text_of(pilot)
        held[0][1].set_result(card_of(held[0][0]))
        await pilot.pause()
        assert "second on the embedded endpoint" in text_of(pilot)
        assert "first on" not in text_of(pilot)


async def test_a_refusal_stands_in_the_card_in_full_and_refuses_the_start() -> None:
    async with setup({"function": "shop"}, engine_of(NO_CREDENTIALS)) as pilot:
        shown = " ".join(text_of(pilot).replace("│", " ").split())
        for words in ("✗ no AWS credentials were found", "SSO or a role", "hint: run `aws configure`", "no account"):
            assert words in " ".join(str(pilot.app.screen.query_one("#card-text").render()).split())
        assert "hint:" in shown
        await press(pilot, "ctrl+r")
        assert pilot.app.told == []
        assert "no AWS credentials were found" in notices(pilot)


async def test_a_refusal_of_a_setting_stands_beside_its_field_too() -> None:
    refused = Refused(1, "function `shop` was not found in eu-central-1", "did you mean Shop?", setting="function")
    async with setup({"function": "shop"}, engine_of(refused)) as pilot:
        assert pilot.app.screen.query_one("#field-function").has_class("is-wrong")
        assert text_of(pilot).count("✗ function `shop` was not found") == 2
        pilot.app.engine._card = card_of
        await write(pilot, "function", "Shop")
        assert "✗" not in text_of(pilot)


# --- what is wrong -------------------------------------------------------------------------------------------------


WRONG_TEXTS = (
    ("memory", "64", "memory size 64 MB is out of range"),
    ("target", "p95", "target `p95`"),
    ("confidence", "0.2", "0.2 is out of range: expected at least 0.5"),
    ("confidence", "nan", "expected a number, not nan"),
    ("cold-starts", "many", "expected a whole number, not `many`"),
    ("max-invocations", "9" * 5000, "expected a whole number, not `99999999999999999999...`"),
    ("max-usd", "inf", "expected a number, not inf"),
    ("payload", "{", "payload is not JSON"),
    ("payload", "@nothing.json", "cannot be read"),
    ("function", "./nothing", "path `./nothing` does not exist"),
    ("function", "\0/", "does not exist"),
    ("seed", "-1", "-1 is out of range"),
)


@pytest.mark.parametrize(("name", "text", "said"), WRONG_TEXTS)
def test_what_is_wrong_is_told_of_its_field(name, text, said) -> None:
    try:
        error = faults_of_values(PLAN | {name: value_of(name, text)}, Path())[name]
    except UsageError as raised:
        error = raised
    assert error.setting == name
    assert said in fault_words(error)
    assert "--" not in fault_words(error)


async def test_a_wrong_field_says_why_beneath_it_and_refuses_the_start() -> None:
    engine = engine_of()
    async with setup(PLAN, engine) as pilot:
        screen = pilot.app.screen
        for name, text, said in (WRONG_TEXTS[0], WRONG_TEXTS[4], WRONG_TEXTS[7]):
            engine.asked.clear()
            await write(pilot, name, text)
            beneath = str(screen._row(name).query_one(".wrong").render())
            assert beneath.startswith("✗ ")
            assert said in beneath
            assert screen._row(name).editor(name).has_class("is-wrong")
            assert engine.asked == []
            screen.action_start()
            await rested(pilot)
            assert pilot.app.told == []
            assert said in notices(pilot)
            assert pilot.app.focused is screen._row(name).editor(name)
            await write(pilot, name, field_text(name, PLAN.get(name, "")))
            assert not screen._row(name).query_one(".wrong").display
            assert len(engine.asked) == 1


async def test_everything_that_is_wrong_is_said_at_once() -> None:
    async with setup(WRONG | {"confidence": 0.9}, engine_of()) as pilot:
        await write(pilot, "confidence", "sure")
        wrong = {name for name in FIELDS if pilot.app.screen._row(name).editor(name).has_class("is-wrong")}
        assert wrong == {"memory", "target", "confidence"}


async def test_a_path_asks_for_runtime_and_handler_and_a_name_does_not(code) -> None:
    engine = engine_of()
    async with setup({"function": "shop"}, engine) as pilot:
        row = pilot.app.screen.query_one("#row-code")
        assert not row.display
        await write(pilot, "function", "./code")
        assert row.display
        assert "Runtime: `./code` is code on this machine, which also needs runtime and handler" in str(
            row.query_one(".wrong").render()
        )
        await write(pilot, "runtime", "python3.12")
        await write(pilot, "handler", "app.handler")
        values = engine.asked[-1].settings.values
        assert values == {"function": "./code", "runtime": "python3.12", "handler": "app.handler"}


async def test_settings_that_cannot_be_shown_are_left_out_and_said() -> None:
    async with setup(PLAN | {"mamory": "128", "cold-starts": "ten"}, engine_of()) as pilot:
        assert "there is no key `mamory`" in notices(pilot)
        assert "cold-starts: expected a number" in notices(pilot)


# --- starting ------------------------------------------------------------------------------------------------------


async def test_what_costs_nothing_starts_at_once_with_what_the_card_was_asked_for() -> None:
    engine = engine_of()
    async with setup(PLAN, engine) as pilot:
        await press(pilot, "ctrl+r")
        (go,) = pilot.app.told
        assert isinstance(go, SetupScreen.Go)
        assert go.settings == engine.asked[-1].settings
        assert go.settings.values == PLAN


async def test_what_costs_money_asks_with_calls_dollars_and_changes() -> None:
    async with setup(ON_AWS, engine_of(SHOP)) as pilot:
        await press(pilot, "ctrl+r")
        asked = " ".join(text_of(pilot).split())
        for words in ("About 4,120 calls", "$0.031", "5 min 30 s", "lambdatune-shop-7f3a", "The calls are real"):
            assert words in asked
        await press(pilot, "n")
        assert pilot.app.told == []
        await press(pilot, "ctrl+r", "y")
        (go,) = pilot.app.told
        assert go.settings.values == ON_AWS


async def test_escape_leaves_without_beginning_anything() -> None:
    async with setup(PLAN, engine_of()) as pilot:
        await press(pilot, "escape")
        (left,) = pilot.app.told
        assert isinstance(left, SetupScreen.Left)


# --- fields --------------------------------------------------------------------------------------------------------


def test_every_setting_has_a_field() -> None:
    assert set(FIELDS) - {LOAD} == {setting.name for setting in SETTINGS}


async def test_every_field_is_reached_by_tab_and_says_what_it_is(code) -> None:
    async with setup(PLAN | {"function": "./code", "runtime": "python3.12", "ramp": "9s:5/s"}, engine_of()) as pilot:
        reached = [(one.id or "").removeprefix("field-") for one in pilot.app.screen.focus_chain]
        hidden = {"entry-point", "rate", "burst", *MODE_SETTINGS}
        assert reached == [name for name in FIELDS if name not in hidden] + ["card"]
        await press(pilot, "tab")
        assert pilot.app.focused.id == "field-runtime"
        assert "Runtime of a function given as a path" in str(pilot.app.screen.query_one("#about").render())
    assert all(help_of(name) for name in FIELDS)


async def test_only_the_chosen_load_counts_and_choices_are_taken_by_key() -> None:
    engine = engine_of()
    async with setup(PLAN | {"concurrency": 7, "rate": "50/s", "arrivals": "poisson"}, engine) as pilot:
        assert {"concurrency": 7, "rate": "50/s", "arrivals": "poisson"}.items() <= engine.asked[
            -1
        ].settings.values.items()
        pilot.app.screen.query_one("#field-load").focus()
        await press(pilot, "left")
        assert engine.asked[-1].settings.values == PLAN | {"concurrency": 7}
        await press(pilot, "right", "right")
        assert "no ramp yet" in text_of(pilot)
        await write(pilot, "ramp", "10s:5/s")
        assert engine.asked[-1].settings.values == PLAN | {"concurrency": 7, "ramp": "10s:5/s", "arrivals": "poisson"}


async def test_a_choice_that_is_given_by_name_is_shown_once_and_a_wrong_one_can_be_put_right() -> None:
    engine = engine_of()
    async with setup(PLAN | {"strategy": "cheapest", "isolation": "klone"}, engine) as pilot:
        assert "◉ cheapest  ○ fastest  ○ balanced" in text_of(pilot)
        assert text_of(pilot).count("cheapest") == 1
        assert engine.asked == []
        await press(pilot, "ctrl+r")
        assert pilot.app.focused.id == "field-isolation"
        assert "◉ klone" in text_of(pilot)
        await press(pilot, "right")
        assert engine.asked[-1].settings.values == PLAN


async def test_a_value_that_was_not_touched_stays_the_very_same() -> None:
    payload = ['{\n  "items": 1\n}', '{"items": 2}:0.5']
    engine = engine_of()
    async with setup(PLAN | {"payload": payload, "max-usd": 1e-7}, engine) as pilot:
        assert engine.asked[-1].settings.values["payload"] == payload
        assert engine.asked[-1].settings.values["max-usd"] == 1e-7
        await write(pilot, "payload", '{"items": 3}\n{"items": 4}:0.1')
        assert engine.asked[-1].settings.values["payload"] == ['{"items": 3}', '{"items": 4}:0.1']


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("target", "p95<=60ms, cold.p90<=1s\np50<=9ms", ["p95<=60ms", "cold.p90<=1s", "p50<=9ms"]),
        ("payload", '{"a": [1, 2]}', ['{"a": [1, 2]}']),
        ("payload-tokens", "yes", True),
        ("concurrency", " 12 ", 12),
        ("confidence", "0.99", 0.99),
        ("memory", "  ", None),
    ],
)
def test_the_text_of_a_field_is_read_as_its_setting(name, text, value) -> None:
    assert value_of(name, text) == value


def test_a_path_at_home_is_found_as_in_a_shell(monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert value_of("function", "~/code") == "/home/someone/code"
    assert value_of("payload", "@~/order.json") == ["@/home/someone/order.json"]


def test_no_function_is_told_in_words_of_the_screen() -> None:
    (fault,) = faults_of_values({}, Path()).values()
    assert fault.message == "no function yet"


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(None, None), (0.001, "1 s"), (0.5, "30 s"), (5.5, "5 min 30 s"), (2, "2 min"), (70.2, "1 h 10 min")],
)
def test_times_are_in_words(minutes, words) -> None:
    assert duration_words(minutes) == words


# --- choosing a function -------------------------------------------------------------------------------------------


async def test_a_function_is_chosen_from_the_list_of_the_place_that_the_fields_name() -> None:
    engine = engine_of()
    async with setup({"region": "eu-central-1"}, engine) as pilot:
        await press(pilot, "ctrl+f")
        assert engine.asked[-1] == ListFunctions(0, None, "eu-central-1", None)
        assert "3 functions in eu-central-1" in text_of(pilot)
        assert "sample:checkout" in text_of(pilot)
        await write_path(pilot, "nodejs")
        assert engine.asked[-1].settings.values["function"] == "orders-api"
        await press(pilot, "ctrl+f")
        await write_path(pilot, "nothing")
        assert "○ none of them holds these words" in text_of(pilot)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, SetupScreen)


async def test_without_credentials_the_bundled_functions_are_still_there() -> None:
    engine = engine_of(functions=NO_CREDENTIALS)
    async with setup({}, engine) as pilot:
        await press(pilot, "ctrl+f")
        shown = " ".join(text_of(pilot).replace("│", "").split())
        assert "✗ no AWS credentials were found" in shown
        assert "hint: run `aws configure`" in shown
        await press(pilot, "enter")
        assert engine.asked[-1].settings.values == {"function": "sample:checkout"}


# --- profiles ------------------------------------------------------------------------------------------------------


async def test_a_profile_fills_the_fields() -> None:
    engine = engine_of()
    async with setup({"function": "shop", "confidence": 0.9}, engine) as pilot:
        await press(pilot, "ctrl+o")
        await write_path(pilot, "quickstart")
        assert engine.asked[-1].settings.values == {name: one.value for name, one in read_profile("quickstart").items()}


async def test_a_profile_that_cannot_be_opened_says_why_and_changes_nothing(profiles) -> None:
    engine = engine_of()
    async with setup(PLAN, engine) as pilot:
        await press(pilot, "ctrl+o")
        for text, said in (
            ("quikstart", "did you mean the bundled profile quickstart?"),
            ("two.toml", "the load is given already by rate"),
            ("bad.toml", "there is no key `mamory`"),
            ("", "neither a TOML file nor a bundled profile"),
            ("a\0b", "neither a TOML file nor a bundled profile"),
        ):
            await write_path(pilot, text)
            assert said in " ".join(text_of(pilot).replace("│", "").split())
        await press(pilot, "escape")
        assert len(engine.asked) == 1


async def test_the_fields_are_saved_as_a_profile_that_reads_back_to_them() -> None:
    async with setup(ON_AWS, engine_of()) as pilot:
        await press(pilot, "ctrl+s", "enter")
        assert {name: given.value for name, given in read_profile("plan.toml").items()} == ON_AWS
        assert "plan.toml" in notices(pilot)
        await press(pilot, "ctrl+s", "enter")
        assert "exists already" in text_of(pilot)
        await write_path(pilot, "plan.txt")
        assert "does not end in .toml" in text_of(pilot)
        await press(pilot, "escape")
        await write(pilot, "memory", "lots")
        await press(pilot, "ctrl+s")
        assert isinstance(pilot.app.screen, SetupScreen)
        assert "Memory MB: memory `lots` is not a size" in notices(pilot)


# --- keys and narrow terminals -------------------------------------------------------------------------------------


async def test_the_card_is_reached_and_left_by_key() -> None:
    async with setup(PLAN, engine_of()) as pilot:
        await press(pilot, "tab")
        for width, height in SIZES:
            await pilot.resize_terminal(width, height)
            await press(pilot, "ctrl+t")
            assert pilot.app.focused.id == "card"
            assert "Changes, and how each is undone" in text_of(pilot)
            await press(pilot, "escape" if width < 100 else "ctrl+t")
            assert pilot.app.focused.id == "field-memory"
        assert pilot.app.told == []


async def test_keys_have_a_name_and_the_footer_at_most_eight() -> None:
    async with setup(PLAN, engine_of()) as pilot:
        for field in ("field-memory", "field-load", "card"):
            pilot.app.screen.query_one(f"#{field}").focus()
            await rested(pilot)
            assert len(pilot.app.screen.query_one(Footer).query("FooterKey")) <= 8
    names = actions()
    assert {
        "setup.start",
        "setup.functions",
        "setup.open",
        "setup.save",
        "setup.card",
        "setup.leave",
        "setup.help",
    } <= set(names)
    assert all(binding.tooltip for binding in names.values())


async def test_no_state_is_told_by_colour_alone(monkeypatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with setup(WRONG, engine_of()) as pilot:
        for words in ("✗ memory `128,lots`", "✗ target `p95<60`", "✗ not looked up: Memory MB, Targets", "◉ in flight"):
            assert words in text_of(pilot)


# --- modes ---------------------------------------------------------------------------------------------------------


async def test_a_mode_shows_what_only_it_takes_and_keeps_the_rest_for_later() -> None:
    engine = engine_of()
    async with setup({**SQS, "maximum-concurrency": 5}, engine) as pilot:
        screen = pilot.app.screen
        assert engine.asked[-1].settings.values["maximum-concurrency"] == 5
        assert not screen._row("stream-shards").display
        assert not screen._row("concurrency").editor("concurrency").display
        await write(pilot, "mode", "kinesis")
        asked = engine.asked[-1].settings.values
        assert asked["mode"] == "kinesis"
        assert asked["batch-size"] == 10
        assert not {"fifo", "maximum-concurrency"} & asked.keys()
        assert screen._row("stream-shards").display
        await write(pilot, "mode", "sqs")
        assert engine.asked[-1].settings.values["fifo"] is True


async def test_what_is_wrong_with_a_mode_is_said_at_its_field() -> None:
    async with setup({**SQS, "batch-size": 50}, engine_of()) as pilot:
        assert pilot.app.screen._row("batch-size").editor("batch-size").has_class("is-wrong")
        await write(pilot, "mode", "sqss")
        assert pilot.app.screen._row("mode").editor("mode").has_class("is-wrong")


@pytest.fixture(params=["stream-shards = 2", "concurrency = 4"])
def odd_profile(request) -> Path:
    path = Path("odd.toml")
    path.write_text(f'function = "shop"\nmode = "sqs"\n{request.param}\n')
    return path


async def test_a_profile_with_what_its_mode_does_not_take_is_not_opened(odd_profile) -> None:
    async with setup({}, engine_of()) as pilot:
        await press(pilot, "ctrl+o")
        await write_path(pilot, str(odd_profile))
        assert "mode sqs" in text_of(pilot)
