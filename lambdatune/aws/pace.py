"""The pace of the control plane: what AWS asks to be tried later is tried later, a bounded number of times.

botocore's standard mode repeats throttles and 5xx a few times; it does not repeat a 409 that only says that another
update is under way. Lambda allows 15 control-plane calls per second beside GetFunction (AWS docs, quotas), so that a
throttle is worth more patience than botocore has.
"""

from __future__ import annotations

import random
import re
from typing import Any

MOST_ATTEMPTS = 9
"""With the pauses below about a minute in all, half of it on the mean."""

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 15.0
_THROTTLES = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded"})
_UNDER_WAY = re.compile(r"(?i)in progress|cannot be performed at this time|currently in the following state")
"""A 409 can also say that a name is taken or that a version has an alias: that is not over in a moment."""

_random = random.SystemRandom()


def keep_pace(client: Any) -> None:
    """Let `client` (of Lambda or CloudWatch Logs) repeat what AWS says is only too early or too much."""
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register_last(f"needs-retry.{service}", _pause_s)


def _pause_s(*, response: Any = None, attempts: int = 1, **_: object) -> float | None:
    """Return the seconds to wait before a call is repeated, None to let its answer stand (botocore's protocol)."""
    if response is None or attempts >= MOST_ATTEMPTS:
        return None
    http, parsed = response
    error = parsed.get("Error") or {}
    if not _is_for_later(error.get("Code", ""), error.get("Message") or ""):
        return None
    told = http.headers.get("retry-after", "")
    if told.isdecimal():
        return min(float(told), _LONGEST_PAUSE_S)
    # Full jitter: many callers that were turned away at once do not come back at once.
    return _random.uniform(0.05, min(_FIRST_PAUSE_S * 2 ** (attempts - 1), _LONGEST_PAUSE_S))


def _is_for_later(code: str, message: str) -> bool:
    if code in _THROTTLES:
        return True
    return code in {"ResourceConflictException", "OperationAbortedException"} and (
        code == "OperationAbortedException" or _UNDER_WAY.search(message) is not None
    )
