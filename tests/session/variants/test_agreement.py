"""The one question before a comparison, and what ends it without one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lambdatune.model.errors import UsageError
from lambdatune.session.events import Silent
from lambdatune.session.variants.agreement import Agreement

CARD: Any = object()
"""A plan card, which the agreement only hands on."""


def test_it_is_asked_once_when_the_last_has_come() -> None:
    asked: list[list[str]] = []

    async def both() -> list[bool]:
        agreement = Agreement({"a": False, "b": False}, lambda cards: not asked.append([n for n, _ in cards]), Silent())
        return await asyncio.gather(agreement.confirm("b", CARD), agreement.confirm("a", CARD))

    assert asyncio.run(asyncio.wait_for(both(), 10)) == [True, True]
    assert asked == [["a", "b"]]


def test_stopped_before_the_question_nobody_is_asked_and_nothing_is_refused() -> None:
    async def stopped() -> bool:
        agreement = Agreement({"a": False, "b": False}, lambda _: pytest.fail("asked"), Silent())
        waiting = asyncio.create_task(agreement.confirm("a", CARD))
        await asyncio.sleep(0)
        agreement.end()
        agreement.withdraw("b")
        return await waiting

    assert asyncio.run(asyncio.wait_for(stopped(), 10)) is False


def test_too_few_that_can_start_is_a_sentence_with_the_reason() -> None:
    async def alone() -> None:
        agreement = Agreement({"a": False, "b": True}, lambda _: True, Silent())
        agreement.fail("b", UsageError("no Ruby here"))
        agreement.withdraw("b")
        await agreement.confirm("a", CARD)

    with pytest.raises(UsageError, match="only a of the variants can be measured here: b: no Ruby here"):
        asyncio.run(asyncio.wait_for(alone(), 10))
