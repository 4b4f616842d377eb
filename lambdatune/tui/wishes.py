"""What a person types to steer a run, read and checked: nothing is sent that the engine could not read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError
from lambdatune.model.memory import parse_memory
from lambdatune.model.quantities import parse_rate_per_s
from lambdatune.model.target import parse_target
from lambdatune.session.live.messages import AddSize, ChangeLoad, ChangeTargets
from lambdatune.session.steering import MOST_IN_FLIGHT

if TYPE_CHECKING:
    from lambdatune.session.live.messages import Snapshot

_LOADS = "for example 20 for calls in flight, or 50/s for a rate"


def read_size(text: str, snapshot: Snapshot) -> AddSize:
    """Read a memory size that is to be measured as well.

    Raises:
        UsageError: when it is none that Lambda has, several, or one that is measured.
    """
    memory = parse_memory(text)
    if len(memory.sizes_mb) != 1:
        raise UsageError(f"`{text}` is more than one size: expected one", hint="add them one by one, for example 512")
    (size_mb,) = memory.sizes_mb
    known = {cell.memory_mb: cell.state for cell in snapshot.cells}
    if known.get(size_mb, "ended") != "ended":
        others = ", ".join(map(str, known))
        raise UsageError(f"{size_mb} MB is one of the sizes already: {others}", hint="choose another size")
    return AddSize(size_mb)


def read_targets(text: str) -> ChangeTargets:
    """Read targets with commas between them; nothing for none.

    Raises:
        UsageError: naming the part that is wrong.
    """
    parts = [part for part in text.split(",") if part.strip()]
    return ChangeTargets(tuple(dict.fromkeys(str(parse_target(part)) for part in parts)))


def read_load(text: str) -> ChangeLoad:
    """Read ``20`` (calls in flight) or ``50/s`` (arrivals).

    Raises:
        UsageError: when it is neither, or not possible.
    """
    text = text.strip()
    if "/" in text:
        parse_rate_per_s(text)
        return ChangeLoad(rate=text)
    if not text.isdecimal():
        raise UsageError(f"`{text}` is neither a number of calls in flight nor a rate", hint=_LOADS)
    if not 1 <= int(text) <= MOST_IN_FLIGHT:
        raise UsageError(f"{text} calls in flight are not possible: expected 1 to {MOST_IN_FLIGHT}", hint=_LOADS)
    return ChangeLoad(concurrency=int(text))


def load_as_text(snapshot: Snapshot) -> str:
    """Return the load in force as `read_load` reads it."""
    return snapshot.rate if snapshot.rate is not None else str(snapshot.concurrency)
