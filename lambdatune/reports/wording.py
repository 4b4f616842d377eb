"""What several reports say in the same words: of the run, its money, and what a reader has to know besides figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.pricing.cost import money

if TYPE_CHECKING:
    from lambdatune.model.result import CellResult, Cost, RunResult

MARKS = {"meets": "✓", "misses": "✗", "unproven": "?", "failed": "!", "not-tried": "○"}
"""Of each verdict; a word always stands beside it."""

OUTCOMES = {
    "met": "targets met", "missed": "targets missed", "unproven": "unproven", "invalid": "invalid measurement",
    "none": "measured",
}  # fmt: skip
"""What the status of an advice means, in a word or two."""


def printable(text: str, kept: str = "") -> str:
    """Return text with a sign in place of what is not seen: control characters, and those that turn the direction.

    Names and errors come from elsewhere, and such characters make a report say what it does not hold.

    Args:
        text: any.
        kept: characters that stay although they are not seen.
    """
    return "".join(each if each.isprintable() or each in kept else "\ufffd" for each in text)


def currency(result: RunResult) -> str:
    """Return the currency of a run's amounts; runs of before it was recorded had dollars."""
    code: str = result.environment.get("prices", {}).get("currency", "USD")
    return code


def currency_sign(result: RunResult) -> str:
    """Return the sign that stands for the currency in a heading."""
    return "$" if currency(result) == "USD" else currency(result)


def billed(result: RunResult) -> str:
    """Return what the run cost, and whether that was billed or is what AWS would have billed."""
    amount = money(result.spend.usd, currency(result), 4)
    return f"{amount} at AWS prices" if result.environment.get("embedded") else amount


def targets_of(result: RunResult) -> str:
    """Return the targets of a run as a phrase."""
    return " and ".join(result.plan.get("targets", [])) or "no target"


def mode_of(result: RunResult) -> str:
    """Return the invocation mode of a run."""
    mode: str = result.plan.get("mode", "invoke")
    return mode


def function_of(result: RunResult) -> str:
    """Return what ran: runtime, where it is known, architecture, and what the clone was given."""
    return ", ".join(part for part in (result.function.runtime, result.architectures, *result.given) if part)


def failed_calls(cell: CellResult) -> int:
    """Return how many calls of a cell brought no result, throttled ones among them."""
    return sum(cell.errors.values()) + cell.throttles


def is_best(cell: CellResult, result: RunResult) -> bool:
    """Return whether a cell is the one that is advised."""
    advice = result.recommendation
    return (
        cell.memory_mb == advice.memory_mb
        and advice.architecture in (None, cell.architecture)
        and advice.function in (None, cell.function)
    )


def cell_labels(result: RunResult) -> list[str]:
    """Return a name for each cell: its memory size, and of the rest what is not the same in all of them."""
    parts = [
        (cell.function, cell.runtime, cell.architecture, cell.mode, f"{cell.memory_mb} MB") for cell in result.cells
    ]
    differ = [len(set(values)) > 1 for values in zip(*parts, strict=True)]
    return [
        " ".join(part for part, differs in zip(each, [*differ[:-1], True], strict=True) if differs) for each in parts
    ]


def verdict_words(cell: CellResult) -> str:
    """Return mark and word of a cell's verdict; nothing where no target was to be met."""
    return f"{MARKS[cell.verdict]} {cell.verdict}" if cell.certificates or cell.verdict == "failed" else ""


def margin(cost: Cost) -> str:
    """Return how far the mean cost may be off at the plan's confidence, nothing where a single call leaves it open."""
    interval = cost.intervals.get("blended")
    if interval is None or not cost.blended:
        return ""
    return f" ±{100 * (interval[1] - cost.blended) / cost.blended:.0f}%"


def remarks(result: RunResult) -> list[tuple[str, str]]:
    """Return what a reader has to know besides the figures: of each, its kind and a sentence.

    Kinds are ``note``, ``INVALID``, ``512 MB failed`` and ``status``.
    """
    found = [("note", note) for note in (*_preinitialised(result), *result.validity.notes)]
    found += [("INVALID", reason) for reason in result.validity.reasons]
    found += [
        (f"{cell.memory_mb} MB failed", cell.reason)
        for cell in result.cells
        if cell.verdict == "failed" and cell.reason
    ]
    if result.status != "complete":
        found.append(("status", result.status))
    return found


def _preinitialised(result: RunResult) -> list[str]:
    count = sum(cell.preinitialised for cell in result.cells)
    if not count:
        return []
    calls = f"{count} calls" if count > 1 else "1 call"
    if result.plan.get("provisioned_concurrency"):
        met = "came first to a provisioned environment, whose init the REPORT line tells of"
        return [f"{calls} {met}: counted neither as cold nor as warm"]
    note = (
        f"{calls} met an environment that was initialised ahead of time (provisioned concurrency, or AWS's own "
        "proactive initialisation): its init is in the REPORT line, but nobody waited for it; counted neither as cold "
        "nor as warm"
    )
    return [note]
