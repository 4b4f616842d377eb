"""What a run changes on AWS: values that the journal holds, and from which each change is undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ChangeKind = Literal["create-function", "create-log-group", "update-function", "publish-version"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a change is made: enough to reach it again, without any credential.

    Attributes:
        embedded_pid: pid of the run's own embedded endpoint, which takes all it holds along when it ends.
    """

    region: str
    endpoint_url: str | None = None
    aws_profile: str | None = None
    embedded_pid: int | None = None

    def __str__(self) -> str:
        """Return the place as a person names it."""
        return f"{self.region} at {self.endpoint_url}" if self.endpoint_url else self.region

    @property
    def options(self) -> str:
        """The options with which the AWS CLI gets there."""
        endpoint = f" --endpoint-url {self.endpoint_url}" if self.endpoint_url else ""
        profile = f" --profile {self.aws_profile}" if self.aws_profile else ""
        return f" --region {self.region}{endpoint}{profile}"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that exists, or differs, because of a run.

    Environment variables may hold secrets, so that none is here: what undoes a change of them reads them from AWS.

    Attributes:
        name: of the function or log group.
        run: id of the run, with which what it made is marked; None where the name alone tells.
        version: number of a published version; None for all that the run published.
        memory_mb: memory size of ``$LATEST`` before the change.
        changed_memory_mb: memory size of ``$LATEST`` because of the change.
    """

    kind: ChangeKind
    name: str
    place: Place
    run: str | None = None
    version: str | None = None
    memory_mb: int | None = None
    changed_memory_mb: int | None = None

    def __str__(self) -> str:
        """Return the change as a person names it."""
        return f"{self.thing} in {self.place.region}"

    @property
    def thing(self) -> str:
        """What was changed."""
        if self.kind == "update-function":
            return f"memory size and nonce of function `{self.name}`"
        if self.kind == "publish-version":
            return f"version {self.version} of function `{self.name}`" if self.version else (
                f"versions of function `{self.name}` that run {self.run} published"
            )  # fmt: skip
        return f"{self.kind.removeprefix('create-').replace('-', ' ')} `{self.name}`"

    def command(self) -> str:
        """Return the AWS CLI command that undoes the change by hand."""
        return f"aws {self._action()}{self.place.options}"

    def _action(self) -> str:
        if self.kind == "create-log-group":
            return f"logs delete-log-group --log-group-name {self.name}"
        if self.kind == "create-function":
            return f"lambda delete-function --function-name {self.name}"
        if self.kind == "update-function":
            return f"lambda update-function-configuration --function-name {self.name} --memory-size {self.memory_mb}"
        if self.version:
            return f"lambda delete-function --function-name {self.name} --qualifier {self.version}"
        wanted = f"Versions[?starts_with(Description, `lambdatune run {self.run} `)].Version"
        return f"lambda list-versions-by-function --function-name {self.name} --query '{wanted}'"
