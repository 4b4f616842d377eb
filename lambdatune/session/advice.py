"""Which size follows from the result of a run, where one does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.model.errors import UsageError

if TYPE_CHECKING:
    from lambdatune.model.result import RunResult


def advised_mb(result: RunResult) -> int:
    """Return the size that a run advises.

    Raises:
        UsageError: when it advises none: its target is missed or unproven, or the measurement invalid.
    """
    advice = result.recommendation
    if advice.memory_mb is None or advice.status not in ("met", "none"):
        raise UsageError(
            f"run {result.id} advises no size, so that there is nothing to apply: {advice.sentence}",
            hint="`run --continue` goes on with an unproven run, and `show RUN --target ...` decides anew",
        )
    return advice.memory_mb


def size_to_apply(result: RunResult) -> int:
    """Return the size to which the function that a run measured can be set to follow the advice.

    Raises:
        UsageError: as `advised_mb`, and when the advice is more than a size, or for another function.
    """
    memory_mb, advice, function = advised_mb(result), result.recommendation, result.function
    if advice.function not in (None, function.name):
        raise UsageError(
            f"the advice is for function `{advice.function}`, and the run measured `{function.name}`",
            hint="`lambdatune show RUN --change TOOL` prints it for what deploys the function",
        )
    if advice.architecture not in (None, function.architecture):
        raise UsageError(
            f"the advice is {memory_mb} MB on {advice.architecture}, and function `{function.name}` is for "
            f"{function.architecture}: a size alone does not follow it",
            hint="`lambdatune show RUN --change TOOL` prints both, for what deploys the function",
        )
    return memory_mb
