"""Waiting for AWS: for what is being made, and for what is made and not known everywhere yet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

from lambdatune.aws.refusals import error_code
from lambdatune.model.errors import AwsRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lambdatune.aws.isolation import Watcher

T = TypeVar("T")

_QUIET_S = 3.0
"""Waits that are over before are not worth a sentence."""

_SHORTEST_S = 0.05
_LONGEST_S = 2.0


_SLOW = "run it again; AWS may be slow at the moment"


class Wait:
    """One wait: pauses that grow, a sentence when it takes some time, an end.

    Args:
        what: what is waited for, as in "waiting for ...".
        watcher: is told.
        patience_s: seconds after which it is given up.
        hint: what can be done then.
    """

    def __init__(self, what: str, watcher: Watcher, patience_s: float, hint: str = _SLOW) -> None:
        self._what = what
        self._watcher = watcher
        self._patience_s = patience_s
        self._hint = hint
        self._waited_s = 0.0
        self._pause_s = _SHORTEST_S
        self._told = False

    async def pause(self, last: str) -> bool:
        """Wait a little; `last` is how things stand. Return whether to go on: a run that was stopped waits no more.

        Raises:
            AwsRefused: when that was long enough.
        """
        if self._watcher.is_stopped():
            return False
        if self._waited_s >= self._patience_s:
            raise AwsRefused(
                f"waiting for {self._what} was given up after {self._patience_s:.0f} s: {last}",
                hint=self._hint,
            )
        if not self._told and self._waited_s >= _QUIET_S:
            self._told = True
            self._watcher.narrate(f"waiting for {self._what}")
        await asyncio.sleep(self._pause_s)
        self._waited_s += self._pause_s
        self._pause_s = min(self._pause_s * 1.5, _LONGEST_S)
        return True


async def let_settle(seconds: float, sentence: str, watcher: Watcher) -> None:
    """Wait for what AWS promises after a while and does not tell, or until the run is stopped.

    Args:
        seconds: how long.
        sentence: is told when the wait is not over in a moment.
        watcher: is told, and asked whether to go on.
    """
    if seconds > _QUIET_S:
        watcher.narrate(sentence)
    left_s = seconds
    while left_s > 0 and not watcher.is_stopped():
        await asyncio.sleep(min(left_s, _LONGEST_S))
        left_s -= _LONGEST_S


async def until(
    wanted: str, state: Callable[[], Awaitable[str]], what: str, watcher: Watcher, *, patience_s: float
) -> None:
    """Wait until `state` returns `wanted`, or the run is stopped.

    Raises:
        AwsRefused: when it does not in `patience_s` seconds.
    """
    wait = Wait(what, watcher, patience_s)
    while (now := await state()) != wanted:
        if not await wait.pause(f"it is {now or 'not there'}"):
            break


async def once_known(
    call: Callable[[], Awaitable[T]],
    codes: frozenset[str],
    what: str,
    watcher: Watcher,
    *,
    words: str = "",
    hint: str = _SLOW,
    patience_s: float = 120.0,
) -> T:
    """Return what `call` returns, repeated while AWS does not know yet what was made a moment ago.

    Args:
        call: what is tried.
        codes: error codes that say so.
        what: what is waited for.
        watcher: is told.
        words: that the error's message has to have in it.
        hint: what can be done when that does not end.
        patience_s: seconds after which the refusal stands.

    Raises:
        ClientError: any other refusal.
        AwsRefused: when it is not known in `patience_s` seconds.
    """
    wait = Wait(what, watcher, patience_s, hint)
    while True:
        try:
            return await call()
        except ClientError as error:
            message = str(error.response.get("Error", {}).get("Message") or "")
            if error_code(error) not in codes or words not in message:
                raise
            if not await wait.pause(message):
                raise
