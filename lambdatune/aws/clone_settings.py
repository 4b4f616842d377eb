"""In what a clone is to differ from its function: what that means for it, and what AWS does not allow.

Sources: AWS docs, "Lambda runtimes" (architectures), "Improving startup performance with Lambda SnapStart" (runtimes,
limits) and "Configuring provisioned concurrency for a function".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lambdatune.model.errors import AwsRefused, UsageError
from lambdatune.pricing.cost import FREE_EPHEMERAL_STORAGE_MB
from lambdatune.pricing.snap_start import snap_start_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambdatune.aws.functions import FunctionDescription
    from lambdatune.model.errors import LambdatuneError
    from lambdatune.model.plan import Architecture, OnOff

_WITHOUT_ARM64 = frozenset(
    {"python3.6", "python3.7", "java8", "nodejs10.x", "ruby2.5", "dotnetcore2.1", "go1.x", "provided"}
)
"""Runtimes on the first Amazon Linux, which is there for x86_64 only."""


@dataclass(frozen=True, slots=True)
class CloneSettings:
    """What a clone has in place of what its function has.

    Attributes:
        architecture: None for the function's own.
        snap_start: None for as the function has it.
        provisioned_concurrency: environments initialised ahead of calls, of each version; 0 for none.
    """

    architecture: Architecture | None = None
    snap_start: OnOff | None = None
    provisioned_concurrency: int = 0

    def applied_to(self, found: FunctionDescription) -> FunctionDescription:
        """Return a function as its clone will be."""
        changed: dict[str, Any] = {}
        if self.architecture is not None:
            changed["Architectures"] = [self.architecture]
        if self.snap_start is not None:
            changed["SnapStart"] = {"ApplyOn": "PublishedVersions" if self.snap_start == "on" else "None"}
        return replace(
            found,
            architecture=self.architecture or found.architecture,
            configuration={**found.configuration, **changed},
        )

    def overridden(self, found: FunctionDescription) -> dict[str, str]:
        """Return the function's own values of what the clone has otherwise, by the name in a fingerprint."""
        own = {}
        if self.architecture not in {None, found.architecture}:
            own["Architecture"] = found.architecture
        if self.snap_start is not None and (self.snap_start == "on") != has_snap_start(found):
            own["SnapStart"] = "PublishedVersions" if has_snap_start(found) else "None"
        return own

    def changes(self, found: FunctionDescription) -> Iterator[str]:
        """Yield in what the clone differs, in sentences."""
        own = self.overridden(found)
        if "Architecture" in own:
            yield f"the clone runs on {self.architecture}, where the function is on {found.architecture}"
        if "SnapStart" in own:
            yield (
                "the clone has SnapStart, which the function has not: a snapshot is taken of each version, which takes "
                "AWS minutes, and its environments are restored from it"
                if self.snap_start == "on"
                else "the clone has no SnapStart, which the function has: its environments are initialised"
            )
        if self.provisioned_concurrency:
            yield (
                f"provisioned concurrency {self.provisioned_concurrency} for each version of the clone; deleted with "
                "the version"
            )

    def warnings(self, found: FunctionDescription) -> Iterator[str]:
        """Yield what to know before, in sentences."""
        if "Architecture" in self.overridden(found):
            yield (
                f"code and layers are taken as they are: what is native in them (extension modules, executables) must "
                f"be built for {self.architecture}, or the clone's calls fail"
                + (f"; it has {len(_layers(found))} layer(s)" if _layers(found) else "")
            )

    def refuse_unfit(self, found: FunctionDescription) -> None:
        """Refuse what AWS would not make of a function.

        Raises:
            UsageError: when another setting is needed.
            AwsRefused: when the function cannot be so at all.
        """
        for problem in (*self._of_architecture(found), *self._of_snap_start(found), *self._of_provisioned(found)):
            raise problem

    def _of_architecture(self, found: FunctionDescription) -> Iterator[LambdatuneError]:
        if "Architecture" not in self.overridden(found):
            return
        if found.configuration.get("PackageType") == "Image":
            yield AwsRefused(
                f"function `{found.shown_name}` is a container image, which is built for one architecture: "
                f"{found.architecture}",
                hint=f"create a function of an image that is built for {self.architecture}, and compare the two",
                setting="architecture",
            )
        if self.architecture == "arm64" and found.runtime in _WITHOUT_ARM64:
            yield AwsRefused(
                f"runtime {found.runtime} of function `{found.shown_name}` is there for x86_64 only",
                hint="leave --architecture out, or give the function a newer runtime first",
                setting="architecture",
            )

    def _of_snap_start(self, found: FunctionDescription) -> Iterator[LambdatuneError]:
        if self.snap_start != "on":
            return
        name, configuration = found.shown_name, found.configuration
        # A container image has no runtime that AWS tells: whether SnapStart takes it is AWS's to say.
        if found.runtime and snap_start_of(found.runtime, FREE_EPHEMERAL_STORAGE_MB) is None:
            yield AwsRefused(
                f"AWS has no SnapStart for runtime {found.runtime} of function `{name}`: it is there for Java 11, "
                "Python 3.12, .NET 8 and later ones of these",
                hint="leave --snap-start out; --provisioned-concurrency works with every runtime",
                setting="snap-start",
            )
        if configuration.get("FileSystemConfigs"):
            yield AwsRefused(
                f"AWS has no SnapStart for a function with a file system, which `{name}` has", setting="snap-start",
                hint="leave --snap-start out",
            )  # fmt: skip
        if found.ephemeral_storage_mb > FREE_EPHEMERAL_STORAGE_MB:
            yield AwsRefused(
                f"AWS has no SnapStart for more than {FREE_EPHEMERAL_STORAGE_MB} MB of /tmp, and function `{name}` has "
                f"{found.ephemeral_storage_mb} MB",
                hint="leave --snap-start out, or lower the function's ephemeral storage first", setting="snap-start",
            )  # fmt: skip

    def _of_provisioned(self, found: FunctionDescription) -> Iterator[LambdatuneError]:
        if self.provisioned_concurrency and has_snap_start(self.applied_to(found)):
            yield UsageError(
                f"AWS has no provisioned concurrency for a function with SnapStart, which `{found.shown_name}` has",
                hint="add --snap-start off: the clone is without it then",
                setting="provisioned-concurrency",
            )


def has_snap_start(found: FunctionDescription) -> bool:
    """Return whether versions of a function are restored from a snapshot."""
    return bool((found.configuration.get("SnapStart") or {}).get("ApplyOn", "None") != "None")


def _layers(found: FunctionDescription) -> list[Any]:
    return list(found.configuration.get("Layers") or ())
