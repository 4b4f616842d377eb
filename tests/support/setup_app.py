"""The Setup screen by itself, with an engine that answers what a test says."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace
from textual.app import App

import lambdatune.tui
from lambdatune.session.live.messages import CardShown, FunctionListed, FunctionsListed, LookUp, PlanSettings, Refused
from lambdatune.tui.screens.setup import SetupScreen
from support.screens import settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from textual.pilot import Pilot

    from lambdatune.session.live.messages import Answer, Question, ToEngine


class ScriptedEngine:
    """The other side of the protocol: gives `card` and `functions` as answers, at once unless it is held."""

    def __init__(self, card: Callable[[LookUp], Answer], functions: Answer | None = None) -> None:
        self.asked: list[Question] = []
        self._card = card
        self._functions = functions
        self.free = asyncio.Event()
        self.free.set()

    def tell(self, message: ToEngine) -> None:
        raise AssertionError(f"the Setup screen told the engine {message}")

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        await self.free.wait()
        if isinstance(question, LookUp):
            return self._card(question)
        assert self._functions is not None
        return self._functions


class SetupApp(App[None]):
    CSS_PATH = Path(lambdatune.tui.__file__).parent / "lambdatune.tcss"
    TITLE = "lambdatune"

    def __init__(self, engine: ScriptedEngine, settings: PlanSettings) -> None:
        super().__init__()
        self.engine = engine
        self._settings = settings
        self.told: list[SetupScreen.Go | SetupScreen.Left] = []

    def on_mount(self) -> None:
        self.push_screen(SetupScreen(self.engine, self._settings))

    def on_setup_screen_go(self, event: SetupScreen.Go) -> None:
        self.told.append(event)

    def on_setup_screen_left(self, event: SetupScreen.Left) -> None:
        self.told.append(event)


@asynccontextmanager
async def setup(
    values: dict[str, object], engine: ScriptedEngine, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[Pilot[None]]:
    """Open the screen over `values`, and wait until it stands still."""
    app = SetupApp(engine, PlanSettings(values, str(Path.cwd())))
    app.animation_level = "none"
    async with app.run_test(size=size) as pilot:
        await rested(pilot)
        yield pilot


async def rested(pilot: Pilot[None]) -> None:
    """Wait until the fields have rested and what they ask for is shown, or waits for the engine."""
    await pilot.pause()
    (screen,) = (one for one in pilot.app.screen_stack if isinstance(one, SetupScreen))
    while not screen.is_resting:
        await pilot.pause(SetupScreen.LOOK_UP_AFTER_S)
    if pilot.app.engine.free.is_set():
        await settled(pilot)
    await pilot.pause()


SAMPLE = CardShown(
    question=1,
    function="checkout",
    place="on the embedded endpoint",
    runtime="python3.12",
    architecture="x86_64",
    current_memory_mb=None,
    sizes_mb=(128, 256, 512, 768, 1024, 1769),
    calls=1460,
    usd_per_100ms=0.0016,
    minutes=2.43,
    currency="USD",
    load=None,
    costs_money=False,
    changes=(
        "create function lambdatune-checkout-7f3a and a version per size; deleted at the end, with its log group",
    ),
    warnings=(),
)
SHOP = replace(
    SAMPLE,
    function="shop",
    place="in eu-central-1",
    architecture="arm64",
    current_memory_mb=512,
    calls=4120,
    usd_per_100ms=0.0312,
    minutes=5.5,
    costs_money=True,
    changes=(
        "create function lambdatune-shop-7f3a with one published version per size; deleted at the end",
        "create log group /aws/lambda/lambdatune-shop-7f3a; deleted at the end",
    ),
    warnings=("the function is in a VPC: its clone takes addresses of the same subnets",),
)
NO_CREDENTIALS = Refused(
    1,
    "no AWS credentials were found: expected them in the environment, the AWS configuration, SSO or a role",
    "run `aws configure` or `aws sso login`, or try `lambdatune demo`, which needs no account",
    exit_code=7,
)
FUNCTIONS = FunctionsListed(
    1,
    "in eu-central-1",
    (
        FunctionListed("orders-api", "nodejs22.x", "arm64", 512, "2026-10-01T09:30:00.000+0000"),
        FunctionListed("shop", "python3.12", "x86_64", 1769, "2026-11-02T17:05:12.000+0000"),
        FunctionListed(
            "shop-thumbnails-of-the-pictures-that-customers-send-in", "", "x86_64", 3008, "2025-02-03T00:00:00"
        ),
    ),
)
