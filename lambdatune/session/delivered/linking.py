"""How sure it is which execution belongs to which message: what a run tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdatune.model.modes import MODES

if TYPE_CHECKING:
    from lambdatune.model.modes import Mode

LINKING = "linking"
"""Key of run.json's environment: how messages were linked to executions, and how sure that is."""

_HOW = {
    "answer": "the answer of each call holds the REPORT line of its execution",
    "request-id": "AWS names the request id of each execution",
    "destination": "a destination of the clone tells which message was executed under which request id",
    "order": "AWS names no execution: messages and executions were matched in the order of their times",
}


@dataclass(slots=True)
class LinkRecord:
    """What was seen of the links in a run.

    Attributes:
        mode: of the run.
        messages: that were matched.
        ambiguous: of these, those that another execution would have fitted too.
        spare: executions for which there was no message: duplicates.
        error_ms_p50: by how much the median of the end-to-end time may be off, in the worst order.
        error_ms_p95: the same of the 95th percentile.
        misrouted: messages that an older version of the clone executed, which are in no figure.
    """

    mode: Mode
    messages: int = 0
    ambiguous: int = 0
    spare: int = 0
    error_ms_p50: float = 0.0
    error_ms_p95: float = 0.0
    misrouted: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the entry of run.json."""
        linking = MODES[self.mode].linking
        entry: dict[str, Any] = {"method": "in-order" if linking == "order" else "exact", "how": _HOW[linking]}
        if linking == "order":
            entry |= {
                "messages": self.messages, "ambiguous": self.ambiguous, "spare_executions": self.spare,
                "error_ms": {"p50": round(self.error_ms_p50, 3), "p95": round(self.error_ms_p95, 3)},
            }  # fmt: skip
        return entry | ({"misrouted": self.misrouted} if self.misrouted else {})


def linking_notes(environment: dict[str, Any]) -> tuple[str, ...]:
    """Return what a reader should know of the links, in sentences; nothing of plain Invoke."""
    entry = environment.get(LINKING)
    if not entry:
        return ()
    notes = []
    if entry["method"] == "in-order":
        error = entry["error_ms"]
        notes.append(
            f"linked in order: {entry['how']}; percentiles of the times may be off by up to {error['p50']:.3g} ms "
            f"(p50) and {error['p95']:.3g} ms (p95)"
            + (
                f"; {entry['ambiguous']} of {entry['messages']} would fit another execution too"
                if entry["ambiguous"]
                else ""
            )
        )
        if entry["spare_executions"]:
            notes.append(f"{entry['spare_executions']} executions had no message of their own: messages came twice")
    if entry.get("misrouted"):
        notes.append(
            f"{entry['misrouted']} messages were executed at another memory size, because AWS had not moved the alias "
            "yet: they are in no figure"
        )
    return tuple(notes)
