"""The apply dialog over a real endpoint: what it shows at three sizes, what it asks for, what it tells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.applying import ApplyingApp, local_endpoint, measured_on
from support.faults import client, users_function
from support.recorded_runs import MET
from support.screens import assert_golden, opened, press, settled, text_of

from lambdatune.tui.screens.apply import ApplyDialog
from lambdatune.tui.screens.result import ResultScreen

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = Path(__file__).parent / "golden"
RUNS = Path("runs")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with local_endpoint("--settle-ms", "20") as url:
        users_function(url)
        yield url


@pytest.fixture
def shop(url, tmp_path, monkeypatch):
    """Return a run that advises 768 MB by its what-if; the function has 512 MB."""
    monkeypatch.chdir(tmp_path)
    set_mb(url, 512)
    return measured_on(url, RUNS)


def set_mb(url: str, memory_mb: int) -> None:
    with client("lambda", url) as functions:
        functions.update_function_configuration(FunctionName="shop", MemorySize=memory_mb)
        functions.get_waiter("function_updated_v2").wait(FunctionName="shop", WaiterConfig={"Delay": 0.1})


def size_of(url: str) -> int:
    with client("lambda", url) as functions:
        return functions.get_function_configuration(FunctionName="shop")["MemorySize"]


def notices(pilot) -> str:
    return "\n".join(notification.message for notification in pilot.app._notifications)


def told(pilot) -> str:
    return str(pilot.app.screen.query_one("#wrong").content)


STRICTER = ["left"] * 4
"""Moves the target so that 768 MB is advised."""


async def test_the_advice_is_applied_when_its_size_is_typed_and_put_back(shop, url) -> None:
    async with opened(RUNS, shop, kind=ApplyingApp) as pilot:
        await press(pilot, *STRICTER, "a")
        assert isinstance(pilot.app.screen, ApplyDialog)
        what, call = (str(pilot.app.screen.query_one(name).content) for name in ("#what", "#call"))
        assert what == "The memory size of your function shop changes from 512 MB to 768 MB, with this call:"
        assert call.startswith("aws lambda update-function-configuration --function-name shop --memory-size 768 ")
        await press(pilot, "enter")
        assert told(pilot) == "✗ nothing was typed: nothing was changed"
        await press(pilot, *"512", "enter")
        assert told(pilot) == "✗ `512` is not 768: nothing was changed"
        assert size_of(url) == 512
        await press(pilot, *["backspace"] * 3, *"768", "enter")
        assert isinstance(pilot.app.screen, ResultScreen)
        assert "now has 768 MB in $LATEST; it had 512 MB" in notices(pilot)
        assert size_of(url) == 768

        await press(pilot, "a")
        assert "function shop has 768 MB already" in notices(pilot)
        await press(pilot, "u")
        assert "Put back 512 MB" in text_of(pilot)
        await press(pilot, *"512", "enter")
        assert "has 512 MB in $LATEST again" in notices(pilot)
        assert size_of(url) == 512
        await press(pilot, "u")
        assert isinstance(pilot.app.screen, ResultScreen)
        assert "nothing that was applied from this run is in force: shop has 512 MB" in notices(pilot)


async def test_nothing_is_changed_by_leaving(shop, url) -> None:
    async with opened(RUNS, shop, kind=ApplyingApp) as pilot:
        await press(pilot, *STRICTER, "a", *"768", "escape")
        assert isinstance(pilot.app.screen, ResultScreen)
    assert size_of(url) == 512


async def test_a_function_that_was_changed_meanwhile_is_told_in_the_dialog(shop, url) -> None:
    async with opened(RUNS, shop, kind=ApplyingApp) as pilot:
        await press(pilot, *STRICTER, "a")
        set_mb(url, 640)
        await press(pilot, *"768", "enter")
        assert "changed by someone else since it was looked at: nothing was changed" in told(pilot)
        assert "hint: look at the change again" in told(pilot)
        assert size_of(url) == 640


async def test_a_run_of_code_on_this_machine_says_that_there_is_nothing_to_apply_to(runs) -> None:
    (run,) = runs(MET)
    path = run.path / "run.json"
    path.write_text(path.read_text().replace('"is_path": false', '"is_path": true'))
    async with opened(RUNS, run, kind=ApplyingApp) as pilot:
        await press(pilot, "a")
        assert isinstance(pilot.app.screen, ResultScreen)
        assert "measured code on this machine: there is no function that the size could be applied to" in notices(pilot)


async def test_what_does_not_fit_scrolls(shop) -> None:
    async with opened(RUNS, shop, size=(60, 20), kind=ApplyingApp) as pilot:
        await press(pilot, *STRICTER, "a")
        assert "start cold" not in text_of(pilot)
        await press(pilot, *["down"] * 20)
        assert "start cold" in text_of(pilot)
        assert "Type 768 to confirm" in text_of(pilot)
        await press(pilot, *["up"] * 20)
        assert "The memory size of your function" in text_of(pilot)


@pytest.mark.parametrize(("width", "height"), [(120, 36), (80, 24), (60, 20)])
@pytest.mark.parametrize("name", ["apply", "apply-wrong"])
async def test_apply_dialog(shop, url, name, width, height, monkeypatch) -> None:
    from lambdatune.session import apply as session_apply  # noqa: PLC0415

    monkeypatch.setattr(session_apply, "_call", known_call(session_apply._call, url))
    async with opened(RUNS, shop, size=(width, height), kind=ApplyingApp) as pilot:
        await press(pilot, *STRICTER, "a")
        if name == "apply-wrong":
            await press(pilot, *"1024", "enter")
        await settled(pilot)
        assert_golden(text_of(pilot), GOLDEN / f"{name}-{width}x{height}.txt")


def known_call(call, url):
    """Return `call` with what differs from run to run, the RevisionId and the port, written as something known."""

    def written(now, place, memory_mb):
        text = call(now, place, memory_mb).replace(url, "http://127.0.0.1:9001")
        return text.replace(now.revision_id, "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")

    return written
