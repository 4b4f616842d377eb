"""How what a run makes is marked, so that it is known again without a journal: names, tags, descriptions, a nonce."""

from __future__ import annotations

import re
from dataclasses import dataclass

CLONE_PREFIX = "lambdatune-"
RUN_TAG = "lambdatune:run"
SOURCE_TAG = "lambdatune:source"
OWNER_TAG = "lambdatune:owner"
NONCE_VARIABLE = "LAMBDATUNE_NONCE"
"""Environment variable that differs in every published version: without a change AWS publishes no new version, and
a new version has no environments yet, which is what makes a start cold."""

LOG_GROUP_PREFIX = "/aws/lambda/"
_MAX_NAME = 64
_RUN_ID = r"(?P<run>\d{8}-\d{6}-[0-9a-f]{4})"
_DESCRIPTION = re.compile(rf"lambdatune run {_RUN_ID} of (?P<owner>\S+)")
_NONCE = re.compile(rf"{_RUN_ID}/(?P<number>\d+)/(?P<before_mb>\d+)-(?P<now_mb>\d+)/(?P<owner>\S+)")
_CLONE = re.compile(rf"{CLONE_PREFIX}.*-{_RUN_ID}")


@dataclass(frozen=True, slots=True)
class Maker:
    """The run that makes something.

    Attributes:
        run: its id.
        owner: the process that makes it, ``host:pid:start``.
    """

    run: str
    owner: str

    @property
    def description(self) -> str:
        """The description of the versions that it publishes from a user's function."""
        return f"lambdatune run {self.run} of {self.owner}"

    def nonce(self, number: int, before_mb: int, now_mb: int) -> str:
        """Return the value of the nonce for the `number`-th change of a user's function from and to a memory size."""
        return f"{self.run}/{number}/{before_mb}-{now_mb}/{self.owner}"


@dataclass(frozen=True, slots=True)
class Nonce:
    """What the nonce on a user's function tells.

    Attributes:
        maker: the run that set it.
        before_mb: memory size before the change.
        now_mb: memory size that came with the nonce.
    """

    maker: Maker
    before_mb: int
    now_mb: int


def clone_name(source: str, run_id: str) -> str:
    """Return ``lambdatune-<source>-<run>``, shortened in its middle to the 64 characters of a name."""
    room = _MAX_NAME - len(CLONE_PREFIX) - len(run_id) - 1
    return f"{CLONE_PREFIX}{source[:room]}-{run_id}"


def run_of_clone(name: str) -> str | None:
    """Return the id of the run that a clone of this name would be of; None when no clone is named so."""
    match = _CLONE.fullmatch(name)
    return match["run"] if match else None


def log_group_of(function: str) -> str:
    """Return the log group that Lambda writes the logs of `function` to by default."""
    return f"{LOG_GROUP_PREFIX}{function}"


def read_description(text: str) -> Maker | None:
    """Return the run that published a version with this description; None when none of ours did."""
    match = _DESCRIPTION.fullmatch(text)
    return Maker(match["run"], match["owner"]) if match else None


def read_nonce(text: str) -> Nonce | None:
    """Return what a nonce tells; None when it is not one on a user's function."""
    match = _NONCE.fullmatch(text)
    if match is None:
        return None
    return Nonce(Maker(match["run"], match["owner"]), int(match["before_mb"]), int(match["now_mb"]))
