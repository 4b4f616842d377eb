"""environments.csv: which execution environment served each call, read from the function's log after the calls.

One line a call, its request id and the log stream of its environment. A run that was killed has none: its calls are
then taken as independent.
"""

from __future__ import annotations

import asyncio
import csv
from typing import TYPE_CHECKING

import numpy as np

from lambdatune.aws.environments import read_environments
from lambdatune.model.errors import AwsRefused
from lambdatune.stats.environments import Environments
from lambdatune.stats.rows import is_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lambdatune.aws.access import AwsAccess
    from lambdatune.recommend.evidence import Evidence
    from lambdatune.session.events import Observer
    from lambdatune.session.run_directory import RunDirectory

_COLUMNS = ("request_id", "environment")
_PATIENCE_S = 20.0
_PATIENCE_WHEN_STOPPED_S = 2.0
_ANSWER_S = 3.0
_SKEW_S = 300.0
"""AWS refuses signatures of a clock that is further off: this host's clock is right to within that."""


async def learn_environments(
    run: RunDirectory,
    access: AwsAccess,
    log_group: str,
    evidence: Evidence,
    observer: Observer,
    *,
    is_json: bool,
    stopped: bool,
    after_order: int = 0,
) -> None:
    """Read which environment served each call, write it to the run directory and tell `evidence`.

    A log that may not be read is told, and changes nothing else: calls are then taken as independent.

    Args:
        run: whose directory.
        access: where the function was called.
        log_group: of that function.
        evidence: of the calls.
        observer: is told what could not be read.
        is_json: whether the function logs in JSON.
        stopped: whether somebody waits for the run to end.
        after_order: the last order of a run that is continued; the log of its calls went with their clone.
    """
    rows = [cell.rows[~is_unknown(cell.rows) & (cell.rows["order"] > after_order)] for cell in evidence]
    ids = [request_id.decode("ascii", "replace") for part in rows for request_id in part["request_id"].tolist()]
    if not ids:
        return
    first_ns = min(int(part["sent_ns"].min()) for part in rows if len(part))
    patience_s = _PATIENCE_WHEN_STOPPED_S if stopped else _PATIENCE_S
    try:
        # The patience is for lines that have not arrived; an answer that does not come is not waited for.
        async with asyncio.timeout(patience_s + _ANSWER_S):
            found = await read_environments(
                access, log_group, ids, since_s=first_ns / 1e9 - _SKEW_S, is_json=is_json, patience_s=patience_s
            )
    except TimeoutError:
        observer.narrate("environments are not known, calls are taken as independent: the log did not answer in time")
        return
    except AwsRefused as error:
        observer.narrate(f"environments are not known, calls are taken as independent: {error.message}")
        return
    if found:
        found = {**_recorded(run.environments_path, prefix="before "), **found}
        _write(run.environments_path, found)
        evidence.know_environments(Environments(found))


def read_recorded(path: Path) -> Environments | None:
    """Return the environments that a run recorded; None when it recorded none."""
    return Environments(_recorded(path)) if path.is_file() else None


def _recorded(path: Path, *, prefix: str = "") -> dict[str, str]:
    """Return the environment of each request of a file, `prefix` before its number; empty without a file."""
    if not path.is_file():
        return {}
    with path.open(encoding="ascii", newline="") as file:
        lines = list(csv.reader(file))
    return {line[0]: prefix + line[1] for line in lines[1:] if len(line) == len(_COLUMNS)}


def _write(path: Path, found: Mapping[str, str]) -> None:
    """Replace the file atomically; streams are numbered, since their names say nothing that the calls do not."""
    _, numbers = np.unique(np.array(list(found.values()), dtype=np.str_), return_inverse=True)
    lines = [f"{request_id},{number}\n" for request_id, number in zip(found, numbers.tolist(), strict=True)]
    scratch = path.with_suffix(".part")
    scratch.write_text(",".join(_COLUMNS) + "\n" + "".join(lines), encoding="ascii")
    scratch.replace(path)
