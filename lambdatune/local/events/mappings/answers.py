"""What all mappings share about a batch: how large its event may be, and which messages an answer says have failed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdatune.local.outcomes import Outcome

MAX_EVENT_BYTES = 6 * 1024 * 1024
"""Of one invocation; a batch that would be larger is cut (AWS docs, "Configuring batching")."""


def failed_ids(outcome: Outcome, sent: set[str], *, reports_items: bool) -> set[str]:
    """Return the ids of the messages that failed.

    An answer that cannot be read, or names a message that was not sent, fails the whole batch (AWS docs,
    "Implementing partial batch responses").
    """
    if outcome.function_error is not None:
        return sent
    if not reports_items:
        return set()
    try:
        answer = json.loads(outcome.payload)
        if answer is None or not answer.get("batchItemFailures"):
            return set()
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    except (ValueError, AttributeError, KeyError, TypeError):
        return sent
    return sent if failed - sent else failed
